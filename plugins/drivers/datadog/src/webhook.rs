//! The body of a webhook: the default one and what templates make of it.

use plugin_sdk::alert::{Draft, Warnings};
use plugin_sdk::driver::{About, Parsed};
use plugin_sdk::json::{self, Maybe, Text};
use plugin_sdk::text::first;
use plugin_sdk::words::{Table, choose, look_up};
use plugin_sdk::{Alert, AlertStatus, PluginError};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::link::MonitorLink;
use crate::tags::{self, Tags};
use crate::title::Title;
use crate::words::{NOTES, SEVERITIES, STATUSES, filled, is_one_of};

/// A longer list of tags is no group of a monitor and is not worth sorting.
const MAX_GROUP_BYTES: usize = 4_096;

#[derive(Deserialize)]
struct Webhook<'a> {
    #[serde(borrow, default)]
    alert_title: Text<'a>,
    #[serde(borrow, default)]
    title: Text<'a>,
    #[serde(borrow, default)]
    event_title: Text<'a>,
    #[serde(borrow, default)]
    monitor_name: Text<'a>,
    #[serde(borrow, default)]
    alert_transition: Text<'a>,
    #[serde(borrow, default)]
    alert_status: Text<'a>,
    #[serde(borrow, default)]
    alert_type: Text<'a>,
    #[serde(borrow, default)]
    alert_priority: Text<'a>,
    #[serde(borrow, default)]
    severity: Text<'a>,
    #[serde(borrow, default)]
    priority: Text<'a>,
    #[serde(borrow, default)]
    alert_id: Text<'a>,
    #[serde(borrow, default)]
    monitor_id: Text<'a>,
    #[serde(borrow, default)]
    alert_scope: Text<'a>,
    #[serde(borrow, default)]
    scopes: Text<'a>,
    #[serde(borrow, default)]
    scope: Text<'a>,
    #[serde(borrow, default)]
    alert_cycle_key: Text<'a>,
    #[serde(borrow, default)]
    cycle_key: Text<'a>,
    #[serde(borrow, default)]
    aggreg_key: Text<'a>,
    #[serde(borrow, default)]
    aggregation_key: Text<'a>,
    #[serde(borrow, default)]
    hostname: Text<'a>,
    #[serde(borrow, default)]
    host: Text<'a>,
    #[serde(borrow, default)]
    host_name: Text<'a>,
    #[serde(borrow, default, rename = "host.name")]
    host_dot_name: Text<'a>,
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    event_type: Text<'a>,
    #[serde(borrow, default)]
    date: Text<'a>,
    #[serde(borrow, default)]
    last_updated: Text<'a>,
    #[serde(borrow, default)]
    org: Maybe<Org<'a>>,
    #[serde(borrow, default)]
    org_id: Text<'a>,
    #[serde(borrow, default)]
    org_name: Text<'a>,
    #[serde(borrow, default)]
    tags: Option<&'a RawValue>,
    #[serde(borrow, default)]
    event_msg: Text<'a>,
    #[serde(borrow, default)]
    body: Text<'a>,
    #[serde(borrow, default)]
    text_only_msg: Text<'a>,
    #[serde(borrow, default)]
    message: Text<'a>,
    #[serde(borrow, default)]
    description: Text<'a>,
    #[serde(borrow, default)]
    alert_metric: Text<'a>,
    #[serde(borrow, default)]
    alert_query: Text<'a>,
    #[serde(borrow, default)]
    query: Text<'a>,
    #[serde(borrow, default)]
    url: Text<'a>,
    #[serde(borrow, default)]
    link: Text<'a>,
    #[serde(borrow, default)]
    snapshot: Text<'a>,
    #[serde(borrow, default)]
    runbook_url: Text<'a>,
    #[serde(borrow, default)]
    runbook: Text<'a>,
}

/// The organisation, as the default body has it.
#[derive(Deserialize)]
struct Org<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    name: Text<'a>,
}

/// What Datadog says beyond the fields of the contract.
#[derive(Serialize)]
struct Extra<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    event_id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    event_type: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    cycle_key: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    aggregation_key: &'a str,
}

pub(crate) fn parse(text: &str, received_at: i64) -> Result<Parsed, PluginError> {
    let webhook: Webhook<'_> = json::read(text)?;
    let said = Said::new(&webhook);
    if said.title.name.is_empty() && said.monitor.is_empty() {
        return Err(PluginError::Unsupported(
            "body has neither a title (`title`, `alert_title`) nor a monitor (`alert_id`, `monitor_id`)\n\
             hint: let the webhook's template send both"
                .to_owned(),
        ));
    }
    if said.status().is_none() && is_one_of(NOTES, said.alert_type) {
        let kind = said.alert_type;
        return Ok(Parsed::nothing(&format!("an event of type `{kind}` is a note, no change of a monitor")));
    }
    let mut warnings = Warnings::default();
    let alert = said.alert(received_at, &mut warnings);
    let about = About { group_key: said.aggregation_key, external_url: said.source_url, ..About::default() };
    Ok(Parsed::alerts(vec![alert]).about(&about, warnings))
}

/// The first field with a value, or the empty string.
fn first_of<'t, const N: usize>(fields: [&'t Text<'_>; N]) -> &'t str {
    first(&fields.map(|field| filled(field.as_str())))
}

/// A word that the table knows, or the empty string.
fn if_known<'t, T: Copy>(table: &Table<T>, word: &'t str) -> &'t str {
    look_up(table, word).map_or("", |_| word)
}

/// A message without the marks that Datadog puts around Markdown.
fn without_marks(message: &str) -> &str {
    let message = message.trim();
    let message = message.strip_prefix("%%%").unwrap_or(message);
    message.strip_suffix("%%%").unwrap_or(message).trim()
}

/// The tags of a group, sorted, with one comma between two; `*` is the group of all and means none.
fn sorted(group: &str) -> String {
    let group = group.trim().trim_start_matches('{').trim_end_matches('}');
    if group.len() > MAX_GROUP_BYTES {
        return group.to_owned();
    }
    let is_tag = |tag: &&str| !matches!(*tag, "" | "*");
    let mut tags: Vec<&str> = group.split(',').map(str::trim).filter(is_tag).collect();
    tags.sort_unstable();
    tags.dedup();
    tags.join(",")
}

/// What a webhook says, wherever it says it.
struct Said<'w> {
    webhook: &'w Webhook<'w>,
    title: Title<'w>,
    link: MonitorLink<'w>,
    description: &'w str,
    alert_type: &'w str,
    monitor: &'w str,
    group: String,
    host: &'w str,
    org: &'w str,
    cycle_key: &'w str,
    aggregation_key: &'w str,
    source_url: &'w str,
}

impl<'w> Said<'w> {
    fn new(webhook: &'w Webhook<'w>) -> Self {
        let Webhook { event_msg, body, text_only_msg, message, description, alert_status, .. } = webhook;
        let description = first_of([event_msg, body, text_only_msg, message, description, alert_status]);
        let link = MonitorLink::find(description);
        let Webhook { alert_title, title, event_title, monitor_name, .. } = webhook;
        // A template may send the bare title of the monitor, and the decorated one of the event.
        let title = Title::read(first_of([alert_title, title, event_title, monitor_name]))
            .or(&Title::read(filled(title.as_str())))
            .or(&Title::read(filled(event_title.as_str())));
        let own_scope = sorted(first_of([&webhook.alert_scope, &webhook.scopes, &webhook.scope]));
        let group = [own_scope, sorted(&link.group), sorted(title.group)];
        let org = webhook.org.0.as_ref().map_or("", |org| filled(org.id.as_str()));
        Self {
            description: without_marks(description),
            alert_type: filled(webhook.alert_type.as_str()),
            monitor: first(&[first_of([&webhook.alert_id, &webhook.monitor_id]), link.monitor]),
            group: group.into_iter().find(|group| !group.is_empty()).unwrap_or_default(),
            host: first_of([&webhook.hostname, &webhook.host, &webhook.host_name, &webhook.host_dot_name]),
            org: first(&[org, filled(webhook.org_id.as_str())]),
            cycle_key: first_of([&webhook.alert_cycle_key, &webhook.cycle_key]),
            aggregation_key: first_of([&webhook.aggreg_key, &webhook.aggregation_key]),
            source_url: first_of([&webhook.url, &webhook.link]),
            title,
            link,
            webhook,
        }
    }

    fn status_words(&self) -> [&'w str; 4] {
        [
            filled(self.webhook.alert_transition.as_str()),
            self.title.transition,
            // In most templates `alert_status` is a sentence, and not every type is a state.
            if_known(STATUSES, filled(self.webhook.alert_status.as_str())),
            if_known(STATUSES, self.alert_type),
        ]
    }

    fn status(&self) -> Option<AlertStatus> {
        choose(STATUSES, &self.status_words()).1
    }

    fn severity_words(&self) -> [&'w str; 8] {
        let Webhook { alert_priority, severity, priority, alert_status, .. } = self.webhook;
        let priority = filled(priority.as_str());
        // What every event has by default is nobody's judgement.
        let is_default = is_one_of(&["normal", "low"], priority);
        [
            filled(alert_priority.as_str()),
            filled(severity.as_str()),
            if is_default { "" } else { priority },
            self.title.priority,
            self.alert_type,
            if_known(SEVERITIES, filled(alert_status.as_str())),
            if_known(SEVERITIES, choose(STATUSES, &self.status_words()).0),
            priority,
        ]
    }

    /// A test keeps its mark, so that it does not join the incident of the monitor.
    fn name(&self) -> String {
        let test = if self.title.is_test { "[TEST] " } else { "" };
        match self.title.name {
            "" => format!("{test}Datadog monitor {}", self.monitor),
            name => format!("{test}{name}"),
        }
    }

    /// Monitor and group, or what comes nearest; the crate's documentation has the order.
    fn identity(&self) -> String {
        let is_complete = !self.monitor.is_empty() && !self.group.is_empty();
        let what = if !is_complete && !self.cycle_key.is_empty() {
            format!("cycle {}", self.cycle_key)
        } else if !is_complete && !self.aggregation_key.is_empty() {
            format!("aggregation {}", self.aggregation_key)
        } else {
            self.subject_and_place()
        };
        let org = if self.org.is_empty() { String::new() } else { format!("org {} ", self.org) };
        let test = if self.title.is_test { "test " } else { "" };
        format!("{test}{org}{what}")
    }

    fn subject_and_place(&self) -> String {
        let subject = match self.monitor {
            "" => format!("title {}", self.title.name),
            monitor => format!("monitor {monitor}"),
        };
        // Datadog's own link without a group says that there is none; then the host is no group either.
        let host = if self.link.monitor.is_empty() { self.host } else { "" };
        match first(&[&self.group, host]) {
            "" => subject,
            place => format!("{subject} group {place}"),
        }
    }

    fn alert(&self, received_at: i64, warnings: &mut Warnings) -> Alert {
        let webhook = self.webhook;
        let tags = Tags::read(webhook.tags, warnings);
        let time = first_of([&webhook.date, &webhook.last_updated]);
        let name = self.name();
        let org_name = webhook.org.0.as_ref().map_or("", |org| filled(org.name.as_str()));
        let summary = filled(webhook.alert_status.as_str());
        let is_told = summary == self.description || look_up(STATUSES, summary).is_some();
        let status_words = self.status_words();
        let says_state = !first(&status_words).is_empty();
        if !says_state {
            warnings
                .add(|| "body does not say which state it reports: `alert_transition` is missing".to_owned());
        }
        let draft = Draft::new(&name, warnings).fingerprint(&self.identity());
        let draft = if says_state {
            draft.status(STATUSES, &status_words)
        } else {
            draft.implied_status(AlertStatus::Firing)
        };
        let draft = draft
            .severity(SEVERITIES, &self.severity_words())
            .description(self.description)
            .label("alertname", &name)
            .label("monitor_id", self.monitor)
            .label("hostname", self.host)
            .label("scope", &self.group)
            .label("metric", filled(webhook.alert_metric.as_str()))
            .label("org_id", self.org)
            .label("org_name", first(&[org_name, filled(webhook.org_name.as_str())]))
            .label("test", if self.title.is_test { "true" } else { "" })
            .annotation("query", first_of([&webhook.alert_query, &webhook.query]))
            .annotation("summary", if is_told { "" } else { summary })
            .link("source", self.source_url)
            .link("monitor", self.link.url)
            .link("image", filled(webhook.snapshot.as_str()))
            .link("runbook", first_of([&webhook.runbook_url, &webhook.runbook]))
            .extra(self.extra());
        let draft = if self.group.contains(':') { tags::put_text(&self.group, draft) } else { draft };
        let draft = tags.put(draft);
        match self.status() {
            Some(AlertStatus::Resolved) => draft.ends_at(time, received_at),
            _ => draft.starts_at(time),
        }
        .finish()
    }

    fn extra(&self) -> String {
        let extra = Extra {
            event_id: filled(self.webhook.id.as_str()),
            event_type: filled(self.webhook.event_type.as_str()),
            cycle_key: self.cycle_key,
            aggregation_key: self.aggregation_key,
        };
        match serde_json::to_string(&extra) {
            Ok(json) if json != "{}" => json,
            _ => String::new(),
        }
    }
}
