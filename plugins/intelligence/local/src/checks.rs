//! What the checks before the analysis found.

use plugin_sdk::json::{Items, Text};
use plugin_sdk::text::clip;
use serde::Deserialize;

use crate::advice::Evidence;
use crate::area::Area;

#[derive(Deserialize)]
struct Check<'a> {
    #[serde(borrow, default)]
    checker: Text<'a>,
    #[serde(borrow, default)]
    status: Text<'a>,
    #[serde(borrow, default)]
    message: Text<'a>,
}

/// The checks that are not well, as evidence. A check without a result is none.
pub(crate) fn failing(checks: &str) -> Vec<Evidence> {
    let checks: Items<Check<'_>> = serde_json::from_str(checks).unwrap_or_default();
    checks.items.iter().filter_map(Check::evidence).collect()
}

impl Check<'_> {
    fn evidence(&self) -> Option<Evidence> {
        let is_urgent = match self.status.as_str().to_ascii_lowercase().as_str() {
            "critical" | "error" | "failed" => true,
            "warning" | "warn" | "degraded" => false,
            _ => return None,
        };
        let checker = self.checker.as_str();
        let text = match self.message.as_str().trim() {
            "" => format!("Check `{checker}` is {}.", self.status.as_str()),
            message => format!("Check `{checker}`: {}.", clip(message.trim_end_matches('.'), 500)),
        };
        Some(Evidence { area: Area::of_checker(checker), is_urgent, text, figures: None })
    }
}
