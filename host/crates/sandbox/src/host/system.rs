//! `host-system`: what the host knows of its own machine.

use std::sync::Arc;

use domain::egress::SnapshotKind;

use crate::bindings::provider::watchbell::plugin::host_system;
use crate::state::State;

/// The longest options, in bytes.
const MAX_OPTIONS: usize = 4 * 1024;

impl host_system::Host for State {
    async fn snapshot(
        &mut self,
        kind: host_system::SnapshotKind,
        options: String,
    ) -> wasmtime::Result<Result<String, String>> {
        let kind = match kind {
            host_system::SnapshotKind::Memory => SnapshotKind::Memory,
            host_system::SnapshotKind::Cpu => SnapshotKind::Cpu,
            host_system::SnapshotKind::Disk => SnapshotKind::Disk,
            host_system::SnapshotKind::Processes => SnapshotKind::Processes,
            host_system::SnapshotKind::Files => SnapshotKind::Files,
        };
        if options.len() > MAX_OPTIONS {
            return Ok(Err(format!(
                "options have {} bytes, at most {MAX_OPTIONS} are allowed",
                options.len()
            )));
        }
        let services = Arc::clone(self.services("host-system")?);
        let (meter, time_left) = (Arc::clone(&self.meter), self.wall_left());
        // Looking through folders is the host's work.
        Ok(meter.pause(services.snapshot(kind, &options, time_left)).await)
    }
}
