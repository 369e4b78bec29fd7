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
/// The order of labels does not matter; annotations, severity and times do not take part.
pub fn fingerprint(source: &PluginName, alert: &ParsedAlert) -> String {
    match alert.fingerprint.as_deref().map(str::trim) {
        Some(own) if !own.is_empty() && own.len() <= MAX_FINGERPRINT_BYTES => own.to_owned(),
        Some(own) if !own.is_empty() => hash("sender", [own]),
        _ => {
            let labels = alert.labels.iter().flat_map(|(key, value)| [key.as_str(), value.as_str()]);
            hash("alert", [source.as_str(), &alert.name].into_iter().chain(labels))
        }
    }
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

    #[test]
    fn ten_thousand_alerts_have_ten_thousand_fingerprints() {
        let source = "generic".parse().unwrap();
        let prints: HashSet<String> =
            (0..10_000).map(|n| fingerprint(&source, &alert("a", &[("n", &n.to_string())]))).collect();
        assert_eq!(prints.len(), 10_000);
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
