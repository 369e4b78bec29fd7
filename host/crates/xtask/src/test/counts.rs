//! How many tests passed and failed, read from the closing lines of the test runners.

use std::ops::AddAssign;

/// Tests that were run, by how they ended.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Counts {
    /// Reads the closing line of nextest, or else adds up all of `cargo test`.
    ///
    /// Nextest shows what a failed test wrote, which ends with a closing line of the harness for that
    /// one test; so where nextest closes, only its own line counts.
    ///
    /// # Source
    /// `Summary [ 1.2s] 5 tests run: 3 passed (1 slow), 1 failed, 1 timed out, 0 skipped` (nextest);
    /// `test result: ok. 3 passed; 0 failed; …` (the standard library's harness).
    pub(crate) fn read(output: &str) -> Self {
        let mut counts = Self::default();
        let mut nextest = output.lines().filter_map(|line| line.trim_start().strip_prefix("Summary ["));
        if let Some((_, parts)) = nextest.next_back().and_then(|line| line.split_once("run:")) {
            parts.split(',').for_each(|part| counts.add_part(part));
            return counts;
        }
        let harness = output.lines().filter_map(|line| line.strip_prefix("test result:"));
        for (_, parts) in harness.filter_map(|line| line.split_once(". ")) {
            parts.split(';').for_each(|part| counts.add_part(part));
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
    fn what_a_failed_test_wrote_is_not_counted_again() {
        check(
            "    test result: FAILED. 0 passed; 1 failed; 0 ignored\n\
             test result: FAILED. 0 passed; 1 failed; 0 ignored\n\
             Summary [   0.9s] 137 tests run: 136 passed, 1 failed, 0 skipped\n",
            136,
            1,
        );
    }

    #[test]
    fn other_lines_count_for_nothing() {
        check("running 3 tests\n3 passed, 1 failed said a test\n", 0, 0);
    }
}
