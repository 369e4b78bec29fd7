//! What operators decide about plugins while hubs run: written down in the database, and taken over by every hub.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::approval::{Approval, PluginEvent, Rollback};
use domain::id::DecisionId;
use domain::plugin::{PluginKind, PluginName};
use domain::text::disturbs;
use domain::time::Timestamp;
use store::{PluginAct, PluginChange, PluginHistory, PluginNote, Store, StoreError};

use super::breaker::ComponentBreaker;
use super::kept::Kept;
use super::shown::{PluginDetail, PluginList, ShownPlugin};
use super::state::{Origin, PluginState, Status};
use super::{Decisions, Manager};
use crate::clock::{self, Ids};

/// How long a reason may be, in characters.
const REASON_CHARS: usize = 500;
/// Who it is where the hub acts by itself.
const HUB: &str = "hub";

/// Why nothing was decided.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// There is none of this kind and name.
    #[error("there is no {kind} `{name}`\nhint: there are {known}")]
    Unknown {
        /// What was asked for.
        kind: PluginKind,
        /// What was asked for.
        name: PluginName,
        /// The names there are.
        known: String,
    },
    /// Several have this name, or none.
    #[error("{found} called `{name}`\nhint: {hint}")]
    Several {
        /// What was asked for.
        name: PluginName,
        /// How many there are.
        found: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// Not the component that was looked at.
    #[error(
        "the component that is there now has sha256 {found}, not {expected}\nhint: look at it again, then approve that"
    )]
    Changed {
        /// What was meant.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The component that is there cannot run at all.
    #[error("{whose} does not load, so there is nothing to approve: {why}")]
    NotLoaded {
        /// Whose.
        whose: String,
        /// Why.
        why: String,
    },
    /// `plugins.toml` or the binary decides.
    #[error("{0}")]
    ByFile(String),
    /// There is no earlier component.
    #[error(
        "no earlier component of {0} is kept on this host, so there is nothing to go back to\n\
         hint: put the earlier file back where the plugin comes from"
    )]
    NothingEarlier(String),
    /// It is not there, or not what it was.
    #[error("{0:#}")]
    NotKept(anyhow::Error),
    /// It reaches out, and nobody said that it may.
    #[error(
        "the component {sha256} of {whose} was never approved, and it can reach the network\n\
         hint: put its file back where the plugin comes from, and approve it there"
    )]
    NeverApproved {
        /// Whose.
        whose: String,
        /// Which component.
        sha256: String,
    },
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who decides, and why.
#[derive(Debug, Clone)]
pub struct By {
    actor: String,
    reason: Option<String>,
}

impl By {
    /// A person, with a reason in a few words.
    ///
    /// # Errors
    /// Text about a reason that is too long or not in one line.
    pub fn new(actor: String, reason: Option<String>) -> Result<Self, String> {
        let reason = reason.map(|reason| reason.trim().to_owned()).filter(|reason| !reason.is_empty());
        let long = reason.as_ref().is_some_and(|reason| reason.chars().count() > REASON_CHARS);
        if long || reason.as_ref().is_some_and(|reason| reason.contains(disturbs)) {
            return Err(format!("`reason` is one line of at most {REASON_CHARS} characters"));
        }
        Ok(Self { actor, reason })
    }

    /// The hub itself.
    pub fn hub(reason: String) -> Self {
        Self { actor: HUB.to_owned(), reason: Some(reason) }
    }

    fn act(self) -> PluginAct {
        let Self { actor, reason } = self;
        PluginAct { id: DecisionId::mint(&mut Ids), actor, reason, at: clock::now() }
    }
}

/// Decides about plugins.
pub struct Approvals {
    store: Store,
    manager: Arc<Manager>,
    kept: Kept,
}

impl Approvals {
    /// Over what is loaded here, and kept here.
    pub fn new(store: Store, manager: Arc<Manager>) -> Self {
        let kept = manager.kept().clone();
        Self { store, manager, kept }
    }

    /// What stands in the database, for [`Manager::open`].
    ///
    /// # Errors
    /// When the store does not answer, or what it holds is not understood.
    pub async fn stored(store: &Store) -> Result<Decisions, StoreError> {
        let all = store.plugin_decisions().await?;
        Ok(Decisions(all.into_iter().map(|one| ((one.kind, one.name), one.decision)).collect()))
    }

    /// Takes over what stands in the database; returns whether anything was new.
    ///
    /// # Errors
    /// When the store does not answer; then what held before holds.
    pub async fn follow(&self) -> Result<bool, StoreError> {
        let decisions = Self::stored(&self.store).await?;
        if decisions == *self.manager.decisions() {
            return Ok(false);
        }
        self.manager.decide(decisions);
        if let Err(error) = self.manager.refresh(BTreeSet::new()).await {
            tracing::error!(error.r#type = "broke_off", "{error:#}");
        }
        Ok(true)
    }

    /// All plugins.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn list(&self) -> Result<PluginList, DecideError> {
        let overview = self.manager.overview();
        let notes = self.store.plugin_notes().await?;
        let plugins =
            overview.plugins.iter().map(|state| ShownPlugin::of(&self.manager, state, &notes)).collect();
        Ok(PluginList { plugins, files: overview.files.clone(), manifest: overview.manifest.clone() })
    }

    /// One plugin.
    ///
    /// # Errors
    /// [`DecideError::Unknown`] if there is none.
    pub async fn one(&self, kind: PluginKind, name: &PluginName) -> Result<PluginDetail, DecideError> {
        let state = self.state(kind, name)?;
        let notes = self.store.plugin_notes().await?;
        let history = self.store.plugin_history(kind, name).await?;
        let kept = self.kept.digests(kind, name);
        Ok(PluginDetail { plugin: ShownPlugin::of(&self.manager, &state, &notes), kept, history })
    }

    /// The kind of the plugin with this name, where there is one.
    ///
    /// # Errors
    /// [`DecideError::Several`] where the name does not say it.
    pub fn kind_of(&self, name: &PluginName) -> Result<PluginKind, DecideError> {
        let overview = self.manager.overview();
        let mut kinds = overview.plugins.iter().filter(|state| state.name == *name).map(|state| state.kind);
        let (found, hint) = match (kinds.next(), kinds.next()) {
            (Some(kind), None) => return Ok(kind),
            (Some(_), Some(_)) => (
                "several plugins are",
                "say which with `--kind driver`, `--kind notifier` or `--kind provider`",
            ),
            (None, _) => ("no plugin is", "`watchbell plugin list` shows those there are"),
        };
        Err(DecideError::Several { name: name.clone(), found, hint })
    }

    /// Lets the component that is there run with all that it asks for, and no more. `expected` is the one that
    /// is meant; without it, whichever is there.
    ///
    /// # Errors
    /// [`DecideError`]; then everything stays as it is.
    pub async fn approve(
        &self,
        kind: PluginKind,
        name: &PluginName,
        expected: Option<&str>,
        by: By,
    ) -> Result<ShownPlugin, DecideError> {
        let state = self.state(kind, name)?;
        let decision = self.manager.decisions().of(kind, name);
        let whose = format!("{kind} `{name}`");
        match &state.origin {
            _ if decision.rollback.is_some() => {}
            Origin::BuiltIn => {
                return Err(DecideError::ByFile(format!("{whose} is built in and needs no approval")));
            }
            Origin::Configured(_) => {
                return Err(DecideError::ByFile(format!(
                    "{whose} needs no approval: `plugins.toml` names its file\n\
                     hint: what it may use is said there"
                )));
            }
            Origin::Dropped(_) => {}
        }
        let not_loaded = |why: &str| DecideError::NotLoaded { whose: whose.clone(), why: why.to_owned() };
        let Some(found) = state.found else { return Err(not_loaded("its file cannot be read")) };
        if let Some(expected) = expected.filter(|expected| !expected.eq_ignore_ascii_case(&found)) {
            return Err(DecideError::Changed { expected: expected.to_owned(), found });
        }
        // What was left by a rollback may not be loaded: it keeps what was granted, and waits if it asks for more.
        let left = decision.rollback.is_some().then(|| decision.approved.unwrap_or_default().grants);
        let Some(grants) = state.asks.or(left) else {
            return Err(match &state.status {
                Status::Refused { error } => not_loaded(&error.message),
                _ => not_loaded("it is switched off\nhint: enable it first"),
            });
        };
        let change = PluginChange::Approve(Approval { sha256: found, grants });
        self.decide(kind, name, change, by).await
    }

    /// Switches a plugin on or off.
    ///
    /// # Errors
    /// [`DecideError`]; then everything stays as it is.
    pub async fn switch(
        &self,
        kind: PluginKind,
        name: &PluginName,
        enabled: bool,
        by: By,
    ) -> Result<ShownPlugin, DecideError> {
        let state = self.state(kind, name)?;
        if enabled && matches!(state.status, Status::Disabled { by: "plugins.toml" }) {
            let text = format!(
                "`plugins.toml` has {kind} `{name}` switched off\nhint: `enabled = true` under [{kind}.{name}] there"
            );
            return Err(DecideError::ByFile(text));
        }
        self.decide(kind, name, PluginChange::Switch { disabled: !enabled }, by).await
    }

    /// Puts a plugin back to an earlier component, the newest one unless it is said.
    ///
    /// # Errors
    /// [`DecideError`]; then everything stays as it is.
    pub async fn roll_back(
        &self,
        kind: PluginKind,
        name: &PluginName,
        to: Option<&str>,
        by: By,
    ) -> Result<ShownPlugin, DecideError> {
        let state = self.state(kind, name)?;
        let whose = format!("{kind} `{name}`");
        if state.is_pinned {
            return Err(DecideError::ByFile(format!(
                "`plugins.toml` pins {whose} to its component\n\
                 hint: put the earlier file back and change `sha256` there; `watchbell plugin disable {name}` helps at once"
            )));
        }
        let nothing = || DecideError::NothingEarlier(whose.clone());
        let from = state.found.clone().ok_or_else(nothing)?;
        let running = state.running.as_ref().map(|running| running.sha256.as_str());
        let kept = self.kept.digests(kind, name);
        let mut earlier = kept.iter().filter(|kept| **kept != from && Some(kept.as_str()) != running);
        let to = match to {
            Some(to) => to.to_ascii_lowercase(),
            None => earlier.next().ok_or_else(nothing)?.clone(),
        };
        self.kept.read(kind, name, &to).map_err(DecideError::NotKept)?;
        let approval = self.approval_of(kind, name, &to).await?;
        if kind != PluginKind::Driver && approval.as_ref().is_none_or(|approval| approval.sha256 != to) {
            return Err(DecideError::NeverApproved { whose, sha256: to });
        }
        let change = PluginChange::RollBack { rollback: Rollback { to, from }, approval };
        self.decide(kind, name, change, by).await
    }

    /// With what a component was approved before; what is approved now where it was not, which a driver keeps.
    async fn approval_of(
        &self,
        kind: PluginKind,
        name: &PluginName,
        sha256: &str,
    ) -> Result<Option<Approval>, StoreError> {
        let history = self.store.plugin_history(kind, name).await?;
        let of = |entry: PluginHistory| {
            let fits = entry.event == PluginEvent::Approved && entry.sha256.as_deref() == Some(sha256);
            entry.grants.filter(|_| fits)
        };
        let before = history.into_iter().find_map(of);
        let before = before.map(|grants| Approval { sha256: sha256.to_owned(), grants });
        Ok(before.or_else(|| self.manager.decisions().of(kind, name).approved))
    }

    async fn decide(
        &self,
        kind: PluginKind,
        name: &PluginName,
        change: PluginChange,
        by: By,
    ) -> Result<ShownPlugin, DecideError> {
        let act = by.act();
        self.store.decide_plugin(kind, name, &change, &act).await?;
        let (actor, what) = (&act.actor, told(&change));
        tracing::warn!(actor, plugin.name = %name, plugin.kind = %kind, "{actor} {what} {kind} `{name}`");
        self.follow().await?;
        let notes = self.store.plugin_notes().await?;
        Ok(ShownPlugin::of(&self.manager, &self.state(kind, name)?, &notes))
    }

    /// Writes down what happened to a component that nobody decided.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn note(
        &self,
        breaker: &ComponentBreaker,
        event: PluginEvent,
        reason: String,
    ) -> Result<(), StoreError> {
        let act = By::hub(reason).act();
        self.store.note_plugin(breaker.kind(), breaker.name(), (event, breaker.digest()), &act).await
    }

    /// The components that a hub left alone because they trapped and there was nothing to go back to, by SHA-256,
    /// and since when.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn left_alone(
        &self,
    ) -> Result<BTreeMap<(PluginKind, PluginName), (String, Timestamp)>, StoreError> {
        let mut newest = BTreeMap::new();
        for note in self.store.plugin_notes().await? {
            newest.entry((note.kind, note.name.clone())).or_insert(note);
        }
        let left = |(key, note): (_, PluginNote)| {
            let sha256 = note.sha256.filter(|_| note.event == PluginEvent::LeftAlone)?;
            Some((key, (sha256, note.at)))
        };
        Ok(newest.into_iter().filter_map(left).collect())
    }

    /// The breakers of what runs here.
    pub fn breakers(&self) -> Vec<Arc<ComponentBreaker>> {
        self.manager.catalogue().breakers()
    }

    /// Since when the component of a plugin runs here.
    pub fn running_since(&self, kind: PluginKind, name: &PluginName) -> Option<Timestamp> {
        Some(self.manager.overview().of(kind, name)?.running.as_ref()?.since)
    }

    /// Lets go of a component that is not one to go back to.
    pub fn forget(&self, kind: PluginKind, name: &PluginName, digest: &str) {
        self.kept.forget(kind, name, digest);
    }

    fn state(&self, kind: PluginKind, name: &PluginName) -> Result<PluginState, DecideError> {
        let overview = self.manager.overview();
        overview.of(kind, name).cloned().ok_or_else(|| {
            let known = overview.plugins.iter().filter(|state| state.kind == kind);
            let known: Vec<String> = known.map(|state| format!("`{}`", state.name)).collect();
            DecideError::Unknown { kind, name: name.clone(), known: known.join(", ") }
        })
    }
}

const fn told(change: &PluginChange) -> &'static str {
    match change {
        PluginChange::Approve(_) => "approved",
        PluginChange::Switch { disabled: true } => "switched off",
        PluginChange::Switch { disabled: false } => "switched on",
        PluginChange::RollBack { .. } => "put back",
    }
}
