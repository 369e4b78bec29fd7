//! What is said of channels and notifiers.

use serde_json::Value;
use utoipa::ToSchema;

use super::{Id, Misfit, Time};

/// A configured destination, and how it is doing.
#[derive(ToSchema)]
pub(crate) struct Channel {
    id: Id,
    name: String,
    /// The plugin that delivers.
    notifier: String,
    /// Whether anything is sent to it.
    enabled: bool,
    created_at: Time,
    /// Give or take a minute.
    last_success_at: Option<Time>,
    last_error_at: Option<Time>,
    last_error: Option<String>,
    /// The first failure since it last took something; none while it works.
    failing_since: Option<Time>,
    /// When the first of what waits for it is or was due.
    due_at: Option<Time>,
    /// Its settings; `{"secret": "set"}` stands in the place of each secret, with its `reference` where it is
    /// kept elsewhere. None where they cannot be opened.
    #[schema(value_type = Option<Object>)]
    settings: Option<Value>,
    /// Where it may go, as `scheme://host` or `scheme://host:port`.
    grant: Vec<String>,
    /// Why it cannot send.
    problem: Option<String>,
}

/// A page of channels.
#[derive(ToSchema)]
pub(crate) struct ChannelPage {
    channels: Vec<Channel>,
    /// `cursor` of the next page; none at the end.
    next: Option<String>,
}

/// One channel.
#[derive(ToSchema)]
pub(crate) struct ShownChannel {
    channel: Channel,
}

/// A channel that was kept.
#[derive(ToSchema)]
pub(crate) struct ChangedChannel {
    channel: Channel,
    /// What may not be meant.
    warnings: Vec<String>,
}

/// A channel that is gone.
#[derive(ToSchema)]
pub(crate) struct RemovedChannel {
    id: Id,
    name: String,
}

/// A notification that the remote took.
#[derive(ToSchema)]
pub(crate) struct Sent {
    /// Always `delivered`.
    status: String,
    /// The channel; none for settings that came with the request.
    channel: Option<String>,
    /// The plugin that delivered it.
    notifier: String,
    /// The idempotency key that the remote was given.
    id: String,
    /// The remote's own identifier.
    remote_ref: Option<String>,
    /// Always 1: whoever sends tries again.
    attempts: u32,
    duration_ms: u64,
}

/// How a notification of several ended.
#[derive(ToSchema)]
pub(crate) struct BatchResult {
    /// Its place in the list, from 0.
    index: u32,
    /// `delivered` or `failed`.
    #[schema(pattern = "^(delivered|failed)$")]
    status: String,
    #[schema(nullable = false)]
    channel: Option<String>,
    #[schema(nullable = false)]
    notifier: Option<String>,
    #[schema(nullable = false)]
    id: Option<String>,
    #[schema(nullable = false)]
    remote_ref: Option<String>,
    #[schema(nullable = false)]
    attempts: Option<u32>,
    #[schema(nullable = false)]
    duration_ms: Option<u64>,
    /// What it would have been answered alone.
    #[schema(nullable = false)]
    problem: Option<BatchProblem>,
}

/// Why one of several was not delivered.
#[derive(ToSchema)]
pub(crate) struct BatchProblem {
    /// `urn:watchbell:problem:` and a word of a small closed set.
    #[schema(rename = "type", pattern = "^urn:watchbell:problem:[a-z-]+$")]
    r#type: String,
    /// The HTTP status in words.
    title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong and what to do.
    detail: String,
    /// What is wrong where, for settings.
    #[schema(nullable = false)]
    errors: Option<Vec<Misfit>>,
    /// When to try again, in seconds.
    #[schema(nullable = false)]
    retry_after_s: Option<u32>,
}

/// How several notifications ended, in their order.
#[derive(ToSchema)]
pub(crate) struct BatchSent {
    delivered: u32,
    failed: u32,
    results: Vec<BatchResult>,
}

/// A plugin that delivers.
#[derive(ToSchema)]
pub(crate) struct Notifier {
    name: String,
    version: String,
    /// What it is for.
    summary: String,
    homepage: Option<String>,
    /// Where it wants to go; empty for the addresses of a channel's settings.
    hosts: Vec<String>,
    /// Where `plugins.toml` lets it go, whatever the channel; all that settings of a request may reach.
    grants: Vec<String>,
    /// Whether it can change what it sent before.
    supports_update: bool,
    /// JSON Schema of its settings.
    #[schema(value_type = Object)]
    config_schema: Value,
}

/// All plugins that deliver.
#[derive(ToSchema)]
pub(crate) struct NotifierList {
    drivers: Vec<Notifier>,
}

/// One plugin that delivers.
#[derive(ToSchema)]
pub(crate) struct ShownNotifier {
    driver: Notifier,
}
