//! What answers about plugins look like.

use utoipa::ToSchema;

use super::{BreakerState, PluginEvent, Time};

/// What a plugin is.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PluginKind {
    Driver,
    Notifier,
    Provider,
}

/// Where a plugin comes from.
#[derive(ToSchema)]
pub(crate) struct PluginOrigin {
    /// `built_in`, `configured` in `plugins.toml`, or `dropped` into the plugin directory.
    from: String,
    /// Its file, where it has one.
    #[schema(required = false)]
    file: String,
}

/// What a plugin asks for, or was granted.
#[derive(ToSchema)]
pub(crate) struct PluginGrants {
    /// Origins that it reaches.
    hosts: Vec<String>,
    /// Whether it asks about the machine of the hub.
    system: bool,
    /// What a driver claims in detection, each shape as JSON.
    shapes: Vec<String>,
}

/// What was approved.
#[derive(ToSchema)]
pub(crate) struct ApprovedComponent {
    /// SHA-256, in hexadecimal.
    sha256: String,
    grants: PluginGrants,
}

/// Where a plugin was put back to, for as long as `from` is the component that is there.
#[derive(ToSchema)]
pub(crate) struct PluginPutBack {
    /// SHA-256 of the component that runs.
    to: String,
    /// SHA-256 of the component that was left.
    from: String,
}

/// Why a component was not taken.
#[derive(ToSchema)]
pub(crate) struct PluginRefusal {
    /// One word.
    r#type: String,
    /// What is wrong and what to do.
    message: String,
    /// When, for the last one.
    #[schema(required = false)]
    at: Time,
}

/// One component in use.
#[derive(ToSchema)]
pub(crate) struct PluginGeneration {
    /// Counts up with everything that changes about this plugin, in this process.
    generation: u64,
    /// SHA-256, in hexadecimal.
    sha256: String,
    /// Its own version.
    version: String,
    since: Time,
    /// Whether a driver takes part in detection.
    detect: bool,
}

/// How the calls of this process end.
#[derive(ToSchema)]
pub(crate) struct PluginBreaker {
    state: BreakerState,
    /// How many calls of the last minute trapped.
    traps: u64,
    /// How many calls there were.
    calls: u64,
    /// When it is tried again.
    #[schema(required)]
    until: Option<Time>,
    /// What the last trap was, in one word.
    #[schema(required)]
    last: Option<String>,
}

/// A plugin as this hub has it.
#[derive(ToSchema)]
pub(crate) struct Plugin {
    kind: PluginKind,
    name: String,
    origin: PluginOrigin,
    /// What becomes of the component that is there: `running`, `waiting`, `refused` or `disabled`.
    status: String,
    /// What it waits for.
    #[schema(required = false)]
    reason: String,
    /// Why it is refused.
    #[schema(required = false)]
    error: PluginRefusal,
    /// Who switched it off: `plugins.toml` or an operator.
    #[schema(required = false)]
    by: String,
    /// Since when that is so.
    since: Time,
    /// SHA-256 of the component that is there, in hexadecimal.
    #[schema(required)]
    found: Option<String>,
    /// Whether `plugins.toml` says which component it must be.
    is_pinned: bool,
    /// What the component that is there asks for.
    #[schema(required)]
    asks: Option<PluginGrants>,
    /// What calls get.
    #[schema(required)]
    running: Option<PluginGeneration>,
    /// The last one with another component.
    #[schema(required)]
    previous: Option<PluginGeneration>,
    #[schema(required)]
    last_error: Option<PluginRefusal>,
    /// What it is for, in its own words.
    #[schema(required)]
    summary: Option<String>,
    /// What was approved last.
    #[schema(required)]
    approved: Option<ApprovedComponent>,
    /// What the component that is there asks for beyond that.
    #[schema(required)]
    more: Option<PluginGrants>,
    #[schema(required)]
    rollback: Option<PluginPutBack>,
    #[schema(required)]
    breaker: Option<PluginBreaker>,
    /// What a hub had to do about it by itself, and why.
    #[schema(required)]
    trouble: Option<String>,
}

/// A file that is no plugin.
#[derive(ToSchema)]
pub(crate) struct LeftOutFile {
    what: String,
    error: PluginRefusal,
}

/// All plugins.
#[derive(ToSchema)]
pub(crate) struct PluginList {
    plugins: Vec<Plugin>,
    /// Files of which not even kind and name are known.
    files: Vec<LeftOutFile>,
    /// Why an earlier `plugins.toml` is still in force.
    #[schema(required)]
    manifest: Option<PluginRefusal>,
}

/// Something that was decided.
#[derive(ToSchema)]
pub(crate) struct PluginDecided {
    event: PluginEvent,
    /// SHA-256 of the component that it is about.
    #[schema(required)]
    sha256: Option<String>,
    #[schema(required)]
    grants: Option<PluginGrants>,
    /// `key:<name>`, `cli:<user>`, `anonymous`, or `hub` for what its breaker did.
    actor: String,
    #[schema(required)]
    reason: Option<String>,
    at: Time,
}

/// A plugin with its past.
#[derive(ToSchema)]
pub(crate) struct PluginDetail {
    plugin: Plugin,
    /// SHA-256 of the components that are kept on this host, the newest first.
    kept: Vec<String>,
    /// What was decided, newest first, at most 50.
    history: Vec<PluginDecided>,
}

/// A plugin after something was decided about it.
#[derive(ToSchema)]
pub(crate) struct ChangedPlugin {
    plugin: Plugin,
}
