//! The webhook channel of alert policies: one incident per request.
//!
//! `timestamp` is the time of the message and `duration` how long the incident was open by then, so the
//! start is their difference; without a duration it is the time of the message.

use plugin_sdk::alert::{Draft, Warnings};
use plugin_sdk::driver::{About, Parsed};
use plugin_sdk::json::{self, Items, Pairs, Text};
use plugin_sdk::text::first;
use plugin_sdk::time::{Instant, rfc3339};
use plugin_sdk::words;
use plugin_sdk::{Alert, PluginError};
use serde::Deserialize;

use crate::issue::{identity, with_status};
use crate::list::List;

/// Of how many targets the names become labels.
const LABELLED_TARGETS: usize = 3;

#[derive(Deserialize)]
struct Webhook<'a> {
    #[serde(borrow, default)]
    account_id: Text<'a>,
    #[serde(borrow, default)]
    account_name: Text<'a>,
    #[serde(borrow, default)]
    condition_id: Text<'a>,
    #[serde(borrow, default)]
    condition_name: List<'a>,
    #[serde(borrow, default)]
    current_state: Text<'a>,
    #[serde(borrow, default)]
    details: List<'a>,
    #[serde(borrow, default)]
    duration: Text<'a>,
    #[serde(borrow, default)]
    event_type: Text<'a>,
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default, rename = "issueId")]
    issue_id: Text<'a>,
    #[serde(borrow, default, rename = "issueUrl")]
    issue_url: Text<'a>,
    #[serde(borrow, default)]
    incident_id: Text<'a>,
    #[serde(borrow, default)]
    incident_url: Text<'a>,
    #[serde(borrow, default)]
    incident_acknowledge_url: Text<'a>,
    #[serde(borrow, default)]
    owner: Text<'a>,
    #[serde(borrow, default)]
    policy_name: List<'a>,
    #[serde(borrow, default)]
    policy_url: Text<'a>,
    #[serde(borrow, default)]
    runbook_url: List<'a>,
    #[serde(borrow, default)]
    severity: Text<'a>,
    #[serde(borrow, default)]
    priority: Text<'a>,
    /// A list of targets; templates that imitate this payload send a single one without a list.
    #[serde(borrow, default)]
    targets: Text<'a>,
    #[serde(borrow, default)]
    timestamp: Text<'a>,
    #[serde(borrow, default)]
    version: Text<'a>,
    #[serde(borrow, default)]
    violation_chart_url: Text<'a>,
    #[serde(borrow, default)]
    violation_callback_url: Text<'a>,
    /// Of a workflow, which may send an `incident_id` too.
    #[serde(borrow, default)]
    state: Text<'a>,
    #[serde(borrow, default)]
    status: Text<'a>,
}

/// What broke its condition.
#[derive(Deserialize)]
struct Target<'a> {
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    link: Text<'a>,
    #[serde(borrow, default)]
    labels: Pairs<'a>,
}

/// None: the body is no legacy webhook.
pub(crate) fn parse(text: &str, received_at: i64) -> Result<Option<Parsed>, PluginError> {
    let webhook: Webhook<'_> = json::read(text)?;
    if !webhook.is_legacy() {
        return Ok(None);
    }
    if webhook.current_state.as_str().eq_ignore_ascii_case("test") {
        return Ok(Some(Parsed::nothing("a test message of the notification channel")));
    }
    let mut warnings = Warnings::default();
    let alert = webhook.read(received_at, &mut warnings);
    let about = About {
        external_url: webhook.url(),
        version: first(&[webhook.version.as_str(), "legacy"]),
        ..About::default()
    };
    Ok(Some(Parsed::alerts(vec![alert]).about(&about, warnings)))
}

impl Webhook<'_> {
    fn is_legacy(&self) -> bool {
        let of_workflow = [&self.state, &self.status, &self.issue_url, &self.issue_id, &self.id];
        let has_incident =
            !(self.incident_id.is_empty() && self.condition_id.is_empty() && self.condition_name.is_empty());
        !self.current_state.is_empty() || has_incident && of_workflow.iter().all(|text| text.is_empty())
    }

    fn url(&self) -> &str {
        first(&[self.incident_url.as_str(), self.issue_url.as_str()])
    }

    fn read(&self, received_at: i64, warnings: &mut Warnings) -> Alert {
        let name = first(&[self.condition_name.first(), self.policy_name.first()]);
        let ids = [&self.id, &self.issue_id, &self.incident_id].map(Text::as_str);
        let targets = self.targets();
        let draft = Draft::new(name, warnings).fingerprint(identity(&ids, self.url()));
        let mut draft = with_status(draft, &[self.current_state.as_str()], false)
            .severity(words::SEVERITIES, &[self.severity.as_str(), self.priority.as_str()])
            .description(self.details.first())
            .starts_at(&self.start())
            .ends_at(self.timestamp.as_str(), received_at);
        if let [target] = targets.items.as_slice() {
            draft = draft.labels(&target.labels);
        }
        draft = draft
            .label("alertname", name)
            .label("account_id", self.account_id.as_str())
            .label("account_name", self.account_name.as_str())
            .label("condition_id", self.condition_id.as_str())
            .label("policy_name", self.policy_name.first())
            .label("incident_id", self.incident_id.as_str())
            .annotation("event_type", self.event_type.as_str())
            .annotation("owner", self.owner.as_str())
            .link("source", self.url())
            .link("acknowledge", self.incident_acknowledge_url.as_str())
            .link("runbook", self.runbook_url.first())
            .link("policy", self.policy_url.as_str())
            .link("violation", self.violation_callback_url.as_str())
            .link("image", self.violation_chart_url.as_str());
        for (index, target) in targets.items.iter().take(LABELLED_TARGETS).enumerate() {
            draft = draft
                .label(&format!("target_{index}_name"), target.name.as_str())
                .label(&format!("target_{index}_type"), target.kind.as_str())
                .link("target", target.link.as_str());
        }
        draft.finish()
    }

    /// When the incident was opened, as text.
    fn start(&self) -> String {
        let sent = self.timestamp.as_str();
        let Some(sent_ms) = Instant::read(sent).ms() else { return sent.to_owned() };
        let open_ms: Option<i64> = self.duration.as_str().parse().ok();
        rfc3339(sent_ms - open_ms.filter(|ms| (0..=sent_ms).contains(ms)).unwrap_or_default())
    }

    fn targets(&self) -> Items<Target<'_>> {
        let text = self.targets.as_str();
        match text.as_bytes().first() {
            Some(b'[') => json::read(text).unwrap_or_default(),
            Some(b'{') => Items { items: json::read(text).into_iter().collect(), ..Items::default() },
            _ => Items::default(),
        }
    }
}
