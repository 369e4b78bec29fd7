//! Webhooks over HTTP: the hub beside servers that do less, and beside Alertmanager.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;

use crate::bench::Bench;
use crate::bench::home::Home;
use crate::bench::load::{Load, Mode};
use crate::bench::report::Report;
use crate::bench::server::{Server, free_address};
use crate::{process, say};

pub(super) const SECTION: &str = "ingest";
const ALERTMANAGER: &str = "prometheus-alertmanager";
/// Where the hub takes webhooks of any driver, and where the servers beside it take theirs.
pub(super) const WEBHOOK: &str = "/alerts/webhook/";

/// Who is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Row1,
    Row2,
    Alertmanager,
    Hub(Mode),
}

impl Who {
    const fn name(self) -> &'static str {
        match self {
            Self::Row1 => "1 answer unread",
            Self::Row2 => "2 read, parse",
            Self::Alertmanager => "alertmanager",
            Self::Hub(Mode::Repeat) => "hub, repeats",
            Self::Hub(Mode::Join) => "hub, new alerts",
            Self::Hub(Mode::Open) => "hub, new incidents",
        }
    }
}

const EVERYBODY: [Who; 6] = [
    Who::Row1,
    Who::Row2,
    Who::Hub(Mode::Repeat),
    Who::Hub(Mode::Join),
    Who::Hub(Mode::Open),
    Who::Alertmanager,
];

/// One row of the table.
struct Row {
    who: Who,
    alerts: u32,
    connections: u32,
}

/// The name of a row.
pub(super) fn row_name(who: Who, alerts: u32, connections: u32) -> String {
    format!("{}; alerts {alerts}; connections {connections}", who.name())
}

/// Measures all rows.
///
/// # Errors
/// A server does not start or refuses a request.
pub(super) fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let alertmanager = process::find_program(ALERTMANAGER);
    if alertmanager.is_none() {
        say::progress(&format!("no `{ALERTMANAGER}` here: its rows are left out"));
    }
    let home = Home::prepare(bench, "hub")?;
    let connections: &[u32] = if bench.quick { &[64] } else { &[1, 16, 64] };
    let mut rows = Vec::new();
    for alerts in [1, 20] {
        for &connections in connections {
            let present = EVERYBODY.iter().filter(|who| **who != Who::Alertmanager || alertmanager.is_some());
            rows.extend(present.map(|&who| Row { who, alerts, connections }));
        }
    }
    bench.interleave(SECTION, &rows, |row| take(bench, row, &home, alertmanager.as_ref(), report))?;
    for row in &rows {
        let name = row_name(row.who, row.alerts, row.connections);
        for (to, measure) in
            [(Who::Row1, "of row 1"), (Who::Row2, "of row 2"), (Who::Alertmanager, "of alertmanager")]
        {
            let to = row_name(to, row.alerts, row.connections);
            report.ratio(SECTION, &name, &to, "req/s", measure);
        }
    }
    Ok(())
}

fn take(
    bench: &Bench,
    row: &Row,
    home: &Home,
    alertmanager: Option<&PathBuf>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (server, path, payload, mode, token) = match row.who {
        Who::Row1 => (bench.peer.serve(bench, "answer")?, WEBHOOK, "alertmanager", Mode::Open, ""),
        Who::Row2 => (bench.peer.serve(bench, "value")?, WEBHOOK, "alertmanager", Mode::Open, ""),
        Who::Alertmanager => {
            let program = alertmanager.context("the row is there because the program is")?;
            (start_alertmanager(bench, program)?, "/api/v2/alerts", "push", Mode::Open, "")
        }
        // A copy, so that no row finds what another has written.
        Who::Hub(mode) => {
            let server = home.copy(bench, "hub-row")?.serve()?;
            (server, WEBHOOK, "alertmanager", mode, home.token.as_str())
        }
    };
    let template = bench.peer.payload(bench, payload, row.alerts)?;
    let load = Load { path, token, template: &template, mode, connections: row.connections };
    let name = row_name(row.who, row.alerts, row.connections);
    let figures = load.run(bench, &server).with_context(|| name.clone())?;
    for (measure, value) in [
        ("req/s", figures.rate),
        ("cpu us/req", figures.cpu),
        ("p50 ms", figures.p50),
        ("p99 ms", figures.p99),
    ] {
        report.add(SECTION, &name, measure, value);
    }
    Ok(())
}

/// An Alertmanager on its own that tells nobody anything.
fn start_alertmanager(bench: &Bench, program: &PathBuf) -> anyhow::Result<Server> {
    let folder = bench.scratch.folder("alertmanager")?;
    let config = "route:\n  receiver: nobody\nreceivers:\n  - name: nobody\n";
    std::fs::write(folder.join("alertmanager.yml"), config).context("no file for Alertmanager's settings")?;
    let address = free_address()?;
    let mut command = Command::new(program);
    command
        .current_dir(&folder)
        .args(["--config.file=alertmanager.yml", "--storage.path=data", "--cluster.listen-address="])
        .arg(format!("--web.listen-address={address}"));
    Server::start(&mut command, address, "/-/ready", &folder.join("alertmanager.log"))
}
