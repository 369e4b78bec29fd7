//! One alert, under any of the names that its fields go by.

use plugin_sdk::alert::{Draft, MAX_NAME_BYTES, Warnings};
use plugin_sdk::json::{Pairs, Text};
use plugin_sdk::text::{clip, first};
use plugin_sdk::{Alert, AlertStatus, words};
use serde::Deserialize;

/// The labels that say where an alert happens, in the host's order (`wit/types.wit`).
const INSTANCE_KEYS: &[&str] = &["instance_id", "instance", "hostname", "host", "host_name"];

/// What the object around a list says for alerts that do not say it themselves.
#[derive(Default)]
pub(crate) struct Around<'a> {
    pub(crate) source: &'a str,
    pub(crate) statuses: [&'a str; 2],
    pub(crate) severities: [&'a str; 3],
    /// Labels that say where it happens.
    pub(crate) places: [(&'static str, &'a str); 4],
}

#[derive(Deserialize)]
pub(crate) struct AlertFields<'a> {
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default)]
    alert_name: Text<'a>,
    #[serde(borrow, default)]
    title: Text<'a>,
    #[serde(borrow, default)]
    alertname: Text<'a>,
    #[serde(borrow, default)]
    status: Text<'a>,
    #[serde(borrow, default)]
    state: Text<'a>,
    #[serde(borrow, default)]
    severity: Text<'a>,
    #[serde(borrow, default)]
    priority: Text<'a>,
    #[serde(borrow, default)]
    level: Text<'a>,
    #[serde(borrow, default)]
    description: Text<'a>,
    #[serde(borrow, default)]
    message: Text<'a>,
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(borrow, default)]
    summary: Text<'a>,
    #[serde(borrow, default)]
    fingerprint: Text<'a>,
    #[serde(borrow, default)]
    alert_id: Text<'a>,
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    started_at: Text<'a>,
    #[serde(borrow, default)]
    starts_at: Text<'a>,
    #[serde(borrow, default, rename = "startsAt")]
    starts_at_camel: Text<'a>,
    #[serde(borrow, default)]
    timestamp: Text<'a>,
    #[serde(borrow, default)]
    time: Text<'a>,
    #[serde(borrow, default)]
    ended_at: Text<'a>,
    #[serde(borrow, default)]
    ends_at: Text<'a>,
    #[serde(borrow, default, rename = "endsAt")]
    ends_at_camel: Text<'a>,
    #[serde(borrow, default)]
    resolved_at: Text<'a>,
    #[serde(borrow, default)]
    instance_id: Text<'a>,
    #[serde(borrow, default)]
    instance: Text<'a>,
    #[serde(borrow, default)]
    hostname: Text<'a>,
    #[serde(borrow, default)]
    host: Text<'a>,
    #[serde(borrow, default)]
    labels: Pairs<'a>,
    #[serde(borrow, default)]
    tags: Pairs<'a>,
    #[serde(borrow, default)]
    annotations: Pairs<'a>,
    #[serde(borrow, default)]
    url: Text<'a>,
    #[serde(borrow, default)]
    link: Text<'a>,
    #[serde(borrow, default)]
    runbook_url: Text<'a>,
    #[serde(borrow, default)]
    dashboard_url: Text<'a>,
    #[serde(borrow, default)]
    source: Text<'a>,
}

/// The fields that say where an alert happens, under the keys of their labels.
pub(crate) fn places<'t>(fields: [&'t Text<'_>; 4]) -> [(&'static str, &'t str); 4] {
    let [instance_id, instance, hostname, host] = fields.map(Text::as_str);
    [("instance_id", instance_id), ("instance", instance), ("hostname", hostname), ("host", host)]
}

impl AlertFields<'_> {
    /// The name, or the empty string.
    pub(crate) fn name(&self) -> &str {
        first(&[
            self.name.as_str(),
            self.alert_name.as_str(),
            self.title.as_str(),
            self.alertname.as_str(),
            self.labels.get("alertname"),
        ])
    }

    /// The alert; what it does not say itself, `around` says.
    pub(crate) fn read(&self, around: &Around<'_>, received_at: i64, warnings: &mut Warnings) -> Alert {
        let mut draft = Draft::new(self.name(), warnings);
        // A source is copied to every alert: no more of it than a name may have.
        let source = clip(first(&[self.source.as_str(), around.source]), MAX_NAME_BYTES);
        let own_status = [self.status.as_str(), self.state.as_str()];
        let status_words = if first(&own_status).is_empty() { around.statuses } else { own_status };
        draft = match first(&status_words) {
            "" => draft.implied_status(AlertStatus::Firing),
            _ => draft.status(words::STATUSES, &status_words),
        };
        let own_severity = self.severity_words();
        draft = match first(&own_severity) {
            "" => draft.severity(words::SEVERITIES, &around.severities),
            _ => draft.severity(words::SEVERITIES, &own_severity),
        };
        draft = draft
            .description(self.description())
            .starts_at(self.starts_at())
            .ends_at(self.ends_at(), received_at)
            .labels(&self.labels)
            .labels(&self.tags)
            .annotations(&self.annotations)
            .label("sender_source", &source)
            .link("source", first(&[self.url.as_str(), self.link.as_str()]))
            .link("runbook", self.runbook_url.as_str())
            .link("dashboard", self.dashboard_url.as_str());
        for (key, value) in places([&self.instance_id, &self.instance, &self.hostname, &self.host]) {
            if self.labels.get(key).is_empty() {
                draft = draft.label(key, value);
            }
        }
        if draft.first_label(INSTANCE_KEYS).is_empty() {
            draft = around.places.iter().fold(draft, |draft, (key, value)| draft.label(key, value));
        }
        let fingerprint = self.identity(&source, draft.first_label(INSTANCE_KEYS));
        draft.fingerprint(&fingerprint).finish()
    }

    /// The sender's identity of the alert: `fingerprint` as it is, an id behind whose id it is.
    ///
    /// Tools count from 1 or name an alert after its check: without the scope, one tool could end
    /// another's alert.
    fn identity(&self, source: &str, instance: &str) -> String {
        let id = first(&[self.alert_id.as_str(), self.id.as_str()]);
        match (self.fingerprint.as_str(), first(&[source, instance])) {
            ("", "") => id.to_owned(),
            ("", scope) if !id.is_empty() => format!("{scope}/{id}"),
            (fingerprint, _) => fingerprint.to_owned(),
        }
    }

    fn severity_words(&self) -> [&str; 4] {
        let [severity, priority, level] = [&self.severity, &self.priority, &self.level].map(Text::as_str);
        [severity, priority, level, self.labels.get("severity")]
    }

    fn description(&self) -> &str {
        let fields = [&self.description, &self.message, &self.text, &self.summary];
        first(&fields.map(Text::as_str))
    }

    fn starts_at(&self) -> &str {
        let fields = [&self.started_at, &self.starts_at, &self.starts_at_camel, &self.timestamp, &self.time];
        first(&fields.map(Text::as_str))
    }

    fn ends_at(&self) -> &str {
        let fields = [&self.ended_at, &self.ends_at, &self.ends_at_camel, &self.resolved_at];
        first(&fields.map(Text::as_str))
    }
}
