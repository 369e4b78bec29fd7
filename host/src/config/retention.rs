//! How long things are kept.

use std::time::Duration;

use super::{Problems, Source, Variable};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) const VARIABLES: &[Variable] = &[
    Variable {
        name: "WATCHBELL_KEEP_REQUESTS_DAYS",
        default: "30",
        meaning: "How long the content of webhooks is kept after they were read, for replay and for looking things up,\n\
                  in days, 1 to 3650. What is in quarantine is kept as long as it is there.",
    },
    Variable {
        name: "WATCHBELL_KEEP_RESULTS_DAYS",
        default: "30",
        meaning: "How long it is kept what checkers and providers found for a run, after the run has ended, in days,\n\
                  1 to 3650.",
    },
    Variable {
        name: "WATCHBELL_KEEP_RUNS_DAYS",
        default: "90",
        meaning: "How long runs are kept after they have ended, with the stages, deliveries and tries that\n\
                  `watchbell why` tells of, in days, 1 to 3650. Those of an open incident stay, and so does what is\n\
                  in quarantine.",
    },
    Variable {
        name: "WATCHBELL_KEEP_INCIDENTS_DAYS",
        default: "400",
        meaning: "How long incidents are kept after they were last heard of and are over, with their alerts and\n\
                  history, in days, 1 to 3650; not before their runs have gone.",
    },
    Variable {
        name: "WATCHBELL_QUARANTINE_MIB",
        default: "256",
        meaning: "How much of one API key's webhooks for one driver may lie in quarantine because of what was sent,\n\
                  in MiB as stored, 1 to 1048576; without keys all senders count as one. Beyond it the oldest go.\n\
                  What went wrong in the hub or in a driver does not count and never goes.",
    },
];

/// How long things are kept.
#[derive(Debug, Clone)]
pub struct RetentionSettings {
    /// How long the content of requests that were read is kept.
    pub requests: Duration,
    /// How long what the stages of ended runs made is kept.
    pub results: Duration,
    /// How long ended runs are kept.
    pub runs: Duration,
    /// How long incidents that are over are kept.
    pub incidents: Duration,
    /// The most bytes of one key's requests for one driver in quarantine.
    pub quarantine_bytes: u64,
}

impl RetentionSettings {
    pub(super) fn read(source: &Source, problems: &mut Problems) -> Self {
        let mib: u64 = source.number("WATCHBELL_QUARANTINE_MIB", 256, 1..=1_048_576, problems);
        let mut days = |name, default| DAY * source.number(name, default, 1..=3650, problems);
        Self {
            requests: days("WATCHBELL_KEEP_REQUESTS_DAYS", 30),
            results: days("WATCHBELL_KEEP_RESULTS_DAYS", 30),
            runs: days("WATCHBELL_KEEP_RUNS_DAYS", 90),
            incidents: days("WATCHBELL_KEEP_INCIDENTS_DAYS", 400),
            quarantine_bytes: mib << 20,
        }
    }
}
