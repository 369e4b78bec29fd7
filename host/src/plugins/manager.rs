//! What is loaded, and the one way in which that changes.
//!
//! [`Manager::refresh`] looks at everything there is, loads what is new, and swaps the new sets into the
//! [`Catalogue`]. Whatever goes wrong, what ran before runs on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use arc_swap::ArcSwap;
use domain::approval::{Decision, Rollback};
use domain::plugin::{PluginKind, PluginName};
use domain::time::millis;
use sandbox::{Plugin, Sandbox};

use super::candidate::{self, Candidate, Findings, Trouble};
use super::decision::Decisions;
use super::files::{Component, Files};
use super::kept::Kept;
use super::load::{load_all, new_sandbox};
use super::slot::{Live, Rules, Slot};
use super::state::{LeftOut, Origin, Overview, Refusal, Status};
use super::{Breakers, Catalogue, DriverEntry, Manifest, tell};
use crate::clock;
use crate::config::PluginSettings;
use crate::telemetry::metrics;

/// How long a start waits for files that are just being written.
const START_PATIENCE: Duration = Duration::from_secs(2);
/// How often it looks meanwhile.
const START_PAUSE: Duration = Duration::from_millis(100);

type Key = (PluginKind, PluginName);
type Wanted = Box<dyn Fn(PluginKind, &PluginName) -> bool + Send + Sync>;
type Admit = Box<dyn Fn(&DriverEntry) -> Result<()> + Send + Sync>;

/// Owns the sandbox and everything that is loaded in it.
pub struct Manager {
    settings: PluginSettings,
    sandbox: Sandbox,
    wanted: Wanted,
    catalogue: Arc<Catalogue>,
    decisions: ArcSwap<Decisions>,
    admit: OnceLock<Admit>,
    overview: ArcSwap<Overview>,
    /// Held by the one refresh at a time. It compiles meanwhile, so nothing else ever waits for it.
    known: Mutex<Known>,
    breakers: Breakers,
    kept: Kept,
}

/// What a refresh knows from those before it.
struct Known {
    manifest: Manifest,
    refused_manifest: Option<Refusal>,
    files: Files,
    slots: BTreeMap<Key, Slot>,
    /// How many generations each plugin had; also of those that went away, so that none counts twice.
    numbers: BTreeMap<Key, u64>,
    refused_files: Vec<LeftOut>,
    /// Earlier components that take the place of those that are there, or why they cannot.
    earlier: BTreeMap<(Key, String), Result<Component, String>>,
}

/// What a refresh came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refreshed {
    /// Whether a file is still being written, so that another look is due soon.
    pub again: bool,
}

impl Manager {
    /// Loads the built-in plugins, those of `plugins.toml`, and what is in the plugin directory, as far as
    /// they are wanted, into a sandbox of their own, under what operators decided.
    ///
    /// Compiles on all cores, off the caller's thread, what is not in the cache. An operator's broken file
    /// is left out, which [`Manager::overview`] tells; it takes nothing else down.
    ///
    /// # Errors
    /// When the sandbox does not start, `plugins.toml` is not understood, the plugin directory cannot be
    /// read, or a built-in plugin does not load.
    pub async fn open(
        settings: &PluginSettings,
        decisions: Decisions,
        kept: Kept,
        wanted: impl Fn(PluginKind, &PluginName) -> bool + Send + Sync + 'static,
    ) -> Result<Arc<Self>> {
        let (settings, wanted) = (settings.clone(), Box::new(wanted));
        let opening = tokio::task::spawn_blocking(move || Self::open_here(settings, decisions, kept, wanted));
        opening.await.context("loading plugins broke off")?
    }

    fn open_here(
        settings: PluginSettings,
        decisions: Decisions,
        kept: Kept,
        wanted: Wanted,
    ) -> Result<Arc<Self>> {
        let begin = Instant::now();
        let known = Known {
            manifest: Manifest::read(&settings.file)?,
            refused_manifest: None,
            files: Files::default(),
            slots: BTreeMap::new(),
            numbers: BTreeMap::new(),
            refused_files: Vec::new(),
            earlier: BTreeMap::new(),
        };
        let manager = Self {
            sandbox: new_sandbox(&settings)?,
            settings,
            wanted,
            catalogue: Arc::default(),
            decisions: ArcSwap::from_pointee(decisions),
            admit: OnceLock::new(),
            overview: ArcSwap::default(),
            known: Mutex::new(known),
            breakers: Breakers::default(),
            kept,
        };
        {
            let mut known = manager.known.lock().unwrap_or_else(PoisonError::into_inner);
            let mut findings = manager.find(&mut known)?;
            while !findings.growing.is_empty() && begin.elapsed() < START_PATIENCE {
                std::thread::sleep(START_PAUSE);
                findings = manager.find(&mut known)?;
            }
            manager.take(&mut known, findings);
            for ((kind, name), slot) in &known.slots {
                let state = slot.state(*kind, name);
                if let (Origin::BuiltIn, Status::Refused { error }, true) =
                    (&state.origin, &state.status, slot.has_failed())
                {
                    anyhow::bail!("built-in {kind} `{name}`: {error}");
                }
            }
            let count = known.slots.values().filter(|slot| slot.live().is_some()).count();
            let duration_ms = millis(begin.elapsed());
            tracing::info!(count, duration_ms, "loaded {count} plugins in {duration_ms} ms");
        }
        Ok(Arc::new(manager))
    }

    /// What calls get: the plugins of each moment.
    pub const fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// What there is to say of all plugins. Never waits for a refresh.
    pub fn overview(&self) -> Arc<Overview> {
        self.overview.load_full()
    }

    /// The plugin directory.
    pub(super) fn directory(&self) -> &Path {
        &self.settings.directory
    }

    /// Every other file that it goes by: `plugins.toml`, and those that it names.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let overview = self.overview();
        let named = overview.plugins.iter().filter_map(|state| match &state.origin {
            Origin::Configured(file) => Some(file.clone()),
            Origin::BuiltIn | Origin::Dropped(_) => None,
        });
        named.chain([self.settings.file.clone()]).collect()
    }

    /// Logs what is not in use; each refresh logs what it changes.
    pub fn tell(&self) {
        tell::troubles(&self.overview());
    }

    /// The operators' own plugins, by kind and name, that run without a digest to compare with.
    pub(super) fn unpinned(&self) -> Vec<String> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let unpinned = known.slots.iter().filter(|(_, slot)| slot.is_unpinned());
        unpinned.map(|((kind, name), _)| format!("{kind} `{name}`")).collect()
    }

    /// The components that ran before.
    pub const fn kept(&self) -> &Kept {
        &self.kept
    }

    /// What operators decided.
    pub fn decisions(&self) -> Arc<Decisions> {
        self.decisions.load_full()
    }

    /// Takes over what operators decided; the next refresh goes by it.
    pub fn decide(&self, decisions: Decisions) {
        self.decisions.store(Arc::new(decisions));
    }

    /// Asks `admit` before a driver runs, from the next refresh on: an error keeps it out.
    ///
    /// # Errors
    /// When somebody is asked already.
    pub fn admit_by(&self, admit: impl Fn(&DriverEntry) -> Result<()> + Send + Sync + 'static) -> Result<()> {
        let is_first = self.admit.set(Box::new(admit)).is_ok();
        ensure!(is_first, "somebody is asked already before a driver runs");
        Ok(())
    }

    /// Looks at `plugins.toml`, the plugin directory and the decisions again, and swaps what changed.
    /// `whole` are files that were put in their place by a rename, which need not be waited for.
    ///
    /// One at a time; others wait. What goes wrong is logged and in [`Manager::overview`].
    ///
    /// # Errors
    /// When it broke off, which is a defect of the hub.
    pub async fn refresh(self: &Arc<Self>, whole: BTreeSet<PathBuf>) -> Result<Refreshed> {
        let manager = Arc::clone(self);
        let refreshing = tokio::task::spawn_blocking(move || manager.refresh_here(whole));
        refreshing.await.context("looking for plugins broke off")
    }

    fn refresh_here(&self, whole: BTreeSet<PathBuf>) -> Refreshed {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.overview();
        known.files.are_whole(whole);
        let is_whole = known.files.has_rested(&self.settings.file);
        if is_whole {
            match Manifest::read(&self.settings.file) {
                Ok(manifest) => (known.manifest, known.refused_manifest) = (manifest, None),
                Err(error) => known.refused_manifest = Some(Refusal::from(&error)),
            }
        }
        let again = match self.find(&mut known) {
            Ok(findings) => {
                let is_growing = !findings.growing.is_empty();
                let is_missing = self.take(&mut known, findings);
                is_growing || is_missing || !is_whole
            }
            Err(error) => {
                // Nobody knows what is there, so nothing goes away.
                let what = format!("`{}`", self.settings.directory.display());
                known.refused_files = vec![LeftOut { what, error: Refusal::from(&error) }];
                self.publish(&known);
                false
            }
        };
        tell::changes(&before, &self.overview());
        Refreshed { again }
    }

    fn find(&self, known: &mut Known) -> Result<Findings> {
        let mut findings = candidate::find(&self.settings, &known.manifest, &mut known.files)?;
        findings.candidates.retain(|found| (self.wanted)(found.kind, &found.name));
        Ok(findings)
    }

    /// Loads what is new, judges everything, and swaps the sets that changed. Returns whether a file is missing
    /// that may come back.
    fn take(&self, known: &mut Known, findings: Findings) -> bool {
        let decisions = self.decisions();
        let Findings { candidates, troubles, growing, configured } = findings;
        let now = clock::now();
        let candidates: Vec<Candidate> = candidates
            .into_iter()
            .map(|candidate| {
                let decision = decisions.of(candidate.kind, &candidate.name);
                self.put_back(&mut known.earlier, candidate, &decision)
            })
            .collect();
        let wants_load = |candidate: &&Candidate| {
            let decision = decisions.of(candidate.kind, &candidate.name);
            let slot = known.slots.get(&key(candidate));
            slot.map_or_else(
                || Slot::new(candidate.origin.clone(), now).wants_load(candidate, &decision),
                |slot| slot.wants_load(candidate, &decision),
            )
        };
        let wanted: Vec<Candidate> = candidates.iter().filter(wants_load).cloned().collect();
        let results = load_all(&self.sandbox, &wanted, self.settings.body_limit_bytes);
        wanted.iter().zip(&results).for_each(|(one, result)| metrics::plugin_load(one.kind, result.is_ok()));
        let mut loaded: BTreeMap<Key, Result<Plugin>> = wanted.iter().map(key).zip(results).collect();
        let mut changed = BTreeSet::new();
        let admit = |entry: &DriverEntry| self.admit.get().map_or(Ok(()), |admit| admit(entry));
        let Known { slots, numbers, manifest, .. } = known;
        for candidate in &candidates {
            let key = key(candidate);
            let rules = Rules {
                decision: &decisions.of(candidate.kind, &candidate.name),
                policy: manifest.unpinned(),
                body_limit_bytes: self.settings.body_limit_bytes,
                admit: &admit,
                breakers: &self.breakers,
                now,
            };
            let slot = slots.entry(key.clone()).or_insert_with(|| Slot::new(candidate.origin.clone(), now));
            let number = numbers.entry(key.clone()).or_default();
            if slot.take(candidate, loaded.remove(&key), number, &rules) {
                changed.insert(candidate.kind);
                self.keep(candidate, slot);
            }
        }
        let mut there: BTreeSet<Key> = candidates.iter().map(key).chain(configured).collect();
        known.refused_files = known.note(troubles, &mut there);
        let mut is_missing = false;
        known.slots.retain(|key, slot| {
            let is_there =
                there.contains(key) || slot.origin().file().is_some_and(|file| growing.contains(file));
            let waits = slot.waits_for_file(is_there);
            is_missing |= waits;
            let stays = is_there || waits;
            if !stays && slot.live().is_some() {
                changed.insert(key.0);
                metrics::plugin_generation(key.0, &key.1, 0);
            }
            stays
        });
        self.swap(known, &changed);
        self.publish(known);
        is_missing
    }

    /// Puts the component to which a plugin went back in the place of the one that it left, where that is the one
    /// that is there. A pin of `plugins.toml` goes before it.
    fn put_back(
        &self,
        earlier: &mut BTreeMap<(Key, String), Result<Component, String>>,
        candidate: Candidate,
        decision: &Decision,
    ) -> Candidate {
        let is_left = |rollback: &&Rollback| rollback.from == candidate.component.digest;
        let rollback = decision.rollback.as_ref().filter(is_left);
        let Some(Rollback { to, from }) = rollback.filter(|_| candidate.entry.sha256.is_none()) else {
            return candidate;
        };
        let (kind, name) = (candidate.kind, &candidate.name);
        let found = earlier.entry((key(&candidate), to.clone())).or_insert_with(|| {
            let (file, path) = self.kept.read(kind, name, to).map_err(|error| {
                let error = format!("{error:#}");
                tracing::error!(
                    plugin.name = %name, plugin.kind = %kind, error.r#type = "not_kept", error,
                    "{kind} `{name}` does not go back to an earlier component: {error}"
                );
                error
            })?;
            Ok(Component::kept(name, file, path))
        });
        match found.clone() {
            Ok(component) => Candidate { component, stands_for: Some(from.clone()), ..candidate },
            Err(_) => candidate,
        }
    }

    /// Keeps what runs from now on, so that it can be gone back to.
    fn keep(&self, candidate: &Candidate, slot: &Slot) {
        let (kind, name, digest) = (candidate.kind, &candidate.name, &candidate.component.digest);
        if candidate.origin == Origin::BuiltIn || slot.runs() != Some(digest) {
            return;
        }
        let file = candidate.component.open();
        let kept = file.and_then(|file| self.kept.keep(kind, name, &file, clock::machine_time()));
        if let Err(error) = kept {
            let error = format!("{error:#}");
            tracing::warn!(
                plugin.name = %name, plugin.kind = %kind, error.r#type = "not_kept", error,
                "the component of {kind} `{name}` is not kept, so there is no way back to it: {error}"
            );
        }
    }

    /// Hands whole new sets to those who call, of the kinds that changed.
    fn swap(&self, known: &Known, changed: &BTreeSet<PluginKind>) {
        let live = || known.slots.values().filter_map(Slot::live).cloned();
        for kind in changed {
            match kind {
                PluginKind::Driver => self.catalogue.replace_drivers(
                    live()
                        .filter_map(|live| if let Live::Driver(one) = live { Some(one) } else { None })
                        .collect(),
                ),
                PluginKind::Notifier => self.catalogue.replace_notifiers(
                    live()
                        .filter_map(|live| if let Live::Notifier(one) = live { Some(one) } else { None })
                        .collect(),
                ),
                PluginKind::Intelligence => self.catalogue.replace_providers(
                    live()
                        .filter_map(|live| if let Live::Provider(one) = live { Some(one) } else { None })
                        .collect(),
                ),
            }
        }
    }

    fn publish(&self, known: &Known) {
        let plugins = known.slots.iter().map(|((kind, name), slot)| slot.state(*kind, name)).collect();
        for (key, slot) in &known.slots {
            metrics::plugin_generation(key.0, &key.1, slot.generation());
        }
        let (files, manifest) = (known.refused_files.clone(), known.refused_manifest.clone());
        self.overview.store(Arc::new(Overview { plugins, files, manifest }));
    }
}

impl Known {
    /// Notes files that are no components with the plugins they belong to, which stay as they are; returns
    /// those that belong to none.
    fn note(&mut self, troubles: Vec<Trouble>, there: &mut BTreeSet<Key>) -> Vec<LeftOut> {
        let mut others = Vec::new();
        for trouble in troubles {
            let now = clock::now();
            let is_its_file = |slot: &Slot| slot.origin().file() == Some(&trouble.path);
            let owner = || self.slots.iter().find(|(_, slot)| is_its_file(slot)).map(|(key, _)| key.clone());
            let Some(key) = trouble.named.clone().or_else(owner) else {
                others.push(LeftOut::from(&trouble));
                continue;
            };
            let origin = Origin::Configured(trouble.path);
            let slot = self.slots.entry(key.clone()).or_insert_with(|| Slot::new(origin, now));
            slot.refuse(trouble.error, now);
            there.insert(key);
        }
        others
    }
}

fn key(candidate: &Candidate) -> Key {
    (candidate.kind, candidate.name.clone())
}
