//! How two readings of a request differ, and what the second would change.

use std::collections::BTreeMap;

use domain::alert::Alert;
use domain::id::{IncidentId, TraceId};
use domain::incident::Material;
use domain::plan::{AlertEvent, Identified, IngestPlan, Webhook};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// How the alerts of two readings differ, by fingerprint.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Difference {
    /// Only the second reading has them.
    pub added: Vec<Named>,
    /// Only the first has them.
    pub removed: Vec<Named>,
    /// Both have them, not alike.
    pub changed: Vec<ChangedAlert>,
    /// How many both have alike, as far as can be told.
    pub same: usize,
}

/// An alert by its identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Named {
    /// Its identity within the source.
    pub fingerprint: String,
    /// Its name.
    pub name: String,
}

/// An alert that two readings make different things of.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChangedAlert {
    /// Which one.
    #[serde(flatten)]
    pub alert: Named,
    /// `{"field": [before, now]}`.
    pub fields: Map<String, Value>,
}

/// What a webhook would change.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Change {
    /// Alerts that would be new or have another state; a steady repeat is none.
    pub alerts: Vec<AlertStep>,
    /// Incidents that would be touched.
    pub incidents: Vec<IncidentStep>,
    /// How many downstream runs it would start.
    pub runs: usize,
}

/// What would happen to an alert.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AlertStep {
    /// Which one.
    #[serde(flatten)]
    pub alert: Named,
    /// What.
    pub event: AlertEvent,
    /// `{"field": [now, then]}`.
    pub fields: Value,
}

/// What would happen to an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IncidentStep {
    /// Which one; none for one that would be new.
    pub incident_id: Option<IncidentId>,
    /// Its title.
    pub title: String,
    /// What; nothing where only counts would move.
    pub reasons: Vec<Material>,
}

/// The alerts of a reading, by fingerprint: the name, and the fields that are compared.
type Alerts = BTreeMap<String, (String, Option<Map<String, Value>>)>;

impl Difference {
    /// Between two readings.
    pub fn between(before: Option<&Webhook>, now: Option<&Webhook>) -> Self {
        Self::of(&read(before), &read(now))
    }

    /// Between what is stored of the alerts that a webhook told of, and a reading. Those that another
    /// webhook told of since are compared by identity alone.
    pub fn from_stored(stored: &[Alert], trace_id: TraceId, now: Option<&Webhook>) -> Self {
        let before = stored.iter().map(|alert| {
            let fields = (alert.trace_id == trace_id).then(|| stored_fields(alert));
            (alert.fingerprint.clone(), (alert.name.clone(), fields))
        });
        Self::of(&before.collect(), &read(now))
    }

    fn of(before: &Alerts, now: &Alerts) -> Self {
        let mut difference = Self::default();
        let named = |fingerprint: &String, name: &String| Named {
            fingerprint: fingerprint.clone(),
            name: name.clone(),
        };
        for (fingerprint, (name, fields)) in now {
            let alert = named(fingerprint, name);
            let Some((_, old)) = before.get(fingerprint) else {
                difference.added.push(alert);
                continue;
            };
            let fields = differing(old.as_ref(), fields.as_ref());
            if fields.is_empty() {
                difference.same += 1;
            } else {
                difference.changed.push(ChangedAlert { alert, fields });
            }
        }
        let gone = before.iter().filter(|(fingerprint, _)| !now.contains_key(*fingerprint));
        difference.removed.extend(gone.map(|(fingerprint, (name, _))| named(fingerprint, name)));
        difference
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

impl Change {
    /// What a plan says.
    pub fn of(plan: &IngestPlan) -> Self {
        let step = |change: &domain::plan::AlertChange| {
            let alert =
                Named { fingerprint: change.alert.fingerprint.clone(), name: change.alert.name.clone() };
            Some(AlertStep { alert, event: change.event?, fields: change.changed.clone() })
        };
        let incident = |change: &domain::plan::IncidentChange| IncidentStep {
            incident_id: (!change.created).then_some(change.incident.id),
            title: change.incident.title.clone(),
            reasons: change.reasons.clone(),
        };
        Self {
            alerts: plan.alerts.iter().filter_map(step).collect(),
            incidents: plan.incidents.iter().map(incident).collect(),
            runs: plan.runs.len(),
        }
    }
}

fn read(webhook: Option<&Webhook>) -> Alerts {
    let alerts = webhook.map(|webhook| webhook.alerts.as_slice()).unwrap_or_default();
    let entry = |found: &Identified| {
        (found.fingerprint.clone(), (found.alert.name.clone(), Some(read_fields(found))))
    };
    alerts.iter().map(entry).collect()
}

fn read_fields(found: &Identified) -> Map<String, Value> {
    let alert = &found.alert;
    let fields = json!({
        "name": alert.name, "status": alert.status.mapped(), "raw_status": alert.raw_status,
        "severity": alert.severity.mapped(), "raw_severity": alert.raw_severity,
        "description": alert.description, "labels": alert.labels, "annotations": alert.annotations,
        "links": alert.links, "starts_at": alert.starts_at, "ends_at": alert.ends_at,
        "incident": found.correlation_key,
    });
    object(fields)
}

/// Fields that a reading gives to a stored alert as they are.
fn stored_fields(alert: &Alert) -> Map<String, Value> {
    let fields = json!({
        "name": alert.name, "status": alert.status, "raw_status": alert.raw_status,
        "severity": alert.severity, "raw_severity": alert.raw_severity, "description": alert.description,
        "labels": alert.labels, "annotations": alert.annotations, "links": alert.links,
    });
    object(fields)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// The fields that both have and that differ.
fn differing(before: Option<&Map<String, Value>>, now: Option<&Map<String, Value>>) -> Map<String, Value> {
    let (Some(before), Some(now)) = (before, now) else { return Map::new() };
    let both = now.iter().filter_map(|(key, new)| Some((key, before.get(key)?, new)));
    both.filter(|(_, old, new)| old != new).map(|(key, old, new)| (key.clone(), json!([old, new]))).collect()
}

#[cfg(test)]
mod tests {
    use domain::alert::{ParsedAlert, ReportedSeverity, ReportedStatus};
    use domain::id::{Mint as _, RunId};
    use domain::time::Timestamp;

    use super::*;
    use crate::clock::Ids;

    fn alert(fingerprint: &str, name: &str) -> ParsedAlert {
        ParsedAlert {
            fingerprint: Some(fingerprint.to_owned()),
            name: name.to_owned(),
            status: ReportedStatus::Firing,
            raw_status: "firing".to_owned(),
            severity: ReportedSeverity::Unmapped,
            raw_severity: String::new(),
            description: String::new(),
            starts_at: None,
            ends_at: None,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            links: BTreeMap::new(),
            extra: Value::Null,
        }
    }

    fn webhook(alerts: Vec<ParsedAlert>) -> Webhook {
        let ids = (RunId::from(Ids.mint()), TraceId::mint(&mut Ids));
        Webhook::new(ids.0, ids.1, "generic".parse().unwrap(), Timestamp::from_millis(1), alerts)
    }

    #[test]
    fn alerts_are_compared_by_fingerprint() {
        let before = webhook(vec![alert("a", "A"), alert("b", "B"), alert("c", "C")]);
        let mut changed = alert("b", "B");
        changed.severity = ReportedSeverity::Critical;
        let now = webhook(vec![alert("a", "A"), changed, alert("d", "D")]);
        let found = Difference::between(Some(&before), Some(&now));
        let names = |list: &[Named]| list.iter().map(|alert| alert.name.clone()).collect::<Vec<_>>();
        assert_eq!(
            (names(&found.added), names(&found.removed), found.same),
            (vec!["D".into()], vec!["C".into()], 1)
        );
        assert_eq!(
            Value::Object(found.changed[0].fields.clone()),
            json!({ "severity": ["warning", "critical"] })
        );
        assert!(Difference::between(Some(&now), Some(&now)).is_empty());
        assert_eq!(Difference::between(None, Some(&now)).added.len(), 3);
        assert_eq!(Difference::between(Some(&now), None).removed.len(), 3);
    }
}
