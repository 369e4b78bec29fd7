//! Snapshots for plugins, in the shapes of `wit/host.wit`.

use std::sync::Arc;
use std::time::Duration;

use domain::egress::SnapshotKind;
use serde::Serialize;
use serde_json::{Map, Value};

use super::files::Folders;
use super::machine::Machine;
use super::probe::{MAX_PROCESSES, Snapshot};

/// How many processes without a wish.
const DEFAULT_PROCESSES: usize = 10;

/// What of this machine may be shown to plugins.
#[derive(Debug, Clone)]
pub struct Shown {
    /// How it is.
    pub machine: Arc<Machine>,
    /// What may be looked through.
    pub folders: Arc<Folders>,
}

impl Shown {
    /// A part of it as the JSON that `host-system` promises, within `time_left`.
    ///
    /// # Errors
    /// Text for the plugin: options that are not understood, or what is not to be had.
    pub async fn tell(
        &self,
        kind: SnapshotKind,
        options: &str,
        time_left: Duration,
    ) -> Result<String, String> {
        if kind == SnapshotKind::Files {
            return self.folders.list(options, time_left).await;
        }
        let snapshot = self.machine.snapshot().await.map_err(|error| error.to_string())?;
        snapshot_json(&snapshot, kind, options)
    }
}

/// A part of a snapshot as the JSON that `host-system` promises.
///
/// `options` is JSON, empty means `{}`; only processes have one, `limit`.
///
/// # Errors
/// Text for the plugin: options that are not understood, or what is not to be had on this machine.
pub(super) fn snapshot_json(
    snapshot: &Snapshot,
    kind: SnapshotKind,
    options: &str,
) -> Result<String, String> {
    match kind {
        SnapshotKind::Memory => write(snapshot.memory.as_ref(), "memory"),
        SnapshotKind::Cpu => write(snapshot.cpu.as_ref(), "processors"),
        SnapshotKind::Disk => {
            let disks = serde_json::json!({ "disks": snapshot.disks });
            write((!snapshot.disks.is_empty()).then_some(&disks), "file systems")
        }
        SnapshotKind::Processes => {
            let limit = process_limit(options)?;
            let largest: Vec<_> = snapshot.processes.iter().take(limit).collect();
            let processes = serde_json::json!({ "processes": largest });
            write((!largest.is_empty()).then_some(&processes), "processes")
        }
        SnapshotKind::Files => Err("files are in no snapshot".to_owned()),
    }
}

fn process_limit(options: &str) -> Result<usize, String> {
    let options: Map<String, Value> = match options.trim() {
        "" => Map::new(),
        text => serde_json::from_str(text).map_err(|_| "options must be a JSON object".to_owned())?,
    };
    let Some(limit) = options.get("limit") else {
        return Ok(DEFAULT_PROCESSES);
    };
    let count = limit.as_u64().and_then(|limit| usize::try_from(limit).ok());
    let within = count.filter(|count| (1..=MAX_PROCESSES).contains(count));
    within.ok_or_else(|| format!("`limit` must be a number between 1 and {MAX_PROCESSES}, found `{limit}`"))
}

fn write(value: Option<&impl Serialize>, what: &str) -> Result<String, String> {
    let value = value.ok_or_else(|| format!("this machine tells nothing about its {what}"))?;
    serde_json::to_string(value).map_err(|error| format!("{what}: {error}"))
}
