//! From files to plugins.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use domain::plugin::{PluginKind, PluginName};
use domain::time::millis;
use sandbox::{Cache, CompileLimits, Compiler, LoadStep, Plugin, Sandbox};

use super::Catalogue;
use super::candidate::Candidate;
use super::decision::Decisions;
use super::kept::Kept;
use super::manager::Manager;
use super::state::LeftOut;
use crate::clock;
use crate::config::{CacheSettings, PluginSettings};

/// The command with which this program compiles one component and does nothing else.
pub const COMPILE_COMMAND: &str = "compile-component";

/// The running program, also when its file has been replaced since it started.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// How much longer compiling may take on the clock than on a processor.
const WALL_FACTOR: u32 = 2;

/// [`Manager::open`], with what is left out in the log, for those who need the plugins of one moment.
///
/// # Errors
/// As there.
pub async fn start(
    settings: &PluginSettings,
    decisions: Decisions,
    wanted: impl Fn(PluginKind, &PluginName) -> bool + Send + Sync + 'static,
) -> Result<Arc<Catalogue>> {
    let manager = Manager::open(settings, decisions, Kept::of(settings), wanted).await?;
    manager.tell();
    Ok(Arc::clone(manager.catalogue()))
}

/// What loading comes to.
#[derive(Debug)]
pub struct Survey {
    /// What loaded.
    pub catalogue: Arc<Catalogue>,
    /// What did not.
    pub left_out: Vec<LeftOut>,
    /// The operator's own plugins, by kind and name, that loaded without a digest to compare with.
    pub unpinned: Vec<String>,
}

/// [`start`], with what is left out in the answer and not in the log.
///
/// # Errors
/// As [`start`].
pub async fn survey(
    settings: &PluginSettings,
    decisions: Decisions,
    wanted: impl Fn(PluginKind, &PluginName) -> bool + Send + Sync + 'static,
) -> Result<Survey> {
    let manager = Manager::open(settings, decisions, Kept::of(settings), wanted).await?;
    let catalogue = Arc::clone(manager.catalogue());
    Ok(Survey { catalogue, left_out: manager.overview().left_out(), unpinned: manager.unpinned() })
}

/// A sandbox that compiles in this program, started anew, and keeps the result where that is allowed.
pub(super) fn new_sandbox(settings: &PluginSettings) -> Result<Sandbox> {
    // Absent outside Linux.
    let program = Path::new(OWN_PROGRAM);
    let program = if program.exists() { program.to_owned() } else { std::env::current_exe()? };
    let defaults = CompileLimits::default();
    let settings = sandbox::Settings {
        compiler: Compiler::Child { program, arguments: vec![COMPILE_COMMAND.to_owned()] },
        compile_limits: CompileLimits {
            cpu: settings.compile_cpu,
            wall: settings.compile_cpu.saturating_mul(WALL_FACTOR),
            memory_bytes: settings.compile_memory_bytes,
            ..defaults
        },
        cache: settings.cache.as_ref().and_then(open_cache),
        ..sandbox::Settings::default()
    };
    Ok(Sandbox::new(&settings)?)
}

/// The hub does without where it has to.
fn open_cache(settings: &CacheSettings) -> Option<Cache> {
    Cache::open(&settings.directory, settings.key.clone(), clock::machine_time())
        .inspect_err(|error| {
            let error = crate::telemetry::chain(error);
            tracing::warn!(error, "compiled plugins are not kept: {error}");
        })
        .ok()
}

/// Loads with one thread for each core, so that no more than that compile at a time.
pub(super) fn load_all(
    sandbox: &Sandbox,
    candidates: &[Candidate],
    body_limit_bytes: usize,
) -> Vec<Result<Plugin>> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(candidates.len());
    let queue = Mutex::new(candidates.iter().enumerate());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let mut results: BTreeMap<usize, Result<Plugin>> = std::thread::scope(|scope| {
        let work = || {
            let mut done = Vec::new();
            while let Some((place, candidate)) = next() {
                done.push((place, candidate.load(sandbox, body_limit_bytes, &|step| log(candidate, &step))));
            }
            done
        };
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).flatten().collect()
    });
    let lost = || anyhow::anyhow!("loading it broke off, which is a defect of the hub");
    (0..candidates.len()).map(|place| results.remove(&place).unwrap_or_else(|| Err(lost()))).collect()
}

fn log(candidate: &Candidate, step: &LoadStep) {
    let Candidate { kind, name, .. } = candidate;
    match step {
        LoadStep::CacheIgnored { .. } | LoadStep::CacheNotWritten { .. } => {
            tracing::warn!(plugin.name = %name, plugin.kind = %kind, "{kind} `{name}`: {step}");
        }
        LoadStep::Compiled { elapsed, size_bytes } => {
            let duration_ms = millis(*elapsed);
            tracing::info!(plugin.name = %name, plugin.kind = %kind, duration_ms, size_bytes, "{kind} `{name}`: {step}");
        }
        _ => tracing::debug!(plugin.name = %name, plugin.kind = %kind, "{kind} `{name}`: {step}"),
    }
}
