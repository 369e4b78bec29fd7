//! What is pushed to an Alertmanager's `/api/v2/alerts`: an array of alerts.
//!
//! There is no status and no fingerprint. An alert is over once its `endsAt` has passed; while it
//! fires, the sender repeats it and moves `endsAt` ahead. Its identity is the whole set of labels,
//! from which the host derives the fingerprint.

use plugin_sdk::driver::{Parsed, collect};
use plugin_sdk::json::{self, Items};
use plugin_sdk::time::Instant;
use plugin_sdk::{AlertStatus, PluginError};

use crate::fields::AlertFields;

pub(crate) fn parse(text: &str, received_at: i64) -> Result<Parsed, PluginError> {
    let alerts: Items<AlertFields<'_>> = json::read(text)?;
    let mut parsed = collect(&alerts, |fields, warnings| {
        let ends_at = fields.ends_at.as_str();
        let is_over = Instant::read(ends_at).ms().is_some_and(|ms| ms <= received_at);
        let status = if is_over { AlertStatus::Resolved } else { AlertStatus::Firing };
        fields.draft(warnings).implied_status(status).ends_at(ends_at, received_at).finish()
    })?;
    parsed.version = "v2".to_owned();
    Ok(parsed)
}
