//! The webhook of dashboard alerting, before Grafana 9: one rule per request.
//!
//! | `state` | meaning here |
//! |---|---|
//! | `alerting` | firing |
//! | `no_data` | firing: the rule cannot tell any more |
//! | `ok` | resolved |
//! | `pending` | nothing: the rule waits before it fires |
//! | `paused` | nothing: a person switched the rule off, which says nothing about the condition |
//! | anything else | unmapped |
//!
//! The identity is organisation and rule; where the rule has no number (test messages have 0), the
//! organisation, dashboard, panel and rule name. The host and port of `ruleUrl`, where there is one,
//! stands before it: `grafana.example.net/org 1 rule 41`, for every Grafana counts from 1. There is no severity but a tag `severity`.

use plugin_sdk::alert::{Draft, Warnings};
use plugin_sdk::driver::{About, Parsed};
use plugin_sdk::json::{self, Items, Pairs, Text};
use plugin_sdk::text::{authority, first};
use plugin_sdk::words::{self, Table};
use plugin_sdk::{AlertStatus, PluginError};
use serde::Deserialize;

const STATUSES: &Table<AlertStatus> =
    &[("alerting", AlertStatus::Firing), ("no_data", AlertStatus::Firing), ("ok", AlertStatus::Resolved)];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Webhook<'a> {
    #[serde(borrow, default)]
    title: Text<'a>,
    #[serde(borrow, default)]
    rule_id: Text<'a>,
    #[serde(borrow, default)]
    rule_name: Text<'a>,
    #[serde(borrow, default)]
    rule_url: Text<'a>,
    #[serde(borrow, default)]
    state: Text<'a>,
    #[serde(borrow, default)]
    message: Text<'a>,
    #[serde(borrow, default)]
    image_url: Text<'a>,
    #[serde(borrow, default)]
    org_id: Text<'a>,
    #[serde(borrow, default)]
    dashboard_id: Text<'a>,
    #[serde(borrow, default)]
    panel_id: Text<'a>,
    #[serde(borrow, default)]
    tags: Pairs<'a>,
    #[serde(borrow, default)]
    eval_matches: Items<EvalMatch<'a>>,
}

/// One series that broke the rule.
#[derive(Deserialize)]
struct EvalMatch<'a> {
    #[serde(borrow, default)]
    metric: Text<'a>,
    #[serde(borrow, default)]
    value: Text<'a>,
}

pub(crate) fn parse(text: &str) -> Result<Parsed, PluginError> {
    let webhook: Webhook<'_> = json::read(text)?;
    if webhook.rule_name.is_empty() && webhook.rule_id.is_empty() {
        return Err(PluginError::Unsupported(
            "body has neither a list `alerts`, as unified alerting sends it, nor `ruleId` or `ruleName`, \
             as dashboard alerting does"
                .to_owned(),
        ));
    }
    let state = webhook.state.as_str();
    if state.eq_ignore_ascii_case("pending") {
        return Ok(Parsed::nothing("the rule is pending: it does not fire yet"));
    }
    if state.eq_ignore_ascii_case("paused") {
        return Ok(Parsed::nothing("the rule was paused"));
    }
    let mut warnings = Warnings::default();
    let name = first(&[webhook.rule_name.as_str(), webhook.title.as_str()]);
    let alert = Draft::new(name, &mut warnings)
        .fingerprint(&webhook.identity())
        .status(STATUSES, &[state])
        .severity(words::SEVERITIES, &[webhook.tags.get("severity")])
        .description(webhook.message.as_str())
        .labels(&webhook.tags)
        .label("alertname", name)
        .label("orgId", webhook.org_id.as_str())
        .label("dashboardId", webhook.dashboard_id.as_str())
        .label("panelId", webhook.panel_id.as_str())
        .label("ruleId", webhook.rule_id.as_str())
        .annotation("matches", &webhook.matches())
        .link("source", webhook.rule_url.as_str())
        .link("image", webhook.image_url.as_str())
        .finish();
    Ok(Parsed::alerts(vec![alert]).about(&About { version: "legacy", ..About::default() }, warnings))
}

impl Webhook<'_> {
    fn identity(&self) -> String {
        let org = self.org_id.as_str();
        let rule = match self.rule_id.as_str() {
            "" | "0" => {
                let (dashboard, panel) = (self.dashboard_id.as_str(), self.panel_id.as_str());
                format!("org {org} dashboard {dashboard} panel {panel} rule {}", self.rule_name.as_str())
            }
            rule => format!("org {org} rule {rule}"),
        };
        match authority(self.rule_url.as_str()).as_str() {
            "" => rule,
            grafana => format!("{grafana}/{rule}"),
        }
    }

    /// The series that broke the rule: `cpu web-1 = 93.4`, one a line.
    fn matches(&self) -> String {
        let lines: Vec<String> = self
            .eval_matches
            .items
            .iter()
            .map(|found| format!("{} = {}", found.metric.as_str(), found.value.as_str()))
            .collect();
        lines.join("\n")
    }
}
