//! The webhook destination of workflows: one issue per request.
//!
//! The names are those of New Relic's default template, with those of older templates (`issueId`,
//! `accumulations`) and of usual changes (`name`, `status`, `severity`) beside them.
//!
//! The title and the entities of an issue change while incidents join it. So none of them is a label that
//! the hub correlates by: the issue alone says what belongs together.

use plugin_sdk::alert::{Draft, Warnings};
use plugin_sdk::driver::{About, Parsed};
use plugin_sdk::json::{self, Maybe, Text};
use plugin_sdk::text::first;
use plugin_sdk::words;
use plugin_sdk::{Alert, PluginError};
use serde::Deserialize;

use crate::issue::{identity, is_acknowledged, with_status};
use crate::list::List;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Webhook<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    issue_id: Text<'a>,
    #[serde(borrow, default, rename = "incident_id")]
    incident_id: Text<'a>,
    #[serde(borrow, default)]
    issue_url: Text<'a>,
    #[serde(borrow, default)]
    title: List<'a>,
    #[serde(borrow, default)]
    name: List<'a>,
    #[serde(borrow, default)]
    state: Text<'a>,
    #[serde(borrow, default)]
    status: Text<'a>,
    #[serde(borrow, default)]
    trigger: Text<'a>,
    #[serde(borrow, default)]
    trigger_event: Text<'a>,
    #[serde(borrow, default)]
    priority: Text<'a>,
    #[serde(borrow, default)]
    severity: Text<'a>,
    #[serde(borrow, default)]
    description: List<'a>,
    #[serde(borrow, default)]
    details: List<'a>,
    #[serde(borrow, default)]
    created_at: Text<'a>,
    #[serde(borrow, default)]
    updated_at: Text<'a>,
    #[serde(borrow, default)]
    closed_at: Text<'a>,
    #[serde(borrow, default)]
    acknowledged_at: Text<'a>,
    #[serde(borrow, default)]
    issue_acknowledged_at: Text<'a>,
    #[serde(borrow, default)]
    impacted_entities: List<'a>,
    #[serde(borrow, default)]
    alert_policy_names: List<'a>,
    #[serde(borrow, default)]
    alert_condition_names: List<'a>,
    #[serde(borrow, default)]
    sources: List<'a>,
    #[serde(borrow, default)]
    total_incidents: Text<'a>,
    #[serde(borrow, default)]
    workflow_name: Text<'a>,
    #[serde(borrow, default)]
    runbook_url: List<'a>,
    #[serde(borrow, default)]
    dashboard_url: Text<'a>,
    #[serde(borrow, default)]
    accumulations: Maybe<Accumulations<'a>>,
}

/// What the incidents of an issue have, as older templates nest it.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Accumulations<'a> {
    #[serde(borrow, default)]
    condition_name: List<'a>,
    #[serde(borrow, default)]
    condition_description: List<'a>,
    #[serde(borrow, default)]
    policy_name: List<'a>,
    #[serde(borrow, default)]
    source: List<'a>,
    #[serde(borrow, default)]
    runbook_url: List<'a>,
}

/// None: the body names no issue.
pub(crate) fn parse(text: &str, received_at: i64) -> Result<Option<Parsed>, PluginError> {
    let mut webhook: Webhook<'_> = json::read(text)?;
    let accumulations = webhook.accumulations.0.take().unwrap_or_default();
    let name = webhook.name(&accumulations);
    let has_state = !(webhook.state.is_empty() && webhook.status.is_empty());
    if webhook.identity().is_empty() && (name.is_empty() || !has_state) {
        return Ok(None);
    }
    let mut warnings = Warnings::default();
    if webhook.identity().is_empty() {
        warnings.add(|| "the template sends no issue: `id` is missing or empty".to_owned());
    }
    let alert = webhook.read(name, &accumulations, received_at, &mut warnings);
    let about = About {
        receiver: webhook.workflow_name.as_str(),
        external_url: webhook.issue_url.as_str(),
        version: "workflow",
        ..About::default()
    };
    Ok(Some(Parsed::alerts(vec![alert]).about(&about, warnings)))
}

impl<'a> Webhook<'a> {
    fn name<'s>(&'s self, accumulations: &'s Accumulations<'a>) -> &'s str {
        first(&[
            self.title.first(),
            self.name.first(),
            self.alert_condition_names.first(),
            accumulations.condition_name.first(),
        ])
    }

    fn identity(&self) -> &str {
        let ids = [&self.id, &self.issue_id, &self.incident_id].map(Text::as_str);
        identity(&ids, self.issue_url.as_str())
    }

    fn read(
        &self,
        name: &str,
        accumulations: &Accumulations<'_>,
        received_at: i64,
        warnings: &mut Warnings,
    ) -> Alert {
        let trigger = first(&[self.trigger.as_str(), self.trigger_event.as_str()]);
        let acknowledged_at = [self.acknowledged_at.as_str(), self.issue_acknowledged_at.as_str()];
        let acknowledged = is_acknowledged(trigger, &acknowledged_at);
        let conditions = or(&self.alert_condition_names, &accumulations.condition_name);
        let policies = or(&self.alert_policy_names, &accumulations.policy_name);
        let draft = Draft::new(name, warnings).fingerprint(self.identity());
        with_status(draft, &[self.state.as_str(), self.status.as_str()], acknowledged)
            .severity(words::SEVERITIES, &[self.priority.as_str(), self.severity.as_str()])
            .description(first(&[
                self.description.first(),
                self.details.first(),
                accumulations.condition_description.first(),
            ]))
            .starts_at(self.created_at.as_str())
            .ends_at(first(&[self.closed_at.as_str(), self.updated_at.as_str()]), received_at)
            .label("alertname", name)
            .label("issue_id", self.identity())
            .label("condition_name", conditions.first())
            .label("policy_name", policies.first())
            .annotation("conditions", &conditions.line())
            .annotation("policies", &policies.line())
            .annotation("impacted_entities", &self.impacted_entities.line())
            .annotation("sources", &or(&self.sources, &accumulations.source).line())
            .annotation("total_incidents", self.total_incidents.as_str())
            .annotation("trigger", trigger)
            .link("source", self.issue_url.as_str())
            .link("runbook", or(&self.runbook_url, &accumulations.runbook_url).first())
            .link("dashboard", self.dashboard_url.as_str())
            .finish()
    }
}

/// The first of two lists that says something.
fn or<'s, 'a>(list: &'s List<'a>, other: &'s List<'a>) -> &'s List<'a> {
    if list.is_empty() { other } else { list }
}
