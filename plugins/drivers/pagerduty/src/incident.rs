//! What both payloads say about one incident, and the words that they say it with.

use plugin_sdk::alert::{Draft, Warnings};
use plugin_sdk::json::{Items, Maybe, Text};
use plugin_sdk::text::first;
use plugin_sdk::words::{Table, look_up};
use plugin_sdk::{Alert, AlertStatus, Severity};
use serde::Deserialize;

/// Events that say in what state an incident is now, and the states themselves.
pub(crate) const STATUSES: &Table<AlertStatus> = &[
    ("incident.triggered", AlertStatus::Firing),
    ("incident.acknowledged", AlertStatus::Acknowledged),
    ("incident.resolved", AlertStatus::Resolved),
    ("incident.reopened", AlertStatus::Firing),
    ("incident.unacknowledged", AlertStatus::Firing),
    ("incident.trigger", AlertStatus::Firing),
    ("incident.acknowledge", AlertStatus::Acknowledged),
    ("incident.resolve", AlertStatus::Resolved),
    ("incident.unacknowledge", AlertStatus::Firing),
    ("triggered", AlertStatus::Firing),
    ("acknowledged", AlertStatus::Acknowledged),
    ("resolved", AlertStatus::Resolved),
];

/// Events that leave the state of an incident as it is, or are about no incident at all.
pub(crate) const UPDATES: &Table<&str> = &[
    ("incident.annotated", "a note was added"),
    ("incident.annotate", "a note was added"),
    ("incident.reassigned", "the incident was reassigned"),
    ("incident.assign", "the incident was assigned"),
    ("incident.delegated", "the incident went to another escalation policy"),
    ("incident.delegate", "the incident went to another escalation policy"),
    ("incident.escalated", "the incident was escalated"),
    ("incident.escalate", "the incident was escalated"),
    ("incident.responder.added", "a responder was asked for"),
    ("incident.responder.replied", "a responder replied"),
    ("incident.status_update_published", "a status update was published"),
    ("incident.service_updated", "the incident went to another service"),
    ("incident.conference_bridge.updated", "the conference bridge changed"),
    ("incident.custom_field_values.updated", "custom fields changed"),
    ("incident.workflow.started", "a workflow started"),
    ("incident.workflow.completed", "a workflow ended"),
    ("service.created", "a service was created"),
    ("service.updated", "a service changed"),
    ("service.deleted", "a service was deleted"),
    ("pagey.ping", "PagerDuty tests the webhook"),
];

/// Names of priorities in common use, and the two urgencies.
///
/// A table of its own for two reasons: `low` is an urgency, which says that nobody is woken and that
/// somebody still has to look; and accounts number `SEV-1` to `SEV-5` as they do `P1` to `P5`, not as
/// Azure Monitor does.
const SEVERITIES: &Table<Severity> = &[
    ("high", Severity::Critical),
    ("low", Severity::Warning),
    ("p0", Severity::Critical),
    ("p1", Severity::Critical),
    ("p2", Severity::Critical),
    ("p3", Severity::Warning),
    ("p4", Severity::Info),
    ("p5", Severity::Info),
    ("sev-0", Severity::Critical),
    ("sev-1", Severity::Critical),
    ("sev-2", Severity::Critical),
    ("sev-3", Severity::Warning),
    ("sev-4", Severity::Info),
    ("sev-5", Severity::Info),
    ("sev0", Severity::Critical),
    ("sev1", Severity::Critical),
    ("sev2", Severity::Critical),
    ("sev3", Severity::Warning),
    ("sev4", Severity::Info),
    ("sev5", Severity::Info),
    ("critical", Severity::Critical),
    ("major", Severity::Critical),
    ("medium", Severity::Warning),
    ("moderate", Severity::Warning),
    ("minor", Severity::Warning),
    ("info", Severity::Info),
    ("informational", Severity::Info),
];

/// `data` of an event of V3 or `incident` of a message of V2.
///
/// V3 calls the incident's number `number`, V2 and the REST API `incident_number`.
#[derive(Deserialize, Default)]
pub(crate) struct Incident<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default, rename = "type")]
    pub(crate) kind: Text<'a>,
    #[serde(borrow, default)]
    html_url: Text<'a>,
    #[serde(borrow, default)]
    number: Text<'a>,
    #[serde(borrow, default)]
    incident_number: Text<'a>,
    #[serde(borrow, default)]
    incident_key: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) status: Text<'a>,
    #[serde(borrow, default)]
    title: Text<'a>,
    #[serde(borrow, default)]
    summary: Text<'a>,
    #[serde(borrow, default)]
    description: Text<'a>,
    #[serde(borrow, default)]
    created_at: Text<'a>,
    #[serde(borrow, default)]
    created_on: Text<'a>,
    #[serde(borrow, default)]
    urgency: Text<'a>,
    #[serde(borrow, default)]
    priority: Maybe<Reference<'a>>,
    #[serde(borrow, default)]
    service: Maybe<Reference<'a>>,
    #[serde(borrow, default)]
    escalation_policy: Maybe<Reference<'a>>,
    #[serde(borrow, default)]
    teams: Items<Reference<'a>>,
    #[serde(borrow, default)]
    assignees: Items<Reference<'a>>,
    #[serde(borrow, default)]
    conference_bridge: Maybe<ConferenceBridge<'a>>,
    #[serde(borrow, default)]
    resolve_reason: Text<'a>,
    #[serde(borrow, default)]
    body: Maybe<Body<'a>>,
}

/// How PagerDuty names one of its objects. References have a `summary`; whole objects a `name` too.
#[derive(Deserialize)]
pub(crate) struct Reference<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    summary: Text<'a>,
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default)]
    html_url: Text<'a>,
}

#[derive(Deserialize)]
struct ConferenceBridge<'a> {
    #[serde(borrow, default)]
    conference_url: Text<'a>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    details: Text<'a>,
}

/// Why an incident is over: an object in V3, a word in V2.
#[derive(Deserialize)]
struct ResolveReason<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    incident: Maybe<Reference<'a>>,
}

/// What stands around an incident.
pub(crate) struct Occasion<'a> {
    /// What happened, in the sender's word.
    pub(crate) event: &'a str,
    /// When.
    pub(crate) at: &'a str,
    /// Who or what did it; empty where it is not said.
    pub(crate) agent: &'a str,
    /// When the webhook was received, in Unix milliseconds.
    pub(crate) received_at: i64,
}

impl Incident<'_> {
    /// The incident after `occasion`.
    pub(crate) fn read(&self, occasion: &Occasion<'_>, warnings: &mut Warnings) -> Alert {
        let status = self.status.as_str();
        // Of an event about the priority, only the incident's own status says in what state it is.
        let words = if is_about_priority(occasion.event) {
            [status, occasion.event]
        } else {
            [occasion.event, status]
        };
        let priority = self.priority.0.as_ref().map_or("", Reference::name);
        let title = first(&[self.title.as_str(), self.summary.as_str(), self.description.as_str()]);
        let draft = Draft::new(title, warnings)
            .fingerprint(self.id.as_str())
            .status(STATUSES, &words)
            .severity(SEVERITIES, &[known_part(priority), self.urgency.as_str()])
            .description(self.description.as_str())
            .starts_at(self.began(occasion))
            .ends_at(occasion.at, occasion.received_at)
            .label("alertname", title)
            .label("incident_id", self.id.as_str())
            .label("incident_number", first(&[self.number.as_str(), self.incident_number.as_str()]))
            .label("urgency", self.urgency.as_str())
            .label("priority", priority)
            .label("team", &names(&self.teams));
        self.explain(occasion, draft).finish()
    }

    /// Whether `event` is about the priority and nothing says in what state the incident is.
    pub(crate) fn is_stateless(&self, event: &str) -> bool {
        is_about_priority(event) && look_up(STATUSES, self.status.as_str()).is_none()
    }

    /// When the condition began. An incident without a time of its own began with its first event.
    fn began<'t>(&'t self, occasion: &Occasion<'t>) -> &'t str {
        let first_event = look_up(STATUSES, occasion.event) == Some(AlertStatus::Firing);
        let at = if first_event { occasion.at } else { "" };
        first(&[self.created_at.as_str(), self.created_on.as_str(), at])
    }

    fn explain<'w>(&self, occasion: &Occasion<'_>, mut draft: Draft<'w>) -> Draft<'w> {
        if let Some(service) = &self.service.0 {
            draft = draft
                .label("service_id", service.id.as_str())
                .label("service_name", service.name())
                .link("service", service.html_url.as_str());
        }
        if let Some(policy) = &self.escalation_policy.0 {
            draft = draft.annotation("escalation_policy", policy.name());
        }
        if let Some(bridge) = &self.conference_bridge.0 {
            draft = draft.link("conference", bridge.conference_url.as_str());
        }
        if let Some(body) = &self.body.0 {
            draft = draft.annotation("details", body.details.as_str());
        }
        let reason = self.resolve_reason.as_str();
        draft = match serde_json::from_str::<ResolveReason<'_>>(reason) {
            Ok(ResolveReason { kind, incident }) => draft
                .annotation("resolve_reason", kind.as_str())
                .link("merged_into", incident.0.as_ref().map_or("", |incident| incident.html_url.as_str())),
            Err(_) => draft.annotation("resolve_reason", reason),
        };
        draft
            .annotation("incident_key", self.incident_key.as_str())
            .annotation("assignees", &names(&self.assignees))
            .annotation("agent", occasion.agent)
            .link("incident", self.html_url.as_str())
    }
}

impl Reference<'_> {
    /// The visible name.
    pub(crate) fn name(&self) -> &str {
        first(&[self.summary.as_str(), self.name.as_str()])
    }
}

fn is_about_priority(event: &str) -> bool {
    event.eq_ignore_ascii_case("incident.priority_updated")
}

/// The visible names, with commas between them.
fn names(references: &Items<Reference<'_>>) -> String {
    let names: Vec<&str> =
        references.items.iter().map(Reference::name).filter(|name| !name.is_empty()).collect();
    names.join(", ")
}

/// What of a priority's name says how bad it is: the name, or its first word, as in `P2 - Medium`.
fn known_part(name: &str) -> &str {
    let word = name.trim_start().split([' ', ':', '(']).next().unwrap_or_default();
    let is_known = |word: &str| look_up(SEVERITIES, word).is_some();
    if !is_known(name) && is_known(word) { word } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_stands_in_two_rows() {
        let events: Vec<&str> =
            STATUSES.iter().map(|(word, _)| *word).chain(UPDATES.iter().map(|(word, _)| *word)).collect();
        for (index, word) in events.iter().enumerate() {
            assert!(!events[index + 1..].contains(word), "{word}");
        }
        for (index, (word, _)) in SEVERITIES.iter().enumerate() {
            assert!(SEVERITIES[index + 1..].iter().all(|(other, _)| other != word), "{word}");
        }
    }

    #[test]
    fn a_priority_means_what_it_means_from_every_sender() {
        for word in ["p0", "p1", "p2", "p3", "p4", "p5"] {
            assert_eq!(look_up(SEVERITIES, word), look_up(plugin_sdk::words::SEVERITIES, word), "{word}");
        }
    }

    #[test]
    fn a_priority_counts_by_its_name_or_its_first_word() {
        for (name, part) in [
            ("P2 - Medium", "P2"),
            ("SEV-1: outage", "SEV-1"),
            ("p4(info)", "p4"),
            ("P10", "P10"),
            ("Very high", "Very high"),
            ("", ""),
        ] {
            assert_eq!(known_part(name), part);
        }
    }
}
