//! How many of a file system's inodes are taken: a disk with room left that takes no further file.

use serde_json::json;

use super::about::{About, Thresholds};
use super::{Finding, Look, fullest, percent, probe};

/// The most file systems kept in the figures, the fullest first.
const MAX_METRICS: usize = 20;

/// The limits are those of `disk`.
pub(super) const ABOUT: About = About {
    meaning: "Inodes in use on the file system with the fewest left.",
    unit: "%",
    source: "`statvfs` of the mounted file systems; those that make inodes as they need them are left out",
    thresholds: Thresholds { warning: 85.0, critical: 95.0 },
    options: &[],
};

/// What a file system says of its inodes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Inodes {
    mount: String,
    total: u64,
    free: u64,
}

pub(super) fn look(thresholds: Thresholds) -> Look {
    Box::new(move || {
        let read = |disk: probe::Disk| {
            let said = rustix::fs::statvfs(disk.mount.as_str()).ok()?;
            Some(Inodes { mount: disk.mount, total: said.f_files, free: said.f_ffree })
        };
        judge(probe::disks().into_iter().filter_map(read).collect(), thresholds)
    })
}

fn judge(mut found: Vec<Inodes>, thresholds: Thresholds) -> Finding {
    // A file system without a fixed number of them says 0.
    found.retain(|inodes| inodes.total > 0);
    let used = |inodes: &Inodes| percent(inodes.total.saturating_sub(inodes.free), inodes.total);
    found.sort_by(|a, b| used(b).total_cmp(&used(a)).then_with(|| a.mount.cmp(&b.mount)));
    let Some(worst) = found.first().map(used) else {
        return Finding::skipped("no file system of this machine has a fixed number of inodes");
    };
    let sentence = |inodes: &Inodes| {
        let Inodes { mount, total, free } = inodes;
        let used = used(inodes);
        (used, format!("disk `{mount}` has {used:.0} % of its inodes in use: {free} left of {total}"))
    };
    let figures = found.iter().take(MAX_METRICS).map(|inodes| {
        json!({
            "mount": inodes.mount,
            "used_percent": used(inodes),
            "total_inodes": inodes.total,
            "free_inodes": inodes.free,
        })
    });
    Finding::judged(worst, thresholds, fullest(found.iter().map(sentence).collect(), thresholds))
        .with("used_percent", worst)
        .with("disks", figures.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::super::CheckStatus;
    use super::*;

    fn inodes(mount: &str, total: u64, free: u64) -> Inodes {
        Inodes { mount: mount.to_owned(), total, free }
    }

    #[test]
    fn the_file_system_with_the_fewest_left_decides() {
        let disks = vec![inodes("/", 1000, 900), inodes("/var", 1000, 100), inodes("/btrfs", 0, 0)];
        let found = judge(disks, ABOUT.thresholds);
        assert_eq!((found.status, found.value), (CheckStatus::Warning, Some(90.0)));
        assert_eq!(found.message, "disk `/var` has 90 % of its inodes in use: 100 left of 1000");
        assert_eq!(found.metrics["disks"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn none_with_a_fixed_number_is_skipped() {
        assert_eq!(judge(vec![inodes("/", 0, 0)], ABOUT.thresholds).status, CheckStatus::Skipped);
    }
}
