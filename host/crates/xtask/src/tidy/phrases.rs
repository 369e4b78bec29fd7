//! Attributes, macros and calls that have no place in the code or in its tests.

use crate::tidy::rust::Token;
use crate::tidy::{Finding, Source};

/// The tests' own way to wait for a condition lies in the first, and waits between two looks; the second measures
/// and waits for nothing.
const MAY_SLEEP: [&str; 2] = ["tests/support/", "tests/hostile/bench.rs"];

/// Checks one file of Rust.
pub(crate) fn check(source: &Source) -> Vec<Finding> {
    let Some(rust) = &source.rust else { return Vec::new() };
    let mut findings = Vec::new();
    for (tokens, is_test) in [(&rust.code, source.is_test()), (&rust.tests, true)] {
        let mut rest = tokens.as_slice();
        while let Some((first, others)) = rest.split_first() {
            findings
                .extend(problem(source, rest, is_test).map(|text| Finding::new(source, first.line, text)));
            rest = others;
        }
    }
    findings
}

/// What is wrong with the phrase that starts here.
fn problem(source: &Source, tokens: &[Token], is_test: bool) -> Option<&'static str> {
    let starts = |phrase: &[&str]| {
        tokens.len() >= phrase.len() && tokens.iter().zip(phrase).all(|(token, word)| token.text == *word)
    };
    if (starts(&["[", "allow", "("]) || starts(&["[", "expect", "("])) && !has_reason(tokens) {
        return Some("a lint is silenced without a reason: `#[expect(lint, reason = \"…\")]`");
    }
    if starts(&["[", "ignore", "]"]) || starts(&["[", "ignore", "="]) {
        return Some("an ignored test: make it run, or let it say what it misses and return");
    }
    if starts(&["todo", "!"]) || starts(&["unimplemented", "!"]) {
        return Some("unfinished code: finish it, or leave it out");
    }
    if is_test && starts(&["sleep", "("]) && !MAY_SLEEP.iter().any(|place| source.path.starts_with(place)) {
        return Some("a sleep in a test: wait for the condition with a deadline, or move the clock");
    }
    None
}

/// Whether the attribute that starts here gives a reason.
fn has_reason(attribute: &[Token]) -> bool {
    attribute.iter().take_while(|token| token.text != "]").any(|token| token.text == "reason")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source;

    fn check_lines(path: &str, text: &str, lines: &[usize]) {
        let findings = check(&source(path, text));
        let found: Vec<usize> = findings.iter().map(|finding| finding.line).collect();
        assert_eq!(found, lines, "{findings:?}");
    }

    #[test]
    fn a_lint_silenced_without_a_reason_is_found() {
        check_lines("host/src/a.rs", "#[allow(dead_code)]\nfn f() {}\n#![allow(missing_docs)]\n", &[1, 3]);
        check_lines("host/src/a.rs", "#[expect(dead_code, reason = \"used by x\")]\nfn f() {}\n", &[]);
    }

    #[test]
    fn an_ignored_test_is_found() {
        let text = "#[cfg(test)]\nmod tests {\n    #[test]\n    #[ignore]\n    fn f() {}\n}\n";
        check_lines("host/src/a.rs", text, &[4]);
        check_lines("tests/api/a.rs", "#[ignore = \"slow\"]\nfn f() {}\n", &[1]);
    }

    #[test]
    fn unfinished_code_is_found() {
        check_lines("host/src/a.rs", "fn f() { todo!() }\nfn g() { unimplemented!(\"later\") }\n", &[1, 2]);
    }

    #[test]
    fn a_sleep_is_found_in_tests_only() {
        let text = "fn f() { std::thread::sleep(x); }\n";
        check_lines("tests/api/a.rs", text, &[1]);
        check_lines("host/src/a.rs", text, &[]);
        check_lines("tests/support/wait.rs", text, &[]);
        check_lines("host/src/a.rs", &format!("#[cfg(test)]\nmod tests {{ {text} }}\n"), &[2]);
    }
}
