//! How full the fullest file system is.

use serde_json::json;

use super::about::{About, Thresholds};
use super::{Disk, Finding, fullest, percent, size};

/// The most file systems kept in the figures, the fullest first.
const MAX_METRICS: usize = 20;

/// The limits are guesses.
pub(super) const ABOUT: About = About {
    meaning: "How full the fullest file system is, of those that are written to.",
    unit: "%",
    source: "the mounted file systems",
    thresholds: Thresholds { warning: 85.0, critical: 95.0 },
    options: &[],
};

pub(super) fn check(disks: &[Disk], thresholds: Thresholds) -> Finding {
    let used = |disk: &Disk| percent(disk.total_bytes.saturating_sub(disk.available_bytes), disk.total_bytes);
    let mut disks: Vec<(f64, &Disk)> = disks.iter().map(|disk| (used(disk), disk)).collect();
    disks.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.mount.cmp(&b.1.mount)));
    let Some((worst, _)) = disks.first().copied() else {
        return Finding::skipped("no file system of this machine can be measured");
    };
    let sentence = |(used, disk): &(f64, &Disk)| {
        let (free, total) = (size(disk.available_bytes), size(disk.total_bytes));
        (*used, format!("disk `{}` is {used:.0} % full: {free} free of {total}", disk.mount))
    };
    let message = fullest(disks.iter().map(sentence).collect(), thresholds);
    let figures = disks.iter().take(MAX_METRICS).map(|(used_percent, disk)| {
        json!({
            "mount": disk.mount,
            "used_percent": used_percent,
            "total_bytes": disk.total_bytes,
            "available_bytes": disk.available_bytes,
        })
    });
    Finding::judged(worst, thresholds, message)
        .with("used_percent", worst)
        .with("disks", figures.collect::<Vec<_>>())
}
