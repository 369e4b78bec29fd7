//! What the project wants to reach, and whether this run did.

use crate::bench::ingest::{self, Who, row_name};
use crate::bench::load::Mode;
use crate::bench::report::{Report, aligned};
use crate::bench::{delivery, growth, hostile, peer, start, swap};

/// Which side of its limit a figure has to be on.
enum Limit {
    Least(f64),
    Most(f64),
}

/// One figure and its limit.
struct Target {
    name: &'static str,
    what: &'static str,
    found: Option<f64>,
    limit: Limit,
}

/// The limits, and what was found. Only ratios mean the same on every machine.
fn targets(report: &Report) -> Vec<Target> {
    use Limit::{Least, Most};
    let of = |section: &str, row: &str, measure: &str| report.get(section, row, measure);
    let hub = |alerts: u32, measure: &str| {
        of(ingest::SECTION, &row_name(Who::Hub(Mode::Join), alerts, 64), measure)
    };
    let sandbox = |row: &str, measure: &str| of(peer::SANDBOX, row, measure);
    let choosing = |drivers: u32| sandbox(&format!("choose among {drivers} drivers"), "cpu us/call");
    let ratio = |this: Option<f64>, that: Option<f64>| Some(this? / that?);
    let target = |name, what, found, limit| Target { name, what, found, limit };
    vec![
        target("G1", "ingest, 1 alert, of row 2", hub(1, "of row 2"), Least(0.40)),
        target("G1", "ingest, 1 alert, of Alertmanager", hub(1, "of alertmanager"), Least(1.3)),
        target("G1", "ingest, 20 alerts, of Alertmanager", hub(20, "of alertmanager"), Least(3.0)),
        target("G1", "ingest, 1 alert, p99 in ms", hub(1, "p99 ms"), Most(15.0)),
        target(
            "G1",
            "shared commits, of single ones",
            of(peer::STORE, "64 webhooks per commit", "of single"),
            Least(10.0),
        ),
        target("G2", "sandbox, 1 alert, cpu us", sandbox("alertmanager: 1 alerts", "cpu us/call"), Most(8.0)),
        target(
            "G2",
            "sandbox, 20 alerts, of native",
            sandbox("alertmanager: 20 alerts", "of native"),
            Most(2.5),
        ),
        target("G2", "choosing, 64 drivers of 8", ratio(choosing(64), choosing(8)), Most(1.2)),
        target(
            "G3",
            "webhook to delivered, cpu us",
            of(delivery::SECTION, delivery::ROW, "cpu us/alert"),
            Most(600.0),
        ),
        target(
            "G3",
            "webhook to delivered, p99 in ms",
            of(delivery::SECTION, delivery::ROW, "p99 ms"),
            Most(50.0),
        ),
        target(
            "G4",
            "webhook's cpu, many open incidents of none",
            of(growth::SECTION, growth::MANY, "of empty"),
            Most(1.2),
        ),
        target(
            "G4",
            "webhook's cpu, many stored alerts of none",
            of(growth::SECTION, growth::LONG, "of empty"),
            Most(1.2),
        ),
        target(
            "S1",
            "honest p99 beside hostile calls, of alone",
            of(hostile::SECTION, hostile::CALLS, hostile::OF_ALONE),
            Most(1.5),
        ),
        target(
            "S1",
            "honest p99 beside hostile files, of alone",
            of(hostile::SECTION, hostile::FILES, hostile::OF_ALONE),
            Most(1.5),
        ),
        target("G5", "idle memory, MiB", of(start::SECTION, start::WARM, "idle MiB"), Most(60.0)),
        target(
            "swaps",
            "p99 while a driver is swapped, of no swap",
            of(swap::SECTION, swap::SWAPPED, swap::RATIO),
            Most(1.5),
        ),
        target("G5", "warm start, ms", of(start::SECTION, start::WARM, "ready ms"), Most(150.0)),
    ]
}

/// The targets of which something was measured.
pub(super) fn table(report: &Report) -> String {
    let mut lines = vec![["target", "found", "limit", ""].map(str::to_owned).to_vec()];
    for target in targets(report) {
        let Some(found) = target.found else { continue };
        let (limit, is_met) = match target.limit {
            Limit::Least(least) => (format!("≥ {least}"), found >= least),
            Limit::Most(most) => (format!("≤ {most}"), found <= most),
        };
        let verdict = if is_met { "met" } else { "missed" };
        let what = format!("{} {}", target.name, target.what);
        lines.push(vec![what, format!("{found:.2}"), limit, verdict.to_owned()]);
    }
    aligned(&lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_met_or_missed_only_where_it_was_measured() {
        let mut report = Report::default();
        report.add(start::SECTION, start::WARM, "idle MiB", 50.0);
        report.add(start::SECTION, start::WARM, "ready ms", 200.0);
        let table = table(&report);
        let verdicts: Vec<&str> =
            table.lines().skip(1).filter_map(|line| line.split_whitespace().last()).collect();
        assert_eq!(verdicts, ["met", "missed"], "{table}");
    }
}
