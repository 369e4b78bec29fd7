//! One call of a notifier: the settings taken apart, the way out granted, what came of it sorted.

use std::sync::Arc;

use domain::id::{ChannelId, RunId, TraceId};
use domain::plugin::{Notification, PluginKind, Receipt};
use domain::trace::TraceParent;
use sandbox::CallError;
use serde_json::Value;

use super::classify::{self, Verdict};
use crate::config::References;
use crate::egress::{Egress, Grants};
use crate::plugins::{CallLog, ChannelError, ChannelSettings, NotifierEntry, Outside, count_call};

/// What every call needs of the host.
pub(super) struct Means<'a> {
    /// The way out.
    pub(super) egress: &'a Arc<Egress>,
    /// What references to secrets lead to.
    pub(super) references: &'a References,
}

/// One call.
pub(super) struct Call<'a> {
    /// The notifier, and what it may reach whatever the channel.
    pub(super) entry: &'a NotifierEntry,
    /// Whose settings these are.
    pub(super) channel: (ChannelId, &'a str),
    /// The settings as they are stored, opened.
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

/// Calls the notifier once.
pub(super) async fn call(means: &Means<'_>, call: Call<'_>) -> Result<Receipt, Verdict> {
    let Call { entry, channel: (channel, name), settings, notification, .. } = call;
    let info = entry.notifier.info();
    let plugin = &info.plugin.name;
    // The one place where settings are taken apart for a call: what of them is the host's own is not the
    // plugin's, and leaves them here.
    let split = ChannelSettings::split(&info.config_schema, settings, means.references)
        .map_err(|error| unusable(name, &error))?;
    let mut origins = split.origins;
    origins.extend(entry.allow_hosts.iter().cloned());
    let grants = Grants {
        plugin: plugin.clone(),
        channel: Some(channel),
        origins,
        secrets: split.secrets,
        trace: Some(call.step),
    };
    let log = CallLog::new(PluginKind::Notifier, plugin, call.run_id, call.trace_id);
    let limits = entry.notifier.limits().egress;
    let outside = Arc::new(Outside::new(log, Arc::clone(means.egress), grants, limits, None));
    let result = entry.notifier.send(notification, &split.config, outside).await;
    count_call(PluginKind::Notifier, plugin, &result);
    result.map_err(|error| match error {
        CallError::Plugin(error) => classify::plugin(&error),
        CallError::Trap(trap) => Verdict::retry(trap.error_type(), trap.to_string(), None),
    })
}

/// A secret may be back where it is kept before the last try.
fn unusable(channel: &str, error: &ChannelError) -> Verdict {
    let message = format!("channel `{channel}`: {error}");
    match error {
        ChannelError::Reference(_) => Verdict::retry("reference", message, None),
        _ => Verdict::dead("config", message),
    }
}
