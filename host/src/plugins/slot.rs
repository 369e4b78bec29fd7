//! One plugin over time: what runs, what ran before, and what is made of the component that is there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use domain::approval::{Decision, Grants};
use domain::plugin::Wasi;
use domain::time::Timestamp;
use sandbox::{LoadError, Plugin};

use super::candidate::Candidate;
use super::decision::{Verdict, asked_by, verdict};
use super::files::SETTLE;
use super::manifest::Unpinned;
use super::state::{GenerationState, LastError, Origin, PluginState, Refusal, Status};
use super::{Breakers, DriverEntry, Entry, NotifierEntry, ProviderEntry};

/// After how long a load is tried again that failed for the state of the machine, and not for the file.
const TRY_AGAIN: Duration = Duration::from_secs(30);

/// What calls get.
#[derive(Debug, Clone)]
pub(super) enum Live {
    Driver(Arc<DriverEntry>),
    Notifier(Arc<NotifierEntry>),
    Provider(Arc<ProviderEntry>),
}

/// A component in use.
#[derive(Debug, Clone)]
struct Generation {
    state: GenerationState,
    plugin: Plugin,
    entry: Entry,
    live: Live,
}

impl Generation {
    /// Puts a component to use under an entry.
    fn new(number: u64, plugin: Plugin, entry: Entry, rules: &Rules<'_>) -> Result<Self> {
        let live = match plugin.clone() {
            Plugin::Driver(driver) => {
                let live = DriverEntry::new(driver, &entry, rules.breakers)?;
                (rules.admit)(&live)?;
                Live::Driver(Arc::new(live))
            }
            Plugin::Notifier(notifier) => {
                Live::Notifier(Arc::new(NotifierEntry::new(notifier, &entry, rules.breakers)?))
            }
            Plugin::Provider(provider) => {
                Live::Provider(Arc::new(ProviderEntry::new(provider, &entry, rules.breakers)?))
            }
        };
        let state = GenerationState {
            generation: number,
            sha256: plugin.digest().to_owned(),
            version: plugin.info().version.clone(),
            since: rules.now,
            detect: entry.detect && matches!(live, Live::Driver(_)),
        };
        Ok(Self { state, plugin, entry, live })
    }
}

/// What decides about a component beside itself.
pub(super) struct Rules<'a> {
    pub(super) decision: &'a Decision,
    pub(super) policy: Unpinned,
    pub(super) body_limit_bytes: usize,
    /// Refuses a driver that others cannot do with.
    pub(super) admit: &'a dyn Fn(&DriverEntry) -> Result<()>,
    /// Those of the components that are in use.
    pub(super) breakers: &'a Breakers,
    pub(super) now: Timestamp,
}

/// A load that failed, which is not tried again under the same entry.
struct Failed {
    digest: String,
    entry: Entry,
    error: Refusal,
    /// When to try again all the same.
    again: Option<Instant>,
}

enum Judgement {
    Run(Box<(Plugin, Entry)>),
    Wait(String),
    Refuse(Refusal),
    Off(&'static str),
}

/// One plugin over time.
pub(super) struct Slot {
    origin: Origin,
    status: Status,
    since: Timestamp,
    found: Option<String>,
    is_pinned: bool,
    asks: Option<Grants>,
    running: Option<Generation>,
    previous: Option<Generation>,
    /// Loaded, and not in use.
    ready: Option<(Plugin, Wasi)>,
    failed: Option<Failed>,
    last_error: Option<LastError>,
    missing_since: Option<Instant>,
}

impl Slot {
    /// A plugin of which nothing is known yet.
    pub(super) const fn new(origin: Origin, now: Timestamp) -> Self {
        Self {
            origin,
            status: Status::Running,
            since: now,
            found: None,
            is_pinned: false,
            asks: None,
            running: None,
            previous: None,
            ready: None,
            failed: None,
            last_error: None,
            missing_since: None,
        }
    }

    /// Whether its file is missing for less than a moment: who puts another in its place may take it away
    /// first.
    pub(super) fn waits_for_file(&mut self, is_there: bool) -> bool {
        if is_there {
            self.missing_since = None;
            return false;
        }
        self.missing_since.get_or_insert_with(Instant::now).elapsed() < SETTLE
    }

    /// Where it comes from.
    pub(super) const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Which generation calls get; 0 for none.
    pub(super) fn generation(&self) -> u64 {
        self.running.as_ref().map_or(0, |running| running.state.generation)
    }

    /// SHA-256 of the component that calls get.
    pub(super) fn runs(&self) -> Option<&String> {
        self.running.as_ref().map(|generation| &generation.state.sha256)
    }

    /// What calls get.
    pub(super) fn live(&self) -> Option<&Live> {
        self.running.as_ref().map(|generation| &generation.live)
    }

    /// What runs is not what is pinned in `plugins.toml`, because nothing is.
    pub(super) fn is_unpinned(&self) -> bool {
        let pinned = |generation: &Generation| generation.entry.sha256.is_some();
        self.origin != Origin::BuiltIn && self.running.as_ref().is_some_and(|found| !pinned(found))
    }

    /// Whether the component itself did not load.
    pub(super) const fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Whether this component has to be loaded before it can be judged.
    pub(super) fn wants_load(&self, candidate: &Candidate, decision: &Decision) -> bool {
        let digest = &candidate.component.digest;
        let is_off = !candidate.entry.enabled || decision.disabled;
        let has_failed = self.failed.as_ref().is_some_and(|failed| {
            failed.digest == *digest
                && failed.entry == candidate.entry
                && failed.again.is_none_or(|again| Instant::now() < again)
        });
        !is_off && !has_failed && self.loaded(digest, candidate.entry.wasi).is_none()
    }

    /// A component of this digest that is loaded.
    fn loaded(&self, digest: &str, wasi: Wasi) -> Option<Plugin> {
        let generations = [&self.running, &self.previous].into_iter().flatten();
        let used = generations.map(|generation| (&generation.plugin, generation.entry.wasi));
        let ready = self.ready.iter().map(|(plugin, wasi)| (plugin, *wasi));
        let mut all = used.chain(ready);
        all.find(|(plugin, had)| plugin.digest() == digest && *had == wasi).map(|(plugin, _)| plugin.clone())
    }

    /// Makes of the component what is to be made of it. `loaded` is how loading went, where it was wanted;
    /// `number` counts the generations of this plugin. Returns whether calls get something else.
    pub(super) fn take(
        &mut self,
        candidate: &Candidate,
        loaded: Option<Result<Plugin>>,
        number: &mut u64,
        rules: &Rules<'_>,
    ) -> bool {
        self.origin = candidate.origin.clone();
        self.found = Some(candidate.found().to_owned());
        self.is_pinned = candidate.entry.sha256.is_some();
        match self.judge(candidate, loaded, rules) {
            Judgement::Run(chosen) => self.run(*chosen, number, rules),
            Judgement::Wait(reason) => self.wait(reason, candidate, rules),
            Judgement::Refuse(error) => {
                self.refuse(error, rules.now);
                false
            }
            Judgement::Off(by) => {
                self.turn(Status::Disabled { by }, rules.now);
                self.retire()
            }
        }
    }

    fn judge(
        &mut self,
        candidate: &Candidate,
        loaded: Option<Result<Plugin>>,
        rules: &Rules<'_>,
    ) -> Judgement {
        let Candidate { entry, component, .. } = candidate;
        if !entry.enabled {
            return Judgement::Off("plugins.toml");
        }
        if rules.decision.disabled {
            return Judgement::Off("operator");
        }
        let plugin = match loaded {
            Some(Ok(plugin)) => plugin,
            Some(Err(error)) => return self.fail(candidate, &error),
            None => match (self.loaded(&component.digest, entry.wasi), &self.failed) {
                (Some(plugin), _) => match candidate.check_pin() {
                    Ok(()) => plugin,
                    Err(error) => return Judgement::Refuse(Refusal::from(&error)),
                },
                (None, Some(failed)) => return Judgement::Refuse(failed.error.clone()),
                (None, None) => return self.fail(candidate, &anyhow::anyhow!("it was not loaded")),
            },
        };
        self.failed = None;
        let asks = asked_by(&plugin, component.system);
        let older = |generation: &Generation| generation.state.sha256 != component.digest;
        // What was left does not go on while the one before waits.
        let has_older = candidate.stands_for.is_none() && self.running.as_ref().is_some_and(older);
        let verdict = verdict(candidate, &asks, rules.decision, rules.policy, has_older);
        if candidate.stands_for.is_none() {
            self.asks = Some(asks);
        }
        match verdict {
            Verdict::Wait(reason) => {
                self.ready = Some((plugin, entry.wasi));
                Judgement::Wait(reason)
            }
            Verdict::Run(entry) => {
                let limits = candidate.limits(rules.body_limit_bytes);
                let plugin = if *plugin.limits() == limits { plugin } else { plugin.with_limits(limits) };
                Judgement::Run(Box::new((plugin, *entry)))
            }
        }
    }

    fn fail(&mut self, candidate: &Candidate, error: &anyhow::Error) -> Judgement {
        let is_passing = matches!(error.downcast_ref(), Some(LoadError::CompilerStart { .. }));
        let refusal = Refusal::from(error);
        self.failed = Some(Failed {
            digest: candidate.component.digest.clone(),
            entry: candidate.entry.clone(),
            error: refusal.clone(),
            again: is_passing.then(|| Instant::now() + TRY_AGAIN),
        });
        self.asks = None;
        Judgement::Refuse(refusal)
    }

    fn run(&mut self, (plugin, entry): (Plugin, Entry), number: &mut u64, rules: &Rules<'_>) -> bool {
        let is_same = |running: &Generation| {
            running.entry == entry
                && running.plugin.digest() == plugin.digest()
                && running.plugin.limits() == plugin.limits()
        };
        if self.running.as_ref().is_some_and(is_same) {
            self.turn(Status::Running, rules.now);
            return false;
        }
        let next = number.saturating_add(1);
        let generation = match Generation::new(next, plugin, entry, rules) {
            Ok(generation) => generation,
            Err(error) => {
                self.refuse(Refusal::from(&error), rules.now);
                return false;
            }
        };
        *number = next;
        let is_other = |old: &Generation| old.state.sha256 != generation.state.sha256;
        if self.running.as_ref().is_some_and(is_other) {
            self.previous = self.running.take();
        }
        self.running = Some(generation);
        self.ready = None;
        self.turn(Status::Running, rules.now);
        true
    }

    /// Lets an older component run on, where it still may.
    fn wait(&mut self, reason: String, candidate: &Candidate, rules: &Rules<'_>) -> bool {
        self.turn(Status::Waiting { reason }, rules.now);
        let may_go_on = self.running.as_ref().is_some_and(|Generation { state, entry, live, .. }| {
            let approval = rules.decision.approved.as_ref();
            state.sha256 != candidate.component.digest
                && (matches!(live, Live::Driver(_))
                    || entry.sha256.is_some()
                    || approval.is_some_and(|approval| approval.sha256 == state.sha256))
        });
        if may_go_on { false } else { self.running.take().is_some() }
    }

    /// Leaves what runs as it is, and says why nothing else does.
    pub(super) fn refuse(&mut self, error: Refusal, now: Timestamp) {
        let is_new = !matches!(&self.status, Status::Refused { error: known } if *known == error);
        if is_new {
            self.last_error = Some(LastError { error: error.clone(), at: now });
        }
        self.turn(Status::Refused { error }, now);
    }

    /// Takes it from those who call; the component stays loaded. Returns whether there was one.
    fn retire(&mut self) -> bool {
        let running = self.running.take();
        let was_running = running.is_some();
        self.ready =
            running.map(|generation| (generation.plugin, generation.entry.wasi)).or(self.ready.take());
        was_running
    }

    fn turn(&mut self, status: Status, now: Timestamp) {
        if self.status != status {
            (self.status, self.since) = (status, now);
        }
    }

    /// What there is to say of it.
    pub(super) fn state(
        &self,
        kind: domain::plugin::PluginKind,
        name: &domain::plugin::PluginName,
    ) -> PluginState {
        let of = |generation: &Option<Generation>| generation.as_ref().map(|one| one.state.clone());
        PluginState {
            kind,
            name: name.clone(),
            origin: self.origin.clone(),
            status: self.status.clone(),
            since: self.since,
            found: self.found.clone(),
            is_pinned: self.is_pinned,
            asks: self.asks.clone(),
            running: of(&self.running),
            previous: of(&self.previous),
            last_error: self.last_error.clone(),
        }
    }
}
