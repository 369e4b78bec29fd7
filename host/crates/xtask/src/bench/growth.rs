//! What a long history costs the next webhook.

use crate::bench::Bench;
use crate::bench::home::{DATABASE, Home};
use crate::bench::ingest::WEBHOOK;
use crate::bench::load::{Load, Mode};
use crate::bench::peer::text;
use crate::bench::report::Report;
use crate::process;

pub(super) const SECTION: &str = "growth";
const EMPTY: &str = "empty database";
const FEW: &str = "1,000 open incidents";
pub(super) const MANY: &str = "many open incidents";
pub(super) const LONG: &str = "many stored alerts";

/// Measures all rows.
///
/// # Errors
/// The database cannot be filled, or the hub refuses a webhook.
pub(super) fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let empty = Home::prepare(bench, "growth-empty")?;
    let filled = |name: &str, incidents: u64, over: u64| -> anyhow::Result<Home> {
        let home = empty.copy(bench, name)?;
        let database = home.path(DATABASE);
        let counts = [incidents.to_string(), over.to_string()];
        process::output(bench.peer.command().args(["fill", text(&database)?, &counts[0], &counts[1]]))?;
        Ok(home)
    };
    let few = filled("growth-few", 1_000, 0)?;
    let many = filled("growth-many", bench.incidents, 0)?;
    let long = filled("growth-long", 0, bench.alerts)?;
    let template = bench.peer.payload(bench, "alertmanager", 1)?;
    let rows = [
        (EMPTY, &empty, 0, 0),
        (FEW, &few, 1_000, 0),
        (MANY, &many, bench.incidents, 0),
        (LONG, &long, 0, bench.alerts),
    ];
    bench.interleave(SECTION, &rows, |(row, home, incidents, alerts)| {
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
        report.add(SECTION, row, "alerts", *alerts as f64);
        report.add(SECTION, row, "cpu us/req", figures.cpu);
        report.add(SECTION, row, "req/s", figures.rate);
        report.add(SECTION, row, "p99 ms", figures.p99);
        Ok(())
    })?;
    for row in [FEW, MANY, LONG] {
        report.ratio(SECTION, row, EMPTY, "cpu us/req", "of empty");
    }
    Ok(())
}
