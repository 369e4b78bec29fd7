//! Checks of this machine: what is short here while an alert is on.
//!
//! One file per checker, with what it reads, its limits and its options. What a checker makes of the
//! texts of the system is pure and tested on texts; a source that this machine lacks is `skipped`,
//! never `ok`, and one that does not answer in time is `unknown`.

mod about;
mod alert;
mod cpu;
mod cpu_temp;
mod disk;
mod disk_analysis;
mod disk_inodes;
mod disk_temp;
mod files;
mod finding;
mod hwmon;
mod io_strain;
mod json;
mod latest;
mod listening_ports;
mod machine;
mod memory;
mod network;
mod probe;
mod process;
mod raid;
mod reference;
mod root;
mod settings;
mod walk;

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::telemetry::metrics;
use latest::Latest;
use root::Root;

pub use about::{About, Choice, Kind, Thresholds};
pub use alert::alerts;
pub use files::{Folders, PathError};
pub use finding::{CheckStatus, Finding};
pub use json::Shown;
pub use machine::{Machine, Unavailable};
pub use probe::{Cpu, Disk, Load, Memory, Process, Snapshot, host_name};
pub use reference::reference;
pub use settings::{Plan, Settings};

/// How long a check may take where nobody is kept from being told by it.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How long what a folder walk found is good for: files grow old slowly, and walking costs the disk.
const WALK_MAX_AGE: Duration = Duration::from_secs(300);

/// What can be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each says what it is in its own file")]
pub enum Checker {
    Cpu,
    Memory,
    Disk,
    DiskInodes,
    DiskAnalysis,
    Network,
    Process,
    Raid,
    DiskTemp,
    CpuTemp,
    IoStrain,
    ListeningPorts,
}

impl Checker {
    /// Every checker, in the order of reports.
    pub const ALL: [Self; 12] = [
        Self::Cpu,
        Self::Memory,
        Self::Disk,
        Self::DiskInodes,
        Self::DiskAnalysis,
        Self::Network,
        Self::Process,
        Self::Raid,
        Self::DiskTemp,
        Self::CpuTemp,
        Self::IoStrain,
        Self::ListeningPorts,
    ];

    /// The name, as in settings and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::DiskInodes => "disk_inodes",
            Self::DiskAnalysis => "disk_analysis",
            Self::Network => "network",
            Self::Process => "process",
            Self::Raid => "raid",
            Self::DiskTemp => "disk_temp",
            Self::CpuTemp => "cpu_temp",
            Self::IoStrain => "io_strain",
            Self::ListeningPorts => "listening_ports",
        }
    }

    /// What it checks, by which limits, and what can be set.
    pub const fn about(self) -> &'static About {
        match self {
            Self::Cpu => &cpu::ABOUT,
            Self::Memory => &memory::ABOUT,
            Self::Disk => &disk::ABOUT,
            Self::DiskInodes => &disk_inodes::ABOUT,
            Self::DiskAnalysis => &disk_analysis::ABOUT,
            Self::Network => &network::ABOUT,
            Self::Process => &process::ABOUT,
            Self::Raid => &raid::ABOUT,
            Self::DiskTemp => &disk_temp::ABOUT,
            Self::CpuTemp => &cpu_temp::ABOUT,
            Self::IoStrain => &io_strain::ABOUT,
            Self::ListeningPorts => &listening_ports::ABOUT,
        }
    }

    /// How it is read.
    fn source(self, settings: &Settings, root: &Root) -> Reading {
        let limits = settings.thresholds;
        let own = |max_age, look: Look| {
            let look = Mutex::new(look);
            let take = move || (look.lock().unwrap_or_else(PoisonError::into_inner))();
            Reading::Own(Latest::new(max_age, take))
        };
        let (settings, root) = (settings.clone(), root.clone());
        let look = match self {
            Self::Cpu => return Reading::System(Box::new(move |system| cpu::check(system.cpu, limits))),
            Self::Memory => {
                return Reading::System(Box::new(move |system| memory::check(system.memory, limits)));
            }
            Self::Disk => return Reading::Disks(Box::new(move |disks| disk::check(disks, limits))),
            Self::DiskAnalysis => return own(WALK_MAX_AGE, disk_analysis::look(settings, root)),
            Self::DiskInodes => disk_inodes::look(limits),
            Self::Network => network::look(settings, root),
            Self::Process => process::look(settings, root),
            Self::Raid => raid::look(limits, root),
            Self::DiskTemp => disk_temp::look(limits, root),
            Self::CpuTemp => cpu_temp::look(limits, root),
            Self::IoStrain => io_strain::look(limits, root),
            Self::ListeningPorts => listening_ports::look(settings, root),
        };
        own(machine::MAX_AGE, look)
    }
}

impl fmt::Display for Checker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no checker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no checker `{name}`; known are {}", Checker::ALL.map(Checker::as_str).join(", "))]
pub struct UnknownChecker {
    name: String,
}

impl FromStr for Checker {
    type Err = UnknownChecker;

    fn from_str(text: &str) -> Result<Self, UnknownChecker> {
        let found = Self::ALL.into_iter().find(|checker| checker.as_str() == text);
        found.ok_or_else(|| UnknownChecker {
            name: text.chars().take(64).flat_map(char::escape_default).collect(),
        })
    }
}

/// Looks once. Blocks; may keep what it saw for the next look.
type Look = Box<dyn FnMut() -> Finding + Send>;

/// Judges a part of what was read of the machine.
type Judge<T> = Box<dyn Fn(&T) -> Finding + Send + Sync>;

/// How a check gets what it judges.
enum Reading {
    /// From the machine's processors, memory and processes.
    System(Judge<probe::System>),
    /// From its file systems.
    Disks(Judge<Vec<Disk>>),
    /// By itself.
    Own(Latest<Finding>),
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckResult {
    /// Which check.
    pub checker: Checker,
    /// What it found.
    pub status: CheckStatus,
    /// What was judged; none where nothing was.
    pub value: Option<f64>,
    /// The unit of the value and its limits.
    pub unit: &'static str,
    /// What it was judged by.
    #[serde(flatten)]
    pub thresholds: Thresholds,
    /// One line for people.
    pub message: String,
    /// The figures behind it; units are in the names.
    pub metrics: Map<String, Value>,
}

struct Slot {
    checker: Checker,
    thresholds: Thresholds,
    reading: Reading,
}

impl Slot {
    async fn find(&self, machine: &Machine) -> Result<Finding, latest::Stopped> {
        match &self.reading {
            Reading::System(judge) => machine.system.get().await.map(|system| judge(&system)),
            Reading::Disks(judge) => machine.disks.get().await.map(|disks| judge(&disks)),
            Reading::Own(latest) => latest.get().await.map(Arc::unwrap_or_clone),
        }
    }

    fn begin(&self, machine: &Machine) {
        match &self.reading {
            Reading::System(_) => machine.system.begin(),
            Reading::Disks(_) => machine.disks.begin(),
            Reading::Own(latest) => latest.begin(),
        }
    }

    fn result(&self, found: Finding) -> CheckResult {
        metrics::check(self.checker.as_str(), found.status.figure());
        CheckResult {
            checker: self.checker,
            status: found.status,
            value: found.value,
            unit: self.checker.about().unit,
            thresholds: self.thresholds,
            message: found.message,
            metrics: found.metrics,
        }
    }
}

/// The checks that are made here. One for the whole program: what one caller read another may take for
/// five seconds, what was found by walking folders for five minutes.
pub struct Checks {
    machine: Arc<Machine>,
    slots: Vec<Slot>,
}

impl Checks {
    /// The checks of a plan. Nothing is read before somebody asks.
    pub fn new(plan: &Plan, machine: Arc<Machine>) -> Self {
        Self::at(plan, machine, &Root::system())
    }

    fn at(plan: &Plan, machine: Arc<Machine>, root: &Root) -> Self {
        let slot = |(checker, settings): &(Checker, Settings)| Slot {
            checker: *checker,
            thresholds: settings.thresholds,
            reading: checker.source(settings, root),
        };
        Self { machine, slots: plan.checks().iter().map(slot).collect() }
    }

    /// Makes all checks at once and waits no longer than this.
    ///
    /// Never fails: what does not answer in time, or breaks, is `unknown` and says so; the others are not
    /// touched by it.
    pub async fn run(&self, patience: Duration) -> Vec<CheckResult> {
        let end = Instant::now() + patience;
        for slot in &self.slots {
            slot.begin(&self.machine);
        }
        let mut results = Vec::with_capacity(self.slots.len());
        for slot in &self.slots {
            let found = match tokio::time::timeout_at(end, slot.find(&self.machine)).await {
                Ok(Ok(found)) => found,
                Ok(Err(latest::Stopped)) => Finding::unknown("the check stopped half-way"),
                Err(_) => Finding::unknown(format!("no answer within {} s", patience.as_secs_f64())),
            };
            results.push(slot.result(found));
        }
        results
    }
}

impl fmt::Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checks").finish_non_exhaustive()
    }
}

/// `part` of `whole` in percent, to a tenth.
#[expect(clippy::cast_precision_loss, reason = "a tenth of a percent needs 10 of the 53 bits")]
fn percent(part: u64, whole: u64) -> f64 {
    tenth(part as f64 * 100.0 / whole.max(1) as f64)
}

/// How often something happened in a second, to a tenth.
#[expect(clippy::cast_precision_loss, reason = "shown to a tenth")]
fn per_second(count: u64, time: Duration) -> f64 {
    tenth(count as f64 / time.as_secs_f64().max(0.001))
}

/// A count as a value to be judged.
#[expect(clippy::cast_precision_loss, reason = "nothing is counted here up to 2^53")]
const fn count(items: usize) -> f64 {
    items as f64
}

/// Rounded to a tenth, as reports give figures.
fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// `1 disk`, `2 disks`.
fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// The first few of these, and how many more there are.
fn some(names: &[String], most: usize) -> String {
    let mut text = names.iter().take(most).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > most {
        text.push_str(&format!(" and {} more", names.len().saturating_sub(most)));
    }
    text
}

/// One sentence about several file systems, the worst first: all that are over a limit up to three, else
/// the worst.
fn fullest(sentences: Vec<(f64, String)>, thresholds: Thresholds) -> String {
    const MAX_NAMED: usize = 3;
    let over = sentences.iter().filter(|(value, _)| thresholds.judge(*value) > CheckStatus::Ok).count();
    let named: Vec<String> =
        sentences.into_iter().take(over.clamp(1, MAX_NAMED)).map(|(_, sentence)| sentence).collect();
    let mut message = named.join("; ");
    if over > MAX_NAMED {
        message.push_str(&format!("; and {} more", over.saturating_sub(MAX_NAMED)));
    }
    message
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
