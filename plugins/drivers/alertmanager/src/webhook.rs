//! The webhook receiver's body, version 4.

use plugin_sdk::alert::Warnings;
use plugin_sdk::driver::{About, Parsed, collect};
use plugin_sdk::json::{self, Items, Text};
use plugin_sdk::{AlertStatus, PluginError};
use serde::Deserialize;

use crate::fields::AlertFields;

/// Alertmanager's two words. The group's own status is not used: a group fires while any of its
/// alerts does.
const STATUSES: &plugin_sdk::words::Table<AlertStatus> =
    &[("firing", AlertStatus::Firing), ("resolved", AlertStatus::Resolved)];

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

pub(crate) fn parse(text: &str, received_at: i64) -> Result<Parsed, PluginError> {
    let webhook: Webhook<'_> = json::read(text)?;
    if webhook.alerts.misfit {
        return Err(PluginError::InvalidInput("`alerts` is no list".to_owned()));
    }
    if !webhook.alerts.present {
        return Err(PluginError::Unsupported(
            "body has no list `alerts`, which every Alertmanager webhook has".to_owned(),
        ));
    }
    let external_url = webhook.external_url.as_str();
    let about = About {
        group_key: webhook.group_key.as_str(),
        receiver: webhook.receiver.as_str(),
        external_url,
        version: webhook.version.as_str(),
    };
    let mut warnings = Warnings::default();
    warnings.left_out("Alertmanager", webhook.truncated_alerts.as_str(), "max_alerts");
    collect(&webhook.alerts, &about, warnings, |fields, warnings| {
        fields
            .draft(warnings)
            .status(STATUSES, &[fields.status.as_str()])
            .fingerprint(fields.fingerprint.as_str())
            .ends_at(fields.ends_at.as_str(), received_at)
            .link("alertmanager", external_url)
            .finish()
    })
}
