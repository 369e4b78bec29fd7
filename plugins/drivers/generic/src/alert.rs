//! One alert, under any of the names that its fields go by.

use plugin_sdk::alert::{Draft, Warnings};
use plugin_sdk::json::{Pairs, Text};
use plugin_sdk::text::first;
use plugin_sdk::{Alert, AlertStatus, words};
use serde::Deserialize;

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
    pub(crate) source: Text<'a>,
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

    pub(crate) fn read(&self, source: &str, received_at: i64, warnings: &mut Warnings) -> Alert {
        let mut draft = Draft::new(self.name(), warnings).fingerprint(first(&[
            self.fingerprint.as_str(),
            self.alert_id.as_str(),
            self.id.as_str(),
        ]));
        let status_words = [self.status.as_str(), self.state.as_str()];
        draft = match first(&status_words) {
            "" => draft.implied_status(AlertStatus::Firing),
            _ => draft.status(words::STATUSES, &status_words),
        };
        draft = draft
            .severity(words::SEVERITIES, &self.severity_words())
            .description(self.description())
            .starts_at(self.starts_at())
            .ends_at(self.ends_at(), received_at)
            .labels(&self.labels)
            .labels(&self.tags)
            .annotations(&self.annotations)
            .label("sender_source", source)
            .link("source", first(&[self.url.as_str(), self.link.as_str()]))
            .link("runbook", self.runbook_url.as_str())
            .link("dashboard", self.dashboard_url.as_str());
        for (key, value) in [("instance", &self.instance), ("hostname", &self.hostname), ("host", &self.host)]
        {
            if self.labels.get(key).is_empty() {
                draft = draft.label(key, value.as_str());
            }
        }
        draft.finish()
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
