//! What both payloads say about one alert.

use plugin_sdk::alert::{Draft, Warnings};
use plugin_sdk::driver::{MAX_ALERTS, Parsed};
use plugin_sdk::json::{Items, Pairs, Text};
use plugin_sdk::{Alert, PluginError, words};
use serde::Deserialize;

/// An element of `alerts`, or of the pushed array, which has neither `status` nor `fingerprint`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AlertFields<'a> {
    #[serde(borrow, default)]
    pub(crate) status: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) labels: Pairs<'a>,
    #[serde(borrow, default)]
    annotations: Pairs<'a>,
    #[serde(borrow, default)]
    starts_at: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) ends_at: Text<'a>,
    #[serde(borrow, default, rename = "generatorURL")]
    generator_url: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) fingerprint: Text<'a>,
}

impl AlertFields<'_> {
    /// All but status, fingerprint and end, which the two payloads say differently.
    pub(crate) fn draft<'w>(&self, warnings: &'w mut Warnings) -> Draft<'w> {
        Draft::new(self.labels.get("alertname"), warnings)
            .severity(words::SEVERITIES, &[self.labels.get("severity")])
            .description(self.annotations.first_of(&["description", "message", "summary"]))
            .starts_at(self.starts_at.as_str())
            .labels(&self.labels)
            .annotations(&self.annotations)
            .link("source", self.generator_url.as_str())
            .link("runbook", self.annotations.first_of(&["runbook_url", "runbook"]))
            .link("dashboard", self.annotations.first_of(&["dashboard_url", "dashboard", "dashboardURL"]))
    }
}

/// Turns a list of alerts into a result: alerts, rightly nothing, or an error.
pub(crate) fn collect(
    list: &Items<AlertFields<'_>>,
    mut read: impl FnMut(&AlertFields<'_>, &mut Warnings) -> Alert,
) -> Result<Parsed, PluginError> {
    if list.seen > MAX_ALERTS {
        return Err(PluginError::InvalidInput(format!(
            "body holds {} alerts, at most {MAX_ALERTS} are taken at once\n\
             hint: let the sender group by more labels, or set `max_alerts` there",
            list.seen
        )));
    }
    if list.items.is_empty() && list.skipped > 0 {
        return Err(PluginError::InvalidInput(format!(
            "none of the {} elements of the list of alerts is an object",
            list.skipped
        )));
    }
    if list.items.is_empty() {
        return Ok(Parsed::nothing("the list of alerts is empty"));
    }
    let mut warnings = Warnings::default();
    if list.skipped > 0 {
        warnings.add(|| format!("{} elements of the list of alerts are no objects", list.skipped));
    }
    let alerts = list.items.iter().map(|fields| read(fields, &mut warnings)).collect();
    Ok(Parsed { warnings: warnings.into_lines(), ..Parsed::alerts(alerts) })
}
