//! What one webhook changes: the pure heart of ingest.
//!
//! The store reads what [`Known`] needs inside the transaction, [`plan`] decides webhook by webhook,
//! and the store writes what the plans say. `Known` is an overlay: each plan sees what the plans
//! before it in the same transaction decided.

mod difference;
mod known;
mod webhook;

use serde_json::{Value, json};

use crate::alert::{Alert, AlertStatus, context_key, instance, words};
use crate::id::{AlertId, IncidentId, Mint, RunId};
use crate::incident::{Incident, IncidentStatus, Material};
use crate::life::{Event, Step, step};
use crate::run::{IncidentMoment, NewRun, Origin};
use difference::differences;

pub use known::Known;
pub use webhook::{AlertKey, Identified, Webhook};

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
        let held = before.status != AlertStatus::Resolved && !self.brings_back(before, alert);
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

    /// Whether an alert that never stopped is so much worse that the incident it was counted in, which a
    /// person resolved, is not over after all. If so, it is counted there no longer, like one that refires.
    fn brings_back(&mut self, before: &Alert, alert: &Alert) -> bool {
        let own = before.incident_id.and_then(|id| self.known.incidents.get_mut(&id));
        let Some(incident) = own else { return false };
        let worse = alert.status != AlertStatus::Resolved && alert.severity > incident.severity;
        let back = worse && matches!(step(incident.status, Event::Worsened), Step::To(_));
        if back && before.status != AlertStatus::Resolved {
            incident.recount(Some(before.status), AlertStatus::Resolved);
            let id = incident.id;
            self.touch(id, false, None);
        }
        back
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
                parent_id: Some(self.webhook.run_id),
                trace_id: self.webhook.trace_id,
                source: Some(self.webhook.source.clone()),
                moment: IncidentMoment {
                    incident_id: incident.id,
                    status: incident.status.as_alert_status(),
                    severity: incident.severity,
                    reasons: change.reasons.clone(),
                    // Who keeps the webhook knows better where it came from, and says so.
                    origin: Origin::IncomingWebhook,
                    by: None,
                },
            });
        }
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;
