//! What a long history costs the next webhook.

use crate::bench::Bench;
use crate::bench::home::{DATABASE, Home};
use crate::bench::ingest::WEBHOOK;
use crate::bench::load::{Load, Mode};
use crate::bench::peer::text;
use crate::bench::report::Report;
use crate::process;

pub(super) const SECTION: &str = "growth";
pub(super) const EMPTY: &str = "empty database";
pub(super) const FULL: &str = "with open incidents";

/// Measures both rows.
///
/// # Errors
/// The database cannot be filled, or the hub refuses a webhook.
pub(super) fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let empty = Home::prepare(bench, "growth-empty")?;
    let full = empty.copy(bench, "growth-full")?;
    let database = full.path(DATABASE);
    process::output(bench.peer.command().args(["fill", text(&database)?, &bench.incidents.to_string()]))?;
    let template = bench.peer.payload(bench, "alertmanager", 1)?;
    bench.interleave(
        SECTION,
        &[(EMPTY, &empty, 0), (FULL, &full, bench.incidents)],
        |(row, home, incidents)| {
            let hub = home.copy(bench, "growth-row")?.serve()?;
            let load = Load {
                path: WEBHOOK,
                token: &home.token,
                template: &template,
                mode: Mode::Join,
                connections: 16,
            };
            let figures = load.run(bench, &hub)?;
            report.add(SECTION, row, "incidents", *incidents as f64);
            report.add(SECTION, row, "cpu us/req", figures.cpu);
            report.add(SECTION, row, "req/s", figures.rate);
            report.add(SECTION, row, "p99 ms", figures.p99);
            Ok(())
        },
    )?;
    report.ratio(SECTION, FULL, EMPTY, "cpu us/req", "of empty");
    Ok(())
}
