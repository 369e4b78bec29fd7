//! How full the fullest file system is.

use serde_json::{Map, json};

use super::probe::Disk;
use super::{CheckResult, CheckStatus, Checker, Snapshot, Thresholds, percent, size};

/// The most file systems named in one message and kept in the figures, the fullest first.
const MAX_NAMED: usize = 3;
const MAX_METRICS: usize = 20;

pub(super) fn check(snapshot: &Snapshot, thresholds: Thresholds) -> CheckResult {
    let mut disks: Vec<(f64, &Disk)> = snapshot.disks.iter().map(|disk| (used_percent(disk), disk)).collect();
    disks.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.mount.cmp(&b.1.mount)));
    let Some((worst, _)) = disks.first().copied() else {
        return CheckResult::skipped(Checker::Disk, "no file system of this machine can be measured");
    };
    let status = thresholds.judge(worst);
    // All that are over a limit are named, else only the fullest.
    let over = disks.iter().filter(|(used, _)| thresholds.judge(*used) > CheckStatus::Ok).count();
    let named: Vec<_> = disks.iter().take(over.clamp(1, MAX_NAMED)).map(sentence).collect();
    let mut message = named.join("; ");
    if over > MAX_NAMED {
        message.push_str(&format!("; and {} more", over.saturating_sub(MAX_NAMED)));
    }
    let figures = disks.iter().take(MAX_METRICS).map(|(used_percent, disk)| {
        json!({
            "mount": disk.mount,
            "used_percent": used_percent,
            "total_bytes": disk.total_bytes,
            "available_bytes": disk.available_bytes,
        })
    });
    let mut metrics = Map::new();
    metrics.insert("used_percent".to_owned(), json!(worst));
    metrics.insert("disks".to_owned(), figures.collect());
    CheckResult { checker: Checker::Disk, status, message, metrics }
}

fn used_percent(disk: &Disk) -> f64 {
    percent(disk.total_bytes.saturating_sub(disk.available_bytes), disk.total_bytes)
}

fn sentence((used, disk): &(f64, &Disk)) -> String {
    let (free, total) = (size(disk.available_bytes), size(disk.total_bytes));
    format!("disk `{}` is {used:.0} % full: {free} free of {total}", disk.mount)
}
