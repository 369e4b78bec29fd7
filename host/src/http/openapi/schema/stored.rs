//! Stored webhooks, and what comes of reading them again.

use serde_json::Value;
use utoipa::ToSchema;

use super::{AlertEvent, Id, Labels, Material, Outcome, Time, TraceId};

/// A webhook as it was stored, without its content.
#[derive(ToSchema)]
pub(crate) struct Stored {
    run_id: Id,
    trace_id: TraceId,
    driver: Option<String>,
    /// Whether the sender named the driver.
    named: bool,
    /// Whether it was signed with a secret of the driver.
    verified: bool,
    /// Why this driver, or none.
    detection: String,
    /// The sender's identifier.
    delivery_id: Option<String>,
    outcome: Outcome,
    /// Why, in one word.
    reason_code: Option<String>,
    reason: Option<String>,
    received_at: Time,
    size_bytes: u64,
    api_key_id: Option<Id>,
}

/// A page of webhooks in quarantine.
#[derive(ToSchema)]
pub(crate) struct StoredPage {
    requests: Vec<Stored>,
    /// `cursor` of the next page; none at the end.
    next: Option<String>,
}

/// A stored webhook with its content.
#[derive(ToSchema)]
pub(crate) struct StoredRequest {
    about: Stored,
    request: Request,
    /// `{"text": …}`, or `{"hex": …}` where it is no UTF-8.
    body: Labels,
}

/// A webhook without its body.
#[derive(ToSchema)]
pub(crate) struct Request {
    method: String,
    /// Without the question mark.
    query: String,
    content_type: String,
    /// Names and values; nothing that authenticates.
    headers: Vec<Vec<String>>,
    received_at: Time,
}

/// What came of a webhook that was read again.
#[derive(ToSchema)]
pub(crate) struct ReparsedOne {
    run_id: Id,
    trace_id: TraceId,
    driver: Option<String>,
    outcome: Outcome,
    alerts: u32,
    reason: Option<String>,
    /// The incidents that it touched.
    incidents: Vec<Id>,
    /// The downstream runs that it started.
    runs: Vec<Id>,
}

/// A webhook with which nothing could be done.
#[derive(ToSchema)]
pub(crate) struct Failed {
    run_id: Id,
    error: String,
}

/// What came of some webhooks, the oldest first.
#[derive(ToSchema)]
pub(crate) struct ReparsedRound {
    done: Vec<ReparsedOne>,
    failed: Vec<Failed>,
    /// `after` of the next round; none at the end.
    next: Option<Id>,
}

/// A webhook whose content was taken away.
#[derive(ToSchema)]
pub(crate) struct Discarded {
    run_id: Id,
}

/// Webhooks whose content was taken away.
#[derive(ToSchema)]
pub(crate) struct DiscardedRound {
    done: Vec<Id>,
    failed: Vec<Failed>,
    /// `after` of the next round; none at the end.
    next: Option<Id>,
}

/// What a stored webhook would be read as now.
#[derive(ToSchema)]
pub(crate) struct Replayed {
    replayed: Replay,
    /// Only where it was applied.
    #[schema(nullable = false)]
    result: Option<ReparsedOne>,
}

/// What was read, and what it would change.
#[derive(ToSchema)]
pub(crate) struct Replay {
    stored: Stored,
    /// Why this driver.
    detection: String,
    reading: Reading,
    /// What the loaded driver reads, where another was tried.
    loaded: Option<Reading>,
    difference: Difference,
    would_change: Change,
    applied: bool,
}

/// What one reading found.
#[derive(ToSchema)]
pub(crate) struct Reading {
    driver: Option<String>,
    version: Option<String>,
    /// SHA-256 of the component.
    digest: Option<String>,
    outcome: Outcome,
    reason: Option<String>,
    alerts: u64,
}

/// Which alert.
#[derive(ToSchema)]
pub(crate) struct Named {
    fingerprint: String,
    name: String,
}

/// How the alerts of two readings differ.
#[derive(ToSchema)]
pub(crate) struct Difference {
    added: Vec<Named>,
    removed: Vec<Named>,
    changed: Vec<ChangedAlert>,
    same: u64,
}

/// An alert that was read otherwise.
#[derive(ToSchema)]
pub(crate) struct ChangedAlert {
    #[serde(flatten)]
    alert: Named,
    /// `{"field": [before, after]}`.
    fields: Value,
}

/// What a webhook would change.
#[derive(ToSchema)]
pub(crate) struct Change {
    alerts: Vec<AlertStep>,
    incidents: Vec<IncidentStep>,
    /// How many downstream runs it would start.
    runs: u64,
}

/// What would happen to an alert.
#[derive(ToSchema)]
pub(crate) struct AlertStep {
    #[serde(flatten)]
    alert: Named,
    event: AlertEvent,
    /// `{"field": [now, then]}`.
    fields: Value,
}

/// What would happen to an incident.
#[derive(ToSchema)]
pub(crate) struct IncidentStep {
    /// None for one that would be opened.
    incident_id: Option<Id>,
    title: String,
    reasons: Vec<Material>,
}
