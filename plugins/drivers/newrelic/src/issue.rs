//! What both payloads say in the same way: which issue, and how it stands.

use plugin_sdk::AlertStatus;
use plugin_sdk::alert::Draft;
use plugin_sdk::text::first;
use plugin_sdk::time::Instant;
use plugin_sdk::words::{self, Table};

/// New Relic's own words, of issues and of incidents.
const STATUSES: &Table<AlertStatus> = &[
    ("created", AlertStatus::Firing),
    ("activated", AlertStatus::Firing),
    ("open", AlertStatus::Firing),
    ("acknowledged", AlertStatus::Acknowledged),
    ("closed", AlertStatus::Resolved),
];

/// The status from the first word that is known; firing where there is no word at all.
///
/// `acknowledged` counts while the issue is open: a closed one stays closed.
pub(crate) fn with_status<'w>(draft: Draft<'w>, words: &[&str], acknowledged: bool) -> Draft<'w> {
    let table = words::own_or_common(STATUSES, words::STATUSES, words);
    let draft = draft.status(table, words);
    match words::choose(table, words) {
        ("", None) | (_, Some(AlertStatus::Firing)) if acknowledged => {
            draft.implied_status(AlertStatus::Acknowledged)
        }
        ("", None) => draft.implied_status(AlertStatus::Firing),
        _ => draft,
    }
}

/// Whether what triggered a message, or a time of acknowledgement, says that somebody has taken the issue.
pub(crate) fn is_acknowledged(trigger: &str, times: &[&str]) -> bool {
    let trigger = trigger.to_ascii_lowercase();
    if trigger.contains("unacknowledge") {
        return false;
    }
    trigger.contains("acknowledge") || times.iter().any(|time| Instant::read(time).ms().is_some())
}

/// The identity from the first of `ids` that says something, else from the address of the issue.
pub(crate) fn identity<'a>(ids: &[&'a str], url: &'a str) -> &'a str {
    // Test messages have the incident 0.
    match ids.iter().copied().find(|id| !matches!(id.trim(), "" | "0")) {
        Some(id) => id,
        None => named_by(url),
    }
}

/// The issue or incident that an address names: `…/issues/<id>?notifier=WEBHOOK`.
fn named_by(url: &str) -> &str {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let after = |word| path.split_once(word).map_or("", |(_, rest)| rest);
    first(&[after("/issues/"), after("/incidents/")]).split('/').next().unwrap_or_default()
}
