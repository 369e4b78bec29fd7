//! What is checked about this machine.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Problems, Source, Variable};
use crate::checks::{Checker, Plan, UnknownChecker, host_name};

/// What names of variables begin with that set one checker.
const PREFIX: &str = "WATCHBELL_CHECK_";

pub(super) const VARIABLES: &[Variable] = &[
    Variable {
        name: "WATCHBELL_CHECKS",
        default: "",
        meaning: "The checks that are made of this machine, as cpu,memory,disk: for notifications, by schedule and by\n\
                  `watchbell check-health`. Not set: all of docs/CHECKERS.md; those that cannot be made say so.",
    },
    Variable {
        name: "WATCHBELL_CHECKS_EVERY_S",
        default: "0",
        meaning: "How often the hub makes them by itself and takes what they say as alerts, in seconds, 0 to 86400;\n\
                  0: never. Of several hubs on one machine one is enough.",
    },
    Variable {
        name: "WATCHBELL_CHECK_<CHECKER>",
        default: "",
        meaning: "Limits and options of one checker, as WATCHBELL_CHECK_DISK=warning=90,critical=97; a list is an\n\
                  option given several times. docs/CHECKERS.md has all of them.",
    },
    Variable {
        name: "WATCHBELL_INSTANCE",
        default: "",
        meaning: "What this machine is called in these alerts. Not set: its host name. Set it in containers, whose\n\
                  names change.",
    },
];

/// What is checked about this machine.
#[derive(Debug, Clone)]
pub struct CheckSettings {
    /// Which checks, with their limits and options.
    pub plan: Plan,
    /// How often they become alerts; none where they do not.
    pub every: Option<Duration>,
    /// What this machine is called.
    pub instance: String,
}

impl CheckSettings {
    pub(super) fn read(source: &Source, problems: &mut Problems) -> Self {
        let mut plan = plan(source, problems);
        let mut wanted: Vec<Checker> = Vec::new();
        for name in source.list("WATCHBELL_CHECKS") {
            match name.parse() {
                Ok(checker) => wanted.push(checker),
                Err(unknown) => {
                    let unknown: UnknownChecker = unknown;
                    problems.add(format!("`WATCHBELL_CHECKS`: {unknown}"));
                }
            }
        }
        if !wanted.is_empty() {
            plan.only(&wanted);
        }
        let seconds: u64 = source.number("WATCHBELL_CHECKS_EVERY_S", 0, 0..=86_400, problems);
        let instance = source.text("WATCHBELL_INSTANCE").map(str::to_owned);
        Self {
            plan,
            every: (seconds > 0).then(|| Duration::from_secs(seconds)),
            instance: instance.or_else(host_name).unwrap_or_else(|| "this machine".to_owned()),
        }
    }

    /// Reads what concerns checks alone: they can be made without a database or a secret key.
    ///
    /// # Errors
    /// [`Problems`] with what is out of bounds.
    pub fn without_secrets(source: &Source) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let settings = Self::read(source, &mut problems);
        if problems.is_empty() { Ok(settings) } else { Err(problems) }
    }

    /// Every check with its limits and options, whichever are made.
    ///
    /// # Errors
    /// [`Problems`] with what is out of bounds.
    pub fn all(source: &Source) -> Result<Plan, Problems> {
        let mut problems = Problems::default();
        let plan = plan(source, &mut problems);
        if problems.is_empty() { Ok(plan) } else { Err(problems) }
    }
}

/// Every check, with what is set for it.
fn plan(source: &Source, problems: &mut Problems) -> Plan {
    let mut plan = Plan::default();
    // In order, so that several problems are always told in the same one.
    for (name, text) in source.with_prefix(PREFIX).collect::<BTreeMap<_, _>>() {
        if let Err(problem) = plan.set(&name.to_ascii_lowercase(), text) {
            problems.add(format!("`{PREFIX}{name}`: {problem}"));
        }
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<CheckSettings, String> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        CheckSettings::without_secrets(&Source::from_pairs(pairs)).map_err(|problems| problems.to_string())
    }

    #[test]
    fn every_check_is_made_and_none_by_schedule_unless_it_is_said() {
        let settings = read(&[]).unwrap();
        assert_eq!((settings.plan, settings.every), (Plan::default(), None));
        let settings = read(&[
            ("WATCHBELL_CHECKS", "memory, cpu"),
            ("WATCHBELL_CHECKS_EVERY_S", "60"),
            ("WATCHBELL_CHECK_CPU", "warning=1"),
            ("WATCHBELL_INSTANCE", "web-03"),
        ])
        .unwrap();
        let checks: Vec<_> = settings.plan.checks().iter().map(|(checker, _)| *checker).collect();
        assert_eq!(checks, [Checker::Cpu, Checker::Memory]);
        assert!((settings.plan.checks()[0].1.thresholds.warning - 1.0).abs() < f64::EPSILON);
        assert_eq!((settings.every, &*settings.instance), (Some(Duration::from_secs(60)), "web-03"));
    }

    #[test]
    fn every_slip_of_the_pen_is_named_with_its_variable() {
        let error = read(&[
            ("WATCHBELL_CHECKS", "cpu,nvme"),
            ("WATCHBELL_CHECK_DSIK", "warning=1"),
            ("WATCHBELL_CHECK_DISK", "warn=1"),
            ("WATCHBELL_CHECKS_EVERY_S", "-1"),
        ])
        .unwrap_err();
        for expected in [
            "`WATCHBELL_CHECKS`: there is no checker `nvme`",
            "`WATCHBELL_CHECK_DSIK`: there is no checker `dsik`",
            "`WATCHBELL_CHECK_DISK`: `disk` has no such option: `warn=1`",
            "`WATCHBELL_CHECKS_EVERY_S` must be",
        ] {
            assert!(error.contains(expected), "{expected} is missing in: {error}");
        }
    }
}
