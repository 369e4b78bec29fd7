//! What the machine that Watchbell runs on says, where a snapshot is granted.
//!
//! Only what stands out becomes evidence. A snapshot that is not granted is no evidence of anything.

use plugin_sdk::intelligence::{SnapshotKind, Surroundings};
use plugin_sdk::text::clip;
use serde::Deserialize;

use crate::advice::Evidence;
use crate::area::Area;

/// Memory in use, in percent, from which on it stands out, and from which on it is urgent.
const MEMORY: Bounds = Bounds { notable: 85, urgent: 95 };
/// A file system's space in use, in percent. The last tenth goes fast.
const DISK: Bounds = Bounds { notable: 85, urgent: 95 };
/// Processor time in use, in percent.
const CPU: Bounds = Bounds { notable: 85, urgent: 95 };
/// Swap in use, in percent: by itself only notable, the kernel parks idle pages there.
const SWAP_NOTABLE: u64 = 60;

struct Bounds {
    notable: u64,
    urgent: u64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Memory {
    total_bytes: u64,
    used_bytes: u64,
    swap_total_bytes: u64,
    swap_used_bytes: u64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Cpu {
    cores: u64,
    usage_percent: f64,
    load_5: f64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Disks {
    disks: Vec<Disk>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Disk {
    mount: String,
    total_bytes: u64,
    available_bytes: u64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Processes {
    processes: Vec<Process>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Process {
    pid: u64,
    name: String,
    memory_bytes: u64,
    cpu_percent: f64,
}

/// What stands out on this machine.
pub(crate) fn look(surroundings: &mut dyn Surroundings) -> Vec<Evidence> {
    let mut evidence = Vec::new();
    let memory: Option<Memory> = snapshot(surroundings, SnapshotKind::Memory, "{}");
    let cpu: Option<Cpu> = snapshot(surroundings, SnapshotKind::Cpu, "{}");
    let disks: Option<Disks> = snapshot(surroundings, SnapshotKind::Disk, "{}");
    evidence.extend(memory.as_ref().and_then(memory_evidence));
    evidence.extend(cpu.as_ref().and_then(cpu_evidence));
    evidence.extend(disks.iter().flat_map(|disks| &disks.disks).filter_map(disk_evidence).take(5));
    if evidence.iter().any(|piece| matches!(piece.area, Area::Memory | Area::Cpu)) {
        let processes = snapshot(surroundings, SnapshotKind::Processes, r#"{"limit":10}"#);
        name_processes(&mut evidence, &processes.unwrap_or_default());
    }
    evidence
}

/// None where the snapshot is not granted, not to be had, or of another form.
fn snapshot<T: for<'a> Deserialize<'a>>(
    surroundings: &mut dyn Surroundings,
    kind: SnapshotKind,
    options: &str,
) -> Option<T> {
    serde_json::from_str(&surroundings.snapshot(kind, options).ok()?).ok()
}

/// `part` of `whole` in percent, rounded down.
fn percent(part: u64, whole: u64) -> u64 {
    u128::from(part)
        .checked_mul(100)
        .and_then(|hundredfold| hundredfold.checked_div(u128::from(whole)))
        .map_or(0, |percent| u64::try_from(percent).unwrap_or(u64::MAX))
}

/// Bytes for people: `4.1 GiB`.
fn size(bytes: u64) -> String {
    let tenths_of_mib = bytes / (1_048_576 / 10);
    let (value, unit) =
        if tenths_of_mib < 10_240 { (tenths_of_mib, "MiB") } else { (tenths_of_mib / 1_024, "GiB") };
    format!("{}.{} {unit}", value / 10, value % 10)
}

fn memory_evidence(memory: &Memory) -> Option<Evidence> {
    let used = percent(memory.used_bytes, memory.total_bytes);
    let swap = percent(memory.swap_used_bytes, memory.swap_total_bytes);
    if used < MEMORY.notable && swap < SWAP_NOTABLE {
        return None;
    }
    let swap_text = if swap == 0 { String::new() } else { format!(" and {swap} % of its swap") };
    let text = format!(
        "The machine that Watchbell runs on uses {used} % of its {} of memory{swap_text}.",
        size(memory.total_bytes)
    );
    Some(Evidence { area: Area::Memory, is_urgent: used >= MEMORY.urgent, text })
}

fn cpu_evidence(cpu: &Cpu) -> Option<Evidence> {
    // A fraction in percent is below u64's range and never negative, so `as` cannot surprise here.
    let used = cpu.usage_percent.clamp(0.0, 100.0) as u64;
    let is_overloaded = cpu.cores > 0 && cpu.load_5 > 2.0 * cpu.cores as f64;
    if used < CPU.notable && !is_overloaded {
        return None;
    }
    let text = format!(
        "The machine that Watchbell runs on uses {used} % of its processor time; its load over five minutes is \
         {:.1} on {} cores.",
        cpu.load_5, cpu.cores
    );
    Some(Evidence { area: Area::Cpu, is_urgent: used >= CPU.urgent, text })
}

fn disk_evidence(disk: &Disk) -> Option<Evidence> {
    let used = percent(disk.total_bytes.saturating_sub(disk.available_bytes), disk.total_bytes);
    if used < DISK.notable {
        return None;
    }
    let text = format!(
        "On the machine that Watchbell runs on {} is {used} % full: {} of {} are left.",
        clip(&disk.mount, 128),
        size(disk.available_bytes),
        size(disk.total_bytes)
    );
    Some(Evidence { area: Area::Disk, is_urgent: used >= DISK.urgent, text })
}

/// Adds who uses most to what is used up.
fn name_processes(evidence: &mut [Evidence], processes: &Processes) {
    let list = &processes.processes;
    for piece in evidence {
        let largest = match piece.area {
            Area::Memory => list
                .iter()
                .max_by_key(|process| process.memory_bytes)
                .map(|process| (process, size(process.memory_bytes))),
            Area::Cpu => list
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
        }
    }
}
