//! Where components come from: built in, named in `plugins.toml`, or dropped into the plugin directory.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use domain::limits::Limits;
use domain::plugin::{CHECKER_SOURCE, HUB_SOURCE, PluginKind, PluginName};
use sandbox::{LoadRequest, LoadStep, Plugin, Sandbox};

use super::files::{Component, Files, Found};
use super::state::{LeftOut, Origin, Refusal};
use super::{Entry, Manifest, SettingsSchema};
use crate::config::PluginSettings;

include!(concat!(env!("OUT_DIR"), "/builtin.rs"));

/// A component, and what is said of it.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) kind: PluginKind,
    pub(super) name: PluginName,
    pub(super) entry: Entry,
    pub(super) component: Component,
    pub(super) origin: Origin,
    /// Whether `plugins.toml` has an entry for it.
    pub(super) is_listed: bool,
    /// SHA-256 of the component that is there, where this is an earlier one in its place.
    pub(super) stands_for: Option<String>,
}

impl Candidate {
    /// SHA-256 of the component that is there.
    pub(super) fn found(&self) -> &str {
        self.stands_for.as_deref().unwrap_or(&self.component.digest)
    }
}

impl Candidate {
    /// What its calls may use.
    pub(super) fn limits(&self, body_limit_bytes: usize) -> Limits {
        self.entry.limits(self.kind, body_limit_bytes)
    }

    /// Checks what `plugins.toml` says of these bytes.
    pub(super) fn check_pin(&self) -> Result<()> {
        let (Some(pin), found) = (&self.entry.sha256, &self.component.digest) else { return Ok(()) };
        ensure!(
            pin.eq_ignore_ascii_case(found),
            "`sha256` is {pin}, the file has {found}\nhint: change the pin only if you know why the file changed"
        );
        Ok(())
    }

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
        self.check_pin()?;
        ensure!(
            self.kind != PluginKind::Driver || self.name.as_str() != HUB_SOURCE,
            "the name `{HUB_SOURCE}` is that of the hub itself\nhint: give the driver another name"
        );
        let file = self.component.open()?;
        let limits = self.limits(body_limit_bytes);
        let wasi = self.entry.wasi;
        let request = LoadRequest { kind: self.kind, name: &self.name, file: &file, limits, wasi };
        let plugin = sandbox.load(&request, steps)?;
        match &plugin {
            Plugin::Driver(driver) => drop(self.entry.signatures(&driver.info().signatures)?),
            Plugin::Notifier(notifier) => drop(SettingsSchema::new(&notifier.info().config_schema)?),
            Plugin::Provider(provider) => drop(SettingsSchema::new(&provider.info().config_schema)?),
        }
        Ok(plugin)
    }
}

/// A file that is no candidate.
#[derive(Debug)]
pub(super) struct Trouble {
    /// The file as it was found.
    pub(super) path: PathBuf,
    /// What `plugins.toml` calls it.
    pub(super) named: Option<(PluginKind, PluginName)>,
    pub(super) error: Refusal,
}

impl From<&Trouble> for LeftOut {
    fn from(trouble: &Trouble) -> Self {
        Self { what: format!("`{}`", trouble.path.display()), error: trouble.error.clone() }
    }
}

/// What there is at one moment.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Whether they are switched off or not.
    pub(super) candidates: Vec<Candidate>,
    pub(super) troubles: Vec<Trouble>,
    /// Files that are still being written.
    pub(super) growing: BTreeSet<PathBuf>,
    /// What `plugins.toml` has a file for, whatever there is to say of that file.
    pub(super) configured: BTreeSet<(PluginKind, PluginName)>,
}

/// Looks for components; remembers in `files` what it read, and forgets there what is gone.
///
/// # Errors
/// When the plugin directory is there and cannot be read: nobody knows what it holds.
pub(super) fn find(settings: &PluginSettings, manifest: &Manifest, files: &mut Files) -> Result<Findings> {
    let mut search = Search { manifest, files, looked_at: BTreeSet::new(), found: Findings::default() };
    search.built_in()?;
    search.configured();
    search.dropped(&settings.directory)?;
    let Search { looked_at, found, .. } = search;
    files.keep_only(&looked_at);
    Ok(found)
}

struct Search<'a> {
    manifest: &'a Manifest,
    files: &'a mut Files,
    looked_at: BTreeSet<PathBuf>,
    found: Findings,
}

impl Search<'_> {
    fn built_in(&mut self) -> Result<()> {
        for (kind, name, bytes) in BUILTIN {
            let name: PluginName = name.parse().context("the name of a built-in plugin")?;
            let entry = self.manifest.entry(*kind, &name);
            // A file in `plugins.toml` takes the built-in one's place.
            if entry.file.is_none() {
                let component = self.files.embedded(*kind, &name, bytes);
                let is_listed = self.manifest.of(*kind).contains_key(&name);
                let origin = Origin::BuiltIn;
                self.found.candidates.push(Candidate {
                    kind: *kind,
                    name,
                    entry,
                    component,
                    origin,
                    is_listed,
                    stands_for: None,
                });
            }
        }
        Ok(())
    }

    fn configured(&mut self) {
        for kind in PluginKind::ALL {
            for (name, entry) in self.manifest.of(kind) {
                let Some(path) = &entry.file else { continue };
                self.found.configured.insert((kind, name.clone()));
                let named = (kind, name.clone());
                let found = self.read(path, path, name);
                let candidate = found.map(|component| {
                    component.map(|component| Candidate {
                        kind,
                        name: name.clone(),
                        entry: entry.clone(),
                        component,
                        origin: Origin::Configured(path.clone()),
                        is_listed: true,
                        stands_for: None,
                    })
                });
                self.sort(path, Some(named), candidate);
            }
        }
    }

    /// Components in the plugin directory. What `plugins.toml` says of them counts.
    fn dropped(&mut self, directory: &Path) -> Result<()> {
        let entries = match std::fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => {
                return Err(error).with_context(|| {
                    format!("the plugin directory `{}` cannot be read", directory.display())
                });
            }
        };
        let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
        let is_wasm =
            |path: &PathBuf| path.extension().is_some_and(|found| found.eq_ignore_ascii_case("wasm"));
        paths.retain(is_wasm);
        paths.sort();
        // So that `acme.wasm` counts beside `acme.WASM`.
        paths.sort_by_key(|path| path.extension().is_some_and(|found| found != "wasm"));
        let root = directory.canonicalize()?;
        let mut names = BTreeSet::new();
        for path in paths {
            let candidate = self.one_dropped(&path, &root, &mut names);
            self.sort(&path, None, candidate);
        }
        Ok(())
    }

    fn one_dropped(
        &mut self,
        path: &Path,
        root: &Path,
        names: &mut BTreeSet<PluginName>,
    ) -> Result<Option<Candidate>> {
        let name: PluginName = path.file_stem().unwrap_or_default().to_string_lossy().parse()?;
        let real = path.canonicalize()?;
        ensure!(
            real.starts_with(root),
            "it is a link that leads out of the plugin directory\nhint: copy the component there, or name it as `file` in `plugins.toml`"
        );
        let entries = PluginKind::ALL.iter().filter_map(|kind| self.manifest.of(*kind).get(&name));
        if let Some(other) = entries.filter_map(|entry| entry.file.as_ref()).next() {
            if other.canonicalize().is_ok_and(|other| other == real) {
                return Ok(None);
            }
            bail!(
                "the name `{name}` is taken: `plugins.toml` gives it the file `{}`\nhint: change `file` there, or give this plugin another name",
                other.display()
            );
        }
        ensure!(
            !BUILTIN.iter().any(|(_, builtin, _)| *builtin == name.as_str()),
            "the name `{name}` is taken by a built-in plugin\nhint: `file = …` in `plugins.toml` replaces it"
        );
        ensure!(
            names.insert(name.clone()),
            "it is a second file for the name `{name}`\nhint: remove one of them"
        );
        let Some(component) = self.read(&real, path, &name)? else { return Ok(None) };
        let Some(kind) = component.kind else {
            bail!(
                "it exports none of the interfaces that make a plugin\nhint: `watchbell plugin inspect {}`",
                path.display()
            );
        };
        let listed = self.manifest.of(kind).get(&name).cloned();
        let is_listed = listed.is_some();
        let entry = listed.unwrap_or_else(Entry::unlisted);
        let origin = Origin::Dropped(path.to_owned());
        Ok(Some(Candidate { kind, name, entry, component, origin, is_listed, stands_for: None }))
    }

    /// Reads a file that is whole; none while it is being written.
    fn read(&mut self, real: &Path, path: &Path, name: &PluginName) -> Result<Option<Component>> {
        self.looked_at.insert(real.to_owned());
        match self.files.look(real, name)? {
            Found::Growing => {
                self.found.growing.insert(path.to_owned());
                Ok(None)
            }
            // Of a kind that can be told, so that the loader finds the flaw and says whose it is.
            Found::Read(component, Some(flaw)) if component.kind.is_none() => Err(anyhow!(flaw)),
            Found::Read(component, _) => Ok(Some(component)),
        }
    }

    fn sort(
        &mut self,
        path: &Path,
        named: Option<(PluginKind, PluginName)>,
        candidate: Result<Option<Candidate>>,
    ) {
        match candidate {
            Ok(candidate) => self.found.candidates.extend(candidate),
            Err(error) => {
                let error = Refusal::from(&error);
                self.found.troubles.push(Trouble { path: path.to_owned(), named, error });
            }
        }
    }
}
