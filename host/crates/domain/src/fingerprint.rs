//! The identity of an alert whose sender gives none, and of incidents.
//!
//! Both are the first 16 bytes of a SHA-256 over fields that each stand behind their length, so no
//! two lists of fields have the same bytes. Stable for ever: a stored alert must be found again by
//! every later version.

use sha2::{Digest, Sha256};

use crate::alert::{Labels, ParsedAlert, instance};
use crate::plugin::PluginName;

/// The longest fingerprint of a sender's own, in bytes; a longer one is replaced by its hash.
pub const MAX_FINGERPRINT_BYTES: usize = 255;

fn hash<'a>(kind: &'a str, fields: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for field in std::iter::once(kind).chain(fields) {
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field.as_bytes());
    }
    hex::encode(hash.finalize().iter().take(16).copied().collect::<Vec<u8>>())
}

/// The fingerprint of an alert: the sender's own, or one derived from source, name and all labels.
///
/// | what | takes part |
/// |---|---|
/// | the sender's own fingerprint, without the blanks around it | alone, where there is one |
/// | source, name, keys and values of all labels | where there is none |
/// | order of the labels | never: they are sorted by key |
/// | status, severity, description, times, annotations, links, extra | never: they change while an alert lasts |
///
/// What takes part does so byte by byte: case, blanks and the Unicode form of a letter tell alerts apart.
/// Labels are what the driver gave, so those that it left out (empty ones, those over the bounds of the
/// contract) do not take part. A derived fingerprint is 32 hexadecimal digits, half of a SHA-256: with 10^9
/// alerts the chance that any two of them share one is below 10^-20.
pub fn fingerprint(source: &PluginName, alert: &ParsedAlert) -> String {
    match alert.fingerprint.as_deref().map(str::trim) {
        Some(own) if !own.is_empty() && own.len() <= MAX_FINGERPRINT_BYTES => own.to_owned(),
        Some(own) if !own.is_empty() => hash("sender", [own]),
        _ => derived(source, &alert.name, &alert.labels),
    }
}

fn derived(source: &PluginName, name: &str, labels: &Labels) -> String {
    let labels = labels.iter().flat_map(|(key, value)| [key.as_str(), value.as_str()]);
    hash("alert", [source.as_str(), name].into_iter().chain(labels))
}

/// Whether a fingerprint was derived from source, name and labels, and is not the sender's own.
pub fn is_derived(source: &PluginName, fingerprint: &str, name: &str, labels: &Labels) -> bool {
    derived(source, name, labels) == fingerprint
}

/// What alerts of one incident have in common: name and instance, or without an instance the alert
/// itself, so that unrelated things never merge.
pub fn correlation_key(source: &PluginName, fingerprint: &str, name: &str, labels: &Labels) -> String {
    match instance(labels) {
        Some(instance) => hash("incident", [name, instance]),
        None => hash("single", [source.as_str(), fingerprint]),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::alert::{ReportedSeverity, ReportedStatus};

    fn alert(name: &str, labels: &[(&str, &str)]) -> ParsedAlert {
        ParsedAlert {
            fingerprint: None,
            name: name.into(),
            status: ReportedStatus::Firing,
            raw_status: String::new(),
            severity: ReportedSeverity::Warning,
            raw_severity: String::new(),
            description: String::new(),
            starts_at: None,
            ends_at: None,
            labels: labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
            annotations: Labels::new(),
            links: Labels::new(),
            extra: serde_json::Value::Null,
        }
    }

    #[test]
    fn derived_fingerprint_never_changes() {
        let source = "generic".parse().unwrap();
        let print = fingerprint(&source, &alert("DiskFull", &[("host", "db1"), ("mount", "/")]));
        assert_eq!(print, fingerprint(&source, &alert("DiskFull", &[("mount", "/"), ("host", "db1")])));
        assert_eq!(print, "15413653e88a54ffa6eb403e48b2119a");
    }

    #[test]
    fn moving_text_between_fields_changes_the_fingerprint() {
        let source = "generic".parse().unwrap();
        let prints: HashSet<String> = [
            alert("a", &[("b", "c")]),
            alert("ab", &[("", "c")]),
            alert("a", &[("bc", "")]),
            alert("a", &[("b", ""), ("c", "")]),
            alert("a", &[]),
            alert("", &[("a", "")]),
        ]
        .iter()
        .map(|alert| fingerprint(&source, alert))
        .collect();
        assert_eq!(prints.len(), 6);
    }

    /// Alerts as alike as senders make them: one digit of one label, one letter of the name, a label more.
    fn near_twins(many: u32) -> impl Iterator<Item = ParsedAlert> {
        (0..many).map(|n| {
            let (number, kind) = ((n / 8).to_string(), n % 8);
            let (host, reversed) = (format!("web-{number}"), format!("{number}-web"));
            match kind {
                0 => alert("disk", &[("host", &host)]),
                1 => alert("disk", &[("hos", &format!("t{host}"))]),
                2 => alert("disk", &[("host", &host), ("", "")]),
                3 => alert("disk", &[("host", &host), ("mount", "/")]),
                4 => alert("disk", &[("host", ""), (&host, "")]),
                5 => alert(&format!("disk{host}"), &[]),
                6 => alert("disk", &[("host", &reversed)]),
                _ => alert("disk", &[("host", &host.to_uppercase())]),
            }
        })
    }

    #[test]
    fn a_hundred_thousand_near_twins_have_as_many_fingerprints() {
        let source = "generic".parse().unwrap();
        let prints: HashSet<String> = near_twins(100_000).map(|alert| fingerprint(&source, &alert)).collect();
        assert_eq!(prints.len(), 100_000);
    }

    #[test]
    fn no_two_ways_to_split_a_text_into_fields_have_the_same_fingerprint() {
        let source = "generic".parse().unwrap();
        let text = "abcdefgh";
        let mut prints = HashSet::new();
        let mut ways = 0;
        // Cuts in order: name, then key and value of one label or of two.
        let cuts = |from: usize| (from..=text.len()).collect::<Vec<_>>();
        for a in cuts(0) {
            for b in cuts(a) {
                let (name, key, value) = (&text[..a], &text[a..b], &text[b..]);
                prints.insert(fingerprint(&source, &alert(name, &[(key, value)])));
                ways += 1;
                for (c, d) in cuts(b).into_iter().flat_map(|c| cuts(c).into_iter().map(move |d| (c, d))) {
                    // Labels are a map: their order is no difference, and an equal key is the same label.
                    if text[a..b] < text[c..d] {
                        let labels = [(key, &text[b..c]), (&text[c..d], &text[d..])];
                        prints.insert(fingerprint(&source, &alert(name, &labels)));
                        ways += 1;
                    }
                }
            }
        }
        assert!(ways > 300, "{ways}");
        assert_eq!(prints.len(), ways);
    }

    #[test]
    fn the_order_of_labels_never_counts() {
        let source = "generic".parse().unwrap();
        let labels: Vec<(String, String)> = (0..64).map(|n| (format!("k{n}"), format!("v{n}"))).collect();
        let mut pairs: Vec<(&str, &str)> = labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let expected = fingerprint(&source, &alert("a", &pairs));
        for step in 1..64 {
            pairs.rotate_left(step);
            pairs.swap(step / 2, 63 - step / 3);
            assert_eq!(fingerprint(&source, &alert("a", &pairs)), expected);
        }
    }

    #[test]
    fn what_changes_while_an_alert_lasts_does_not_take_part() {
        let source = "generic".parse().unwrap();
        let firing = alert("a", &[("host", "db1")]);
        let text = |text: &str| Labels::from([(text.into(), text.into())]);
        let over = ParsedAlert {
            status: ReportedStatus::Resolved,
            raw_status: "OK".into(),
            severity: ReportedSeverity::Info,
            raw_severity: "P5".into(),
            description: "over".into(),
            starts_at: Some(crate::time::Timestamp::from_millis(1)),
            ends_at: Some(crate::time::Timestamp::from_millis(2)),
            annotations: text("note"),
            links: text("source"),
            extra: serde_json::json!({ "value": 1 }),
            ..firing.clone()
        };
        assert_eq!(fingerprint(&source, &firing), fingerprint(&source, &over));
    }

    #[test]
    fn the_same_alert_of_two_sources_has_two_fingerprints() {
        let [one, two] = ["generic", "grafana"].map(|source| source.parse().unwrap());
        let alert = alert("a", &[("host", "db1")]);
        assert_ne!(fingerprint(&one, &alert), fingerprint(&two, &alert));
    }

    #[test]
    fn sender_s_own_fingerprint_is_kept_unless_it_is_too_long() {
        let source = "generic".parse().unwrap();
        let own =
            |text: String| fingerprint(&source, &ParsedAlert { fingerprint: Some(text), ..alert("a", &[]) });
        assert_eq!(own(" abc ".into()), "abc");
        assert_eq!(own("x".repeat(300)).len(), 32);
        assert_eq!(own("  ".into()), fingerprint(&source, &alert("a", &[])));
    }

    #[test]
    fn without_an_instance_alerts_do_not_merge() {
        let source = "generic".parse().unwrap();
        let none = Labels::new();
        assert_ne!(correlation_key(&source, "1", "a", &none), correlation_key(&source, "2", "a", &none));
        let here = Labels::from([("host".into(), "db1".into())]);
        assert_eq!(correlation_key(&source, "1", "a", &here), correlation_key(&source, "2", "a", &here));
    }
}
