//! How runs and deliveries are worked off.

use std::time::Duration;

use super::{Problems, Source, Variable};

pub(super) const VARIABLES: &[Variable] = &[
    Variable {
        name: "ORCHESTRATION_MAX_RETRIES_PER_STAGE",
        default: "3",
        meaning: "How often a stage is tried in all, 1 to 20.",
    },
    Variable {
        name: "ORCHESTRATION_BACKOFF_FACTOR",
        default: "2.0",
        meaning: "What the pause between tries of a stage is multiplied by each time, 1 to 10.",
    },
    Variable {
        name: "ANALYZE_BUDGET_S",
        default: "15",
        meaning: "How long analysis may hold a notification up, in seconds, 1 to 120.",
    },
    Variable {
        name: "WATCHBELL_CHANNEL_FAILING_S",
        default: "900",
        meaning: "How long a channel may take nothing before the hub raises the alert ChannelFailing about it, which goes\n\
                  through the other channels, in seconds, 1 to 604800. 0: never.",
    },
    Variable {
        name: "WATCHBELL_WORKERS",
        default: "8",
        meaning: "How many runs and how many deliveries are worked on at once, 0 to 64. 0: this process takes\n\
                  webhooks and leaves the rest to others.",
    },
    Variable {
        name: "WATCHBELL_POLL_MS",
        default: "500",
        meaning: "How long to wait for a sign of work before looking for it anyway, in milliseconds, 50 to 300000: for\n\
                  what has become due, and for what another process on the same database left. PostgreSQL passes\n\
                  signs on between processes; on MySQL and MariaDB this is all there is.",
    },
];

/// How runs and deliveries are worked off.
#[derive(Debug, Clone)]
pub struct PipelineSettings {
    /// Tries of a stage.
    pub max_attempts: u32,
    /// Growth of the pause between them.
    pub backoff_factor: f64,
    /// How long analysis may take.
    pub analyze_budget: Duration,
    /// How long a channel may take nothing before that is said; zero for ever.
    pub channel_failing: Duration,
    /// How many at once.
    pub workers: usize,
    /// How long to wait for a sign of work.
    pub poll: Duration,
}

impl PipelineSettings {
    pub(super) fn read(source: &Source, problems: &mut Problems) -> Self {
        Self {
            max_attempts: source.number("ORCHESTRATION_MAX_RETRIES_PER_STAGE", 3, 1..=20, problems),
            backoff_factor: source.number("ORCHESTRATION_BACKOFF_FACTOR", 2.0, 1.0..=10.0, problems),
            analyze_budget: Duration::from_secs(source.number("ANALYZE_BUDGET_S", 15, 1..=120, problems)),
            channel_failing: Duration::from_secs(source.number(
                "WATCHBELL_CHANNEL_FAILING_S",
                900,
                0..=604_800,
                problems,
            )),
            workers: source.number("WATCHBELL_WORKERS", 8, 0..=64, problems),
            poll: Duration::from_millis(source.number("WATCHBELL_POLL_MS", 500, 50..=300_000, problems)),
        }
    }
}
