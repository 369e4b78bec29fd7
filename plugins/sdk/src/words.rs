//! The words that senders use, and what they mean here.
//!
//! A table is data: a driver with words of its own has a table of its own and looks there first.
//! What is in no table stays [`Severity::Unmapped`] or [`AlertStatus::Unmapped`] with the sender's
//! word kept, so that the host can count it and treat it with care.

use crate::{AlertStatus, Severity};

/// A word in lower case and its meaning.
pub type Table<T> = [(&'static str, T)];

/// Severity words in common use.
///
/// # Source
/// Prometheus and Grafana have no severity of their own, only a label that teams fill. The rows are
/// the words of syslog (RFC 5424), X.733, PagerDuty, OpsGenie, New Relic, Azure Monitor and the
/// monitoring mixins. `error` and `high` wake somebody: too much noise is seen and corrected, a
/// missed page is not. `P1` to `P5` are critical, high, moderate, low and informational, as OpsGenie
/// names them (docs/decisions/0009); `Sev0` to `Sev4` are numbered as Azure Monitor numbers them.
pub const SEVERITIES: &Table<Severity> = &[
    ("critical", Severity::Critical),
    ("warning", Severity::Warning),
    ("info", Severity::Info),
    ("crit", Severity::Critical),
    ("page", Severity::Critical),
    ("emergency", Severity::Critical),
    ("emerg", Severity::Critical),
    ("alert", Severity::Critical),
    ("fatal", Severity::Critical),
    ("disaster", Severity::Critical),
    ("severe", Severity::Critical),
    ("error", Severity::Critical),
    ("err", Severity::Critical),
    ("high", Severity::Critical),
    ("major", Severity::Critical),
    ("urgent", Severity::Critical),
    ("p0", Severity::Critical),
    ("p1", Severity::Critical),
    ("p2", Severity::Critical),
    ("sev0", Severity::Critical),
    ("sev1", Severity::Critical),
    ("warn", Severity::Warning),
    ("medium", Severity::Warning),
    ("moderate", Severity::Warning),
    ("average", Severity::Warning),
    ("minor", Severity::Warning),
    ("ticket", Severity::Warning),
    ("p3", Severity::Warning),
    ("sev2", Severity::Warning),
    ("information", Severity::Info),
    ("informational", Severity::Info),
    ("notice", Severity::Info),
    ("low", Severity::Info),
    ("debug", Severity::Info),
    ("none", Severity::Info),
    ("p4", Severity::Info),
    ("p5", Severity::Info),
    ("sev3", Severity::Info),
    ("sev4", Severity::Info),
];

/// Status words in common use.
pub const STATUSES: &Table<AlertStatus> = &[
    ("firing", AlertStatus::Firing),
    ("resolved", AlertStatus::Resolved),
    ("alerting", AlertStatus::Firing),
    ("active", AlertStatus::Firing),
    ("open", AlertStatus::Firing),
    ("opened", AlertStatus::Firing),
    ("triggered", AlertStatus::Firing),
    ("problem", AlertStatus::Firing),
    ("trigger", AlertStatus::Firing),
    ("alarm", AlertStatus::Firing),
    ("unhealthy", AlertStatus::Firing),
    ("down", AlertStatus::Firing),
    ("failed", AlertStatus::Firing),
    ("failing", AlertStatus::Firing),
    ("ok", AlertStatus::Resolved),
    ("normal", AlertStatus::Resolved),
    ("resolve", AlertStatus::Resolved),
    ("closed", AlertStatus::Resolved),
    ("close", AlertStatus::Resolved),
    ("cleared", AlertStatus::Resolved),
    ("clear", AlertStatus::Resolved),
    ("recovered", AlertStatus::Resolved),
    ("recover", AlertStatus::Resolved),
    ("recovery", AlertStatus::Resolved),
    ("healthy", AlertStatus::Resolved),
    ("fixed", AlertStatus::Resolved),
    ("inactive", AlertStatus::Resolved),
    ("up", AlertStatus::Resolved),
    ("success", AlertStatus::Resolved),
    ("acknowledged", AlertStatus::Acknowledged),
    ("acked", AlertStatus::Acknowledged),
    ("ack", AlertStatus::Acknowledged),
];

/// What a word means, whatever its case.
pub fn look_up<T: Copy>(table: &Table<T>, word: &str) -> Option<T> {
    let word = word.trim();
    table.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, meaning)| *meaning)
}

/// The first of `words` that the table knows, with its meaning; else the first that is not empty.
///
/// For senders that say the same thing in several fields.
pub fn choose<'a, T: Copy>(table: &Table<T>, words: &[&'a str]) -> (&'a str, Option<T>) {
    let known = words.iter().find_map(|word| look_up(table, word).map(|meaning| (*word, Some(meaning))));
    known.unwrap_or_else(|| (crate::text::first(words), None))
}

/// The driver's own table where it knows one of `words`, else the common one.
///
/// A sender's own word outranks a common one that stands before it.
pub fn own_or_common<'t, T: Copy>(own: &'t Table<T>, common: &'t Table<T>, words: &[&str]) -> &'t Table<T> {
    if words.iter().any(|word| look_up(own, word).is_some()) { own } else { common }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_stands_twice_in_a_table() {
        for (index, (word, _)) in SEVERITIES.iter().enumerate() {
            assert!(SEVERITIES[index + 1..].iter().all(|(other, _)| other != word), "{word}");
        }
        for (index, (word, _)) in STATUSES.iter().enumerate() {
            assert!(STATUSES[index + 1..].iter().all(|(other, _)| other != word), "{word}");
        }
    }

    #[test]
    fn verbs_and_adjectives_of_an_end_resolve() {
        for word in [
            "clear",
            "cleared",
            "recovery",
            "recover",
            "recovered",
            "resolve",
            "resolved",
            "close",
            "closed",
            "healthy",
            "fixed",
            "up",
            "normal",
            "ok",
            "inactive",
        ] {
            assert_eq!(look_up(STATUSES, word), Some(AlertStatus::Resolved), "{word}");
        }
        for word in
            ["down", "problem", "trigger", "triggered", "alarm", "unhealthy", "open", "active", "firing"]
        {
            assert_eq!(look_up(STATUSES, word), Some(AlertStatus::Firing), "{word}");
        }
    }

    #[test]
    fn priorities_are_numbered_as_on_call_services_number_them() {
        let meanings = ["p0", "p1", "p2", "p3", "p4", "p5"].map(|word| look_up(SEVERITIES, word).unwrap());
        use Severity::{Critical, Info, Warning};
        assert_eq!(meanings, [Critical, Critical, Critical, Warning, Info, Info]);
    }

    #[test]
    fn case_and_spaces_do_not_matter() {
        assert_eq!(look_up(SEVERITIES, " PAGE "), Some(Severity::Critical));
        assert_eq!(look_up(SEVERITIES, "banana"), None);
    }

    #[test]
    fn a_known_word_wins_over_an_earlier_unknown_one() {
        assert_eq!(choose(STATUSES, &["odd", "", "ok"]), ("ok", Some(AlertStatus::Resolved)));
        assert_eq!(choose(STATUSES, &["", "odd", "strange"]), ("odd", None));
        assert_eq!(choose(STATUSES, &["", ""]), ("", None));
    }

    #[test]
    fn a_word_of_the_sender_outranks_a_common_one() {
        const OWN: &Table<AlertStatus> = &[("created", AlertStatus::Firing)];
        let meaning = |words: &[&str]| choose(own_or_common(OWN, STATUSES, words), words).1;
        assert_eq!(meaning(&["ok", "created"]), Some(AlertStatus::Firing));
        assert_eq!(meaning(&["", "ok"]), Some(AlertStatus::Resolved));
        assert_eq!(meaning(&["odd"]), None);
    }
}
