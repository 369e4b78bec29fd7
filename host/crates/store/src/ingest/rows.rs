//! Rows as the ingest statements take them: JSON objects named like columns, times in microseconds.

use domain::act::{Act, ActPlan};
use domain::alert::{Alert, AlertStatus, Labels, Severity};
use domain::id::{AlertId, IncidentId, KeyId, Mint, RunId, TraceId};
use domain::incident::{Incident, IncidentEvent, IncidentStatus, Material};
use domain::plan::{AlertChange, AlertEvent, IncidentChange};
use domain::plugin::PluginName;
use domain::run::{IncidentMoment, IngestOutcome, NewRun, Origin, RunStatus, Stage};
use domain::time::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::IngestWrite;
use super::batch::alerts_of;

/// A time as its column holds it.
fn micros<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(time.as_micros())
}

/// A time or NULL as its column holds it.
fn opt_micros<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.serialize_some(&time.as_micros()),
        None => serializer.serialize_none(),
    }
}

#[derive(Serialize)]
pub(super) struct DeliveryKeyRow<'a> {
    pub(super) driver: &'a PluginName,
    pub(super) delivery_id: &'a str,
}

#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct AlertKeyRow<'a> {
    pub(super) source: &'a PluginName,
    pub(super) fingerprint: &'a str,
}

#[derive(Serialize)]
pub(crate) struct IncidentRow<'a> {
    id: IncidentId,
    correlation_key: &'a str,
    pub(super) open_key: Option<&'a str>,
    title: &'a str,
    name: &'a str,
    instance: Option<&'a str>,
    status: IncidentStatus,
    severity: Severity,
    firing: u32,
    acknowledged: u32,
    #[serde(serialize_with = "micros")]
    opened_at: Timestamp,
    #[serde(serialize_with = "micros")]
    updated_at: Timestamp,
    #[serde(serialize_with = "opt_micros")]
    acknowledged_at: Option<Timestamp>,
    #[serde(serialize_with = "opt_micros")]
    resolved_at: Option<Timestamp>,
    #[serde(serialize_with = "opt_micros")]
    closed_at: Option<Timestamp>,
}

impl<'a> IncidentRow<'a> {
    pub(crate) fn of(incident: &'a Incident) -> Self {
        Self {
            id: incident.id,
            correlation_key: &incident.key,
            open_key: incident.status.is_open().then_some(incident.key.as_str()),
            title: &incident.title,
            name: &incident.name,
            instance: incident.instance.as_deref(),
            status: incident.status,
            severity: incident.severity,
            firing: incident.firing,
            acknowledged: incident.acknowledged,
            opened_at: incident.opened_at,
            updated_at: incident.updated_at,
            acknowledged_at: incident.acknowledged_at,
            resolved_at: incident.resolved_at,
            closed_at: incident.closed_at,
        }
    }
}

#[derive(Serialize)]
pub(super) struct AlertRow<'a> {
    id: AlertId,
    source: &'a PluginName,
    fingerprint: &'a str,
    name: &'a str,
    status: AlertStatus,
    raw_status: &'a str,
    severity: Severity,
    raw_severity: &'a str,
    description: &'a str,
    labels: &'a Labels,
    annotations: &'a Labels,
    links: &'a Labels,
    #[serde(serialize_with = "micros")]
    started_at: Timestamp,
    #[serde(serialize_with = "opt_micros")]
    ended_at: Option<Timestamp>,
    #[serde(serialize_with = "micros")]
    received_at: Timestamp,
    incident_id: Option<IncidentId>,
    trace_id: TraceId,
}

impl<'a> AlertRow<'a> {
    pub(super) fn of(alert: &'a Alert) -> Self {
        Self {
            id: alert.id,
            source: &alert.source,
            fingerprint: &alert.fingerprint,
            name: &alert.name,
            status: alert.status,
            raw_status: &alert.raw_status,
            severity: alert.severity,
            raw_severity: &alert.raw_severity,
            description: &alert.description,
            labels: &alert.labels,
            annotations: &alert.annotations,
            links: &alert.links,
            started_at: alert.started_at,
            ended_at: alert.ended_at,
            received_at: alert.received_at,
            incident_id: alert.incident_id,
            trace_id: alert.trace_id,
        }
    }
}

#[derive(Serialize)]
pub(crate) struct RunRow<'a> {
    id: RunId,
    trace_id: TraceId,
    parent_id: Option<RunId>,
    status: RunStatus,
    current_stage: Option<Stage>,
    origin: Origin,
    source: Option<&'a PluginName>,
    incident_id: Option<IncidentId>,
    moment: Option<&'a IncidentMoment>,
    outcome: Option<IngestOutcome>,
    alerts: u32,
    reason: Option<&'a str>,
    total_attempts: u32,
    normalized_payload_ref: Option<String>,
    error_type: Option<&'a str>,
    error_message: Option<&'a str>,
    #[serde(serialize_with = "opt_micros")]
    due_at: Option<Timestamp>,
    #[serde(serialize_with = "micros")]
    created_at: Timestamp,
    #[serde(serialize_with = "opt_micros")]
    started_at: Option<Timestamp>,
    #[serde(serialize_with = "opt_micros")]
    completed_at: Option<Timestamp>,
}

impl<'a> RunRow<'a> {
    /// The run of a webhook: it is over when it is written.
    pub(super) fn ingest(write: &'a IngestWrite, now: Timestamp) -> Self {
        let (error_type, error_message) = fault(write);
        Self {
            id: write.run_id,
            trace_id: write.trace_id,
            parent_id: None,
            status: run_status(write.outcome),
            current_stage: Some(Stage::Ingest),
            origin: write.origin,
            source: write.driver.as_ref(),
            incident_id: None,
            moment: None,
            outcome: Some(write.outcome),
            alerts: alerts_of(write),
            reason: write.reason.as_deref(),
            total_attempts: 1,
            normalized_payload_ref: Some(payload_ref(write.run_id)),
            error_type,
            error_message,
            due_at: None,
            created_at: write.received_at,
            started_at: Some(write.received_at),
            completed_at: Some(now),
        }
    }

    /// A run that follows: due at once.
    pub(crate) fn downstream(run: &'a NewRun, now: Timestamp) -> Self {
        Self {
            id: run.id,
            trace_id: run.trace_id,
            parent_id: run.parent_id,
            status: RunStatus::Pending,
            current_stage: None,
            // What the hub found out about itself stays apart from what it was told.
            origin: match run.moment.origin {
                Origin::CheckerGenerated => Origin::CheckerGenerated,
                Origin::IncomingWebhook | Origin::IncidentChange | Origin::Api => Origin::IncidentChange,
            },
            source: run.source.as_ref(),
            incident_id: Some(run.moment.incident_id),
            moment: Some(&run.moment),
            outcome: None,
            alerts: 0,
            reason: None,
            total_attempts: 0,
            normalized_payload_ref: run.parent_id.map(payload_ref),
            error_type: None,
            error_message: None,
            due_at: Some(now),
            created_at: now,
            started_at: None,
            completed_at: None,
        }
    }
}

/// How a run ends that ingests a request with this outcome.
pub(super) const fn run_status(outcome: IngestOutcome) -> RunStatus {
    match outcome {
        IngestOutcome::Parsed => RunStatus::Ingested,
        IngestOutcome::Ignored => RunStatus::Skipped,
        IngestOutcome::Quarantined => RunStatus::Failed,
    }
}

/// What went wrong with a request that is in quarantine: in one word, and in words.
pub(super) fn fault(write: &IngestWrite) -> (Option<&str>, Option<&str>) {
    match write.outcome {
        IngestOutcome::Quarantined => {
            (Some(write.reason_code.as_deref().unwrap_or("quarantined")), write.reason.as_deref())
        }
        IngestOutcome::Parsed | IngestOutcome::Ignored => (None, None),
    }
}

/// How runs refer to a stored request.
fn payload_ref(run_id: RunId) -> String {
    format!("inbox/{run_id}")
}

#[derive(Serialize)]
pub(super) struct InboxRow<'a> {
    start: usize,
    length: usize,
    run_id: RunId,
    driver: Option<&'a PluginName>,
    named: bool,
    verified: bool,
    detection: &'a str,
    delivery_id: Option<&'a str>,
    outcome: IngestOutcome,
    reason_code: Option<&'a str>,
    reason: Option<&'a str>,
    #[serde(serialize_with = "micros")]
    received_at: Timestamp,
    size_bytes: u64,
    api_key_id: Option<KeyId>,
}

impl<'a> InboxRow<'a> {
    /// `start` counts from 1.
    pub(super) fn of(write: &'a IngestWrite, start: usize) -> Self {
        Self {
            start,
            length: write.sealed_request.len(),
            run_id: write.run_id,
            driver: write.driver.as_ref(),
            named: write.named,
            verified: write.verified,
            detection: &write.detection,
            delivery_id: write.delivery_id.as_deref(),
            outcome: write.outcome,
            reason_code: write.reason_code.as_deref(),
            reason: write.reason.as_deref(),
            received_at: write.received_at,
            size_bytes: write.size_bytes,
            api_key_id: write.api_key_id,
        }
    }
}

#[derive(Serialize)]
pub(super) struct AlertHistoryRow<'a> {
    id: String,
    alert_id: AlertId,
    event: AlertEvent,
    changed: &'a Value,
    trace_id: TraceId,
    run_id: RunId,
    #[serde(serialize_with = "micros")]
    at: Timestamp,
}

impl<'a> AlertHistoryRow<'a> {
    /// None for a steady repeat.
    pub(super) fn of(write: &IngestWrite, change: &'a AlertChange, mint: &mut dyn Mint) -> Option<Self> {
        Some(Self {
            event: change.event?,
            id: mint.mint().to_string(),
            alert_id: change.alert.id,
            changed: &change.changed,
            trace_id: write.trace_id,
            run_id: write.run_id,
            at: write.received_at,
        })
    }
}

#[derive(Serialize)]
pub(crate) struct IncidentHistoryRow {
    id: String,
    incident_id: IncidentId,
    event: IncidentEvent,
    status: IncidentStatus,
    severity: Severity,
    actor: String,
    reason: Option<String>,
    trace_id: Option<TraceId>,
    run_id: Option<RunId>,
    #[serde(serialize_with = "micros")]
    at: Timestamp,
}

impl IncidentHistoryRow {
    pub(super) fn of(
        write: &IngestWrite,
        change: &IncidentChange,
        event: Material,
        mint: &mut dyn Mint,
    ) -> Self {
        Self {
            id: mint.mint().to_string(),
            incident_id: change.incident.id,
            event: event.into(),
            status: change.incident.status,
            severity: change.incident.severity,
            actor: write
                .driver
                .as_ref()
                .map_or_else(|| "host".to_owned(), |driver| format!("driver:{driver}")),
            reason: None,
            trace_id: Some(write.trace_id),
            run_id: Some(write.run_id),
            at: write.received_at,
        }
    }

    /// What a person did, with the run that tells of it. None where it was so already.
    pub(crate) fn of_act(act: &Act, plan: &ActPlan, mint: &mut dyn Mint, now: Timestamp) -> Option<Self> {
        Some(Self {
            event: plan.event?,
            id: mint.mint().to_string(),
            incident_id: plan.incident.id,
            status: plan.incident.status,
            severity: plan.incident.severity,
            actor: act.actor.clone(),
            reason: act.reason.clone(),
            trace_id: plan.run.as_ref().map(|run| run.trace_id),
            run_id: plan.run.as_ref().map(|run| run.id),
            at: now,
        })
    }
}
