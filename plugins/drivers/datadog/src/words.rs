//! Datadog's words and what they mean; the table in the crate's documentation is made of these.

use plugin_sdk::words::Table;
use plugin_sdk::{AlertStatus, Severity};

/// Words that Datadog puts in brackets before a title: the values of `$ALERT_TRANSITION`.
///
/// # Source
/// Datadog documentation, "Webhooks", variable `$ALERT_TRANSITION`, but for the two longer forms of
/// `Recovered`, which are taken for what they say.
pub(crate) const TRANSITIONS: &[&str] = &[
    "triggered",
    "re-triggered",
    "warn",
    "re-warn",
    "no data",
    "re-no data",
    "renotify",
    "recovered",
    "warn recovered",
    "no data recovered",
];

/// Status words: transitions, then `$ALERT_TYPE`, then what templates say in `alert_status`.
pub(crate) const STATUSES: &Table<AlertStatus> = &[
    ("triggered", AlertStatus::Firing),
    ("re-triggered", AlertStatus::Firing),
    ("warn", AlertStatus::Firing),
    ("re-warn", AlertStatus::Firing),
    ("no data", AlertStatus::Firing),
    ("re-no data", AlertStatus::Firing),
    ("renotify", AlertStatus::Firing),
    ("recovered", AlertStatus::Resolved),
    ("warn recovered", AlertStatus::Resolved),
    ("no data recovered", AlertStatus::Resolved),
    ("error", AlertStatus::Firing),
    ("warning", AlertStatus::Firing),
    ("success", AlertStatus::Resolved),
    ("alert", AlertStatus::Firing),
    ("firing", AlertStatus::Firing),
    ("ok", AlertStatus::Resolved),
    ("resolved", AlertStatus::Resolved),
    ("acknowledged", AlertStatus::Acknowledged),
];

/// Severity words: priorities, `$ALERT_TYPE`, transitions, then what templates say.
pub(crate) const SEVERITIES: &Table<Severity> = &[
    ("p1", Severity::Critical),
    ("p2", Severity::Critical),
    ("p3", Severity::Warning),
    ("p4", Severity::Info),
    ("p5", Severity::Info),
    ("error", Severity::Critical),
    ("warning", Severity::Warning),
    ("success", Severity::Info),
    ("info", Severity::Info),
    ("triggered", Severity::Critical),
    ("re-triggered", Severity::Critical),
    ("warn", Severity::Warning),
    ("re-warn", Severity::Warning),
    ("no data", Severity::Warning),
    ("re-no data", Severity::Warning),
    ("recovered", Severity::Info),
    ("warn recovered", Severity::Info),
    ("no data recovered", Severity::Info),
    ("alert", Severity::Critical),
    ("critical", Severity::Critical),
    ("high", Severity::Critical),
    ("medium", Severity::Warning),
    ("normal", Severity::Warning),
    ("low", Severity::Info),
];

/// Values of `$ALERT_TYPE` of events that report no state.
///
/// # Source
/// Datadog API, "Events", type `EventAlertType`.
pub(crate) const NOTES: &[&str] = &["user_update", "recommendation", "snapshot"];

/// Whether a word is in a list, whatever its case.
pub(crate) fn is_one_of(list: &[&str], word: &str) -> bool {
    list.iter().any(|known| known.eq_ignore_ascii_case(word.trim()))
}

/// Whether a word is a monitor's priority, `P1` to `P5`.
pub(crate) fn is_priority(word: &str) -> bool {
    matches!(word.as_bytes(), [b'P' | b'p', b'1'..=b'5'])
}

/// A value, or the empty string where it is a variable that Datadog did not fill in, or `null`.
pub(crate) fn filled(value: &str) -> &str {
    let value = value.trim();
    let is_absent = match value.strip_prefix('$') {
        Some(name) => is_variable(name),
        None => value.eq_ignore_ascii_case("null"),
    };
    if is_absent { "" } else { value }
}

/// The name of a variable, as in `ALERT_SCOPE` or `TAGS[env]`.
fn is_variable(name: &str) -> bool {
    let name = match name.split_once('[') {
        Some((name, key)) if key.ends_with(']') => name,
        _ => name,
    };
    name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use plugin_sdk::words::look_up;

    use super::*;

    #[test]
    fn every_transition_has_a_status() {
        for word in TRANSITIONS {
            assert!(look_up(STATUSES, word).is_some(), "{word}");
        }
    }

    #[test]
    fn a_priority_means_what_it_means_from_every_sender() {
        for word in ["p1", "p2", "p3", "p4", "p5"] {
            assert_eq!(look_up(SEVERITIES, word), look_up(plugin_sdk::words::SEVERITIES, word), "{word}");
        }
    }

    #[test]
    fn only_a_variable_by_itself_is_a_missing_value() {
        for text in ["$ALERT_SCOPE", " $TAGS[env] ", "$TEXT_ONLY_MSG", "null", "Null", ""] {
            assert_eq!(filled(text), "", "{text}");
        }
        for text in ["$5 saved", "$", "$alert", "$ALERT_TITLE on web-1", "nullable", "$TAGS[env", "$9"] {
            assert_eq!(filled(text), text);
        }
    }
}
