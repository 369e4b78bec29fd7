//! What fills the folders that fill by themselves: logs, temporary files, caches.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::json;

use super::about::{About, Choice, Kind, Thresholds};
use super::root::Root;
use super::walk::{self, Bounds, Found};
use super::{Finding, Look, Settings, plural, size, tenth};
use crate::clock;

const GIB: f64 = 1_073_741_824.0;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The limits are guesses: a few GiB of what nobody has touched for a month are worth a look.
pub(super) const ABOUT: About = About {
    meaning: "Files that nobody has written for `old_days`, in the folders that fill by themselves: what could \
              be given back. Large files and how the folders grow are in the figures.",
    unit: "GiB",
    source: "the folders named by `root`; links are not followed, other file systems \
             not entered. What was found is good for five minutes",
    thresholds: Thresholds { warning: 5.0, critical: 20.0 },
    options: &[
        Choice {
            name: "root",
            kind: Kind::Folders,
            default: "/var/log,/var/cache,/var/tmp,/tmp",
            meaning: "A folder to look through.",
        },
        Choice {
            name: "old_days",
            kind: Kind::Number(1, 3650),
            default: "30",
            meaning: "From how many days without a change on a file is old.",
        },
        Choice {
            name: "large_mib",
            kind: Kind::Number(1, 1_048_576),
            default: "1024",
            meaning: "From how many MiB on a file is named as large.",
        },
        Choice { name: "depth", kind: Kind::Number(1, 64), default: "8", meaning: "How deep to go." },
        Choice {
            name: "entries",
            kind: Kind::Number(100, 10_000_000),
            default: "100000",
            meaning: "How many entries to look at in all.",
        },
        Choice {
            name: "seconds",
            kind: Kind::Number(1, 9),
            default: "1",
            meaning: "How long to look in all. What takes more than 2 seconds is in the next notification only.",
        },
    ],
};

pub(super) fn look(settings: Settings, root: Root) -> Look {
    let mut last: HashMap<String, (Instant, u64)> = HashMap::new();
    Box::new(move || {
        let now = clock::machine_time();
        let bounds = Bounds {
            until: Instant::now() + Duration::from_secs(settings.number("seconds").into()),
            entries: usize::try_from(settings.number("entries")).unwrap_or(usize::MAX),
            depth: settings.number("depth"),
            old_before: now.checked_sub(DAY * settings.number("old_days")).unwrap_or(now),
            large_bytes: u64::from(settings.number("large_mib")) << 20,
        };
        let folders: Vec<_> =
            settings.list("root").iter().map(|folder| (folder.clone(), root.path(folder))).collect();
        let found = walk::all(&folders, bounds);
        let finding = judge(&found, &last, &settings);
        last = found
            .into_iter()
            .filter(|found| found.is_comparable())
            .map(|found| (found.folder, (Instant::now(), found.bytes)))
            .collect();
        finding
    })
}

#[expect(clippy::cast_precision_loss, reason = "shown to a tenth of a GiB")]
fn gib(bytes: u64) -> f64 {
    tenth(bytes as f64 / GIB)
}

fn judge(found: &[Found], before: &HashMap<String, (Instant, u64)>, settings: &Settings) -> Finding {
    if found.is_empty() {
        return Finding::skipped("none of the folders to look through is there");
    }
    let old_bytes: u64 = found.iter().map(|folder| folder.old_bytes).sum();
    let bytes: u64 = found.iter().map(|folder| folder.bytes).sum();
    let folders = found.iter().map(|found| {
        let grown = before.get(&found.folder).filter(|_| found.is_comparable()).map(|(then, bytes)| {
            let grown = i128::from(found.bytes) - i128::from(*bytes);
            (i64::try_from(grown).unwrap_or(i64::MAX), then.elapsed().as_secs())
        });
        json!({
            "folder": found.folder,
            "bytes": found.bytes,
            "old_bytes": found.old_bytes,
            "files": found.files,
            "grown_bytes": grown.map(|(bytes, _)| bytes),
            "grown_within_s": grown.map(|(_, seconds)| seconds),
            "unreadable_folders": found.unreadable,
            "cut_off": found.cut_off.map(|cut| cut.as_str()),
        })
    });
    let mut large: Vec<_> = found.iter().flat_map(|folder| &folder.large).collect();
    large.sort_by(|a, b| b.cmp(a));
    let mut message = format!(
        "{} not written for {} days, of {} in {}",
        size(old_bytes),
        settings.number("old_days"),
        size(bytes),
        plural(found.len(), "folder"),
    );
    if let Some((bytes, path)) = large.first() {
        message.push_str(&format!("; the largest file is `{path}` ({})", size(*bytes)));
    }
    if let Some(cut) = found.iter().find_map(|folder| folder.cut_off) {
        message.push_str(&format!(" (at least: the walk was cut off by its bound of {})", cut.as_str()));
    }
    let large =
        large.iter().take(walk::MAX_LARGE).map(|(bytes, path)| json!({ "path": path, "bytes": bytes }));
    Finding::judged(gib(old_bytes), settings.thresholds, message)
        .with("old_gib", gib(old_bytes))
        .with("large_files", large.collect::<Vec<_>>())
        .with("folders", folders.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::SystemTime;

    use super::super::root::fake::Fake;
    use super::super::{CheckStatus, Checker};
    use super::*;

    /// A file with this many bytes on disk, last written so many days ago.
    fn write(fake: &Fake, path: &str, mib: usize, days: u32) {
        fake.write(path, &"x".repeat(mib << 20));
        let file = File::options().write(true).open(fake.root().path(path)).unwrap();
        file.set_modified(clock::machine_time() - DAY * days).unwrap();
    }

    fn settings(more: &str) -> Settings {
        Settings::parse(Checker::DiskAnalysis, &format!("root=/var/log,root=/tmp,large_mib=2,{more}"))
            .unwrap()
    }

    fn bytes(found: &Finding, at: usize, name: &str) -> u64 {
        found.metrics["folders"][at][name].as_u64().unwrap()
    }

    #[test]
    fn old_and_large_files_are_found_and_growth_from_one_look_to_the_next() {
        let fake = Fake::new(&[]);
        write(&fake, "/var/log/app/old.log", 3, 40);
        write(&fake, "/var/log/new.log", 1, 1);
        write(&fake, "/tmp/x", 1, 31);
        let mut look = look(settings("warning=0.002,critical=10"), fake.root());
        let found = look();
        assert_eq!(bytes(&found, 0, "old_bytes") >> 20, 3, "{found:?}");
        assert_eq!((bytes(&found, 0, "bytes") >> 20, bytes(&found, 0, "files")), (4, 2));
        assert_eq!(bytes(&found, 1, "old_bytes") >> 20, 1);
        assert!(
            found.message.starts_with("4 MiB not written for 30 days, of 5 MiB in 2 folders; the largest")
        );
        let large = found.metrics["large_files"].as_array().unwrap();
        assert!(large.len() == 1 && large[0]["path"].as_str().unwrap().ends_with("app/old.log"));
        assert!(found.metrics["folders"][0]["grown_bytes"].is_null());
        write(&fake, "/var/log/more.log", 1, 0);
        assert_eq!(bytes(&look(), 0, "grown_bytes") >> 20, 1);
    }

    #[test]
    fn the_sum_of_what_is_old_is_judged() {
        let folder = |old_gib: u64| Found { old_bytes: old_gib << 30, ..Found::empty("/x") };
        let judge = |gib| judge(&[folder(gib), folder(1)], &HashMap::new(), &settings("")).status;
        assert_eq!(
            [3, 4, 18, 19].map(judge),
            [CheckStatus::Ok, CheckStatus::Warning, CheckStatus::Warning, CheckStatus::Critical]
        );
    }

    #[test]
    fn links_are_not_followed_and_bounds_are_kept_and_told() {
        let fake = Fake::new(&[]);
        write(&fake, "/elsewhere/secret.log", 1, 99);
        write(&fake, "/tmp/a/b/c/deep", 1, 99);
        let link = |from: &str, to: &str| {
            std::os::unix::fs::symlink(fake.root().path(to), fake.root().path(from)).unwrap();
        };
        link("/tmp/link", "/elsewhere");
        fake.write("/var/x", "");
        link("/var/log", "/elsewhere");
        let found = look(settings(""), fake.root())();
        assert_eq!(bytes(&found, 0, "bytes") >> 20, 1, "{found:?}");
        let found = look(settings("depth=2"), fake.root())();
        assert_eq!(found.metrics["folders"][0]["cut_off"], "depth");
        for file in 0..200 {
            fake.write(&format!("/tmp/{file}"), "");
        }
        let found = look(settings("entries=100"), fake.root())();
        assert_eq!(found.metrics["folders"][0]["cut_off"], "entries");
        assert!(found.message.contains("at least"), "{}", found.message);
        let bounds = Bounds {
            until: Instant::now(),
            entries: 1000,
            depth: 8,
            old_before: SystemTime::UNIX_EPOCH,
            large_bytes: 1,
        };
        let found = walk::all(&[("/tmp".to_owned(), fake.root().path("/tmp"))], bounds);
        assert_eq!(found[0].cut_off.map(|cut| cut.as_str()), Some("time"));
    }

    #[test]
    fn folders_that_are_not_there_are_skipped() {
        let found = look(settings(""), Fake::new(&[]).root())();
        assert_eq!(found.status, CheckStatus::Skipped);
    }
}
