//! What one webhook changes: the pure heart of ingest.
//!
//! The store reads what [`Known`] needs inside the transaction, [`plan`] decides webhook by webhook,
//! and the store writes what the plans say. `Known` is an overlay: each plan sees what the plans
//! before it in the same transaction decided.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::alert::{Alert, AlertStatus, ParsedAlert, context_key, instance, words};
use crate::fingerprint::{correlation_key, fingerprint};
use crate::id::{AlertId, IncidentId, Mint, RunId, TraceId};
use crate::incident::{Incident, IncidentStatus, Material};
use crate::plugin::PluginName;
use crate::run::{IncidentMoment, NewRun};
use crate::time::Timestamp;

words! {
    /// What happened to an alert.
    AlertEvent {
        /// First heard of.
        Created = "created",
        /// Reported again, with other words.
        Updated = "updated",
        /// Over.
        Resolved = "resolved",
        /// Taken by a person at the sender's side.
        Acknowledged = "acknowledged",
        /// Holds again.
        Refired = "refired",
        /// Reported by a request that is older than what is known; nothing else changed.
        Late = "late",
    }
}

/// Who an alert is: its source and its fingerprint there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertKey {
    /// The driver.
    pub source: PluginName,
    /// The identity within it.
    pub fingerprint: String,
}

/// One webhook with what its driver read.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// The run that ingests it.
    pub run_id: RunId,
    /// Shared by all that comes of it.
    pub trace_id: TraceId,
    /// The driver.
    pub source: PluginName,
    /// When the request arrived.
    pub received_at: Timestamp,
    /// Whether it is a stored request parsed again. Only then can it be older than what is known:
    /// among live requests the order of arrival decides, so that a clock set back loses nothing.
    pub replayed: bool,
    /// What the driver read, with the identities found by [`Webhook::new`].
    pub alerts: Vec<Identified>,
}

/// An alert with its identity.
#[derive(Debug, Clone)]
pub struct Identified {
    /// Its identity within the source.
    pub fingerprint: String,
    /// Which incident it would join.
    pub correlation_key: String,
    /// What the driver read.
    pub alert: ParsedAlert,
}

impl Webhook {
    /// Finds the identity of each alert.
    pub fn new(
        run_id: RunId,
        trace_id: TraceId,
        source: PluginName,
        received_at: Timestamp,
        alerts: Vec<ParsedAlert>,
    ) -> Self {
        let identify = |alert: ParsedAlert| {
            let fingerprint = fingerprint(&source, &alert);
            let correlation_key = correlation_key(&source, &fingerprint, &alert.name, &alert.labels);
            Identified { fingerprint, correlation_key, alert }
        };
        let alerts = alerts.into_iter().map(identify).collect();
        Self { run_id, trace_id, source, received_at, replayed: false, alerts }
    }
}

/// What the database knows about the alerts of a batch of webhooks.
#[derive(Debug, Default)]
pub struct Known {
    /// Alerts by identity.
    pub alerts: HashMap<AlertKey, Alert>,
    /// The incidents of those alerts, and the open incidents under the batch's correlation keys.
    pub incidents: HashMap<IncidentId, Incident>,
    /// Open incidents by correlation key.
    pub open: HashMap<String, IncidentId>,
}

impl Known {
    /// Adds an incident.
    pub fn add_incident(&mut self, incident: Incident) {
        if incident.status.is_open() {
            self.open.insert(incident.key.clone(), incident.id);
        }
        self.incidents.insert(incident.id, incident);
    }

    /// Adds an alert.
    pub fn add_alert(&mut self, alert: Alert) {
        let key = AlertKey { source: alert.source.clone(), fingerprint: alert.fingerprint.clone() };
        self.alerts.insert(key, alert);
    }
}

/// What happened to one alert.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertChange {
    /// The alert as it is now.
    pub alert: Alert,
    /// Whether it is new.
    pub created: bool,
    /// For its history; none for a steady repeat, of which only the time is kept.
    pub event: Option<AlertEvent>,
    /// What changed: `{"field": [old, new]}`.
    pub changed: Value,
}

/// What happened to one incident.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentChange {
    /// The incident as it is now.
    pub incident: Incident,
    /// Whether it is new.
    pub created: bool,
    /// What happened, for its history and for downstream; empty when only counts moved.
    pub reasons: Vec<Material>,
}

/// What one webhook wants written. Built without I/O, so a test can compare it whole.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct IngestPlan {
    /// In the order of the payload.
    pub alerts: Vec<AlertChange>,
    /// Each touched incident once.
    pub incidents: Vec<IncidentChange>,
    /// One downstream run per materially changed incident.
    pub runs: Vec<NewRun>,
}

/// Decides what a webhook changes, and notes it in `known` for the webhooks after it.
pub fn plan(webhook: &Webhook, known: &mut Known, mint: &mut dyn Mint) -> IngestPlan {
    let mut planner = Planner { webhook, known, mint, plan: IngestPlan::default() };
    for found in &webhook.alerts {
        planner.alert(found);
    }
    planner.settle();
    planner.plan
}

struct Planner<'a> {
    webhook: &'a Webhook,
    known: &'a mut Known,
    mint: &'a mut dyn Mint,
    plan: IngestPlan,
}

impl Planner<'_> {
    fn alert(&mut self, found: &Identified) {
        let key = AlertKey { source: self.webhook.source.clone(), fingerprint: found.fingerprint.clone() };
        let Some(before) = self.known.alerts.get(&key).cloned() else {
            let id = AlertId::mint(self.mint);
            let mut alert = self.told(found, id);
            // Over before it was heard of: nobody was told that it fired, so nobody is told now.
            if alert.status != AlertStatus::Resolved {
                alert.incident_id = Some(self.join(found, &alert, None));
            }
            self.keep(key, alert, true, Some(AlertEvent::Created), json!({}));
            return;
        };
        if self.webhook.replayed && self.webhook.received_at < before.received_at {
            self.plan.alerts.push(AlertChange {
                changed: differences(&before, &self.next(found, &before)),
                alert: before,
                created: false,
                event: Some(AlertEvent::Late),
            });
            return;
        }
        let mut alert = self.next(found, &before);
        if before.status == AlertStatus::Resolved && alert.status == AlertStatus::Resolved {
            // Only that it was heard of: an older firing that is read late must not bring it back.
            let alert = Alert { received_at: alert.received_at, ..before };
            self.keep(key, alert, false, None, json!({}));
            return;
        }
        self.correlate(found, &before, &mut alert);
        let changed = differences(&before, &alert);
        let event = match (before.status, alert.status) {
            (from, to) if from == to => {
                changed.as_object().is_some_and(|fields| !fields.is_empty()).then_some(AlertEvent::Updated)
            }
            (_, AlertStatus::Resolved) => Some(AlertEvent::Resolved),
            (AlertStatus::Resolved, _) => Some(AlertEvent::Refired),
            (_, AlertStatus::Acknowledged) => Some(AlertEvent::Acknowledged),
            (_, AlertStatus::Firing) => Some(AlertEvent::Refired),
        };
        self.keep(key, alert, false, event, changed);
    }

    /// The alert as the webhook tells it, without a past.
    fn told(&self, found: &Identified, id: AlertId) -> Alert {
        let parsed = &found.alert;
        let received_at = self.webhook.received_at;
        let status = parsed.status.mapped();
        Alert {
            id,
            source: self.webhook.source.clone(),
            fingerprint: found.fingerprint.clone(),
            name: parsed.name.clone(),
            status,
            raw_status: parsed.raw_status.clone(),
            severity: parsed.severity.mapped(),
            raw_severity: parsed.raw_severity.clone(),
            description: parsed.description.clone(),
            labels: parsed.labels.clone(),
            annotations: parsed.annotations.clone(),
            links: parsed.links.clone(),
            started_at: parsed.starts_at.unwrap_or(received_at),
            ended_at: (status == AlertStatus::Resolved).then(|| parsed.ends_at.unwrap_or(received_at)),
            received_at,
            incident_id: None,
            trace_id: self.webhook.trace_id,
        }
    }

    /// The alert as the webhook tells it, with the past it has.
    fn next(&self, found: &Identified, before: &Alert) -> Alert {
        let refired = before.status == AlertStatus::Resolved;
        let told = self.told(found, before.id);
        Alert {
            incident_id: before.incident_id,
            started_at: if refired { told.started_at } else { before.started_at },
            // The order of arrival is the order of states; the clock may have been set back.
            received_at: told.received_at.max(before.received_at),
            ..told
        }
    }

    fn correlate(&mut self, found: &Identified, before: &Alert, alert: &mut Alert) {
        let held = before.status != AlertStatus::Resolved;
        match before.incident_id.filter(|id| self.known.incidents.contains_key(id)) {
            // It holds, or held until now: it stays where it is, also when a person closed that.
            Some(id) if held => {
                self.count(id, Some(before.status), alert);
                self.context(id, before, alert);
            }
            _ if alert.status == AlertStatus::Resolved => {}
            _ => alert.incident_id = Some(self.join(found, alert, before.incident_id)),
        }
    }

    /// Joins the open incident, or reopens the alert's own, or opens a new one.
    fn join(&mut self, found: &Identified, alert: &Alert, own: Option<IncidentId>) -> IncidentId {
        let now = self.webhook.received_at;
        if let Some(id) = self.known.open.get(&found.correlation_key).copied() {
            self.count(id, None, alert);
            return id;
        }
        let own =
            own.filter(|id| self.known.incidents.get(id).is_some_and(|old| old.key == found.correlation_key));
        if let Some(incident) = own.and_then(|id| self.known.incidents.get_mut(&id)) {
            incident.reopen(alert.severity, now);
            incident.recount(None, alert.status);
            let id = incident.id;
            self.known.open.insert(found.correlation_key.clone(), id);
            self.touch(id, false, Some(Material::Reopened));
            return id;
        }
        let instance = instance(&alert.labels).map(str::to_owned);
        let title = match &instance {
            Some(instance) => format!("{} on {instance}", alert.name),
            None => alert.name.clone(),
        };
        let mut incident = Incident {
            id: IncidentId::mint(self.mint),
            key: found.correlation_key.clone(),
            title,
            name: alert.name.clone(),
            instance,
            status: IncidentStatus::Open,
            severity: alert.severity,
            firing: 0,
            acknowledged: 0,
            opened_at: now,
            updated_at: now,
            acknowledged_at: None,
            resolved_at: None,
            closed_at: None,
        };
        incident.recount(None, alert.status);
        let id = incident.id;
        self.known.add_incident(incident);
        self.touch(id, true, Some(Material::Created));
        id
    }

    /// Moves an alert's count within its incident and lets the severity rise.
    fn count(&mut self, id: IncidentId, from: Option<AlertStatus>, alert: &Alert) {
        let Some(incident) = self.known.incidents.get_mut(&id) else { return };
        let rises = incident.status.is_open()
            && alert.status != AlertStatus::Resolved
            && alert.severity > incident.severity;
        if from == Some(alert.status) && !rises {
            return;
        }
        incident.recount(from, alert.status);
        if rises {
            incident.severity = alert.severity;
        }
        self.touch(id, false, rises.then_some(Material::Severity));
    }

    /// Notes that an alert that goes on is about something else now.
    fn context(&mut self, id: IncidentId, before: &Alert, alert: &Alert) {
        let key = |alert: &Alert| context_key(&alert.labels, &alert.annotations);
        let is_open = self.known.incidents.get(&id).is_some_and(|incident| incident.status.is_open());
        if is_open && alert.status != AlertStatus::Resolved && key(before) != key(alert) {
            self.touch(id, false, Some(Material::Context));
        }
    }

    fn touch(&mut self, id: IncidentId, created: bool, reason: Option<Material>) {
        let Some(incident) = self.known.incidents.get_mut(&id) else { return };
        incident.updated_at = incident.updated_at.max(self.webhook.received_at);
        let incident = incident.clone();
        match self.plan.incidents.iter_mut().find(|change| change.incident.id == id) {
            Some(change) => {
                change.incident = incident;
                change.reasons.extend(reason.filter(|reason| !change.reasons.contains(reason)));
            }
            None => self.plan.incidents.push(IncidentChange {
                incident,
                created,
                reasons: reason.into_iter().collect(),
            }),
        }
    }

    fn keep(
        &mut self,
        key: AlertKey,
        alert: Alert,
        created: bool,
        event: Option<AlertEvent>,
        changed: Value,
    ) {
        self.known.alerts.insert(key, alert.clone());
        self.plan.alerts.push(AlertChange { alert, created, event, changed });
    }

    /// Lets the states of the touched incidents follow from their counts and plans the runs.
    fn settle(&mut self) {
        for change in &mut self.plan.incidents {
            let Some(incident) = self.known.incidents.get_mut(&change.incident.id) else { continue };
            // What is read late does not set the times of an incident back.
            if incident.settle(incident.updated_at) && !change.reasons.contains(&Material::Created) {
                change.reasons.push(Material::Status);
            }
            if !incident.status.is_open() && self.known.open.get(&incident.key) == Some(&incident.id) {
                self.known.open.remove(&incident.key);
            }
            change.incident = incident.clone();
            if change.reasons.is_empty() {
                continue;
            }
            self.plan.runs.push(NewRun {
                id: RunId::mint(self.mint),
                parent_id: self.webhook.run_id,
                trace_id: self.webhook.trace_id,
                source: self.webhook.source.clone(),
                moment: IncidentMoment {
                    incident_id: incident.id,
                    status: incident.status.as_alert_status(),
                    severity: incident.severity,
                    reasons: change.reasons.clone(),
                },
            });
        }
    }
}

/// Which of the fields that people see differ, as `{"field": [old, new]}`.
fn differences(before: &Alert, after: &Alert) -> Value {
    let mut changed = Map::new();
    let mut note = |field: &str, old: Value, new: Value| {
        if old != new {
            changed.insert(field.to_owned(), json!([old, new]));
        }
    };
    note("name", json!(before.name), json!(after.name));
    note("status", json!(before.status), json!(after.status));
    note("severity", json!(before.severity), json!(after.severity));
    note("raw_severity", json!(before.raw_severity), json!(after.raw_severity));
    note("description", json!(before.description), json!(after.description));
    note("labels", json!(before.labels), json!(after.labels));
    note("annotations", json!(before.annotations), json!(after.annotations));
    Value::Object(changed)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
