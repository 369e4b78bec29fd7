//! Where components come from: built in, named in `plugins.toml`, or dropped into the plugin directory.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use domain::plugin::{CHECKER_SOURCE, HUB_SOURCE, PluginKind, PluginName};
use sandbox::{ComponentFile, LoadError, LoadRequest, LoadStep, MAX_COMPONENT_BYTES, Plugin, Sandbox};

use super::{Entry, Manifest, SettingsSchema};
use crate::config::PluginSettings;

include!(concat!(env!("OUT_DIR"), "/builtin.rs"));

/// A component, and what is said of it.
pub(super) struct Candidate {
    pub(super) kind: PluginKind,
    pub(super) name: PluginName,
    pub(super) entry: Entry,
    pub(super) file: ComponentFile<'static>,
    pub(super) builtin: bool,
}

impl Candidate {
    /// Loads it. The one way, for the hub that serves and for `watchbell plugin check`.
    pub(super) fn load(
        &self,
        sandbox: &Sandbox,
        body_limit_bytes: usize,
        steps: &dyn Fn(LoadStep),
    ) -> Result<Plugin> {
        ensure!(
            self.kind != PluginKind::Driver || self.name.as_str() != CHECKER_SOURCE,
            "the name `{CHECKER_SOURCE}` is that of the hub's own checks\nhint: give the driver another name"
        );
        if let Some(pin) = &self.entry.sha256 {
            let found = self.file.digest();
            ensure!(
                pin.eq_ignore_ascii_case(&found),
                "`sha256` is {pin}, the file has {found}\nhint: change the pin only if you know why the file changed"
            );
        }
        ensure!(
            self.kind != PluginKind::Driver || self.name.as_str() != HUB_SOURCE,
            "the name `{HUB_SOURCE}` is that of the hub itself\nhint: give the driver another name"
        );
        let limits = self.entry.limits(self.kind, body_limit_bytes);
        let wasi = self.entry.wasi;
        let request = LoadRequest { kind: self.kind, name: &self.name, file: &self.file, limits, wasi };
        let plugin = sandbox.load(&request, steps)?;
        match &plugin {
            Plugin::Driver(driver) => drop(self.entry.signatures(&driver.info().signatures)?),
            Plugin::Notifier(notifier) => drop(SettingsSchema::new(&notifier.info().config_schema)?),
            Plugin::Provider(provider) => drop(SettingsSchema::new(&provider.info().config_schema)?),
        }
        Ok(plugin)
    }
}

/// Something that was to be a plugin and is left out; it takes nothing else down.
#[derive(Debug)]
pub struct LeftOut {
    /// A kind and a name, or a file.
    pub what: String,
    /// Why.
    pub error: anyhow::Error,
}

impl LeftOut {
    /// Writes it down.
    pub fn log(&self) {
        let Self { what, error } = self;
        let error_type = error.downcast_ref().map_or("load.refused", LoadError::error_type);
        let error = format!("{error:#}");
        tracing::error!(error.r#type = error_type, error, "left {what} out: {error}");
    }
}

/// All components that are there, and what cannot be read.
pub(super) fn find(
    settings: &PluginSettings,
    manifest: &Manifest,
    left_out: &mut Vec<LeftOut>,
) -> Result<Vec<Candidate>> {
    let mut candidates = builtin(manifest)?;
    candidates.extend(configured(manifest, left_out));
    candidates.extend(dropped(&settings.directory, manifest, left_out));
    Ok(candidates)
}

fn builtin(manifest: &Manifest) -> Result<Vec<Candidate>> {
    let mut found = Vec::new();
    for (kind, name, bytes) in BUILTIN {
        let name: PluginName = name.parse().context("the name of a built-in plugin")?;
        let entry = manifest.entry(*kind, &name);
        // A file in `plugins.toml` takes the built-in one's place.
        if entry.enabled && entry.file.is_none() {
            let file = ComponentFile::new((*bytes).into());
            found.push(Candidate { kind: *kind, name, entry, file, builtin: true });
        }
    }
    Ok(found)
}

fn configured(manifest: &Manifest, left_out: &mut Vec<LeftOut>) -> Vec<Candidate> {
    let mut found = Vec::new();
    for kind in PluginKind::ALL {
        for (name, entry) in manifest.of(kind).iter().filter(|(_, entry)| entry.enabled) {
            let Some(file) = &entry.file else { continue };
            match read(file) {
                Ok(file) => found.push(Candidate {
                    kind,
                    name: name.clone(),
                    entry: entry.clone(),
                    file,
                    builtin: false,
                }),
                Err(error) => left_out.push(unreadable(file, error)),
            }
        }
    }
    found
}

/// Components in the plugin directory: drivers only. What `plugins.toml` says of them counts; a driver
/// that it does not name is reached by its own URL only.
fn dropped(directory: &Path, manifest: &Manifest, left_out: &mut Vec<LeftOut>) -> Vec<Candidate> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "wasm"));
    files.sort();
    let mut found = Vec::new();
    for file in files {
        match candidate(&file, manifest) {
            Ok(candidate) => found.extend(candidate),
            Err(error) => left_out.push(unreadable(&file, error)),
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
    Ok(Some(Candidate { kind: PluginKind::Driver, name, entry, file: read(file)?, builtin: false }))
}

/// Reads a regular file of a sensible size, and not through a link.
pub(super) fn read(file: &Path) -> Result<ComponentFile<'static>> {
    let about = std::fs::symlink_metadata(file)?;
    ensure!(about.is_file(), "not a regular file");
    // One byte more than is taken, so that the sandbox sees that it is too many.
    let most = u64::try_from(MAX_COMPONENT_BYTES)?.saturating_add(1);
    let mut bytes = Vec::new();
    File::open(file)?.take(most).read_to_end(&mut bytes)?;
    Ok(ComponentFile::new(bytes.into()))
}

fn unreadable(file: &Path, error: anyhow::Error) -> LeftOut {
    LeftOut { what: format!("`{}`", file.display()), error }
}
