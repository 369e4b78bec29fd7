//! The webhook of unified alerting.

use plugin_sdk::alert::{Draft, Warnings};
use plugin_sdk::driver::{About, Parsed, collect};
use plugin_sdk::json::{self, Items, Pairs, Text};
use plugin_sdk::words::{self, Table};
use plugin_sdk::{Alert, AlertStatus, PluginError};
use serde::{Deserialize, Serialize};

/// Grafana's two words for a single alert. The group's own `status` and `state` are not used: a
/// group fires while any of its alerts does. A rule without data or with an error arrives as a firing
/// alert named `DatasourceNoData` or `DatasourceError`.
const STATUSES: &Table<AlertStatus> = &[("firing", AlertStatus::Firing), ("resolved", AlertStatus::Resolved)];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Webhook<'a> {
    #[serde(borrow, default)]
    version: Text<'a>,
    #[serde(borrow, default)]
    group_key: Text<'a>,
    #[serde(borrow, default)]
    truncated_alerts: Text<'a>,
    #[serde(borrow, default)]
    receiver: Text<'a>,
    #[serde(borrow, default, rename = "externalURL")]
    external_url: Text<'a>,
    #[serde(borrow, default)]
    alerts: Items<AlertFields<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AlertFields<'a> {
    #[serde(borrow, default)]
    status: Text<'a>,
    #[serde(borrow, default)]
    labels: Pairs<'a>,
    #[serde(borrow, default)]
    annotations: Pairs<'a>,
    #[serde(borrow, default)]
    starts_at: Text<'a>,
    #[serde(borrow, default)]
    ends_at: Text<'a>,
    #[serde(borrow, default)]
    fingerprint: Text<'a>,
    #[serde(borrow, default)]
    message: Text<'a>,
    #[serde(borrow, default)]
    value_string: Text<'a>,
    #[serde(borrow, default)]
    values: Pairs<'a>,
    #[serde(borrow, default, rename = "ruleUID")]
    rule_uid: Text<'a>,
    #[serde(borrow, default, rename = "generatorURL")]
    generator_url: Text<'a>,
    #[serde(borrow, default, rename = "silenceURL")]
    silence_url: Text<'a>,
    #[serde(borrow, default, rename = "dashboardURL")]
    dashboard_url: Text<'a>,
    #[serde(borrow, default, rename = "panelURL")]
    panel_url: Text<'a>,
    #[serde(borrow, default, rename = "imageURL")]
    image_url: Text<'a>,
}

/// What Grafana says beyond the fields of the contract. Values are texts, as they were sent.
#[derive(Serialize)]
struct Extra<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    rule_uid: &'a str,
    #[serde(skip_serializing_if = "Pairs::is_empty")]
    values: &'a Pairs<'a>,
}

/// None: the body has no list `alerts` and is no unified webhook.
pub(crate) fn parse(text: &str, received_at: i64) -> Result<Option<Parsed>, PluginError> {
    let webhook: Webhook<'_> = json::read(text)?;
    if webhook.alerts.misfit {
        return Err(PluginError::InvalidInput("`alerts` is no list".to_owned()));
    }
    if !webhook.alerts.present {
        return Ok(None);
    }
    let external_url = webhook.external_url.as_str();
    let about = About {
        group_key: webhook.group_key.as_str(),
        receiver: webhook.receiver.as_str(),
        external_url,
        version: webhook.version.as_str(),
    };
    let mut warnings = Warnings::default();
    warnings.left_out("Grafana", webhook.truncated_alerts.as_str(), "max alerts");
    collect(&webhook.alerts, &about, warnings, |fields, warnings| {
        fields.read(external_url, received_at, warnings)
    })
    .map(Some)
}

impl AlertFields<'_> {
    fn read(&self, external_url: &str, received_at: i64, warnings: &mut Warnings) -> Alert {
        let description = match self.annotations.first_of(&["description", "message", "summary"]) {
            "" => self.message.as_str(),
            description => description,
        };
        Draft::new(self.labels.get("alertname"), warnings)
            .fingerprint(self.fingerprint.as_str())
            .status(STATUSES, &[self.status.as_str()])
            .severity(words::SEVERITIES, &[self.labels.get("severity")])
            .description(description)
            .starts_at(self.starts_at.as_str())
            .ends_at(self.ends_at.as_str(), received_at)
            .labels(&self.labels)
            .annotations(&self.annotations)
            .annotation("value_string", self.value_string.as_str())
            .link("source", self.generator_url.as_str())
            .link("silence", self.silence_url.as_str())
            .link("dashboard", self.dashboard_url.as_str())
            .link("panel", self.panel_url.as_str())
            .link("image", self.image_url.as_str())
            .link("runbook", self.annotations.first_of(&["runbook_url", "runbook"]))
            .link("grafana", external_url)
            .extra(self.extra())
            .finish()
    }

    fn extra(&self) -> String {
        let extra = Extra { rule_uid: self.rule_uid.as_str(), values: &self.values };
        if extra.rule_uid.is_empty() && extra.values.is_empty() {
            return String::new();
        }
        serde_json::to_string(&extra).unwrap_or_default()
    }
}
