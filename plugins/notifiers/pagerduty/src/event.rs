//! The event: what PagerDuty shows and groups by.
//!
//! # Source
//! PagerDuty's description of the Events API v2; 1,024 characters of summary and 512,000 bytes in all as
//! other senders keep to.

use plugin_sdk::http::inert;
use plugin_sdk::json::Text;
use plugin_sdk::notifier::Notification;
use plugin_sdk::text::{clip, first, one_line};
use plugin_sdk::time::rfc3339;
use plugin_sdk::{Alert, AlertStatus, Label, Severity};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::settings::Settings;

const SUMMARY_CHARS: usize = 1_024;
const MAX_BYTES: usize = 512_000;
/// Of a text that PagerDuty groups or searches by.
const WORD_CHARS: usize = 255;
const MAX_LINKS: usize = 16;

/// An event and what identifies it.
pub(crate) struct Event {
    pub(crate) dedup_key: String,
    /// JSON in which the only placeholder is the routing key's.
    pub(crate) body: Vec<u8>,
}

#[derive(Deserialize, Default)]
struct Incident<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default)]
    instance: Text<'a>,
    #[serde(borrow, default)]
    opened_at: Text<'a>,
}

/// The event that tells of the notification.
pub(crate) fn write(notification: &Notification, settings: &Settings) -> Event {
    let incident: Incident<'_> = serde_json::from_str(&notification.incident).unwrap_or_default();
    // What is sent by hand has no incident; then each message is an alert of its own.
    let dedup_key = format!("watchbell-{}", first(&[incident.id.as_str(), &notification.id]));
    let details = details(notification);
    let event = whole(notification, settings, &incident, &dedup_key, &details);
    let text = match event.to_string() {
        text if text.len() <= MAX_BYTES => text,
        text => {
            let note = format!(
                "the details were left out: the event had {} bytes, PagerDuty takes {MAX_BYTES}",
                text.len()
            );
            let details = json!({ "error": note, "message": clip(&notification.message, SUMMARY_CHARS) });
            whole(notification, settings, &incident, &dedup_key, &details).to_string()
        }
    };
    Event { body: with_key(&text, &settings.routing_key), dedup_key }
}

/// Puts the routing key's placeholder in front; whatever else looks like one was written by others.
fn with_key(event: &str, placeholder: &str) -> Vec<u8> {
    let rest = inert(event);
    format!("{{\"routing_key\":{},{}", json!(placeholder), rest.trim_start_matches('{')).into_bytes()
}

fn whole(
    notification: &Notification,
    settings: &Settings,
    incident: &Incident<'_>,
    dedup_key: &str,
    details: &Value,
) -> Value {
    let action = match notification.status {
        AlertStatus::Firing | AlertStatus::Unmapped => "trigger",
        AlertStatus::Acknowledged => "acknowledge",
        AlertStatus::Resolved => "resolve",
    };
    let source =
        notification.tags.iter().find(|tag| tag.key == "source").map_or("", |tag| tag.value.as_str());
    let source = first(&[incident.instance.as_str(), source, "watchbell"]);
    let mut payload = json!({
        "summary": short(&notification.title, SUMMARY_CHARS),
        "source": short(source, WORD_CHARS),
        "severity": severity(notification.severity),
        "custom_details": details,
    });
    let optional = [
        ("timestamp", incident.opened_at.as_str()),
        ("class", incident.name.as_str()),
        ("component", settings.component.as_str()),
        ("group", settings.group.as_str()),
    ];
    put(&mut payload, optional);
    let mut event = json!({
        "event_action": action,
        "dedup_key": short(dedup_key, WORD_CHARS),
        "payload": payload,
        "links": links(&notification.links),
    });
    put(&mut event, [("client", settings.client.as_str()), ("client_url", settings.client_url.as_str())]);
    event
}

/// Adds what is not empty.
fn put<const N: usize>(object: &mut Value, fields: [(&str, &str); N]) {
    if let Value::Object(object) = object {
        let set = fields.into_iter().filter(|(_, value)| !value.is_empty());
        object.extend(set.map(|(name, value)| (name.to_owned(), json!(value))));
    }
}

/// The words that PagerDuty knows.
const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::Warning | Severity::Unmapped => "warning",
        Severity::Info => "info",
    }
}

/// One line; PagerDuty has no summary that is empty.
fn short(text: &str, chars: usize) -> String {
    let text = one_line(text);
    match text.chars().count() {
        0 => "Watchbell".to_owned(),
        count if count <= chars => text.into_owned(),
        _ => text.chars().take(chars - 1).chain(['…']).collect(),
    }
}

fn links(links: &[Label]) -> Value {
    let usable = links.iter().filter(|link| link.value.starts_with("http"));
    usable.take(MAX_LINKS).map(|link| json!({ "href": link.value, "text": link.key })).collect()
}

/// What the channel's template made, or everything that there is to tell.
fn details(notification: &Notification) -> Value {
    let own = notification.payload.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    match own {
        Some(Value::Object(fields)) => Value::Object(fields),
        Some(other) => json!({ "payload": other }),
        None => everything(notification),
    }
}

fn everything(notification: &Notification) -> Value {
    let embedded = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    json!({
        "message": notification.message,
        "alerts": notification.alerts.iter().map(alert).collect::<Value>(),
        "recommendations": embedded(&notification.recommendations),
        "incident": embedded(&notification.incident),
        "tags": texts(&notification.tags),
    })
}

fn alert(alert: &Alert) -> Value {
    json!({
        "name": alert.name,
        "status": alert.status.as_str(),
        "severity": alert.severity.as_str(),
        "description": alert.description,
        "started_at": alert.starts_at.map(rfc3339),
        "ended_at": alert.ends_at.map(rfc3339),
        "labels": texts(&alert.labels),
        "annotations": texts(&alert.annotations),
    })
}

fn texts(labels: &[Label]) -> Map<String, Value> {
    labels.iter().map(|label| (label.key.clone(), json!(label.value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_routing_key_is_the_only_placeholder_whatever_a_sender_wrote() {
        let written = json!({ "summary": "secret://routing_key", "secret://routing_key": 1 });
        let text = String::from_utf8(with_key(&written.to_string(), "secret://routing_key")).unwrap();
        assert_eq!(text.matches("secret://").count(), 1, "{text}");
        let event: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(event["routing_key"], event["summary"]);
    }

    #[test]
    fn a_summary_is_never_empty_and_never_too_long() {
        assert_eq!(short(" \n", 10), "Watchbell");
        assert_eq!(short(&"é".repeat(20), 10).chars().count(), 10);
    }
}
