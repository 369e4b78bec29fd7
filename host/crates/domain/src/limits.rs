//! How much of everything a plugin may use.

use std::time::Duration;

use serde::Serialize;

use crate::plugin::PluginKind;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// What one call of a plugin may use. The defaults are the contract's; `plugins.toml` changes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// All linear memories and tables of the instance together, in bytes.
    pub memory_bytes: usize,
    /// Thread time of the call.
    pub cpu: Duration,
    /// Wall time of the call, host functions included.
    pub wall: Duration,
    /// The largest input, in bytes.
    pub input_bytes: usize,
    /// The largest result, in bytes of text and lists.
    pub output_bytes: usize,
    /// The most alerts in one result.
    pub alerts: usize,
    /// The most log lines; each is cut at 8 KiB.
    pub log_lines: u32,
    /// What it may do on the network.
    pub egress: EgressLimits,
}

/// What one call may do on the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct EgressLimits {
    /// The most requests, redirects included.
    pub calls: u32,
    /// The most bytes sent in bodies.
    pub sent_bytes: usize,
    /// The most bytes received in bodies.
    pub received_bytes: usize,
    /// The most bytes of one answer.
    pub response_bytes: usize,
}

impl Limits {
    /// The contract's defaults for a kind of plugin (`wit/package.wit`).
    pub const fn of(kind: PluginKind) -> Self {
        let egress = EgressLimits { calls: 8, sent_bytes: MIB, received_bytes: 4 * MIB, response_bytes: MIB };
        match kind {
            PluginKind::Driver => Self {
                memory_bytes: 64 * MIB,
                cpu: Duration::from_millis(50),
                // A driver waits for nothing, so this only ends what a starved machine does not.
                wall: Duration::from_secs(2),
                input_bytes: 5 * MIB / 2,
                output_bytes: 8 * MIB,
                alerts: 2000,
                log_lines: 100,
                egress: EgressLimits { calls: 0, sent_bytes: 0, received_bytes: 0, response_bytes: 0 },
            },
            PluginKind::Notifier => Self {
                memory_bytes: 64 * MIB,
                cpu: Duration::from_millis(200),
                wall: Duration::from_secs(15),
                input_bytes: MIB,
                output_bytes: 64 * KIB,
                alerts: 0,
                log_lines: 100,
                egress,
            },
            PluginKind::Intelligence => Self {
                memory_bytes: 128 * MIB,
                cpu: Duration::from_secs(1),
                wall: Duration::from_secs(120),
                input_bytes: MIB,
                output_bytes: MIB,
                alerts: 0,
                log_lines: 100,
                egress,
            },
        }
    }
}

/// What one call used, however it ended; nothing if it was not begun.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Thread time of the plugin, host functions left out.
    pub cpu: Duration,
    /// Time in all.
    pub wall: Duration,
    /// All memories and tables together, in bytes.
    pub memory_bytes: usize,
    /// Texts and bodies handed to the function.
    pub input_bytes: usize,
    /// Texts and lists of its result, up to where it was refused if it was.
    pub output_bytes: usize,
    /// Log lines taken.
    pub log_lines: u32,
    /// Log lines over the limit.
    pub dropped_lines: u32,
    /// How long it waited for a slot, where calls of its form wait.
    pub waited: Option<Duration>,
}
