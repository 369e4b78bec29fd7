//! Share of processor time in use.

use super::about::{About, Thresholds};
use super::{Cpu, Finding};

/// The limits are guesses: late enough not to cry wolf on a busy machine, early enough to leave time.
pub(super) const ABOUT: About = About {
    meaning: "Processor time in use over all cores, since somebody last looked.",
    unit: "%",
    source: "the system's own counters",
    thresholds: Thresholds { warning: 80.0, critical: 95.0 },
    options: &[],
};

pub(super) fn check(cpu: Option<Cpu>, thresholds: Thresholds) -> Finding {
    let Some(cpu) = cpu else {
        return Finding::skipped("this machine does not say how busy its processors are");
    };
    let mut message =
        format!("processors are {:.0} % busy ({}", cpu.usage_percent, super::plural(cpu.cores, "core"));
    if let Some(load) = cpu.load {
        message.push_str(&format!(", load {:.2} {:.2} {:.2}", load.load_1, load.load_5, load.load_15));
    }
    message.push(')');
    let found = Finding::judged(cpu.usage_percent, thresholds, message)
        .with("usage_percent", cpu.usage_percent)
        .with("cores", cpu.cores);
    match cpu.load {
        Some(load) => {
            found.with("load_1", load.load_1).with("load_5", load.load_5).with("load_15", load.load_15)
        }
        None => found,
    }
}
