//! What templates can name: the data of one notification, and nothing else.

use std::collections::BTreeMap;

use domain::plugin::Notification;
use domain::text::disturbs;
use minijinja::value::{Serde, Value};
use serde_json::{Map, json};

use super::engine::Output;
use super::{Recipient, samples};

/// Names that the engine itself brings.
const FUNCTIONS: [&str; 3] = ["range", "dict", "namespace"];

/// The values that a template gets.
#[derive(Debug, Clone)]
pub(super) struct Sheet {
    values: BTreeMap<String, Value>,
    notes: Vec<Value>,
}

impl Sheet {
    pub(super) fn new(to: &Recipient, notification: &Notification) -> Self {
        let values = plain(to, notification);
        let values = values.into_iter().map(|(name, value)| (name, Value::from(Serde(value)))).collect();
        Self { values, notes: Vec::new() }
    }

    /// Later templates see what this one made.
    pub(super) fn note(&mut self, output: &Output) {
        let (name, text) = match output {
            Output::Title(text) => ("title", text),
            Output::Text(text) => ("message", text),
            Output::Payload(_) | Output::Html(_) => return,
        };
        self.values.insert(name.to_owned(), Value::from(text.as_str()));
    }

    /// Later templates see that another was not used.
    pub(super) fn add_note(&mut self, note: &str) {
        self.notes.push(Value::from(note));
        self.values.insert("notes".to_owned(), Value::from(self.notes.clone()));
    }

    pub(super) fn values(&self) -> Value {
        Value::from_pairs(self.values.clone())
    }
}

fn plain(to: &Recipient, notification: &Notification) -> Map<String, serde_json::Value> {
    let Notification { id, attempt, title, message, severity, status, incident, .. } = notification;
    let Notification { alerts, recommendations, tags, links, .. } = notification;
    let values = json!({
        "id": id,
        "attempt": attempt,
        "title": title,
        "message": message,
        "severity": severity,
        "status": status,
        "incident": incident,
        "alerts": alerts,
        "recommendations": recommendations,
        "tags": tags,
        "links": links,
        "channel": to.channel,
        "notifier": to.notifier,
        "fired_and_resolved": tags.contains_key("tells"),
        "notes": [],
    });
    match clean(values) {
        serde_json::Value::Object(values) => values,
        _ => Map::new(),
    }
}

/// Without characters that have power over what shows them; line breaks and tabs stay in texts.
fn clean(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        Json::String(text) if text.chars().any(disturbs) => {
            Json::String(text.chars().filter(|c| matches!(c, '\n' | '\t') || !disturbs(*c)).collect())
        }
        Json::Array(items) => Json::Array(items.into_iter().map(clean).collect()),
        Json::Object(fields) => {
            let name = |name: String| name.chars().filter(|c| !disturbs(*c)).collect();
            Json::Object(fields.into_iter().map(|(key, value)| (name(key), clean(value))).collect())
        }
        other => other,
    }
}

/// Whether every notification has what a template names, as far as that can be said without rendering: its
/// first part, and what is behind `incident.`.
pub(super) fn has(name: &str) -> bool {
    let mut parts = name.split('.');
    match (parts.next(), parts.next()) {
        (Some("incident"), Some(field)) => fields("incident").iter().any(|known| known == field),
        (Some(first), _) => FUNCTIONS.contains(&first) || fields("").iter().any(|known| known == first),
        (None, _) => true,
    }
}

/// What could have been meant.
pub(super) fn known_beside(name: &str) -> Vec<String> {
    let within = if name.starts_with("incident.") { "incident" } else { "" };
    fields(within)
}

/// The names of all values, or of those within one of them.
fn fields(within: &str) -> Vec<String> {
    let Some(sample) = samples().first() else { return Vec::new() };
    let to = Recipient { channel: String::new(), notifier: domain::plugin::PluginName::of_hub() };
    let values = plain(&to, &sample.notification);
    let keys = |object: &Map<String, serde_json::Value>| object.keys().cloned().collect();
    match within {
        "" => keys(&values),
        _ => values.get(within).and_then(serde_json::Value::as_object).map(keys).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_disturbs_is_gone_from_names_and_values() {
        let dirty = json!({ "a\u{202e}b\n": ["x\u{0}\n\t\u{1b}[31m\u{2067}y"] });
        assert_eq!(clean(dirty), json!({ "ab": ["x\n\t[31my"] }));
    }

    #[test]
    fn names_are_known_without_rendering() {
        for good in
            ["title", "incident.opened_at", "incident.by.reason", "alerts.0", "range", "links.runbook"]
        {
            assert!(has(good), "{good}");
        }
        for bad in ["titel", "incident.titel", "env"] {
            assert!(!has(bad), "{bad}");
        }
    }
}
