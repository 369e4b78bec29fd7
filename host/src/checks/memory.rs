//! Share of memory in use.

use super::about::{About, Thresholds};
use super::{Finding, Memory, percent, size};

/// The limits are guesses.
pub(super) const ABOUT: About = About {
    meaning: "Memory that programs cannot get any more; caches count as free.",
    unit: "%",
    source: "the system's own counters",
    thresholds: Thresholds { warning: 85.0, critical: 95.0 },
    options: &[],
};

pub(super) fn check(memory: Option<Memory>, thresholds: Thresholds) -> Finding {
    let Some(memory) = memory else {
        return Finding::skipped("this machine does not say how much memory it has");
    };
    // Judged by what programs can still get: caches count as free, as they are given back.
    let used = memory.total_bytes.saturating_sub(memory.available_bytes);
    let used_percent = percent(used, memory.total_bytes);
    let mut message = format!(
        "memory is {used_percent:.0} % used: {} available of {}",
        size(memory.available_bytes),
        size(memory.total_bytes),
    );
    if memory.swap_used_bytes > 0 {
        let (used, total) = (size(memory.swap_used_bytes), size(memory.swap_total_bytes));
        message.push_str(&format!("; swap {used} used of {total}"));
    }
    Finding::judged(used_percent, thresholds, message)
        .with("used_percent", used_percent)
        .with("total_bytes", memory.total_bytes)
        .with("available_bytes", memory.available_bytes)
        .with("swap_total_bytes", memory.swap_total_bytes)
        .with("swap_used_bytes", memory.swap_used_bytes)
}
