//! What answers look like. These types only describe: what is sent is made from the store's own types, and
//! tests compare both.
#![expect(dead_code, reason = "these types describe what others hold")]

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;

pub(crate) use channel::{
    BatchSent, ChangedChannel, ChannelPage, NotifierList, RemovedChannel, Sent, ShownChannel, ShownNotifier,
};
use delivery::Delivery;
pub(crate) use delivery::{DeliveryPage, DeliveryWithTries, RevivedDeliveries};
pub(crate) use explained::Explanation;
pub(crate) use host::HostList;
pub(crate) use pipeline::{Finished, Output, Resumed};
pub(crate) use plugin::{ChangedPlugin, PluginDetail, PluginList};
pub(crate) use provider::{
    FoundHere, IntelligenceAlive, NamedProviders, ProviderDetail, ProviderList, ProviderTrial,
    RecommendedByProvider, ShownProvider,
};
pub(crate) use routes::{
    ChangedRoute, Condition, RemovedRoute, RouteList, RouteStage, RouteTrials, ShownRoute,
};
pub(crate) use secret::{RemovedSecret, SecretSet, Secrets};
pub(crate) use stored::{
    Discarded, DiscardedRound, ReparsedOne, ReparsedRound, Replayed, Stored, StoredPage, StoredRequest,
};

/// 26 characters of Crockford's base 32; sorts by the time it was made.
#[derive(ToSchema)]
#[schema(pattern = "^[0-7][0-9A-HJKMNP-TV-Z]{25}$", example = "01JZ8Q4T6N8F5X2V9B3C7D1E0G")]
pub(crate) struct Id(String);

/// What ties everything together that came of one webhook; 32 hexadecimal digits.
#[derive(ToSchema)]
#[schema(pattern = "^[0-9a-f]{32}$", example = "0198d0a1b2c3d4e5f60718293a4b5c6d")]
pub(crate) struct TraceId(String);

/// RFC 3339, UTC.
#[derive(ToSchema)]
#[schema(format = DateTime, example = "2026-01-31T12:00:00.000000Z")]
pub(crate) struct Time(String);

/// Texts by name.
type Labels = BTreeMap<String, String>;

/// Describes words by what the program itself knows them by.
macro_rules! words {
    ($($(#[doc = $doc:literal])* $name:ident = $of:ty;)+) => {$(
        $(#[doc = $doc])*
        pub(crate) enum $name {}

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                let words = <$of>::ALL.iter().map(|word| word.as_str());
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::Type::String)
                    .description(Some(concat!($($doc),*).trim()))
                    .enum_values(Some(words))
                    .into()
            }
        }

        impl ToSchema for $name {}
    )+};
}

mod channel;
mod delivery;
mod explained;
mod host;
mod pipeline;
mod plugin;
mod provider;
mod routes;
mod secret;
mod stored;

words! {
    /// What a breaker lets through: everything, one call at a time, or nothing.
    BreakerState = domain::lanes::BreakerState;
    /// What was decided about a plugin, or what a hub did.
    PluginEvent = domain::approval::PluginEvent;
    /// State of an alert.
    AlertStatus = domain::alert::AlertStatus;
    /// How bad it is.
    Severity = domain::alert::Severity;
    /// What happened to an alert.
    AlertEvent = domain::plan::AlertEvent;
    /// State of an incident.
    IncidentStatus = domain::incident::IncidentStatus;
    /// Why an incident changed.
    Material = domain::incident::Material;
    /// What happened to an incident.
    IncidentEvent = domain::incident::IncidentEvent;
    /// What a person does to an incident.
    Action = domain::life::Action;
    /// Whether a key can be used.
    KeyState = domain::key::KeyState;
    /// What became of a webhook.
    Outcome = domain::run::IngestOutcome;
    /// What started a run.
    Origin = domain::run::Origin;
    /// State of a run.
    RunStatus = domain::run::RunStatus;
    /// A step of a run.
    Stage = domain::run::Stage;
    /// How a step ended.
    StageStatus = domain::run::StageStatus;
    /// State of a delivery.
    DeliveryStatus = domain::delivery::DeliveryStatus;
    /// How a try at a delivery ended.
    AttemptOutcome = domain::delivery::AttemptOutcome;
}

/// What went wrong (RFC 9457).
#[derive(ToSchema)]
pub(crate) struct Problem {
    /// `urn:watchbell:problem:` and a word of a small closed set.
    #[schema(rename = "type", pattern = "^urn:watchbell:problem:[a-z-]+$")]
    r#type: String,
    /// The HTTP status in words.
    title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong with this request and what to do.
    detail: String,
    /// Also in the header `x-request-id`, and in the log of the hub.
    request_id: Id,
    /// What is wrong where, for settings.
    #[schema(nullable = false)]
    errors: Option<Vec<Misfit>>,
}

/// What is wrong with one setting.
#[derive(ToSchema)]
pub(crate) struct Misfit {
    /// JSON Pointer (RFC 6901) into the settings; the empty text is all of them.
    pointer: String,
    /// What was expected, and what to do.
    detail: String,
}

/// An API key; never its token.
#[derive(ToSchema)]
pub(crate) struct Key {
    id: Id,
    /// For people.
    name: String,
    /// The first characters of its token.
    prefix: String,
    /// Path prefixes that it may call; empty stands for all but `/manage/`.
    allowed_endpoints: Vec<String>,
    /// Whether it may call `/manage/`.
    manage: bool,
    created_at: Time,
    expires_at: Option<Time>,
    revoked_at: Option<Time>,
    /// Give or take a minute.
    last_used_at: Option<Time>,
    state: KeyState,
}

/// All API keys.
#[derive(ToSchema)]
pub(crate) struct Keys {
    keys: Vec<Key>,
}

/// A key that was made.
#[derive(ToSchema)]
pub(crate) struct NewKey {
    key: Key,
    /// Shown this once.
    token: String,
}

/// A key that was taken back.
#[derive(ToSchema)]
pub(crate) struct RevokedKey {
    id: Id,
    state: KeyState,
}

/// The process answers.
#[derive(ToSchema)]
pub(crate) struct Alive {
    /// Always `ok`.
    status: String,
}

/// Webhooks can be committed.
#[derive(ToSchema)]
pub(crate) struct Ready {
    /// Always `ready`.
    status: String,
    /// The drivers that are loaded.
    drivers: Vec<String>,
    hosts: HostsTogether,
}

/// The processes that serve on this database.
#[derive(ToSchema)]
pub(crate) struct HostsTogether {
    /// How many there are.
    live: u64,
    /// Whether all have the same plugins. Where not, `GET /manage/hosts/` says which; the hub is ready all the
    /// same.
    same_plugins: bool,
}

/// The endpoint for webhooks is there.
#[derive(ToSchema)]
pub(crate) struct Endpoint {
    /// Always `ok`.
    status: String,
    /// Always `auto-detect`.
    driver: String,
    /// The drivers that a path may name.
    drivers: Vec<String>,
}

/// A webhook that is on disk.
#[derive(ToSchema)]
pub(crate) struct Accepted {
    /// Always `accepted`.
    status: String,
    /// What became of it.
    outcome: Outcome,
    /// The run that took it; for a repeat of a delivery the first one's.
    run_id: Id,
    /// What ties everything together that comes of it.
    trace_id: TraceId,
    /// Who read it, where somebody did.
    driver: Option<String>,
    /// How many alerts it held.
    alerts: u32,
    /// Why it was ignored or quarantined; for alerts, what was odd about them.
    #[schema(nullable = false)]
    reason: Option<String>,
}

/// One report that a condition holds or has ended.
#[derive(ToSchema)]
pub(crate) struct Alert {
    id: Id,
    /// The driver that read it.
    source: String,
    /// Names the alert within its source.
    fingerprint: String,
    name: String,
    status: AlertStatus,
    /// The sender's word for it.
    raw_status: String,
    severity: Severity,
    /// The sender's word for it.
    raw_severity: String,
    description: String,
    labels: Labels,
    annotations: Labels,
    /// Addresses by what they lead to.
    links: Labels,
    started_at: Time,
    ended_at: Option<Time>,
    /// When it was last heard of.
    received_at: Time,
    incident_id: Option<Id>,
    /// Of the webhook that told of it last.
    trace_id: TraceId,
}

/// What happened to an alert.
#[derive(ToSchema)]
pub(crate) struct AlertHistory {
    event: AlertEvent,
    /// `{"field": [before, after]}`.
    changed: Value,
    trace_id: TraceId,
    run_id: Id,
    at: Time,
}

/// A page of alerts.
#[derive(ToSchema)]
pub(crate) struct AlertPage {
    alerts: Vec<Alert>,
    /// `cursor` of the next page; none at the end.
    next: Option<String>,
}

/// One alert with its history, the newest first.
#[derive(ToSchema)]
pub(crate) struct AlertDetail {
    #[serde(flatten)]
    alert: Alert,
    history: Vec<AlertHistory>,
}

/// Alerts that belong together.
#[derive(ToSchema)]
pub(crate) struct Incident {
    id: Id,
    title: String,
    name: String,
    /// Where it happens, where that is known.
    instance: Option<String>,
    status: IncidentStatus,
    severity: Severity,
    /// How many of its alerts fire.
    firing_alerts: u32,
    /// How many of its alerts are acknowledged at the sender's side.
    acknowledged_alerts: u32,
    opened_at: Time,
    updated_at: Time,
    acknowledged_at: Option<Time>,
    resolved_at: Option<Time>,
    closed_at: Option<Time>,
}

/// What happened to an incident.
#[derive(ToSchema)]
pub(crate) struct IncidentHistory {
    event: IncidentEvent,
    status: IncidentStatus,
    severity: Severity,
    /// Who: `driver:<name>`, or a person as `key:<name>`, `cli:<user>` or `anonymous`.
    actor: String,
    reason: Option<String>,
    trace_id: Option<TraceId>,
    run_id: Option<Id>,
    at: Time,
}

/// A page of incidents.
#[derive(ToSchema)]
pub(crate) struct IncidentPage {
    incidents: Vec<Incident>,
    /// `cursor` of the next page; none at the end.
    next: Option<String>,
}

/// One incident with its alerts and its history, the newest first.
#[derive(ToSchema)]
pub(crate) struct IncidentDetail {
    #[serde(flatten)]
    incident: Incident,
    alerts: Vec<Alert>,
    history: Vec<IncidentHistory>,
}

/// What came of what a person did.
#[derive(ToSchema)]
pub(crate) struct Acted {
    incident: Incident,
    /// Whether anything was changed; false where it was so already.
    changed: bool,
    /// The run that tells people; none where nobody is told.
    run_id: Option<Id>,
    /// What it is traced by.
    trace_id: Option<TraceId>,
}

/// One passage through the pipeline.
#[derive(ToSchema)]
pub(crate) struct Run {
    run_id: Id,
    trace_id: TraceId,
    /// The run that it came of.
    parent_run_id: Option<Id>,
    status: RunStatus,
    current_stage: Option<Stage>,
    origin: Origin,
    source: Option<String>,
    incident_id: Option<Id>,
    /// Why it was started.
    reasons: Vec<Material>,
    /// What became of its webhook.
    outcome: Option<Outcome>,
    /// How many alerts its webhook held.
    alerts: u32,
    reason: Option<String>,
    /// The route that it took.
    route: Option<String>,
    total_attempts: u32,
    /// Failures of the stage it is in.
    failures: u32,
    intelligence_fallback_used: bool,
    normalized_payload_ref: Option<String>,
    checker_output_ref: Option<Id>,
    intelligence_output_ref: Option<Id>,
    notify_output_ref: Option<Id>,
    error_type: Option<String>,
    error_message: Option<String>,
    created_at: Time,
    started_at: Option<Time>,
    completed_at: Option<Time>,
}

/// One try at a stage.
#[derive(ToSchema)]
pub(crate) struct StageExecution {
    stage: Stage,
    /// Counts from 1.
    attempt: u32,
    status: StageStatus,
    summary: Option<String>,
    error_type: Option<String>,
    error_message: Option<String>,
    started_at: Time,
    completed_at: Option<Time>,
}

/// A page of runs.
#[derive(ToSchema)]
pub(crate) struct RunPage {
    runs: Vec<Run>,
    /// `cursor` of the next page; none at the end.
    next: Option<String>,
}

/// One run with its webhook, its stages and its deliveries.
#[derive(ToSchema)]
pub(crate) struct RunDetail {
    #[serde(flatten)]
    run: Run,
    request: Option<Stored>,
    stages: Vec<StageExecution>,
    deliveries: Vec<Delivery>,
}
