//! Questions about this machine alone: what takes its memory, what fills its disks.

use plugin_sdk::intelligence::{Analysis, Priority, Recommendation, Surroundings};
use plugin_sdk::text::{clip, one_line};
use serde_json::json;

use crate::analysis;
use crate::area::Area;
use crate::machine::{self, Disk, File, Level, Listing, size};
use crate::settings::Settings;

/// How many files an advice names; its details have them all.
const NAMED: usize = 5;

/// What takes the memory.
pub(crate) fn memory(settings: &Settings, surroundings: &mut dyn Surroundings) -> Analysis {
    let Some(memory) = machine::memory(surroundings) else {
        return analysis("This machine's memory cannot be seen.".to_owned(), String::new(), Vec::new());
    };
    let processes = machine::processes(surroundings, settings.top_n);
    let level = memory.level();
    let summary = memory.sentence();
    let mut description = summary.clone();
    if let Some(first) = processes.first() {
        description.push_str(&format!(
            " The largest process is `{}` ({}) with {}.",
            clip(&first.name, 64),
            first.pid,
            size(first.memory_bytes)
        ));
    }
    let recommendation = Recommendation {
        kind: "memory".to_owned(),
        priority: level.priority(),
        title: match level {
            Level::Calm => "Memory is not short".to_owned(),
            Level::Notable => "Memory gets short".to_owned(),
            Level::Urgent => "Memory is nearly used up".to_owned(),
        },
        description: description.clone(),
        actions: if level == Level::Calm { Vec::new() } else { actions(Area::Memory) },
        details: json!({ "memory": memory, "processes": processes }).to_string(),
    };
    let cause = if level == Level::Calm { String::new() } else { description };
    analysis(summary, cause, vec![recommendation])
}

/// What fills the disks.
pub(crate) fn disk(settings: &Settings, surroundings: &mut dyn Surroundings) -> Analysis {
    let disks = machine::disks(surroundings);
    let full: Vec<&Disk> = disks.iter().filter(|disk| disk.level() > Level::Calm).collect();
    let mut recommendations: Vec<Recommendation> = full.iter().map(|disk| of_disk(disk)).collect();
    let mut summary = match full.as_slice() {
        [] => "Nothing stands out about disk space.".to_owned(),
        full => full.iter().map(|disk| disk.sentence()).collect::<Vec<_>>().join(" "),
    };
    let cause = if full.is_empty() { String::new() } else { summary.clone() };
    match machine::files(surroundings, settings) {
        Ok(listing) => {
            let is_large = |file: &&File| file.size_bytes >= settings.threshold_mb.saturating_mul(1 << 20);
            let large: Vec<&File> = listing.files.iter().filter(is_large).collect();
            let old: Vec<&File> = listing.files.iter().filter(|file| !is_large(file)).collect();
            let pressing = !full.is_empty();
            let what = format!("of {} MiB and more", settings.threshold_mb);
            recommendations.extend(of_files("Large files", &what, &large, &listing, pressing));
            let what = format!("that nobody has changed for {} days", settings.old_days);
            recommendations.extend(of_files("Old files", &what, &old, &listing, pressing));
            summary.push_str(&format!(" {}", found(&large, &old, &listing)));
        }
        Err(why) => {
            let why = one_line(why.lines().next().unwrap_or_default()).into_owned();
            summary.push_str(&format!(" Files were not looked through: {}.", clip(&why, 300)));
        }
    }
    analysis(summary, cause, recommendations)
}

fn of_disk(disk: &Disk) -> Recommendation {
    Recommendation {
        kind: "disk".to_owned(),
        priority: disk.level().priority(),
        title: format!("{} is {} % full", clip(&disk.mount, 128), disk.used_percent()),
        description: disk.sentence(),
        actions: actions(Area::Disk),
        details: json!({ "file_system": disk }).to_string(),
    }
}

/// An advice on some files; none where there are none.
fn of_files(
    title: &str,
    what: &str,
    files: &[&File],
    listing: &Listing,
    pressing: bool,
) -> Option<Recommendation> {
    let (first, bytes) = (files.first()?, sum(files));
    let named = files.iter().take(NAMED).map(|file| {
        format!(
            "See whether {} is still needed: {}, changed {}",
            machine::path(file),
            size(file.size_bytes),
            clip(&file.modified_at, 32).get(..10).unwrap_or_default()
        )
    });
    let at_least =
        if listing.complete { "" } else { " or more, as not everything was looked through in time" };
    Some(Recommendation {
        kind: "disk".to_owned(),
        priority: if pressing { Priority::High } else { Priority::Low },
        title: format!("{title}: {} in {}", size(bytes), count(files.len())),
        description: format!(
            "{} {what}: {} in all{at_least}. The largest is {} with {}.",
            count(files.len()),
            size(bytes),
            machine::path(first),
            size(first.size_bytes)
        ),
        actions: named.collect(),
        details: json!({ "path": listing.path, "files": files, "complete": listing.complete }).to_string(),
    })
}

fn found(large: &[&File], old: &[&File], listing: &Listing) -> String {
    let place = clip(&listing.path, 200);
    let part = |what: &str, files: &[&File]| {
        (!files.is_empty()).then(|| format!("{} {what} with {}", count(files.len()), size(sum(files))))
    };
    let parts: Vec<String> = [part("large", large), part("old", old)].into_iter().flatten().collect();
    match parts.as_slice() {
        [] => format!("No large or old files in {place}."),
        parts => format!("In {place}: {}.", parts.join(", ")),
    }
}

fn sum(files: &[&File]) -> u64 {
    files.iter().map(|file| file.size_bytes).fold(0, u64::saturating_add)
}

fn count(files: usize) -> String {
    if files == 1 { "1 file".to_owned() } else { format!("{files} files") }
}

/// The steps for an area on this machine.
fn actions(area: Area) -> Vec<String> {
    let (_, _, actions) = area.advice();
    actions
        .iter()
        .map(|action| action.replace("{place}", "this machine").replace("{host}", "localhost"))
        .collect()
}
