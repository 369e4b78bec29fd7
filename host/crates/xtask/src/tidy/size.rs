//! How long a file may be. The lengths of functions are clippy's.

use crate::tidy::{Finding, Source};

/// Above this a file is reported, so that it is split before it has to be.
const SOFT_LINES: usize = 400;
const HARD_LINES: usize = 600;
/// A file that says this near its top is made by a program and may have any length.
const GENERATED: &str = concat!("@", "generated");

/// Counts the lines outside of tests.
pub(crate) fn check(source: &Source) -> Option<Finding> {
    let rust = source.rust.as_ref()?;
    if source.is_test() || source.text.lines().take(5).any(|line| line.contains(GENERATED)) {
        return None;
    }
    let lines = source.text.lines().count().saturating_sub(rust.test_lines);
    if lines <= SOFT_LINES {
        return None;
    }
    let message = format!(
        "{lines} lines without tests; above {SOFT_LINES} it is time to split by noun, above {HARD_LINES} it fails"
    );
    Some(Finding { is_note: lines <= HARD_LINES, ..Finding::new(source, 1, message) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source;

    fn check_length(path: &str, text: &str) -> Option<bool> {
        check(&source(path, text)).map(|finding| finding.is_note)
    }

    #[test]
    fn a_long_file_is_noted_and_a_very_long_one_fails() {
        assert_eq!(check_length("host/src/a.rs", &"fn f() {}\n".repeat(400)), None);
        assert_eq!(check_length("host/src/a.rs", &"fn f() {}\n".repeat(401)), Some(true));
        assert_eq!(check_length("host/src/a.rs", &"fn f() {}\n".repeat(601)), Some(false));
    }

    #[test]
    fn test_modules_and_test_files_do_not_count() {
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "fn f() {}\n".repeat(700));
        assert_eq!(check_length("host/src/a.rs", &tests), None);
        assert_eq!(check_length("tests/api/main.rs", &"fn f() {}\n".repeat(700)), None);
    }

    #[test]
    fn generated_files_may_be_long() {
        let text = format!("// {GENERATED} by a program\n{}", "fn f() {}\n".repeat(700));
        assert_eq!(check_length("host/src/a.rs", &text), None);
    }
}
