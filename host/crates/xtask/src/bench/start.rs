//! How long a hub takes to be ready, and how much memory it holds when it has nothing to do.

use std::time::Duration;

use crate::bench::Bench;
use crate::bench::home::Home;
use crate::bench::report::Report;

pub(super) const SECTION: &str = "start";
pub(super) const COLD: &str = "cold: new folder";
pub(super) const WARM: &str = "warm: started before";
/// Until a hub that is ready has nothing left to do.
const SETTLE: Duration = Duration::from_secs(1);

/// Measures both rows.
///
/// # Errors
/// The hub does not start or stop.
pub(super) fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    bench.interleave(SECTION, &[()], |()| {
        let home = Home::fresh(bench, "start")?;
        for row in [COLD, WARM] {
            let hub = home.serve()?;
            report.add(SECTION, row, "ready ms", hub.started_in.as_secs_f64() * 1e3);
            std::thread::sleep(SETTLE);
            report.add(SECTION, row, "cpu ms", hub.processor_time()?.as_secs_f64() * 1e3);
            report.add(SECTION, row, "idle MiB", hub.resident_mib()?);
            hub.stop()?;
        }
        Ok(())
    })
}
