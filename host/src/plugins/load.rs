//! From files to plugins.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context as _, Result};
use domain::plugin::{PluginKind, PluginName};
use domain::time::millis;
use sandbox::{Cache, CompileLimits, Compiler, LoadStep, Plugin, Sandbox};

use super::candidate::{self, Candidate, LeftOut};
use super::{Catalogue, DriverEntry, Manifest, NotifierEntry, ProviderEntry};
use crate::clock;
use crate::config::{CacheSettings, PluginSettings};

/// The command with which this program compiles one component and does nothing else.
pub const COMPILE_COMMAND: &str = "compile-component";

/// The running program, also when its file has been replaced since it started.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// How much longer compiling may take on the clock than on a processor.
const WALL_FACTOR: u32 = 2;

/// Loads the built-in plugins, those of `plugins.toml`, and the drivers in the plugin directory, as
/// far as they are wanted, into a sandbox of their own.
///
/// Compiles on all cores, off the caller's thread, what is not in the cache. An operator's broken file
/// is reported and left out; it takes nothing else down.
///
/// # Errors
/// When the sandbox does not start, `plugins.toml` is not understood or a built-in plugin does not
/// load.
pub async fn start(
    settings: &PluginSettings,
    wanted: impl Fn(PluginKind, &PluginName) -> bool + Send + 'static,
) -> Result<Catalogue> {
    let survey = survey(settings, wanted).await?;
    survey.left_out.iter().for_each(LeftOut::log);
    Ok(survey.catalogue)
}

/// What loading comes to.
#[derive(Debug)]
pub struct Survey {
    /// What loaded.
    pub catalogue: Catalogue,
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
    wanted: impl Fn(PluginKind, &PluginName) -> bool + Send + 'static,
) -> Result<Survey> {
    let settings = settings.clone();
    let loading = tokio::task::spawn_blocking(move || {
        let begin = Instant::now();
        let manifest = Manifest::read(&settings.file)?;
        let sandbox = new_sandbox(&settings)?;
        let mut left_out = Vec::new();
        let mut candidates = candidate::find(&settings, &manifest, &mut left_out)?;
        candidates.retain(|found| wanted(found.kind, &found.name));
        let results = load_all(&sandbox, candidates, settings.body_limit_bytes)?;
        let count = results.iter().filter(|(_, result)| result.is_ok()).count();
        let duration_ms = millis(begin.elapsed());
        tracing::info!(count, duration_ms, "loaded {count} plugins in {duration_ms} ms");
        put_together(results, left_out)
    });
    loading.await.context("loading plugins broke off")?
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
fn load_all(
    sandbox: &Sandbox,
    candidates: Vec<Candidate>,
    body_limit_bytes: usize,
) -> Result<Vec<(Candidate, Result<Plugin>)>> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(candidates.len());
    let queue = Mutex::new(candidates.into_iter());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    std::thread::scope(|scope| {
        let work = || {
            let mut done = Vec::new();
            while let Some(candidate) = next() {
                let loaded = candidate.load(sandbox, body_limit_bytes, &|step| log(&candidate, &step));
                done.push((candidate, loaded));
            }
            done
        };
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let mut all = Vec::new();
        for thread in threads {
            let done = thread
                .join()
                .map_err(|_| anyhow::anyhow!("loading a plugin broke off, which is a defect of the hub"))?;
            all.extend(done);
        }
        Ok(all)
    })
}

/// Sorts what loaded from what did not.
fn put_together(results: Vec<(Candidate, Result<Plugin>)>, mut left_out: Vec<LeftOut>) -> Result<Survey> {
    let (mut drivers, mut notifiers, mut providers) = (Vec::new(), Vec::new(), Vec::new());
    let mut unpinned = Vec::new();
    for (candidate, result) in results {
        let Candidate { kind, name, entry, builtin, .. } = candidate;
        if !builtin && entry.sha256.is_none() && result.is_ok() {
            unpinned.push(format!("{kind} `{name}`"));
        }
        match result {
            Ok(Plugin::Driver(driver)) => {
                drivers.push(DriverEntry::new(driver, &entry)?);
            }
            Ok(Plugin::Notifier(notifier)) => notifiers.push(NotifierEntry::new(notifier, entry)?),
            Ok(Plugin::Provider(provider)) => match ProviderEntry::new(provider, &entry) {
                Ok(provider) => providers.push(provider),
                // What an operator wrote takes nothing down, whoever built the plugin.
                Err(error) => left_out.push(LeftOut { what: format!("{kind} `{name}`"), error }),
            },
            Err(error) if builtin => return Err(error.context(format!("built-in {kind} `{name}`"))),
            Err(error) => left_out.push(LeftOut { what: format!("{kind} `{name}`"), error }),
        }
    }
    Ok(Survey { catalogue: Catalogue::new(drivers, notifiers, providers), left_out, unpinned })
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
