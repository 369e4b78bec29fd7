//! The program beside the hub, package `bench`: what needs the product's own crates.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use serde::Deserialize;

use crate::artifacts;
use crate::bench::Bench;
use crate::bench::report::Report;
use crate::bench::server::{Server, free_address};
use crate::process;
use crate::workspace::Workspace;

const NAME: &str = "bench-peer";

pub(super) const SANDBOX: &str = "sandbox";
pub(super) const STORE: &str = "store";

/// The built program.
pub(super) struct Peer {
    binary: PathBuf,
}

/// One line that it prints.
#[derive(Deserialize)]
struct Line {
    row: String,
    values: BTreeMap<String, f64>,
}

impl Peer {
    /// One that was built before.
    pub(super) const fn at(binary: PathBuf) -> Self {
        Self { binary }
    }

    /// Builds it, together with the hub, so that both share their dependencies.
    ///
    /// # Errors
    /// It does not build.
    pub(super) fn build(workspace: &Workspace) -> anyhow::Result<Self> {
        let mut command = process::cargo(&workspace.root);
        command.args(["build", "--locked", "--release", "--package=host", "--package=bench", "--bins"]);
        let binary = artifacts::executable(&mut command, NAME)?;
        Ok(Self { binary })
    }

    /// The program, still without arguments.
    pub(super) fn command(&self) -> Command {
        Command::new(&self.binary)
    }

    /// Writes a webhook with places for what makes it unique, and returns the file.
    ///
    /// # Errors
    /// The program does not succeed, or the file cannot be written.
    pub(super) fn payload(&self, bench: &Bench, kind: &str, alerts: u32) -> anyhow::Result<PathBuf> {
        let text = process::output(self.command().args(["payload", kind, &alerts.to_string()]))?;
        let file = bench.scratch.0.join(format!("{kind}-{alerts}.json"));
        std::fs::write(&file, text).with_context(|| format!("`{}` cannot be written", file.display()))?;
        Ok(file)
    }

    /// Starts a server that does as much as this row says.
    ///
    /// # Errors
    /// It does not become ready.
    pub(super) fn serve(&self, bench: &Bench, row: &str) -> anyhow::Result<Server> {
        let address = free_address()?;
        let log = bench.scratch.0.join(format!("{row}.log"));
        Server::start(self.command().args(["serve", row, &address.to_string()]), address, "/readyz", &log)
    }

    /// Runs a measurement and adds what it prints.
    ///
    /// # Errors
    /// It does not succeed.
    pub(super) fn measure(
        &self,
        section: &'static str,
        arguments: &[&str],
        report: &mut Report,
    ) -> anyhow::Result<()> {
        add_lines(section, &process::output(self.command().args(arguments))?, report)
    }
}

/// Adds what a program printed.
///
/// # Errors
/// A line is not understood.
pub(super) fn add_lines(section: &'static str, lines: &str, report: &mut Report) -> anyhow::Result<()> {
    for line in lines.lines() {
        let line: Line =
            serde_json::from_str(line).with_context(|| format!("an unknown line was printed: {line}"))?;
        for (measure, value) in &line.values {
            report.add(section, &line.row, measure, *value);
        }
    }
    Ok(())
}

/// Calls into the sandbox.
///
/// # Errors
/// A driver is missing or does not read its payload.
pub(super) fn measure_sandbox(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let calls = if bench.quick { "2000" } else { "10000" };
    let drivers = text(&bench.drivers)?;
    bench
        .interleave(SANDBOX, &[()], |()| bench.peer.measure(SANDBOX, &["sandbox", drivers, calls], report))?;
    for alerts in ["1 alerts", "20 alerts"] {
        for driver in ["alertmanager", "grafana", "generic"] {
            let row = format!("{driver}: {alerts}");
            report.ratio(SANDBOX, &row, &format!("native typed: {alerts}"), "cpu us/call", "of native");
        }
    }
    Ok(())
}

/// Shared commits.
///
/// # Errors
/// The store refuses something.
pub(super) fn measure_store(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let webhooks = if bench.quick { "8192" } else { "32768" };
    bench.interleave(STORE, &[()], |()| {
        let folder = bench.scratch.folder(STORE)?;
        bench.peer.measure(STORE, &["store", text(&folder)?, webhooks], report)
    })?;
    report.ratio(STORE, "64 webhooks per commit", "a commit per webhook", "req/s", "of single");
    Ok(())
}

/// A path as an argument of the peer.
///
/// # Errors
/// It is not UTF-8.
pub(super) fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("`{}` is not UTF-8", path.display()))
}
