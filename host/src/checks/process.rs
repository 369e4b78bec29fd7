//! Whether the programs run that should, and whether one runs away.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use super::about::{About, Choice, Kind, Thresholds};
use super::root::Root;
use super::{CheckStatus, Finding, Look, Settings, count, per_second, percent, plural, some};

/// How long the first look watches, where processor time is looked at.
const FIRST_LOOK: Duration = Duration::from_millis(500);
/// How the kernel counts processor time for programs, on every machine that Linux runs on.
const TICKS_PER_SECOND: f64 = 100.0;
/// How much of a program's name the kernel keeps.
const NAME_BYTES: usize = 15;
/// The most processes named in a message or kept in the figures.
const MAX_NAMED: usize = 5;

/// A few zombies come and go; many mean that somebody does not look after what it started.
pub(super) const ABOUT: About = About {
    meaning: "Zombies: processes that ended and whose parent never asked. A configured program that does not \
              run is critical, one over `cpu_percent` or `memory_percent` a warning.",
    unit: "zombies",
    source: "`/proc`, as far as the hub sees it: in a container its own processes",
    thresholds: Thresholds { warning: 10.0, critical: 50.0 },
    options: &[
        Choice {
            name: "name",
            kind: Kind::Names,
            default: "",
            meaning: "A program that must run, by the name of its file.",
        },
        Choice {
            name: "cpu_percent",
            kind: Kind::Number(0, 100_000),
            default: "0",
            meaning: "From which share of one core on a process is a warning, since somebody last looked; 0: never.",
        },
        Choice {
            name: "memory_percent",
            kind: Kind::Number(0, 100),
            default: "0",
            meaning: "From which share of the machine's memory on a process is a warning; 0: never.",
        },
    ],
};

/// One process.
#[derive(Debug, Clone, PartialEq, Eq)]
struct One {
    pid: u32,
    /// The first bytes of its program's name.
    name: String,
    is_zombie: bool,
    /// Processor time since it began.
    ticks: u64,
}

/// All processes, as far as they are looked at.
#[derive(Debug, Default)]
struct Seen {
    processes: Vec<One>,
    /// Names of all programs, by file and by what the kernel keeps.
    programs: BTreeSet<String>,
    /// Share of memory in percent of those that have too much.
    too_large: Vec<(f64, String)>,
}

pub(super) fn look(settings: Settings, root: Root) -> Look {
    let mut last: Option<(Instant, HashMap<u32, u64>)> = None;
    Box::new(move || {
        let watches = settings.number("cpu_percent") > 0;
        if watches && last.is_none() {
            last = Some((Instant::now(), ticks(&processes(&root))));
            std::thread::sleep(FIRST_LOOK);
        }
        let now = Instant::now();
        let seen = see(&settings, &root);
        let busy = match &last {
            Some((then, before)) => busy(&seen.processes, before, now.duration_since(*then)),
            None => Vec::new(),
        };
        last = watches.then(|| (now, ticks(&seen.processes)));
        judge(&seen, busy, &settings)
    })
}

fn ticks(processes: &[One]) -> HashMap<u32, u64> {
    processes.iter().map(|one| (one.pid, one.ticks)).collect()
}

fn processes(root: &Root) -> Vec<One> {
    let pids = root.list("/proc").into_iter().filter_map(|name| name.parse().ok());
    pids.filter_map(|pid: u32| stat(pid, &root.read(&format!("/proc/{pid}/stat"))?)).collect()
}

/// Reads `12 (a name) S ...`. A name may hold blanks and brackets of its own.
fn stat(pid: u32, text: &str) -> Option<One> {
    let (before, after) = text.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    let words: Vec<&str> = after.split_whitespace().collect();
    let number = |at: usize| words.get(at)?.parse::<u64>().ok();
    Some(One {
        pid,
        name: name.to_owned(),
        is_zombie: matches!(words.first().copied()?, "Z"),
        ticks: number(11)?.saturating_add(number(12)?),
    })
}

fn see(settings: &Settings, root: &Root) -> Seen {
    let processes = processes(root);
    let mut programs = BTreeSet::new();
    if !settings.list("name").is_empty() {
        // One that ended does not run, whatever its parent thinks.
        for one in processes.iter().filter(|one| !one.is_zombie) {
            programs.insert(one.name.clone());
            programs.extend(root.read(&format!("/proc/{}/cmdline", one.pid)).as_deref().and_then(program));
        }
    }
    let limit = f64::from(settings.number("memory_percent"));
    let total = (limit > 0.0).then(|| kib(&root.read("/proc/meminfo")?, "MemTotal:")).flatten();
    let mut too_large = Vec::new();
    if let Some(total) = total {
        let share = |one: &One| {
            let used = kib(&root.read(&format!("/proc/{}/status", one.pid))?, "VmRSS:")?;
            Some((percent(used, total), named(one))).filter(|(share, _)| *share >= limit)
        };
        too_large.extend(processes.iter().filter_map(share));
    }
    Seen { processes, programs, too_large }
}

/// The name of the program's file: the last part of the first of what it was started with.
fn program(cmdline: &str) -> Option<String> {
    let first = cmdline.split('\0').next()?;
    let name = first.rsplit('/').next()?;
    (!name.is_empty()).then(|| name.to_owned())
}

/// Reads `MemTotal:  16384 kB`.
fn kib(text: &str, field: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}

fn named(one: &One) -> String {
    format!("`{}` ({})", one.name, one.pid)
}

/// The share of one core that each took, in percent.
fn busy(processes: &[One], before: &HashMap<u32, u64>, time: Duration) -> Vec<(f64, String)> {
    let share = |one: &One| {
        let since = one.ticks.saturating_sub(*before.get(&one.pid)?);
        Some((super::tenth(per_second(since, time) * 100.0 / TICKS_PER_SECOND), named(one)))
    };
    processes.iter().filter_map(share).collect()
}

fn judge(seen: &Seen, mut busy: Vec<(f64, String)>, settings: &Settings) -> Finding {
    if seen.processes.is_empty() {
        return Finding::skipped("this machine does not tell its processes");
    }
    let runs = |name: &&String| {
        let kept = name.get(..NAME_BYTES).unwrap_or(name);
        seen.programs.contains(*name) || seen.programs.contains(kept)
    };
    let missing: Vec<String> =
        settings.list("name").iter().filter(|name| !runs(name)).map(|name| format!("`{name}`")).collect();
    busy.retain(|(share, _)| *share >= f64::from(settings.number("cpu_percent")));
    busy.sort_by(|a, b| b.0.total_cmp(&a.0));
    let zombies = seen.processes.iter().filter(|one| one.is_zombie).count();
    let mut said = Vec::new();
    if !missing.is_empty() {
        said.push(format!("not running: {}", some(&missing, MAX_NAMED)));
    }
    let shares = |found: &[(f64, String)], of: &str| -> Vec<String> {
        found.iter().map(|(share, name)| format!("{name} takes {share:.0} % of {of}")).collect()
    };
    let (busy, large) = (shares(&busy, "a core"), shares(&seen.too_large, "the memory"));
    said.extend((!busy.is_empty()).then(|| some(&busy, MAX_NAMED)));
    said.extend((!large.is_empty()).then(|| some(&large, MAX_NAMED)));
    said.push(format!("{} of {} processes", plural(zombies, "zombie"), seen.processes.len()));
    let status = match (missing.is_empty(), busy.is_empty() && large.is_empty()) {
        (false, _) => CheckStatus::Critical,
        (true, false) => CheckStatus::Warning,
        (true, true) => CheckStatus::Ok,
    };
    Finding::judged(count(zombies), settings.thresholds, said.join("; "))
        .at_least(status)
        .with("processes", seen.processes.len())
        .with("zombies", zombies)
        .with("missing", missing)
        .with("runaway", busy.iter().chain(&large).take(MAX_NAMED).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::super::Checker;
    use super::super::root::fake::Fake;
    use super::*;

    fn line(pid: u32, name: &str, state: &str, ticks: u64) -> String {
        format!("{pid} ({name}) {state} 1 1 1 0 -1 4194560 1 1 1 1 {ticks} 0 1 1 20 0 1 0 5 6 7 8\n")
    }

    /// sshd, a worker with brackets in its name whose file has a longer one, and two zombies.
    fn machine() -> Fake {
        Fake::new(&[
            ("/proc/1/stat", &line(1, "sshd", "S", 10)),
            ("/proc/1/cmdline", "/usr/sbin/sshd\0-D\0"),
            ("/proc/1/status", "Name:\tsshd\nVmRSS:\t    1024 kB\n"),
            ("/proc/20/stat", &line(20, "a (b) c", "R", 10)),
            ("/proc/20/cmdline", "/opt/prometheus-node-exporter\0--web\0"),
            ("/proc/20/status", "VmRSS:\t  600000 kB\n"),
            ("/proc/30/stat", &line(30, "nginx", "Z", 0)),
            ("/proc/31/stat", &line(31, "nginx", "Z", 0)),
            ("/proc/meminfo", "MemTotal:        1000000 kB\n"),
            ("/proc/self/stat", "not a process number"),
        ])
    }

    fn found(options: &str) -> Finding {
        look(Settings::parse(Checker::Process, options).unwrap(), machine().root())()
    }

    #[test]
    fn zombies_are_counted_and_held_against_the_limits() {
        let few = found("");
        assert_eq!((few.status, few.value), (CheckStatus::Ok, Some(2.0)));
        assert_eq!(few.message, "2 zombies of 4 processes");
        assert_eq!(found("warning=2").status, CheckStatus::Warning);
        assert_eq!(found("warning=2,critical=2").status, CheckStatus::Critical);
    }

    #[test]
    fn programs_that_must_run_are_found_by_file_or_name_and_not_as_zombies() {
        for running in ["sshd", "prometheus-node-exporter", "a (b) c"] {
            assert_eq!(found(&format!("name={running}")).status, CheckStatus::Ok, "{running}");
        }
        let missing = found("name=nginx,name=sshd,name=postgres");
        assert_eq!(missing.status, CheckStatus::Critical);
        assert!(missing.message.starts_with("not running: `nginx`, `postgres`; "), "{}", missing.message);
    }

    #[test]
    fn what_takes_too_much_is_a_warning() {
        let large = found("memory_percent=50");
        assert_eq!(large.status, CheckStatus::Warning);
        assert!(large.message.starts_with("`a (b) c` (20) takes 60 % of the memory"), "{}", large.message);
        assert_eq!(found("memory_percent=70").status, CheckStatus::Ok);

        let one = |ticks| stat(20, &line(20, "x", "R", ticks)).unwrap();
        let before = ticks(&[one(100)]);
        let shares = busy(&[one(400)], &before, Duration::from_secs(2));
        assert_eq!(shares, [(150.0, "`x` (20)".to_owned())]);
        let seen = Seen { processes: vec![one(400)], ..Seen::default() };
        let settings = Settings::parse(Checker::Process, "cpu_percent=150").unwrap();
        assert_eq!(judge(&seen, shares.clone(), &settings).status, CheckStatus::Warning);
        let settings = Settings::parse(Checker::Process, "cpu_percent=151").unwrap();
        assert_eq!(judge(&seen, shares, &settings).status, CheckStatus::Ok);
    }

    #[test]
    fn a_machine_without_proc_is_skipped() {
        let root = Fake::new(&[]).root();
        assert_eq!(look(Settings::defaults(Checker::Process), root)().status, CheckStatus::Skipped);
    }
}
