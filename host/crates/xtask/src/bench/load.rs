//! Load by `wrk`, which is fast enough to be no part of what is measured.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;

use crate::bench::Bench;
use crate::bench::server::Server;
use crate::{debian, process};

const WRK: &str = "wrk";
/// Seconds before the figures count: connections, caches, branch predictors.
const WARM_UP: u32 = 1;

/// What makes one request differ from the next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// The same alerts again and again: steady repeats.
    Repeat,
    /// New alerts of incidents that are open: everything is written, and nobody has to be told.
    Join,
    /// New alerts of new incidents: everything is written, and downstream work begins.
    Open,
}

/// What is sent to a server.
pub(super) struct Load<'a> {
    pub(super) path: &'a str,
    pub(super) token: &'a str,
    /// File with the body.
    pub(super) template: &'a Path,
    pub(super) mode: Mode,
    pub(super) connections: u32,
}

/// How a server did.
pub(super) struct Figures {
    pub(super) rate: f64,
    /// Microseconds of the server's processor time per request.
    pub(super) cpu: f64,
    /// Milliseconds.
    pub(super) p50: f64,
    /// Milliseconds.
    pub(super) p99: f64,
}

/// What the script prints at its end.
#[derive(Deserialize)]
struct Summary {
    requests: u64,
    seconds: f64,
    p50_us: f64,
    p99_us: f64,
    refused: u64,
    broken: u64,
}

/// Makes sure that `wrk` is here.
///
/// # Errors
/// It is not, and may not or cannot be installed.
pub(super) fn require(may_install: bool) -> anyhow::Result<()> {
    if process::find_program(WRK).is_some() {
        return Ok(());
    }
    if !may_install {
        let remedy = debian::command_line(&[WRK]);
        bail!("no `{WRK}` here to make load with\nhint: run `{remedy}`, or use `--install`");
    }
    debian::install(&[WRK])
}

impl Load<'_> {
    /// Warms a server up, then measures it.
    ///
    /// # Errors
    /// A request is not answered with success: figures of failures are worth nothing.
    pub(super) fn run(&self, bench: &Bench, server: &Server) -> anyhow::Result<Figures> {
        self.wrk(bench, server, WARM_UP, 0)?;
        let before = server.processor_time()?;
        let summary = self.wrk(bench, server, bench.seconds, 1)?;
        let used = server.processor_time()? - before;
        ensure!(
            summary.refused == 0 && summary.broken == 0,
            "of {} requests {} were refused and {} had no answer",
            summary.requests,
            summary.refused,
            summary.broken
        );
        let requests = summary.requests.max(1) as f64;
        Ok(Figures {
            rate: requests / summary.seconds,
            cpu: used.as_secs_f64() * 1e6 / requests,
            p50: summary.p50_us / 1e3,
            p99: summary.p99_us / 1e3,
        })
    }

    fn wrk(&self, bench: &Bench, server: &Server, seconds: u32, run: u32) -> anyhow::Result<Summary> {
        let threads = self.connections.min(2);
        let mode = match self.mode {
            Mode::Repeat => "repeat",
            Mode::Join => "join",
            Mode::Open => "open",
        };
        let mut command = Command::new(WRK);
        command
            .args([format!("-c{}", self.connections), format!("-t{threads}"), format!("-d{seconds}s")])
            .arg("-s")
            .arg(&bench.script)
            .arg(format!("http://{}{}", server.address, self.path))
            .arg("--")
            .arg(self.template)
            .args([mode, &run.to_string(), self.token]);
        let output = process::output(&mut command)?;
        let line = output.lines().rfind(|line| line.starts_with('{'));
        let line = line.with_context(|| format!("`{WRK}` printed no summary:\n{output}"))?;
        serde_json::from_str(line).with_context(|| format!("`{WRK}` printed an unknown summary: {line}"))
    }
}
