//! What is said of alerts and incidents.

use std::fmt::Write as _;

use domain::alert::{Alert, instance_label};
use domain::fingerprint::is_derived;
use domain::plan::AlertEvent;
use serde_json::Value;
use store::{AlertDetail, AlertHistory, IncidentDetail, IncidentHistory};

use super::facts::Facts;
use super::{Step, What};

/// How much of a value that changed is shown.
const SHOWN_CHARS: usize = 80;

pub(super) fn steps(found: &AlertDetail, facts: &Facts, steps: &mut Vec<Step>) {
    let alert = &found.alert;
    let told: Vec<&AlertHistory> =
        found.history.iter().rev().filter(|entry| facts.tells_of(Some(entry.trace_id))).collect();
    for entry in &told {
        steps.push(Step {
            at: entry.at,
            what: What::Alert,
            run_id: Some(entry.run_id),
            trace_id: Some(entry.trace_id),
            text: format!("alert `{}` ({}) {}", alert.name, alert.id, event(entry)),
        });
    }
    let last = told.last().map(|entry| entry.trace_id);
    if facts.tells_of(Some(alert.trace_id)) && last != Some(alert.trace_id) {
        steps.push(Step {
            at: alert.received_at,
            what: What::Alert,
            run_id: None,
            trace_id: Some(alert.trace_id),
            text: format!(
                "alert `{}` ({}) was told of again without a change: that starts nothing and tells nobody",
                alert.name, alert.id
            ),
        });
    }
    let at = told.first().map_or(alert.received_at, |entry| entry.at);
    let trace_id = told.first().map_or(alert.trace_id, |entry| entry.trace_id);
    steps.push(Step {
        at,
        what: What::Fingerprint,
        run_id: None,
        trace_id: Some(trace_id),
        text: identity(alert),
    });
}

fn event(entry: &AlertHistory) -> String {
    let words = match entry.event {
        AlertEvent::Created => "was heard of for the first time",
        AlertEvent::Updated => "was told of in other words",
        AlertEvent::Resolved => "was over",
        AlertEvent::Acknowledged => "was taken by somebody at the sender's side",
        AlertEvent::Refired => "held again",
        AlertEvent::Late => "was told of by a request older than what was known: only noted",
    };
    let mut text = words.to_owned();
    let changed = entry.changed.as_object().into_iter().flatten();
    for (index, (field, values)) in changed.enumerate() {
        let (old, new) = (values.get(0), values.get(1));
        let separator = if index == 0 { ": " } else { ", " };
        // Writing to a text cannot fail.
        let _written = write!(text, "{separator}{field} {} → {}", shown(old), shown(new));
    }
    text
}

fn shown(value: Option<&Value>) -> String {
    let text = match value {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => "-".to_owned(),
    };
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("`{}…`", text.get(..end).unwrap_or_default()),
        None => format!("`{text}`"),
    }
}

/// What makes the alert itself, and what makes its incident.
fn identity(alert: &Alert) -> String {
    let made_of = if is_derived(&alert.source, &alert.fingerprint, &alert.name, &alert.labels) {
        let labels: Vec<String> = alert.labels.keys().map(|key| format!("`{key}`")).collect();
        match labels.is_empty() {
            true => "source and name".to_owned(),
            false => format!("source, name and the labels {}", labels.join(", ")),
        }
    } else {
        "what its sender gives".to_owned()
    };
    let joins = match (alert.incident_id, instance_label(&alert.labels)) {
        (None, _) => "it was over when it was first heard of, so it belongs to no incident".to_owned(),
        (Some(id), Some((label, instance))) => format!(
            "it belongs to incident {id}, with every alert `{}` whose machine or service is `{instance}` (label `{label}`)",
            alert.name
        ),
        (Some(id), None) => {
            format!("it belongs to incident {id} alone: no label names a machine or service")
        }
    };
    format!("alert `{}` is known by {made_of} ({}); {joins}", alert.name, alert.fingerprint)
}

pub(super) fn incident_steps(found: &IncidentDetail, facts: &Facts, steps: &mut Vec<Step>) {
    for entry in facts.history(found) {
        steps.push(Step {
            at: entry.at,
            what: What::Incident,
            run_id: entry.run_id,
            trace_id: entry.trace_id,
            text: incident_event(found, entry),
        });
    }
}

fn incident_event(found: &IncidentDetail, entry: &IncidentHistory) -> String {
    let IncidentHistory { event, status, severity, actor, .. } = entry;
    let reason = entry.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let (title, id) = (&found.incident.title, found.incident.id);
    format!("incident `{title}` ({id}), {event}: {status}, {severity}, by {actor}{reason}")
}
