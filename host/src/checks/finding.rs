//! What a look at something found.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::about::Thresholds;

/// What a check found, from best to worst but for the first two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// This machine lacks the source.
    Skipped,
    /// There was no answer in time.
    Unknown,
    /// Below both limits.
    Ok,
    /// At or above the first limit.
    Warning,
    /// At or above the second limit.
    Critical,
}

impl CheckStatus {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Unknown => "unknown",
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// As a gauge; docs/METRICS.md says so.
    pub(super) const fn figure(self) -> f64 {
        match self {
            Self::Skipped => -2.0,
            Self::Unknown => -1.0,
            Self::Ok => 0.0,
            Self::Warning => 1.0,
            Self::Critical => 2.0,
        }
    }
}

/// What one checker found.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// How it is.
    pub status: CheckStatus,
    /// What was judged; none where nothing was.
    pub value: Option<f64>,
    /// One line for people.
    pub message: String,
    /// The figures behind it.
    pub metrics: Map<String, Value>,
}

impl Finding {
    /// This machine lacks the source.
    pub(super) fn skipped(message: impl Into<String>) -> Self {
        Self { status: CheckStatus::Skipped, value: None, message: message.into(), metrics: Map::new() }
    }

    /// There was no answer.
    pub(super) fn unknown(message: impl Into<String>) -> Self {
        Self { status: CheckStatus::Unknown, ..Self::skipped(message) }
    }

    /// A value held against its limits.
    pub(super) fn judged(value: f64, thresholds: Thresholds, message: impl Into<String>) -> Self {
        Self { status: thresholds.judge(value), value: Some(value), ..Self::skipped(message) }
    }

    /// Not better than this, whatever the value says.
    pub(super) fn at_least(mut self, status: CheckStatus) -> Self {
        self.status = self.status.max(status);
        self
    }

    /// With a figure.
    pub(super) fn with(mut self, name: &str, figure: impl Serialize) -> Self {
        self.metrics.insert(name.to_owned(), json!(figure));
        self
    }
}
