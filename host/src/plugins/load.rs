//! From files to plugins.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use domain::plugin::{PluginKind, PluginName};
use sandbox::Sandbox;
use sha2::{Digest as _, Sha256};

use super::{Catalogue, DriverEntry, Entry, Manifest, NotifierEntry, ProviderEntry};
use crate::config::PluginSettings;

include!(concat!(env!("OUT_DIR"), "/builtin.rs"));

/// The largest component that is read, in bytes.
const MAX_COMPONENT_BYTES: u64 = 64 * 1024 * 1024;

/// Where a component comes from.
struct Candidate {
    kind: PluginKind,
    name: PluginName,
    entry: Entry,
    bytes: std::borrow::Cow<'static, [u8]>,
    builtin: bool,
}

enum Loaded {
    Driver(DriverEntry),
    Notifier(NotifierEntry),
    Provider(ProviderEntry),
}

/// Loads the built-in plugins, those of `plugins.toml`, and the drivers in the plugin directory, as
/// far as they are wanted, into a sandbox of their own.
///
/// Compiles on all cores, off the caller's thread. An operator's broken file is reported and left
/// out; it takes nothing else down.
///
/// # Errors
/// When the sandbox does not start, `plugins.toml` is not understood or a built-in plugin does not
/// load.
pub async fn start(
    settings: &PluginSettings,
    wanted: impl Fn(PluginKind, &PluginName) -> bool + Send + 'static,
) -> Result<Catalogue> {
    let settings = settings.clone();
    let loading = tokio::task::spawn_blocking(move || {
        let sandbox = Sandbox::new(&sandbox::Settings::default())?;
        load(&sandbox, &settings, wanted)
    });
    loading.await.context("loading plugins broke off")?
}

fn load(
    sandbox: &Sandbox,
    settings: &PluginSettings,
    wanted: impl Fn(PluginKind, &PluginName) -> bool,
) -> Result<Catalogue> {
    let manifest = Manifest::read(&settings.file)?;
    let body_limit_bytes = settings.body_limit_bytes;
    let mut candidates = builtin(&manifest)?;
    candidates.extend(configured(&manifest));
    candidates.extend(dropped(&settings.directory, &manifest));
    candidates.retain(|found| wanted(found.kind, &found.name));

    let results: Vec<(Candidate, Result<Loaded>)> = std::thread::scope(|scope| {
        let start = |candidate: Candidate| {
            scope.spawn(move || {
                let loaded = candidate.load(sandbox, body_limit_bytes);
                (candidate, loaded)
            })
        };
        let threads: Vec<_> = candidates.into_iter().map(start).collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| panicked())).collect::<Result<_>>()
    })?;
    let (mut drivers, mut notifiers, mut providers) = (Vec::new(), Vec::new(), Vec::new());
    for (candidate, result) in results {
        let (kind, name) = (candidate.kind, &candidate.name);
        match result {
            Ok(Loaded::Driver(entry)) => drivers.push(entry),
            Ok(Loaded::Notifier(entry)) => notifiers.push(entry),
            Ok(Loaded::Provider(entry)) => providers.push(entry),
            Err(error) if candidate.builtin => return Err(error.context(format!("built-in {kind} `{name}`"))),
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(plugin.name = %name, plugin.kind = %kind, error, "left {kind} `{name}` out: {error}");
            }
        }
    }
    Ok(Catalogue::new(drivers, notifiers, providers))
}

impl Candidate {
    fn load(&self, sandbox: &Sandbox, body_limit_bytes: usize) -> Result<Loaded> {
        if let Some(pin) = &self.entry.sha256 {
            let found = hex::encode(Sha256::digest(&self.bytes));
            if !pin.eq_ignore_ascii_case(&found) {
                bail!(
                    "`sha256` is {pin}, the file has {found}\nhint: change the pin only if you know why the file changed"
                );
            }
        }
        let limits = self.entry.limits(self.kind, body_limit_bytes);
        let config = self.entry.settings();
        let allow_hosts = self.entry.allow_hosts.clone();
        Ok(match self.kind {
            PluginKind::Driver => Loaded::Driver(DriverEntry {
                driver: sandbox.load_driver(&self.name, &self.bytes, limits)?,
                config,
                detect: self.entry.detect,
            }),
            PluginKind::Notifier => Loaded::Notifier(NotifierEntry {
                notifier: sandbox.load_notifier(&self.name, &self.bytes, limits)?,
                allow_hosts,
            }),
            PluginKind::Intelligence => Loaded::Provider(ProviderEntry {
                provider: sandbox.load_provider(&self.name, &self.bytes, limits)?,
                config,
                allow_hosts,
                system: self.entry.system,
            }),
        })
    }
}

fn builtin(manifest: &Manifest) -> Result<Vec<Candidate>> {
    let mut found = Vec::new();
    for (kind, name, bytes) in BUILTIN {
        let name: PluginName = name.parse().context("the name of a built-in plugin")?;
        let entry = manifest.entry(*kind, &name);
        // A file in `plugins.toml` takes the built-in one's place.
        if entry.enabled && entry.file.is_none() {
            found.push(Candidate { kind: *kind, name, entry, bytes: (*bytes).into(), builtin: true });
        }
    }
    Ok(found)
}

fn configured(manifest: &Manifest) -> Vec<Candidate> {
    let mut found = Vec::new();
    for kind in [PluginKind::Driver, PluginKind::Notifier, PluginKind::Intelligence] {
        for (name, entry) in manifest.of(kind).iter().filter(|(_, entry)| entry.enabled) {
            let Some(file) = &entry.file else { continue };
            match read(file) {
                Ok(bytes) => found.push(Candidate {
                    kind,
                    name: name.clone(),
                    entry: entry.clone(),
                    bytes: bytes.into(),
                    builtin: false,
                }),
                Err(error) => report(file, &error),
            }
        }
    }
    found
}

fn panicked() -> anyhow::Error {
    anyhow::anyhow!("loading a plugin broke off, which is a defect of the hub")
}

/// Components in the plugin directory: drivers only. What `plugins.toml` says of them counts; a driver
/// that it does not name is reached by its own URL only.
fn dropped(directory: &Path, manifest: &Manifest) -> Vec<Candidate> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "wasm"));
    files.sort();
    let mut found = Vec::new();
    for file in files {
        match candidate(&file, manifest) {
            Ok(candidate) => found.extend(candidate),
            Err(error) => report(&file, &error),
        }
    }
    found
}

fn candidate(file: &Path, manifest: &Manifest) -> Result<Option<Candidate>> {
    let name: PluginName = file.file_stem().unwrap_or_default().to_string_lossy().parse()?;
    let builtin = BUILTIN.iter().any(|(_, builtin, _)| *builtin == name.as_str());
    let elsewhere = [PluginKind::Notifier, PluginKind::Intelligence]
        .iter()
        .any(|kind| manifest.of(*kind).contains_key(&name));
    let known = manifest.of(PluginKind::Driver).get(&name);
    if builtin || elsewhere {
        bail!(
            "the name `{name}` is taken by a built-in or configured plugin\nhint: `file = …` in `plugins.toml` replaces it"
        );
    }
    let entry = match known {
        // Another way to this file, or to one that takes its place, is in `plugins.toml`; or it is off.
        Some(entry) if entry.file.is_some() || !entry.enabled => return Ok(None),
        Some(entry) => entry.clone(),
        None => {
            let mut entry = Entry::default();
            entry.detect = false;
            entry
        }
    };
    Ok(Some(Candidate { kind: PluginKind::Driver, name, entry, bytes: read(file)?.into(), builtin: false }))
}

/// Reads a regular file of a sensible size, and not through a link.
fn read(file: &Path) -> Result<Vec<u8>> {
    let about = std::fs::symlink_metadata(file)?;
    if !about.is_file() {
        bail!("not a regular file");
    }
    let mut bytes = Vec::new();
    File::open(file)?.take(MAX_COMPONENT_BYTES.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_COMPONENT_BYTES {
        bail!("larger than {} MiB", MAX_COMPONENT_BYTES / 1024 / 1024);
    }
    Ok(bytes)
}

fn report(file: &Path, error: &anyhow::Error) {
    tracing::error!(error = format!("{error:#}"), "left `{}` out: {error:#}", file.display());
}
