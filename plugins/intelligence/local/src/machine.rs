//! What the machine that Watchbell runs on says, where a snapshot is granted.
//!
//! Only what stands out becomes evidence. A snapshot that is not granted is no evidence of anything.

use plugin_sdk::intelligence::{Priority, SnapshotKind, Surroundings};
use plugin_sdk::text::{clip, one_line};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::advice::Evidence;
use crate::area::Area;
use crate::settings::Settings;

/// Memory in use, in percent, from which on it stands out, and from which on it is urgent.
const MEMORY: Bounds = Bounds { notable: 85, urgent: 95 };
/// A file system's space in use, in percent. The last tenth goes fast.
const DISK: Bounds = Bounds { notable: 85, urgent: 95 };
/// Processor time in use, in percent.
const CPU: Bounds = Bounds { notable: 85, urgent: 95 };
/// Swap in use, in percent: by itself only notable, the kernel parks idle pages there.
const SWAP_NOTABLE: u64 = 60;
/// How many processes are asked for where those are wanted that keep the processors busy: the host's list
/// begins with the largest, and the most that the contract gives is this.
const MAX_PROCESSES: u64 = 50;
/// How many files are asked for: the most that the contract gives.
const MAX_FILES: u64 = 100;

struct Bounds {
    notable: u64,
    urgent: u64,
}

impl Bounds {
    fn level(&self, percent: u64) -> Level {
        match percent {
            percent if percent >= self.urgent => Level::Urgent,
            percent if percent >= self.notable => Level::Notable,
            _ => Level::Calm,
        }
    }
}

/// How much something stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Calm,
    Notable,
    Urgent,
}

impl Level {
    pub(crate) fn priority(self) -> Priority {
        match self {
            Self::Calm => Priority::Low,
            Self::Notable => Priority::High,
            Self::Urgent => Priority::Critical,
        }
    }
}

#[derive(Deserialize, Serialize, Default)]
#[serde(default)]
pub(crate) struct Memory {
    total_bytes: u64,
    used_bytes: u64,
    available_bytes: u64,
    swap_total_bytes: u64,
    swap_used_bytes: u64,
}

#[derive(Deserialize, Serialize, Default)]
#[serde(default)]
struct Cpu {
    cores: u64,
    usage_percent: f64,
    load_1: f64,
    load_5: f64,
    load_15: f64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Disks {
    disks: Vec<Disk>,
}

#[derive(Deserialize, Serialize, Default)]
#[serde(default)]
pub(crate) struct Disk {
    pub(crate) mount: String,
    file_system: String,
    total_bytes: u64,
    available_bytes: u64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Processes {
    processes: Vec<Process>,
}

#[derive(Deserialize, Serialize, Default)]
#[serde(default)]
pub(crate) struct Process {
    pub(crate) pid: u64,
    pub(crate) name: String,
    pub(crate) memory_bytes: u64,
    cpu_percent: f64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Listing {
    pub(crate) path: String,
    pub(crate) files: Vec<File>,
    pub(crate) complete: bool,
}

#[derive(Deserialize, Serialize, Default)]
#[serde(default)]
pub(crate) struct File {
    path: String,
    pub(crate) size_bytes: u64,
    pub(crate) modified_at: String,
}

/// What stands out on this machine.
pub(crate) fn look(settings: &Settings, surroundings: &mut dyn Surroundings) -> Vec<Evidence> {
    let mut evidence = Vec::new();
    evidence.extend(memory(surroundings).as_ref().and_then(Memory::evidence));
    let cpu: Option<Cpu> = snapshot(surroundings, SnapshotKind::Cpu, "{}").ok();
    evidence.extend(cpu.as_ref().and_then(Cpu::evidence));
    evidence.extend(disks(surroundings).iter().filter_map(Disk::evidence).take(5));
    if evidence.iter().any(|piece| matches!(piece.area, Area::Memory | Area::Cpu)) {
        name_processes(&mut evidence, &processes(surroundings, MAX_PROCESSES), settings.top_n);
    }
    evidence
}

/// Adds what fills the disks to the first evidence that one is full here. Folders are walked for it, so that
/// it is done only where it helps.
pub(crate) fn name_files(
    evidence: &mut [Evidence],
    settings: &Settings,
    surroundings: &mut dyn Surroundings,
) {
    let Some(piece) = evidence.iter_mut().find(|piece| piece.area == Area::Disk && piece.figures.is_some())
    else {
        return;
    };
    let Ok(listing) = files(surroundings, settings) else { return };
    let Some(first) = listing.files.first() else { return };
    piece.text.push_str(&format!(
        " The largest file found is {} with {}.",
        path(first),
        size(first.size_bytes)
    ));
    let files: Vec<&File> = listing.files.iter().take(10).collect();
    piece.add("files", json!(files));
}

pub(crate) fn memory(surroundings: &mut dyn Surroundings) -> Option<Memory> {
    snapshot(surroundings, SnapshotKind::Memory, "{}").ok()
}

pub(crate) fn disks(surroundings: &mut dyn Surroundings) -> Vec<Disk> {
    let disks: Result<Disks, String> = snapshot(surroundings, SnapshotKind::Disk, "{}");
    disks.map(|disks| disks.disks).unwrap_or_default()
}

pub(crate) fn processes(surroundings: &mut dyn Surroundings, most: u64) -> Vec<Process> {
    let options = json!({ "limit": most }).to_string();
    let found: Result<Processes, String> = snapshot(surroundings, SnapshotKind::Processes, &options);
    let mut processes = found.map(|found| found.processes).unwrap_or_default();
    processes.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    processes
}

/// Large and old files; the error says why they were not looked for.
pub(crate) fn files(surroundings: &mut dyn Surroundings, settings: &Settings) -> Result<Listing, String> {
    let options = json!({
        "path": settings.path,
        "larger_than_bytes": settings.threshold_mb.saturating_mul(1 << 20),
        "older_than_days": settings.old_days,
        "limit": MAX_FILES,
    });
    snapshot(surroundings, SnapshotKind::Files, &options.to_string())
}

/// A file's path for a sentence.
pub(crate) fn path(file: &File) -> String {
    format!("`{}`", clip(&one_line(&file.path).replace('`', "'"), 300))
}

/// The error is the host's, or says that the snapshot has another form.
fn snapshot<T: for<'a> Deserialize<'a>>(
    surroundings: &mut dyn Surroundings,
    kind: SnapshotKind,
    options: &str,
) -> Result<T, String> {
    serde_json::from_str(&surroundings.snapshot(kind, options)?)
        .map_err(|_| "the snapshot has another form than the contract says".to_owned())
}

/// `part` of `whole` in percent, rounded down.
fn percent(part: u64, whole: u64) -> u64 {
    u128::from(part)
        .checked_mul(100)
        .and_then(|hundredfold| hundredfold.checked_div(u128::from(whole)))
        .map_or(0, |percent| u64::try_from(percent).unwrap_or(u64::MAX))
}

/// Bytes for people: `4.1 GiB`.
pub(crate) fn size(bytes: u64) -> String {
    let tenths_of_mib = bytes / (1_048_576 / 10);
    let (value, unit) =
        if tenths_of_mib < 10_240 { (tenths_of_mib, "MiB") } else { (tenths_of_mib / 1_024, "GiB") };
    format!("{}.{} {unit}", value / 10, value % 10)
}

impl Memory {
    fn used_percent(&self) -> u64 {
        percent(self.used_bytes, self.total_bytes)
    }

    fn swap_percent(&self) -> u64 {
        percent(self.swap_used_bytes, self.swap_total_bytes)
    }

    pub(crate) fn level(&self) -> Level {
        let by_swap = if self.swap_percent() >= SWAP_NOTABLE { Level::Notable } else { Level::Calm };
        MEMORY.level(self.used_percent()).max(by_swap)
    }

    pub(crate) fn sentence(&self) -> String {
        let swap = match self.swap_percent() {
            0 => String::new(),
            swap => format!(" and {swap} % of its swap"),
        };
        format!(
            "The machine that Watchbell runs on uses {} % of its {} of memory{swap}.",
            self.used_percent(),
            size(self.total_bytes)
        )
    }

    fn evidence(&self) -> Option<Evidence> {
        let level = self.level();
        let figures = Some(json!({ "memory": self }));
        let evidence = Evidence {
            area: Area::Memory,
            is_urgent: level == Level::Urgent,
            text: self.sentence(),
            figures,
        };
        (level > Level::Calm).then_some(evidence)
    }
}

impl Cpu {
    fn evidence(&self) -> Option<Evidence> {
        // A fraction in percent is below u64's range and never negative, so `as` cannot surprise here.
        let used = self.usage_percent.clamp(0.0, 100.0) as u64;
        let is_overloaded = self.cores > 0 && self.load_5 > 2.0 * self.cores as f64;
        let level = CPU.level(used);
        if level == Level::Calm && !is_overloaded {
            return None;
        }
        let text = format!(
            "The machine that Watchbell runs on uses {used} % of its processor time; its load over five minutes is \
             {:.1} on {} cores.",
            self.load_5, self.cores
        );
        let figures = Some(json!({ "cpu": self }));
        Some(Evidence { area: Area::Cpu, is_urgent: level == Level::Urgent, text, figures })
    }
}

impl Disk {
    pub(crate) fn used_percent(&self) -> u64 {
        percent(self.total_bytes.saturating_sub(self.available_bytes), self.total_bytes)
    }

    pub(crate) fn level(&self) -> Level {
        DISK.level(self.used_percent())
    }

    pub(crate) fn sentence(&self) -> String {
        format!(
            "On the machine that Watchbell runs on {} is {} % full: {} of {} are left.",
            clip(&self.mount, 128),
            self.used_percent(),
            size(self.available_bytes),
            size(self.total_bytes)
        )
    }

    fn evidence(&self) -> Option<Evidence> {
        let level = self.level();
        let figures = Some(json!({ "file_systems": [self] }));
        let evidence =
            Evidence { area: Area::Disk, is_urgent: level == Level::Urgent, text: self.sentence(), figures };
        (level > Level::Calm).then_some(evidence)
    }
}

/// Adds who uses most to what is used up.
fn name_processes(evidence: &mut [Evidence], processes: &[Process], most: u64) {
    for piece in evidence {
        let largest = match piece.area {
            Area::Memory => processes
                .iter()
                .max_by_key(|process| process.memory_bytes)
                .map(|process| (process, size(process.memory_bytes))),
            Area::Cpu => processes
                .iter()
                .max_by(|a, b| a.cpu_percent.total_cmp(&b.cpu_percent))
                .map(|process| (process, format!("{:.0} % of a core", process.cpu_percent))),
            _ => None,
        };
        if let Some((process, amount)) = largest {
            let name = clip(&process.name, 64);
            piece
                .text
                .push_str(&format!(" Most of it goes to `{name}` (process {}): {amount}.", process.pid));
            piece.add("processes", ranked(piece.area, processes, most));
        }
    }
}

/// The processes with the one first that uses most of it.
fn ranked(area: Area, processes: &[Process], most: u64) -> Value {
    let mut ranked: Vec<&Process> = processes.iter().collect();
    match area {
        Area::Cpu => ranked.sort_by(|a, b| b.cpu_percent.total_cmp(&a.cpu_percent)),
        _ => ranked.sort_by_key(|process| std::cmp::Reverse(process.memory_bytes)),
    }
    ranked.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    json!(ranked)
}
