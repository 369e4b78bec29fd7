//! Checks of this machine: what is short here while an alert is on.
//!
//! One file per checker. A checker is a pure function over one [`Snapshot`], which all callers share
//! while it is fresh; a source that this machine lacks is `skipped`, never `ok`.

mod cpu;
mod disk;
mod json;
mod machine;
mod memory;
mod probe;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use json::snapshot_json;
pub use machine::{Machine, Unavailable};
pub use probe::{Cpu, Disk, Load, Memory, Process, Snapshot};

/// What can be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Checker {
    /// Share of processor time in use.
    Cpu,
    /// Share of memory in use.
    Memory,
    /// How full the fullest file system is.
    Disk,
}

impl Checker {
    /// Every checker, in the order of reports.
    pub const ALL: [Self; 3] = [Self::Cpu, Self::Memory, Self::Disk];

    /// The name, as in settings and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Disk => "disk",
        }
    }

    /// The limits where nothing else is set. Guesses: late enough not to cry wolf on a busy machine,
    /// early enough to leave time.
    pub const fn default_thresholds(self) -> Thresholds {
        match self {
            Self::Cpu => Thresholds { warning: 80.0, critical: 95.0 },
            Self::Memory | Self::Disk => Thresholds { warning: 85.0, critical: 95.0 },
        }
    }

    fn check(self, snapshot: &Snapshot, thresholds: Thresholds) -> CheckResult {
        match self {
            Self::Cpu => cpu::check(snapshot, thresholds),
            Self::Memory => memory::check(snapshot, thresholds),
            Self::Disk => disk::check(snapshot, thresholds),
        }
    }
}

impl fmt::Display for Checker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no checker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no checker `{0}`; known are cpu, memory, disk")]
pub struct UnknownChecker(String);

impl FromStr for Checker {
    type Err = UnknownChecker;

    fn from_str(text: &str) -> Result<Self, UnknownChecker> {
        let found = Self::ALL.into_iter().find(|checker| checker.as_str() == text);
        found.ok_or_else(|| UnknownChecker(text.chars().take(64).flat_map(char::escape_default).collect()))
    }
}

/// From which percentage on a check is no longer `ok`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Thresholds {
    /// At or above: `warning`.
    pub warning: f64,
    /// At or above: `critical`.
    pub critical: f64,
}

impl Thresholds {
    fn judge(self, percent: f64) -> CheckStatus {
        if percent >= self.critical {
            CheckStatus::Critical
        } else if percent >= self.warning {
            CheckStatus::Warning
        } else {
            CheckStatus::Ok
        }
    }
}

/// What a check found, from best to worst but for `skipped`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// This machine lacks the source, or it did not answer.
    Skipped,
    /// Below both limits.
    Ok,
    /// At or above the first limit.
    Warning,
    /// At or above the second limit.
    Critical,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckResult {
    /// Which check.
    pub checker: Checker,
    /// What it found.
    pub status: CheckStatus,
    /// One line for people.
    pub message: String,
    /// The figures behind it; units are in the names.
    pub metrics: Map<String, Value>,
}

impl CheckResult {
    fn skipped(checker: Checker, message: impl Into<String>) -> Self {
        Self { checker, status: CheckStatus::Skipped, message: message.into(), metrics: Map::new() }
    }
}

/// Runs checks against one snapshot of this machine, at most 5 seconds old.
///
/// Never fails: where the machine's state cannot be read in time, every check is `skipped` and says
/// so.
pub async fn run(checks: &[(Checker, Thresholds)], machine: &Machine) -> Vec<CheckResult> {
    match machine.snapshot().await {
        Ok(snapshot) => {
            checks.iter().map(|(checker, thresholds)| checker.check(&snapshot, *thresholds)).collect()
        }
        Err(unavailable) => checks
            .iter()
            .map(|(checker, _)| CheckResult::skipped(*checker, unavailable.to_string()))
            .collect(),
    }
}

/// All checks with their default limits.
pub fn defaults() -> Vec<(Checker, Thresholds)> {
    Checker::ALL.into_iter().map(|checker| (checker, checker.default_thresholds())).collect()
}

/// `part` of `whole` in percent, to a tenth.
#[expect(clippy::cast_precision_loss, reason = "a tenth of a percent needs 10 of the 53 bits")]
fn percent(part: u64, whole: u64) -> f64 {
    tenth(part as f64 * 100.0 / whole.max(1) as f64)
}

/// Rounded to a tenth, as reports give figures.
fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// A size for people: `4.2 GiB`.
#[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
fn size(bytes: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut value = bytes as f64;
    let mut unit = "bytes";
    for next in units {
        unit = next;
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
    }
    let digits = usize::from(value < 10.0 && unit != "bytes" && tenth(value).fract() != 0.0);
    format!("{value:.digits$} {unit}")
}

#[cfg(test)]
mod tests;
