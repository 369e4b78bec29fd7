//! The steps of a test run: their names, times and ends, and the closing lines.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::say;
use crate::test::counts::Counts;

/// How a step ended that did not fail.
pub(crate) enum Outcome {
    Passed,
    /// It could not run here; the text says why and how to get it.
    NotRun(String),
    /// The same for what no machine can promise, so that it is said and is never a failure.
    NotHere(String),
}

struct Step {
    name: String,
    took: Duration,
    result: anyhow::Result<Outcome>,
}

/// What happened so far.
#[derive(Default)]
pub(crate) struct Report {
    steps: Vec<Step>,
    counts: Counts,
}

impl Report {
    /// Runs a step; a failure is said at once and the next step follows all the same.
    pub(crate) fn step(&mut self, name: &str, run: impl FnOnce() -> anyhow::Result<Outcome>) {
        say::progress(&format!("== {name}"));
        let start = Instant::now();
        let result = run();
        if let Err(error) = &result {
            say::error(error);
        }
        self.steps.push(Step { name: name.to_owned(), took: start.elapsed(), result });
    }

    /// Adds tests to the closing line.
    pub(crate) fn count(&mut self, counts: Counts) {
        self.counts += counts;
    }

    /// Prints the summary; the last line counts the tests.
    ///
    /// `all_must_run`: this machine promised all steps, so one that did not run is a failure.
    pub(crate) fn close(&self, all_must_run: bool) -> ExitCode {
        say::result(&self.summary());
        if self.succeeded(all_must_run) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn succeeded(&self, all_must_run: bool) -> bool {
        self.counts.failed == 0
            && self.steps.iter().all(|step| match step.result {
                Ok(Outcome::Passed | Outcome::NotHere(_)) => true,
                Ok(Outcome::NotRun(_)) => !all_must_run,
                Err(_) => false,
            })
    }

    fn summary(&self) -> String {
        let mut text = String::from("\n");
        let (mut passed, mut failed, mut not_run) = (0, 0, 0);
        for step in &self.steps {
            let (word, more) = match &step.result {
                Ok(Outcome::Passed) => {
                    passed += 1;
                    ("passed", String::new())
                }
                Ok(Outcome::NotRun(reason) | Outcome::NotHere(reason)) => {
                    not_run += 1;
                    ("not run", reason.replace('\n', "\n          "))
                }
                Err(error) => {
                    failed += 1;
                    ("FAILED", error.to_string().lines().next().unwrap_or_default().to_owned())
                }
            };
            let line = format!("{word:8}{:7.1} s  {:16}{more}", step.took.as_secs_f64(), step.name);
            text.push_str(line.trim_end());
            text.push('\n');
        }
        let Counts { passed: tests_passed, failed: tests_failed } = self.counts;
        text.push_str(&format!(
            "\nsteps: {passed} passed, {failed} failed, {not_run} not run\n\
             tests: {tests_passed} passed, {tests_failed} failed"
        ));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(outcomes: Vec<anyhow::Result<Outcome>>) -> Report {
        let mut report = Report::default();
        for outcome in outcomes {
            report.step("x", || outcome);
        }
        report
    }

    #[test]
    fn the_last_line_counts_the_tests() {
        let mut report = report(vec![Ok(Outcome::Passed), Err(anyhow::anyhow!("no\nhint: y"))]);
        report.count(Counts { passed: 7, failed: 1 });
        let summary = report.summary();
        assert!(
            summary.ends_with("steps: 1 passed, 1 failed, 0 not run\ntests: 7 passed, 1 failed"),
            "{summary}"
        );
    }

    #[test]
    fn one_failed_step_or_test_fails_the_run() {
        assert!(report(vec![Ok(Outcome::Passed)]).succeeded(true));
        assert!(!report(vec![Ok(Outcome::Passed), Err(anyhow::anyhow!("no"))]).succeeded(false));
        let mut with_failed_test = report(vec![Ok(Outcome::Passed)]);
        with_failed_test.count(Counts { passed: 1, failed: 1 });
        assert!(!with_failed_test.succeeded(false));
    }

    #[test]
    fn what_did_not_run_fails_only_where_all_must_run() {
        let report = report(vec![Ok(Outcome::NotRun("no program".to_owned()))]);
        assert!(report.succeeded(false));
        assert!(!report.succeeded(true));
    }

    #[test]
    fn what_nobody_can_promise_is_said_and_fails_nowhere() {
        let report = report(vec![Ok(Outcome::NotHere("no folder".to_owned()))]);
        assert!(report.succeeded(true));
        assert!(report.summary().contains("not run") && report.summary().contains("no folder"));
    }
}
