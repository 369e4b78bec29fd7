//! How long things are kept.

use std::time::Duration;

use super::{Problems, Source, Variable};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) const VARIABLES: &[Variable] = &[
    Variable {
        name: "WATCHBELL_KEEP_REQUESTS_DAYS",
        default: "30",
        meaning: "How long the content of webhooks that were read is kept, for replay and for looking things up, in\n\
                  days, 1 to 3650. What is in quarantine is kept until it is read or discarded.",
    },
    Variable {
        name: "WATCHBELL_QUARANTINE_MIB",
        default: "256",
        meaning: "How much of one API key's webhooks for one driver may lie in quarantine, in MiB as stored, 1 to\n\
                  1048576. Beyond it the oldest go, but never those at which the driver broke.",
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
