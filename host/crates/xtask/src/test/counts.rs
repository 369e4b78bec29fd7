//! How many tests passed and failed, read from the closing lines of the test runners.

use std::ops::AddAssign;

/// Tests that were run, by how they ended.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Counts {
    /// Adds up all closing lines in the output of nextest or `cargo test`.
    ///
    /// # Source
    /// `Summary [ 1.2s] 5 tests run: 3 passed (1 slow), 1 failed, 1 timed out, 0 skipped` (nextest);
    /// `test result: ok. 3 passed; 0 failed; …` (the standard library's harness).
    pub(crate) fn read(output: &str) -> Self {
        let mut counts = Self::default();
        for line in output.lines() {
            let line = line.trim_start();
            let parts = if line.starts_with("Summary [") {
                line.split_once("run:").map(|(_, parts)| parts)
            } else {
                line.strip_prefix("test result:")
                    .and_then(|line| line.split_once(". "))
                    .map(|(_, parts)| parts)
            };
            for part in parts.unwrap_or_default().split([',', ';']) {
                counts.add_part(part);
            }
        }
        counts
    }

    /// Adds one part such as ` 3 passed (1 slow)`.
    fn add_part(&mut self, part: &str) {
        let mut words = part.split_whitespace();
        let number = words.next().and_then(|word| word.parse::<u64>().ok());
        match (number, words.next()) {
            (Some(number), Some("passed")) => self.passed += number,
            (Some(number), Some("failed" | "timed" | "exec")) => self.failed += number,
            _ => {}
        }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(output: &str, passed: u64, failed: u64) {
        assert_eq!(Counts::read(output), Counts { passed, failed });
    }

    #[test]
    fn the_summary_of_nextest_is_read() {
        check("     Summary [   0.003s] 19 tests run: 19 passed, 0 skipped\n", 19, 0);
        check(
            "     Summary [   9.1s] 5 tests run: 3 passed (1 slow), 1 failed, 1 timed out, 4 skipped",
            3,
            2,
        );
    }

    #[test]
    fn all_results_of_cargo_test_are_added_up() {
        check(
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
             test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out\n",
            4,
            2,
        );
    }

    #[test]
    fn other_lines_count_for_nothing() {
        check("running 3 tests\n3 passed, 1 failed said a test\n", 0, 0);
    }
}
