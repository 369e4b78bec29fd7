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
    /// The most bytes of one key's requests for one driver in quarantine.
    pub quarantine_bytes: u64,
}

impl RetentionSettings {
    pub(super) fn read(source: &Source, problems: &mut Problems) -> Self {
        let mib: u64 = source.number("WATCHBELL_QUARANTINE_MIB", 256, 1..=1_048_576, problems);
        Self {
            requests: DAY * source.number("WATCHBELL_KEEP_REQUESTS_DAYS", 30, 1..=3650, problems),
            quarantine_bytes: mib << 20,
        }
    }
}
