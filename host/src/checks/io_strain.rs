//! How much the machine waits for its disks.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;

use super::about::{About, Thresholds};
use super::root::Root;
use super::{Finding, Look, percent, tenth};

const PRESSURE: &str = "/proc/pressure/io";
const STAT: &str = "/proc/stat";
const DISKSTATS: &str = "/proc/diskstats";
/// How long the first look watches.
const FIRST_LOOK: Duration = Duration::from_millis(200);
/// Block devices that are no disks.
const NO_DISKS: &[&str] = &["loop", "ram", "zram", "fd", "sr"];
/// The most disks kept in the figures, the busiest first.
const MAX_METRICS: usize = 20;

/// The limits are guesses: with a fifth of a minute lost, people notice.
pub(super) const ABOUT: About = About {
    meaning: "Time within the last minute in which all work stood still for disks. Where the kernel does not \
              tell: processor time spent waiting for them since somebody last looked.",
    unit: "%",
    source: "`/proc/pressure/io`, else `/proc/stat`; `/proc/diskstats` for the figures",
    thresholds: Thresholds { warning: 20.0, critical: 50.0 },
    options: &[],
};

/// What has to be seen twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Sample {
    /// Processor time spent waiting for disks and in all, in ticks.
    waited: Option<(u64, u64)>,
    /// For each disk the time in which it was busy, in milliseconds.
    busy_ms: BTreeMap<String, u64>,
}

pub(super) fn look(thresholds: Thresholds, root: Root) -> Look {
    let mut last: Option<(Instant, Sample)> = None;
    Box::new(move || {
        let (before, sample) = last.take().unwrap_or_else(|| {
            let first = (Instant::now(), read(&root));
            std::thread::sleep(FIRST_LOOK);
            first
        });
        let (now, seen) = (Instant::now(), read(&root));
        let found = judge(
            root.read(PRESSURE).and_then(|text| pressure(&text)),
            &sample,
            &seen,
            now.duration_since(before),
            thresholds,
        );
        last = Some((now, seen));
        found
    })
}

fn read(root: &Root) -> Sample {
    Sample {
        waited: root.read(STAT).and_then(|text| waited(&text)),
        busy_ms: root.read(DISKSTATS).map(|text| busy(&text, &root.list("/sys/block"))).unwrap_or_default(),
    }
}

/// Share of the last minute in which some and in which all work stood still, in percent.
fn pressure(text: &str) -> Option<(f64, f64)> {
    let average = |kind: &str| -> Option<f64> {
        let line = text.lines().find_map(|line| line.strip_prefix(kind))?;
        line.split_whitespace().find_map(|word| word.strip_prefix("avg60="))?.parse().ok()
    };
    Some((tenth(average("some ")?), tenth(average("full ")?)))
}

/// Processor time spent waiting for disks, and in all: the fifth of the figures, and their sum without
/// those of guests, which are in the first two already.
fn waited(text: &str) -> Option<(u64, u64)> {
    let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<u64> = line.split_whitespace().take(8).filter_map(|word| word.parse().ok()).collect();
    Some((*ticks.get(4)?, ticks.iter().sum()))
}

/// The time in which each whole disk was busy: the thirteenth field.
fn busy(text: &str, disks: &[String]) -> BTreeMap<String, u64> {
    let line = |line: &str| {
        let mut words = line.split_whitespace().skip(2);
        let name = words.next()?;
        let is_disk = disks.iter().any(|disk| disk == name)
            && !NO_DISKS.iter().any(|prefix| {
                name.strip_prefix(prefix).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
            });
        let busy = words.nth(9)?.parse().ok()?;
        is_disk.then(|| (name.to_owned(), busy))
    };
    text.lines().filter_map(line).collect()
}

fn judge(
    pressure: Option<(f64, f64)>,
    before: &Sample,
    now: &Sample,
    time: Duration,
    thresholds: Thresholds,
) -> Finding {
    let iowait = before.waited.zip(now.waited).map(|((waited_then, all_then), (waited, all))| {
        percent(waited.saturating_sub(waited_then), all.saturating_sub(all_then))
    });
    let (value, message) = match (pressure, iowait) {
        (Some((some, full)), _) => {
            (full, format!("all work stood still for disks {full:.0} % of the last minute, some {some:.0} %"))
        }
        (None, Some(iowait)) => (iowait, format!("processors waited for disks {iowait:.0} % of their time")),
        (None, None) => return Finding::skipped("this machine does not say how long it waits for disks"),
    };
    let elapsed = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let share = |(name, busy): (&String, &u64)| {
        let since = busy.saturating_sub(*before.busy_ms.get(name)?);
        Some((percent(since, elapsed).min(100.0), name.clone()))
    };
    let mut busy: Vec<(f64, String)> = now.busy_ms.iter().filter_map(share).collect();
    busy.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let figures = busy.iter().take(MAX_METRICS);
    let figures = figures.map(|(share, disk)| json!({ "disk": disk, "busy_percent": share }));
    let message = match busy.first() {
        Some((share, disk)) if *share >= 1.0 => format!("{message}; disk `{disk}` is {share:.0} % busy"),
        _ => message,
    };
    let found = Finding::judged(value, thresholds, message).with("disks", figures.collect::<Vec<_>>());
    let found = match iowait {
        Some(iowait) => found.with("iowait_percent", iowait),
        None => found,
    };
    match pressure {
        Some((some, full)) => found.with("some_percent", some).with("full_percent", full),
        None => found,
    }
}

#[cfg(test)]
mod tests {
    use super::super::CheckStatus;
    use super::super::root::fake::Fake;
    use super::*;

    const PSI: &str = "some avg10=80.00 avg60=61.25 avg300=9.00 total=680561716\n\
                       full avg10=70.11 avg60=52.06 avg300=8.33 total=263827489\n";
    const DISKS: &str = "   8       0 sda 1389 5310 9888 2120 357 168 8259 354 0 1353520 25059761 0 0 0 0 0 0\n   \
                         8       1 sda1 1389 5310 9888 2120 357 168 8259 354 0 9 9 0 0 0 0 0 0\n   \
                         7       0 loop0 0 0 0 0 0 0 0 0 0 77 0 0 0 0 0 0 0\n";

    #[test]
    fn pressure_decides_where_the_kernel_tells_it() {
        let fake = Fake::new(&[(PRESSURE, PSI), (STAT, "cpu  1 1 1 1 0 0 0 0 0 0\n")]);
        let found = look(ABOUT.thresholds, fake.root())();
        assert_eq!((found.status, found.value), (CheckStatus::Critical, Some(52.1)));
        assert_eq!(found.message, "all work stood still for disks 52 % of the last minute, some 61 %");
        assert_eq!(found.metrics["some_percent"], 61.3);
    }

    #[test]
    fn waiting_processors_stand_in_and_the_busiest_disk_is_named() {
        let text = |ticks: u64| format!("cpu  100 0 100 700 {ticks} 0 0 0 50 0\ncpu0 1 1 1 1 1\n");
        let disks = ["sda".to_owned(), "loop0".to_owned()];
        let sample = |ticks: u64, disk_text: &str| Sample {
            waited: waited(&text(ticks)),
            busy_ms: busy(disk_text, &disks),
        };
        let later = DISKS.replace("1353520", "1354320");
        let (before, now) = (sample(100, DISKS), sample(130, &later));
        assert_eq!(before.waited, Some((100, 1000)), "time of guests is counted once");
        assert_eq!(before.busy_ms.len(), 1, "neither partitions nor loops");
        let found = judge(None, &before, &now, Duration::from_secs(1), ABOUT.thresholds);
        assert_eq!(found.status, CheckStatus::Critical);
        assert_eq!(found.message, "processors waited for disks 100 % of their time; disk `sda` is 80 % busy");
        assert_eq!(found.metrics["disks"][0]["busy_percent"], 80.0);
    }

    #[test]
    fn a_machine_that_tells_neither_is_skipped() {
        assert_eq!(look(ABOUT.thresholds, Fake::new(&[]).root())().status, CheckStatus::Skipped);
        assert_eq!(pressure("some avg10=1\n"), None);
    }
}
