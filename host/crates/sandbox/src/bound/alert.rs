//! Alerts of a driver.

use domain::alert::{Labels, ParsedAlert, ReportedSeverity, ReportedStatus};

use crate::bindings::driver::watchbell::plugin::types::{Alert, AlertStatus, Label, Severity};
use crate::bound::{Breach, Reader, count, time};

// Bounds of `wit/types.wit`.
const MAX_KEY: usize = 128;
const MAX_VALUE: usize = 4 * 1024;
const MAX_NAME: usize = 255;
const MAX_WORD: usize = 64;
const MAX_DESCRIPTION: usize = 16 * 1024;
const MAX_EXTRA: usize = 16 * 1024;
const MAX_LABELS: usize = 64;
const MAX_LINKS: usize = 16;

impl Reader {
    /// One alert.
    pub(crate) fn alert(&mut self, alert: Alert) -> Result<ParsedAlert, Breach> {
        Ok(ParsedAlert {
            fingerprint: self.optional_name("fingerprint", alert.fingerprint, MAX_NAME)?,
            name: self.name("name", alert.name, MAX_NAME)?,
            status: match alert.status {
                AlertStatus::Firing => ReportedStatus::Firing,
                AlertStatus::Acknowledged => ReportedStatus::Acknowledged,
                AlertStatus::Resolved => ReportedStatus::Resolved,
                AlertStatus::Unmapped => ReportedStatus::Unmapped,
            },
            raw_status: self.line("raw-status", alert.raw_status, MAX_WORD)?,
            severity: match alert.severity {
                Severity::Critical => ReportedSeverity::Critical,
                Severity::Warning => ReportedSeverity::Warning,
                Severity::Info => ReportedSeverity::Info,
                Severity::Unmapped => ReportedSeverity::Unmapped,
            },
            raw_severity: self.line("raw-severity", alert.raw_severity, MAX_WORD)?,
            description: self.lines("description", alert.description, MAX_DESCRIPTION)?,
            starts_at: alert.starts_at.map(|millis| time("starts-at", millis)).transpose()?,
            ends_at: alert.ends_at.map(|millis| time("ends-at", millis)).transpose()?,
            labels: self.labels("labels", alert.labels, MAX_LABELS)?,
            annotations: self.labels("annotations", alert.annotations, MAX_LABELS)?,
            links: self.labels("links", alert.links, MAX_LINKS)?,
            extra: self.json("extra", &alert.extra, MAX_EXTRA)?,
        })
    }

    fn labels(&mut self, field: &str, labels: Vec<Label>, most: usize) -> Result<Labels, Breach> {
        count(field, labels.len(), most)?;
        let mut kept = Labels::new();
        for label in labels {
            let key = self.name(field, label.key, MAX_KEY)?;
            let value = self.lines(field, label.value, MAX_VALUE)?;
            kept.insert(key, value);
        }
        Ok(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn alert() -> Alert {
        Alert {
            fingerprint: None,
            name: "DiskFull".into(),
            status: AlertStatus::Firing,
            raw_status: "firing".into(),
            severity: Severity::Critical,
            raw_severity: "page".into(),
            description: String::new(),
            starts_at: Some(1_700_000_000_000),
            ends_at: None,
            labels: vec![],
            annotations: vec![],
            links: vec![],
            extra: String::new(),
        }
    }

    fn labels(count: usize) -> Vec<Label> {
        (0..count).map(|n| Label { key: format!("k{n}"), value: "v".into() }).collect()
    }

    fn refused(alert: Alert) -> String {
        Reader::new(1 << 20).alert(alert).unwrap_err().field
    }

    #[test]
    fn the_field_that_breaks_a_rule_is_named() {
        assert!(Reader::new(1 << 20).alert(alert()).is_ok());
        assert_eq!(refused(Alert { name: String::new(), ..alert() }), "name");
        assert_eq!(refused(Alert { name: "x".repeat(256), ..alert() }), "name");
        assert_eq!(refused(Alert { fingerprint: Some(String::new()), ..alert() }), "fingerprint");
        assert_eq!(refused(Alert { raw_status: "x".repeat(65), ..alert() }), "raw-status");
        assert_eq!(refused(Alert { starts_at: Some(-1), ..alert() }), "starts-at");
        assert_eq!(refused(Alert { labels: labels(65), ..alert() }), "labels");
        assert_eq!(refused(Alert { links: labels(17), ..alert() }), "links");
        assert_eq!(refused(Alert { extra: "{".into(), ..alert() }), "extra");
    }

    #[test]
    fn of_a_repeated_label_the_last_wins() {
        let pair = |value: &str| Label { key: "host".into(), value: value.into() };
        let read = Reader::new(1000).alert(Alert { labels: vec![pair("a"), pair("b")], ..alert() }).unwrap();
        assert_eq!(read.labels.get("host").map(String::as_str), Some("b"));
    }
}
