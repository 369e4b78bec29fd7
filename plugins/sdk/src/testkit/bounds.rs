//! What the host refuses in a driver's result, in the plainest way. The host's own checks are the law;
//! these let a test show that no input makes a driver break them.

use crate::driver::{MAX_ALERTS, Outcome, Parsed};
use crate::{Alert, Label};

/// The first rule of the contract that a result breaks, with the field's name.
pub fn breach(parsed: &Parsed) -> Option<String> {
    let mut check = Check { total: 0, broken: None };
    for warning in &parsed.warnings {
        check.text("warnings", warning, 4 << 10);
    }
    check.count("warnings", parsed.warnings.len(), 20);
    check.text("group-key", &parsed.group_key, 16 << 10);
    check.text("receiver", &parsed.receiver, 4 << 10);
    check.text("external-url", &parsed.external_url, 4 << 10);
    check.text("version", &parsed.version, 64);
    match &parsed.outcome {
        Outcome::Nothing(reason) => check.text("nothing", reason, 4 << 10),
        Outcome::Alerts(alerts) => {
            check.rule("alerts", !alerts.is_empty());
            check.count("alerts", alerts.len(), MAX_ALERTS);
            for alert in alerts {
                check.alert(alert);
            }
        }
    }
    check.count("all texts", check.total, 8 << 20);
    check.broken
}

struct Check {
    total: usize,
    broken: Option<String>,
}

impl Check {
    fn rule(&mut self, field: &str, holds: bool) {
        if !holds && self.broken.is_none() {
            self.broken = Some(field.to_owned());
        }
    }

    fn count(&mut self, field: &str, found: usize, most: usize) {
        self.rule(field, found <= most);
    }

    fn text(&mut self, field: &str, text: &str, max_bytes: usize) {
        self.total += text.len();
        self.count(field, text.len(), max_bytes);
    }

    fn name(&mut self, field: &str, text: &str, max_bytes: usize) {
        self.text(field, text, max_bytes);
        // As the host has it, and not by the SDK's own function, which is what is being tested.
        let disturbs = |character: char| {
            character.is_control() || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        self.rule(field, !text.is_empty() && !text.contains(disturbs));
    }

    fn labels(&mut self, field: &str, labels: &[Label], most: usize) {
        self.count(field, labels.len(), most);
        for label in labels {
            self.name(field, &label.key, 128);
            self.text(field, &label.value, 4 << 10);
        }
    }

    fn alert(&mut self, alert: &Alert) {
        if let Some(fingerprint) = &alert.fingerprint {
            self.name("fingerprint", fingerprint, 255);
        }
        self.name("name", &alert.name, 255);
        self.text("raw-status", &alert.raw_status, 64);
        self.text("raw-severity", &alert.raw_severity, 64);
        self.text("description", &alert.description, 16 << 10);
        for time in [alert.starts_at, alert.ends_at].into_iter().flatten() {
            self.rule("time", (0..7_289_654_400_000).contains(&time));
        }
        self.labels("labels", &alert.labels, 64);
        self.labels("annotations", &alert.annotations, 64);
        self.labels("links", &alert.links, 16);
        self.text("extra", &alert.extra, 16 << 10);
        let is_json = serde_json::from_str::<serde_json::Value>(&alert.extra).is_ok();
        self.rule("extra", alert.extra.is_empty() || is_json);
    }
}
