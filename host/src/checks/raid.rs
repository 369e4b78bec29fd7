//! Whether the arrays of the kernel's software RAID have all their disks.

use serde_json::json;

use super::about::{About, Thresholds};
use super::root::Root;
use super::{CheckStatus, Finding, Look, count, plural, some};

const MDSTAT: &str = "/proc/mdstat";
/// The most arrays named in a message.
const MAX_NAMED: usize = 3;

/// An array that has lost a disk may not bear to lose another.
pub(super) const ABOUT: About = About {
    meaning: "Disks that are missing from arrays. An array that does not run is critical, one that is being \
              rebuilt at least a warning; a scrub is neither.",
    unit: "disks",
    source: "`/proc/mdstat` and `/sys/block/md*/md/degraded`: software RAID of Linux, no controllers",
    thresholds: Thresholds { warning: 1.0, critical: 1.0 },
    options: &[],
};

/// One array.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Array {
    name: String,
    /// `raid1`; none for one that does not run.
    level: Option<String>,
    active: bool,
    /// How many of its disks do not take part.
    missing: usize,
    /// What is being done to it: `recovery`.
    work: Option<String>,
}

pub(super) fn look(thresholds: Thresholds, root: Root) -> Look {
    Box::new(move || {
        let Some(text) = root.read(MDSTAT) else {
            return Finding::skipped("this machine's kernel has no software RAID");
        };
        let mut arrays = arrays(&text);
        for array in &mut arrays {
            let degraded = root.read(&format!("/sys/block/{}/md/degraded", array.name));
            let degraded: Option<usize> = degraded.and_then(|text| text.trim().parse().ok());
            array.missing = array.missing.max(degraded.unwrap_or_default());
        }
        judge(&arrays, thresholds)
    })
}

/// Reads `/proc/mdstat`: a line that names the array, then indented lines about it.
fn arrays(text: &str) -> Vec<Array> {
    let mut arrays: Vec<Array> = Vec::new();
    for line in text.lines() {
        let header = line.split_once(" : ").filter(|_| !line.starts_with([' ', '\t']));
        match (header, arrays.last_mut()) {
            (Some((name, about)), _) if name.starts_with("md") => arrays.push(array(name, about)),
            (Some(_), _) => {}
            (None, Some(array)) => details(array, line),
            (None, None) => {}
        }
    }
    arrays
}

/// Reads `active (auto-read-only) raid1 sdb1[1] sda1[0](F)`.
fn array(name: &str, about: &str) -> Array {
    let mut words = about.split_whitespace().filter(|word| !word.starts_with('('));
    let active = words.next() == Some("active");
    let level = words.next().filter(|word| active && !word.contains('[')).map(str::to_owned);
    // A failed disk of a level without spare copies is counted nowhere else.
    let missing = about.split_whitespace().filter(|word| word.ends_with("(F)")).count();
    Array { name: name.trim().to_owned(), level, active, missing, work: None }
}

/// Reads the disks there should be and are (`[2/1] [U_]`), and what is being done (`recovery = 12.6%`).
fn details(array: &mut Array, line: &str) {
    for word in line.split_whitespace() {
        let pair = word.strip_prefix('[').and_then(|word| word.strip_suffix(']')?.split_once('/'));
        if let Some((Ok(wanted), Ok(here))) =
            pair.map(|(wanted, here)| (wanted.parse::<usize>(), here.parse::<usize>()))
        {
            array.missing = wanted.saturating_sub(here);
        }
        let word = word.split('=').next().unwrap_or_default();
        if matches!(word, "recovery" | "resync" | "reshape" | "check") {
            array.work = Some(word.to_owned());
        }
    }
}

fn judge(arrays: &[Array], thresholds: Thresholds) -> Finding {
    if arrays.is_empty() {
        return Finding::skipped("this machine has no array of software RAID");
    }
    let missing: usize = arrays.iter().map(|array| array.missing).sum();
    let stopped = arrays.iter().any(|array| !array.active);
    let rebuilt = arrays.iter().any(|array| array.work.as_deref().is_some_and(|work| work != "check"));
    let troubles: Vec<String> = arrays.iter().filter_map(trouble).collect();
    let message = match troubles.as_slice() {
        [] => format!("{} with all their disks", plural(arrays.len(), "array")),
        troubles => some(troubles, MAX_NAMED),
    };
    let figures = arrays.iter().map(|array| {
        json!({
            "array": array.name,
            "level": array.level,
            "active": array.active,
            "missing_disks": array.missing,
            "work": array.work,
        })
    });
    let found = Finding::judged(count(missing), thresholds, message)
        .with("missing_disks", missing)
        .with("arrays", figures.collect::<Vec<_>>());
    match (stopped, rebuilt) {
        (true, _) => found.at_least(CheckStatus::Critical),
        (false, true) => found.at_least(CheckStatus::Warning),
        (false, false) => found,
    }
}

fn trouble(array: &Array) -> Option<String> {
    let Array { name, level, active, missing, work } = array;
    if !active {
        return Some(format!("array `{name}` does not run"));
    }
    let level = level.as_deref().unwrap_or("array");
    let rebuilt = work.as_deref().filter(|work| *work != "check");
    match (missing, rebuilt) {
        (0, None) => None,
        (0, Some(work)) => Some(format!("{level} `{name}`: {work}")),
        (missing, None) => Some(format!("{level} `{name}` lacks {}", plural(*missing, "disk"))),
        (missing, Some(work)) => {
            Some(format!("{level} `{name}` lacks {} ({work})", plural(*missing, "disk")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::root::fake::Fake;
    use super::*;

    const WELL: &str = "\
Personalities : [raid1] [raid6] [raid5] [raid4]
md1 : active (auto-read-only) raid1 sdb2[1] sda2[0]
      523264 blocks super 1.2 [2/2] [UU]

md0 : active raid5 sdc1[3] sdb1[1] sda1[0]
      2093056 blocks super 1.2 level 5, 512k chunk, algorithm 2 [3/3] [UUU]
      [====>................]  check = 21.9% (230000/1046528) finish=0.5min speed=23000K/sec
      bitmap: 0/1 pages [0KB], 65536KB chunk

unused devices: <none>
";

    fn found(mdstat: &str) -> Finding {
        look(ABOUT.thresholds, Fake::new(&[(MDSTAT, mdstat)]).root())()
    }

    #[test]
    fn whole_arrays_are_well_also_while_they_are_scrubbed() {
        let found = found(WELL);
        assert_eq!((found.status, found.value), (CheckStatus::Ok, Some(0.0)), "{}", found.message);
        assert_eq!(found.message, "2 arrays with all their disks");
        assert_eq!(found.metrics["arrays"][0]["level"], "raid1");
    }

    #[test]
    fn an_array_that_lost_a_disk_is_critical_and_says_what_is_done() {
        let text = WELL.replace("[3/3] [UUU]", "[3/2] [UU_]").replace("check =", "recovery =");
        let found = found(&text);
        assert_eq!((found.status, found.value), (CheckStatus::Critical, Some(1.0)));
        assert_eq!(found.message, "raid5 `md0` lacks 1 disk (recovery)");
    }

    #[test]
    fn rebuilding_warns_and_an_array_that_does_not_run_is_critical() {
        let resync = found(&WELL.replace("check = 21.9%", "resync=DELAYED"));
        assert_eq!((resync.status, resync.message.as_str()), (CheckStatus::Warning, "raid5 `md0`: resync"));
        let inactive = found("Personalities :\nmd127 : inactive sdd[0](S)\n      1 blocks\n");
        assert_eq!(inactive.status, CheckStatus::Critical);
        assert_eq!(inactive.message, "array `md127` does not run");
        let striped = found("md0 : active raid0 sdb1[1](F) sda1[0]\n      9 blocks 512k chunks\n");
        assert_eq!((striped.status, striped.value), (CheckStatus::Critical, Some(1.0)));
    }

    #[test]
    fn sysfs_knows_of_a_missing_disk_too() {
        let fake = Fake::new(&[(MDSTAT, WELL), ("/sys/block/md1/md/degraded", "1\n")]);
        assert_eq!(look(ABOUT.thresholds, fake.root())().message, "raid1 `md1` lacks 1 disk");
    }

    #[test]
    fn no_array_and_no_kernel_support_are_skipped() {
        assert_eq!(found("Personalities : \nunused devices: <none>\n").status, CheckStatus::Skipped);
        assert_eq!(look(ABOUT.thresholds, Fake::new(&[]).root())().status, CheckStatus::Skipped);
    }
}
