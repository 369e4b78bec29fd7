//! Runs: passages through the pipeline, and their stages.

use serde::{Deserialize, Serialize};

use crate::alert::{AlertStatus, Severity, words};
use crate::id::{ArtifactId, IncidentId, RunId, TraceId};
use crate::incident::Material;
use crate::time::Timestamp;

words! {
    /// How far a run has come.
    RunStatus {
        /// Waits to be claimed.
        Pending = "PENDING",
        /// The webhook was read and its alerts are stored.
        Ingested = "INGESTED",
        /// The machine was checked.
        Checked = "CHECKED",
        /// A provider has had its say, or was given up on.
        Analyzed = "ANALYZED",
        /// All deliveries are final and none is dead.
        Notified = "NOTIFIED",
        /// It ended badly; `error_type` says how.
        Failed = "FAILED",
        /// A stage is due to be tried again.
        Retrying = "RETRYING",
        /// There was rightly nothing to do.
        Skipped = "SKIPPED",
    }
}

words! {
    /// A step of a run.
    Stage {
        /// Webhook to alerts and incidents.
        Ingest = "ingest",
        /// Look at this machine.
        Check = "check",
        /// Ask a provider.
        Analyze = "analyze",
        /// Tell people.
        Notify = "notify",
    }
}

words! {
    /// How a try at a stage ended.
    StageStatus {
        /// Under way, or cut off by a crash.
        Started = "started",
        /// Done.
        Succeeded = "succeeded",
        /// Not done; the error says why.
        Failed = "failed",
        /// Nothing to do.
        Skipped = "skipped",
    }
}

words! {
    /// What became of a webhook.
    IngestOutcome {
        /// Alerts were made.
        Parsed = "parsed",
        /// The driver says that it means nothing.
        Ignored = "ignored",
        /// Kept, with a reason, to be parsed again.
        Quarantined = "quarantined",
    }
}

words! {
    /// Where a run came from.
    Origin {
        /// A webhook.
        IncomingWebhook = "incoming_webhook",
        /// A change of an incident that was worth a run of its own.
        IncidentChange = "incident_change",
        /// A checker of this machine.
        CheckerGenerated = "checker_generated",
        /// A call of the API.
        Api = "api",
    }
}

/// What a downstream run is about: the incident as it was when the run was planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentMoment {
    /// Which incident.
    pub incident_id: IncidentId,
    /// Its state then, in the words of alerts.
    pub status: AlertStatus,
    /// Its severity then.
    pub severity: Severity,
    /// What made the run worth it.
    pub reasons: Vec<Material>,
    /// What set it off: never [`Origin::IncidentChange`].
    pub origin: Origin,
    /// Who did it, where a person did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Person>,
}

/// A person who did something to an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Who: `key:<name>`, `cli:<user>` or `anonymous`.
    pub actor: String,
    /// In their own words.
    pub reason: Option<String>,
}

/// A downstream run to be written: one per materially changed incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
    /// Its identifier.
    pub id: RunId,
    /// The run that caused it; none where a person did.
    pub parent_id: Option<RunId>,
    /// Shared with everything that came of the webhook, or of what the person did.
    pub trace_id: TraceId,
    /// The driver of the webhook, or of the incident's alerts.
    pub source: Option<crate::plugin::PluginName>,
    /// What it is about.
    pub moment: IncidentMoment,
}

/// One run as it is kept and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its identifier.
    pub run_id: RunId,
    /// Shared by all that came of one webhook.
    pub trace_id: TraceId,
    /// The run that caused it.
    pub parent_run_id: Option<RunId>,
    /// How far it has come.
    pub status: RunStatus,
    /// The stage it is in or ended in.
    pub current_stage: Option<Stage>,
    /// Where it came from.
    pub origin: Origin,
    /// The driver, where one was found.
    pub source: Option<String>,
    /// The incident it is about.
    pub incident_id: Option<IncidentId>,
    /// What made it worth a run.
    pub reasons: Vec<Material>,
    /// What became of the webhook, for runs that have one.
    pub outcome: Option<IngestOutcome>,
    /// How many alerts the webhook held.
    pub alerts: u32,
    /// Why it was ignored or quarantined; for downstream runs, why it took its route.
    pub reason: Option<String>,
    /// The route that was taken.
    pub route: Option<String>,
    /// Tries of all stages together.
    pub total_attempts: u32,
    /// How often it was put off after an error.
    pub failures: u32,
    /// Whether analysis came from a fallback or not at all.
    pub intelligence_fallback_used: bool,
    /// The stored request.
    pub normalized_payload_ref: Option<String>,
    /// The stored result of the check stage.
    pub checker_output_ref: Option<ArtifactId>,
    /// The stored result of the analyze stage.
    pub intelligence_output_ref: Option<ArtifactId>,
    /// The stored result of the notify stage.
    pub notify_output_ref: Option<ArtifactId>,
    /// What went wrong, in one word.
    pub error_type: Option<String>,
    /// What went wrong, in words.
    pub error_message: Option<String>,
    /// When it was written.
    pub created_at: Timestamp,
    /// When a worker first claimed it.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
}

/// One try at a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageExecution {
    /// Which stage.
    pub stage: Stage,
    /// Counts from 1.
    pub attempt: u32,
    /// How it ended.
    pub status: StageStatus,
    /// What came out, in one line.
    pub summary: Option<String>,
    /// What went wrong, in one word.
    pub error_type: Option<String>,
    /// What went wrong, in words.
    pub error_message: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
}
