//! `cargo xtask bench`: what the hub costs, beside what it is compared with, in one run.
//!
//! Every section measures its rows in interleaved rounds and keeps medians, because a machine is
//! never quiet. What counts are ratios within one run; `docs/PERFORMANCE.md` says what each means.

mod delivery;
mod growth;
mod home;
mod hostile;
mod ingest;
mod load;
mod peer;
mod report;
mod server;
mod start;
mod swap;
mod targets;

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::ValueEnum;

use crate::bench::peer::Peer;
use crate::bench::report::Report;
use crate::workspace::Workspace;
use crate::{artifacts, debian, plugins, say};

/// Fewer would not tell a slow moment from a slow program.
const LEAST_ROUNDS: u32 = 3;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// What to measure; everything if nothing is named
    sections: Vec<Section>,
    /// Only 64 connections, and a second for each figure
    #[arg(long)]
    quick: bool,
    /// How often each figure is taken, at least 3
    #[arg(long, default_value_t = LEAST_ROUNDS)]
    rounds: u32,
    /// For how many seconds a server is under load for one figure (3, quick 1)
    #[arg(long)]
    seconds: Option<u32>,
    /// Open incidents in the fullest database of `growth`
    #[arg(long, default_value_t = 100_000)]
    incidents: u64,
    /// Alerts that are over in the oldest database of `growth`
    #[arg(long, default_value_t = 1_000_000)]
    alerts: u64,
    /// Where the databases lie while this runs; must be on a real disk (the target folder)
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Keep the figures in this file, as a baseline
    #[arg(long)]
    save: Option<PathBuf>,
    /// Show the ratio to the figures in this file
    #[arg(long)]
    compare: Option<PathBuf>,
    /// Measure this program of a hub, and build none
    #[arg(long)]
    hub: Option<PathBuf>,
    /// Use this `bench-peer`, and build none
    #[arg(long)]
    peer: Option<PathBuf>,
    /// Install the Debian packages that are missing
    #[arg(long)]
    install: bool,
}

/// One part of the measurements.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Section {
    /// Webhooks over HTTP, beside servers that do less, and Alertmanager
    Ingest,
    /// Calls into the sandbox, beside native parsing
    Sandbox,
    /// Shared commits, beside one commit per webhook
    Store,
    /// From webhook to notification
    Delivery,
    /// Webhooks with and without a history
    Growth,
    /// Start-up and memory
    Start,
    /// An honest plugin beside hostile ones
    Hostile,
    /// Webhooks while their driver is swapped, beside the same without
    Swap,
}

/// What the sections measure with.
struct Bench {
    hub: PathBuf,
    peer: Peer,
    root: PathBuf,
    /// Where the built drivers are.
    drivers: PathBuf,
    /// Folder for everything that is written; gone at the end.
    scratch: Scratch,
    /// Script for the load generator.
    script: PathBuf,
    plugins_file: PathBuf,
    rounds: u32,
    seconds: u32,
    incidents: u64,
    alerts: u64,
    quick: bool,
}

/// Builds, measures, prints and keeps.
///
/// # Errors
/// Something does not build or start, a program is missing, or a request fails under load. A missed
/// target is no error.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    ensure!(options.rounds >= LEAST_ROUNDS, "`--rounds` must be at least {LEAST_ROUNDS}");
    let baseline = options.compare.as_deref().map(Report::read).transpose()?;
    let is_wanted = |section: Section| options.sections.is_empty() || options.sections.contains(&section);
    if [Section::Ingest, Section::Growth, Section::Swap].into_iter().any(is_wanted) {
        load::require(debian::may_install(options.install))?;
    }
    let target = workspace.metadata()?.target_directory;
    let bench = Bench::prepare(workspace, options, &target)?;
    let mut report = Report::default();
    type Measure = fn(&Bench, &mut Report) -> anyhow::Result<()>;
    let sections: [(Section, Measure); 8] = [
        (Section::Start, start::measure),
        (Section::Sandbox, peer::measure_sandbox),
        (Section::Hostile, hostile::measure),
        (Section::Store, peer::measure_store),
        (Section::Delivery, delivery::measure),
        (Section::Growth, growth::measure),
        (Section::Swap, swap::measure),
        (Section::Ingest, ingest::measure),
    ];
    for (_, measure) in sections.into_iter().filter(|(section, _)| is_wanted(*section)) {
        measure(&bench, &mut report)?;
    }
    say::result(&report.tables(baseline.as_ref()));
    say::result(&targets::table(&report));
    let latest = target.join("bench.json");
    for file in [Some(latest.as_path()), options.save.as_deref()].into_iter().flatten() {
        report.write(file)?;
        say::progress(&format!("figures are in `{}`", file.display()));
    }
    Ok(())
}

impl Bench {
    fn prepare(workspace: &Workspace, options: &Options, target: &Path) -> anyhow::Result<Self> {
        let hub = match &options.hub {
            Some(program) => present(program)?,
            None => {
                plugins::build(workspace, &plugins::Options { install: options.install, way: None })?;
                artifacts::build_watchbell(workspace, true)?
            }
        };
        let peer = match &options.peer {
            Some(program) => Peer::at(present(program)?),
            None => Peer::build(workspace)?,
        };
        let folder = options.folder.as_deref().unwrap_or(target);
        Ok(Self {
            hub,
            peer,
            root: workspace.root.clone(),
            drivers: workspace.root.join("target/components/drivers"),
            scratch: Scratch::new(folder)?,
            script: workspace.root.join("host/crates/xtask/src/bench/webhook.lua"),
            plugins_file: workspace.root.join("plugins.toml"),
            rounds: options.rounds,
            seconds: options.seconds.unwrap_or(if options.quick { 1 } else { 3 }),
            incidents: options.incidents,
            alerts: options.alerts,
            quick: options.quick,
        })
    }

    /// Takes every row once per round, so that a slow moment meets all of them.
    fn interleave<R>(
        &self,
        what: &str,
        rows: &[R],
        mut take: impl FnMut(&R) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        for round in 1..=self.rounds {
            say::progress(&format!("{what}: round {round} of {}", self.rounds));
            for row in rows {
                take(row)?;
            }
        }
        Ok(())
    }
}

/// A program that somebody named, wherever it is started from.
///
/// # Errors
/// It is not there.
fn present(program: &Path) -> anyhow::Result<PathBuf> {
    program.canonicalize().with_context(|| format!("there is no program `{}`", program.display()))
}

/// A folder that goes when this value does.
struct Scratch(PathBuf);

impl Scratch {
    fn new(parent: &Path) -> anyhow::Result<Self> {
        let folder = parent.join(format!("bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("folder `{}` could not be made", folder.display()))?;
        Ok(Self(folder))
    }

    /// An empty folder in it, in place of what was there under this name.
    fn folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.0.join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("folder `{}` could not be made", folder.display()))?;
        Ok(folder)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
