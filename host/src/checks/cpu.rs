//! Share of processor time in use.

use serde_json::json;

use super::{CheckResult, Checker, Snapshot, Thresholds};

pub(super) fn check(snapshot: &Snapshot, thresholds: Thresholds) -> CheckResult {
    let Some(cpu) = snapshot.cpu else {
        return CheckResult::skipped(Checker::Cpu, "this machine does not say how busy its processors are");
    };
    let cores = if cpu.cores == 1 { "core" } else { "cores" };
    let mut message = format!("processors are {:.0} % busy ({} {cores}", cpu.usage_percent, cpu.cores);
    if let Some(load) = cpu.load {
        message.push_str(&format!(", load {:.2} {:.2} {:.2}", load.load_1, load.load_5, load.load_15));
    }
    message.push(')');
    let mut metrics = serde_json::Map::new();
    metrics.insert("usage_percent".to_owned(), json!(cpu.usage_percent));
    metrics.insert("cores".to_owned(), json!(cpu.cores));
    if let Some(load) = cpu.load {
        metrics.insert("load_1".to_owned(), json!(load.load_1));
        metrics.insert("load_5".to_owned(), json!(load.load_5));
        metrics.insert("load_15".to_owned(), json!(load.load_15));
    }
    CheckResult { checker: Checker::Cpu, status: thresholds.judge(cpu.usage_percent), message, metrics }
}
