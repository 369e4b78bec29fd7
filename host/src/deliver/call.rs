//! One call of a notifier: the settings taken apart, the way out granted, what came of it sorted.

use std::sync::Arc;

use domain::delivery::Channel;
use domain::id::{ChannelId, RunId, TraceId};
use domain::plugin::{Notification, PluginError, PluginKind, Receipt};
use domain::trace::TraceParent;
use sandbox::{CallError, Trap};
use serde_json::Value;

use super::classify::{self, Verdict};
use super::words;
use crate::config::References;
use crate::egress::{Egress, Grants};
use crate::plugins::{CallLog, ChannelError, ChannelSettings, LeftAlone, NotifierEntry, Outside, count_call};
use crate::template::{ChannelTemplates, Recipient, TemplateError, Templates};

/// What every call needs of the host.
pub(super) struct Means<'a> {
    /// The way out.
    pub(super) egress: &'a Arc<Egress>,
    /// What references to secrets lead to.
    pub(super) references: &'a References,
    /// How notifications read.
    pub(super) templates: &'a Arc<Templates>,
}

/// One call.
pub(super) struct Call<'a> {
    /// The notifier, and what it may reach whatever the channel.
    pub(super) entry: &'a NotifierEntry,
    /// The stored channel whose settings these are; none for settings that came with a request.
    pub(super) channel: Option<&'a Channel>,
    /// The settings, opened.
    pub(super) settings: &'a Value,
    /// What is told.
    pub(super) notification: &'a Notification,
    /// The run it belongs to.
    pub(super) run_id: RunId,
    /// Shared by all that came of one webhook.
    pub(super) trace_id: TraceId,
    /// The step of the trace that the call is a part of.
    pub(super) step: TraceParent,
}

/// Why a call did not deliver.
#[derive(Debug)]
pub(super) enum Failure {
    /// The settings cannot be used; nobody was called.
    Settings(ChannelError),
    /// The notifier says so.
    Plugin {
        /// In its own words.
        error: PluginError,
        /// Whether it was refused the way out.
        denied: bool,
        /// Whether a remote did not answer in time.
        timed_out: bool,
    },
    /// It was stopped.
    Trap(Box<Trap>),
    /// Its breaker keeps it from being called.
    LeftAlone(Box<LeftAlone>),
}

impl Failure {
    /// What it means for a delivery to this channel. A secret may be back where it is kept before the last
    /// try.
    pub(super) fn verdict(self, channel: &str) -> Verdict {
        match self {
            Self::Settings(error) => {
                let message = format!("channel `{channel}`: {error}");
                match error {
                    ChannelError::Reference(_) => Verdict::retry("reference", message, None),
                    _ => Verdict::dead("config", message),
                }
            }
            Self::Plugin { error, .. } => classify::plugin(&error),
            Self::Trap(trap) => Verdict::retry(trap.error_type(), trap.to_string(), None),
            Self::LeftAlone(left_alone) => Verdict::retry("breaker", left_alone.to_string(), None),
        }
    }
}

/// Calls the notifier once.
pub(super) async fn call(means: &Means<'_>, call: Call<'_>) -> Result<Receipt, Failure> {
    let Call { entry, settings, notification, .. } = call;
    let leave = entry.breaker.begin().map_err(|left_alone| Failure::LeftAlone(Box::new(left_alone)))?;
    let channel = call.channel.map(|channel| channel.id);
    let ChannelSettings { config, origins, secrets } =
        split(entry, channel, settings, means.references).map_err(Failure::Settings)?;
    let plugin = &entry.notifier.info().plugin.name;
    let name = call.channel.map_or_else(|| plugin.to_string(), |channel| channel.name.clone());
    let to = Recipient { channel: name, notifier: plugin.clone() };
    let notification = &words::put(means.templates, to, own(settings).1, notification.clone()).await;
    let grants = Grants {
        kind: PluginKind::Notifier,
        plugin: plugin.clone(),
        channel,
        origins,
        secrets,
        trace: Some(call.step),
    };
    let log = CallLog::new(PluginKind::Notifier, plugin, call.run_id, call.trace_id);
    let limits = entry.notifier.limits().egress;
    let outside = Arc::new(Outside::new(log, Arc::clone(means.egress), grants, limits, None));
    let result = entry.notifier.send(notification, &config, Arc::clone(&outside) as _).await;
    leave.ended(&result, outside.has_timed_out());
    count_call(PluginKind::Notifier, plugin, &result);
    result.map_err(|error| match error {
        CallError::Plugin(error) => {
            Failure::Plugin { error, denied: outside.was_denied(), timed_out: outside.has_timed_out() }
        }
        CallError::Trap(trap) => Failure::Trap(trap),
    })
}

/// Settings in two: what is the notifier's, and the templates, which are the host's.
pub(super) fn own(settings: &Value) -> (Value, Result<ChannelTemplates, TemplateError>) {
    let mut settings = settings.clone();
    let templates = ChannelTemplates::take(&mut settings);
    (settings, templates)
}

/// Settings of a channel with all that it may reach: its own addresses and those of `plugins.toml`. Settings
/// that came with a request reach the latter alone.
pub(super) fn split(
    entry: &NotifierEntry,
    channel: Option<ChannelId>,
    settings: &Value,
    references: &References,
) -> Result<ChannelSettings, ChannelError> {
    let (settings, _) = own(settings);
    match channel {
        Some(_) => ChannelSettings::split(&entry.schema, &settings, &entry.allow_hosts, references),
        None => ChannelSettings::ad_hoc(&entry.schema, &settings, &entry.allow_hosts),
    }
}
