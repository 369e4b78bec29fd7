//! Share of memory in use.

use serde_json::json;

use super::{CheckResult, Checker, Snapshot, Thresholds, percent, size};

pub(super) fn check(snapshot: &Snapshot, thresholds: Thresholds) -> CheckResult {
    let Some(memory) = snapshot.memory else {
        return CheckResult::skipped(Checker::Memory, "this machine does not say how much memory it has");
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
    let mut metrics = serde_json::Map::new();
    metrics.insert("used_percent".to_owned(), json!(used_percent));
    metrics.insert("total_bytes".to_owned(), json!(memory.total_bytes));
    metrics.insert("available_bytes".to_owned(), json!(memory.available_bytes));
    metrics.insert("swap_total_bytes".to_owned(), json!(memory.swap_total_bytes));
    metrics.insert("swap_used_bytes".to_owned(), json!(memory.swap_used_bytes));
    CheckResult { checker: Checker::Memory, status: thresholds.judge(used_percent), message, metrics }
}
