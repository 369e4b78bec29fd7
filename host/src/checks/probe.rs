//! Reads the machine's state. Blocks; runs on the blocking pool.

use serde::Serialize;
use sysinfo::{DiskRefreshKind, Disks, ProcessRefreshKind, ProcessesToUpdate};

/// The most processes kept, the largest first (`wit/host.wit`).
pub(super) const MAX_PROCESSES: usize = 50;

/// The state of this machine at one moment. What is `None` or empty is not to be had here.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// Memory and swap.
    pub memory: Option<Memory>,
    /// Processor time.
    pub cpu: Option<Cpu>,
    /// File systems with room for data, one entry per device.
    pub disks: Vec<Disk>,
    /// The largest processes by memory.
    pub processes: Vec<Process>,
}

/// What of a [`Snapshot`] is read without asking a file system.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct System {
    pub(super) memory: Option<Memory>,
    pub(super) cpu: Option<Cpu>,
    pub(super) processes: Vec<Process>,
}

/// Memory and swap, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// All of it.
    pub total_bytes: u64,
    /// In use, caches not counted.
    pub used_bytes: u64,
    /// What programs can still get.
    pub available_bytes: u64,
    /// Swap in all.
    pub swap_total_bytes: u64,
    /// Swap in use.
    pub swap_used_bytes: u64,
}

/// Processor time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cpu {
    /// Logical processors.
    pub cores: usize,
    /// Share in use over all cores since the last look, in percent.
    pub usage_percent: f64,
    /// Load averages, where the system keeps them.
    #[serde(flatten)]
    pub load: Option<Load>,
}

/// Load averages over 1, 5 and 15 minutes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the type says it")]
pub struct Load {
    pub load_1: f64,
    pub load_5: f64,
    pub load_15: f64,
}

/// One file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Disk {
    /// Where it is mounted.
    pub mount: String,
    /// Its kind: `ext4`.
    pub file_system: String,
    /// All of it, in bytes.
    pub total_bytes: u64,
    /// What this program could still write, in bytes.
    pub available_bytes: u64,
    #[serde(skip)]
    pub(super) device: String,
}

/// One process.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// The name of its program.
    pub name: String,
    /// Resident memory, in bytes.
    pub memory_bytes: u64,
    /// Share of one core, in percent.
    pub cpu_percent: f64,
}

/// Reads one time after the other; shares of processor time are those since the one before.
#[derive(Default)]
pub(super) struct Probe {
    system: Option<sysinfo::System>,
}

impl Probe {
    /// Reads. The first time takes a fifth of a second, to see processors at work.
    pub(super) fn take(&mut self) -> System {
        if self.system.is_none() {
            self.system = sysinfo::System::new().ok();
            if let Some(system) = &mut self.system {
                system.refresh_cpu_usage();
                refresh_processes(system);
                std::thread::sleep(sysinfo::MINIMUM_CPU_UPDATE_INTERVAL);
            }
        }
        let Some(system) = &mut self.system else { return System::default() };
        system.refresh_memory();
        system.refresh_cpu_usage();
        refresh_processes(system);
        System { memory: memory(system), cpu: cpu(system), processes: processes(system) }
    }
}

fn refresh_processes(system: &mut sysinfo::System) {
    let kind = ProcessRefreshKind::nothing().with_memory().with_cpu().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind);
}

fn memory(system: &sysinfo::System) -> Option<Memory> {
    let memory = Memory {
        total_bytes: system.total_memory(),
        used_bytes: system.used_memory(),
        available_bytes: system.available_memory(),
        swap_total_bytes: system.total_swap(),
        swap_used_bytes: system.used_swap(),
    };
    (memory.total_bytes > 0).then_some(memory)
}

fn cpu(system: &sysinfo::System) -> Option<Cpu> {
    let cores = system.cpus().len();
    let load = sysinfo::System::load_average().ok();
    let load = load.map(|load| Load { load_1: load.one, load_5: load.five, load_15: load.fifteen });
    let usage_percent = super::tenth(f64::from(system.global_cpu_usage()));
    (cores > 0).then_some(Cpu { cores, usage_percent, load })
}

/// The name of this machine.
pub fn host_name() -> Option<String> {
    sysinfo::System::host_name().ok().filter(|name| !name.is_empty())
}

/// The file systems with room for data. One that does not answer blocks for ever.
pub(super) fn disks() -> Vec<Disk> {
    let kind = DiskRefreshKind::nothing().with_storage();
    let Ok(found) = Disks::new_with_refreshed_list_specifics(kind) else {
        return Vec::new();
    };
    let disks = found.iter().filter(|disk| !disk.is_read_only()).map(|disk| Disk {
        mount: disk.mount_point().to_string_lossy().into_owned(),
        file_system: disk.file_system().to_string_lossy().into_owned(),
        total_bytes: disk.total_space(),
        available_bytes: disk.available_space(),
        device: disk.name().to_string_lossy().into_owned(),
    });
    one_per_device(disks.collect())
}

/// Keeps the shortest mount of each device: bind mounts and subvolumes share one store of blocks.
pub(super) fn one_per_device(mut disks: Vec<Disk>) -> Vec<Disk> {
    disks.retain(|disk| disk.total_bytes > 0);
    disks.sort_by(|a, b| (&a.device, a.mount.len(), &a.mount).cmp(&(&b.device, b.mount.len(), &b.mount)));
    disks.dedup_by(|later, kept| later.device == kept.device && later.total_bytes == kept.total_bytes);
    disks.sort_by(|a, b| a.mount.cmp(&b.mount));
    disks
}

fn processes(system: &sysinfo::System) -> Vec<Process> {
    let mut processes: Vec<_> = system.processes().values().collect();
    processes.sort_by_key(|process| (std::cmp::Reverse(process.memory()), process.pid()));
    let largest = processes.into_iter().take(MAX_PROCESSES);
    largest
        .map(|process| Process {
            pid: process.pid().as_u32(),
            name: process.name().to_string_lossy().into_owned(),
            memory_bytes: process.memory(),
            cpu_percent: super::tenth(f64::from(process.cpu_usage())),
        })
        .collect()
}
