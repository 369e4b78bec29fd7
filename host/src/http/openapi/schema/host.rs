//! What answers about hosts look like.

use utoipa::ToSchema;

use super::{Id, Time};

/// A process that serves on this database.
#[derive(ToSchema)]
pub(crate) struct Host {
    /// Drawn at its start.
    id: Id,
    /// What its machine is called.
    name: String,
    /// Of the program.
    version: String,
    /// Whether it was heard of lately.
    live: bool,
    started_at: Time,
    /// When it was last heard of.
    seen_at: Time,
    /// Digest over its plugins and what they may.
    plugin_set: String,
}

/// All of them.
#[derive(ToSchema)]
pub(crate) struct HostList {
    /// The first that began first.
    hosts: Vec<Host>,
    /// Whether all that are live have the same plugins.
    same_plugins: bool,
    /// Where the plugins of the others are not those of the first that is live.
    differences: Vec<String>,
}
