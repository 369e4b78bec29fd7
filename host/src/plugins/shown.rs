//! What is said of plugins to those who decide about them.

use domain::approval::{Approval, Decision, Grants, PluginEvent, Rollback};
use serde::Serialize;
use store::{PluginHistory, PluginNote};

use super::Manager;
use super::breaker::BreakerReport;
use super::state::{LeftOut, Origin, PluginState, Refusal};
use crate::clock;

/// A plugin, what was decided about it and how it is doing.
#[derive(Debug, Clone, Serialize)]
pub struct ShownPlugin {
    /// What this process made of it.
    #[serde(flatten)]
    pub state: PluginState,
    /// What it is for, in its own words; none while none runs.
    pub summary: Option<String>,
    /// What was approved last.
    pub approved: Option<Approval>,
    /// What the component that is there asks for beyond that; none where an approval covers it.
    pub more: Option<Grants>,
    /// Where it was put back to.
    pub rollback: Option<Rollback>,
    /// How the calls of this process end.
    pub breaker: Option<BreakerReport>,
    /// What a hub had to do about it by itself, and why.
    pub trouble: Option<String>,
}

/// All plugins, and files that are none.
#[derive(Debug, Clone, Serialize)]
pub struct PluginList {
    /// By kind and name.
    pub plugins: Vec<ShownPlugin>,
    /// Files of which not even kind and name are known.
    pub files: Vec<LeftOut>,
    /// Why an earlier `plugins.toml` is still in force.
    pub manifest: Option<Refusal>,
}

/// One plugin, with its past.
#[derive(Debug, Clone, Serialize)]
pub struct PluginDetail {
    /// The plugin.
    pub plugin: ShownPlugin,
    /// SHA-256 of the components that are kept on this host, the newest first.
    pub kept: Vec<String>,
    /// What was decided, newest first.
    pub history: Vec<PluginHistory>,
}

impl ShownPlugin {
    /// What `manager` has of it, with the newest of these notes.
    pub(super) fn of(manager: &Manager, state: &PluginState, notes: &[PluginNote]) -> Self {
        let Decision { approved, rollback, .. } = manager.decisions().of(state.kind, &state.name);
        let granted = approved.as_ref().map(|approval| approval.grants.clone()).unwrap_or_default();
        let needs_no_word = !matches!(state.origin, Origin::Dropped(_));
        let more = state.asks.as_ref().map(|asks| granted.missing_for(asks));
        let more = more.filter(|more| !needs_no_word && *more != Grants::default());
        // A pin goes before it, and not every host has the earlier component.
        let running = state.running.as_ref().map(|running| &running.sha256);
        let holds = |rollback: &Rollback| state.found.as_ref() == Some(&rollback.from);
        let rollback = rollback.filter(|rollback| holds(rollback) && running == Some(&rollback.to));
        let about = manager.catalogue().about(state.kind, &state.name);
        let note = notes.iter().find(|note| note.kind == state.kind && note.name == state.name);
        let trouble = note.and_then(|note| trouble(note, rollback.as_ref(), state));
        Self {
            state: state.clone(),
            summary: about.as_ref().map(|(summary, _)| summary.clone()),
            approved,
            more,
            rollback,
            breaker: about.map(|(_, breaker)| breaker.report(clock::now())),
            trouble,
        }
    }
}

/// What the newest note of a hub's own says, as long as it holds.
fn trouble(note: &PluginNote, rollback: Option<&Rollback>, state: &PluginState) -> Option<String> {
    let reason = note.reason.as_deref().unwrap_or("no reason was given");
    match note.event {
        PluginEvent::RolledBack => {
            let rollback = rollback?;
            Some(format!("put back from {} by {} at {}: {reason}", rollback.from, note.actor, note.at))
        }
        PluginEvent::LeftAlone if note.sha256.as_ref() == state.running.as_ref().map(|one| &one.sha256) => {
            Some(format!("left alone at {}: {reason}", note.at))
        }
        _ => None,
    }
}
