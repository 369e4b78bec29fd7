//! What both payloads say about one alert.

use plugin_sdk::alert::{Draft, Warnings};
use plugin_sdk::json::{Pairs, Text};
use plugin_sdk::words;
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
