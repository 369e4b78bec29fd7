//! Alerts within the bounds of the contract.
//!
//! The host refuses or cuts what is too long; done here, the driver's warnings say what was cut.

use crate::json::Pairs;
use crate::text::{clip, cut, one_line};
use crate::time::Instant;
use crate::words::{Table, choose};
use crate::{Alert, AlertStatus, Label, Severity};

/// Most labels, and most annotations, of one alert (`wit/types.wit`).
pub const MAX_LABELS: usize = 64;
/// Most links of one alert (`wit/types.wit`).
pub const MAX_LINKS: usize = 16;
/// Longest key of a label, in bytes (`wit/types.wit`).
pub const MAX_KEY_BYTES: usize = 128;
/// Longest value of a label, in bytes (`wit/types.wit`).
pub const MAX_VALUE_BYTES: usize = 4_096;
/// Longest name and longest fingerprint, in bytes (`wit/types.wit`).
pub const MAX_NAME_BYTES: usize = 255;
/// Longest raw word, in bytes (`wit/types.wit`).
pub const MAX_WORD_BYTES: usize = 64;
/// Longest description, and longest `extra`, in bytes (`wit/types.wit`).
pub const MAX_TEXT_BYTES: usize = 16_384;
/// The name of an alert whose sender gave none.
pub const UNNAMED: &str = "unnamed alert";

/// Longest warning, in bytes, as the host has it.
const MAX_WARNING_BYTES: usize = 4_096;

/// What was odd but did not matter. Keeps the first 20 lines, as the contract has it: what matters
/// most is to be added first.
#[derive(Debug, Default)]
pub struct Warnings(Vec<String>);

impl Warnings {
    const MAX: usize = 20;

    /// Notes one oddity.
    pub fn add(&mut self, warning: impl FnOnce() -> String) {
        if self.0.len() < Self::MAX {
            self.0.push(clip(&one_line(&warning()), MAX_WARNING_BYTES).into_owned());
        }
    }

    /// Notes that the sender left `count` alerts of a group out, as it was told by its setting
    /// `setting`; nothing where `count` is empty or 0.
    pub fn left_out(&mut self, sender: &str, count: &str, setting: &str) {
        if !matches!(count, "" | "0") {
            let count = cut(count, 20);
            self.add(|| format!("{sender} left {count} alerts of the group out (`{setting}`)"));
        }
    }

    /// The lines.
    pub fn into_lines(self) -> Vec<String> {
        self.0
    }
}

/// One alert in the making. Every text is cut to its bound; what was cut is a warning.
#[derive(Debug)]
pub struct Draft<'w> {
    alert: Alert,
    warnings: &'w mut Warnings,
}

impl<'w> Draft<'w> {
    /// Begins an alert; a name that is empty becomes [`UNNAMED`] and a warning.
    pub fn new(name: &str, warnings: &'w mut Warnings) -> Self {
        let mut name = one_line(name);
        if name.is_empty() {
            warnings.add(|| format!("an alert has no name and is called `{UNNAMED}`"));
            name = UNNAMED.into();
        }
        let alert = Alert {
            fingerprint: None,
            name: clip(&name, MAX_NAME_BYTES).into_owned(),
            status: AlertStatus::Unmapped,
            raw_status: String::new(),
            severity: Severity::Unmapped,
            raw_severity: String::new(),
            description: String::new(),
            starts_at: None,
            ends_at: None,
            labels: Vec::new(),
            annotations: Vec::new(),
            links: Vec::new(),
            extra: String::new(),
        };
        Self { alert, warnings }
    }

    /// The sender's own identity of the alert; empty leaves it to the host.
    ///
    /// One that is too long is shortened to its beginning and a hash of the whole, so that it stays
    /// the same from report to report and apart from others.
    #[must_use]
    pub fn fingerprint(mut self, fingerprint: &str) -> Self {
        let fingerprint = one_line(fingerprint);
        if fingerprint.len() > MAX_NAME_BYTES {
            self.warnings.add(|| format!("a fingerprint of {} bytes was shortened", fingerprint.len()));
            let tail = format!("~{:016x}", fnv_1a(fingerprint.as_bytes()));
            self.alert.fingerprint = Some(cut(&fingerprint, MAX_NAME_BYTES - tail.len()).to_owned() + &tail);
        } else if !fingerprint.is_empty() {
            self.alert.fingerprint = Some(fingerprint.into_owned());
        }
        self
    }

    /// The status, from the first of the sender's `words` that the table knows.
    #[must_use]
    pub fn status(mut self, table: &Table<AlertStatus>, words: &[&str]) -> Self {
        let (word, meaning) = self.choose("status", table, words);
        self.alert.status = meaning.unwrap_or(AlertStatus::Unmapped);
        self.alert.raw_status = raw_word(word);
        self
    }

    /// The status where the sender has no word for it.
    #[must_use]
    pub fn implied_status(mut self, status: AlertStatus) -> Self {
        self.alert.status = status;
        self
    }

    /// The severity, from the first of the sender's `words` that the table knows.
    #[must_use]
    pub fn severity(mut self, table: &Table<Severity>, words: &[&str]) -> Self {
        let (word, meaning) = self.choose("severity", table, words);
        self.alert.severity = meaning.unwrap_or(Severity::Unmapped);
        self.alert.raw_severity = raw_word(word);
        self
    }

    /// As [`choose`]; a warning where an unknown word was passed over, so that it is not lost.
    fn choose<'t, T: Copy>(
        &mut self,
        what: &str,
        table: &Table<T>,
        words: &[&'t str],
    ) -> (&'t str, Option<T>) {
        let (word, meaning) = choose(table, words);
        let passed_over = crate::text::first(words);
        if word != passed_over {
            self.warnings.add(|| {
                format!(
                    "{what} `{}` is not known, `{}` was taken",
                    cut(passed_over, MAX_WORD_BYTES),
                    raw_word(word)
                )
            });
        }
        (word, meaning)
    }

    /// The text for people.
    #[must_use]
    pub fn description(mut self, description: &str) -> Self {
        if description.len() > MAX_TEXT_BYTES {
            self.warnings
                .add(|| format!("a description of {} bytes was cut to {MAX_TEXT_BYTES}", description.len()));
        }
        self.alert.description = clip(description, MAX_TEXT_BYTES).into_owned();
        self
    }

    /// When the condition began.
    #[must_use]
    pub fn starts_at(mut self, text: &str) -> Self {
        self.alert.starts_at = self.instant("start", text).ms();
        self
    }

    /// When the condition ended. Call it after the status: a time that is still to come, or any time
    /// of an alert that is not resolved, is no end.
    #[must_use]
    pub fn ends_at(mut self, text: &str, received_at: i64) -> Self {
        if self.alert.status == AlertStatus::Resolved {
            self.alert.ends_at = self.instant("end", text).ms().filter(|ms| *ms <= received_at);
        }
        self
    }

    fn instant(&mut self, which: &str, text: &str) -> Instant {
        let instant = Instant::read(text);
        if instant == Instant::Unreadable {
            self.warnings
                .add(|| format!("{which} time `{}` is no time between 1970 and 2200", cut(text, 64)));
        }
        instant
    }

    /// All labels of the sender.
    #[must_use]
    pub fn labels(mut self, pairs: &Pairs<'_>) -> Self {
        fill("label", &mut self.alert.labels, pairs, self.warnings);
        self
    }

    /// One label more; what the sender put under this key gives way. An empty value sets nothing.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        if !value.is_empty() {
            self.alert.labels.retain(|label| label.key != key);
            push("label", &mut self.alert.labels, key, value, self.warnings);
        }
        self
    }

    /// The value of the first of `keys` that is a label so far, or the empty string.
    pub fn first_label(&self, keys: &[&str]) -> &str {
        let value = |key: &&str| self.alert.labels.iter().rfind(|label| label.key == **key);
        keys.iter().find_map(value).map_or("", |label| label.value.as_str())
    }

    /// All annotations of the sender.
    #[must_use]
    pub fn annotations(mut self, pairs: &Pairs<'_>) -> Self {
        fill("annotation", &mut self.alert.annotations, pairs, self.warnings);
        self
    }

    /// One annotation more. An empty value adds nothing.
    #[must_use]
    pub fn annotation(mut self, key: &str, value: &str) -> Self {
        if !value.is_empty() {
            push("annotation", &mut self.alert.annotations, key, value, self.warnings);
        }
        self
    }

    /// An address to open, where `url` is one that a browser opens (`http` or `https`).
    #[must_use]
    pub fn link(mut self, name: &str, url: &str) -> Self {
        let url = url.trim();
        let begins = |with: &str| url.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
        let is_web = begins("http://") || begins("https://");
        if is_web && url.len() <= MAX_VALUE_BYTES && self.alert.links.len() < MAX_LINKS {
            self.alert.links.push(crate::label(name, url));
        }
        self
    }

    /// Anything else, as JSON text. What is over 16 KiB is left out, with a warning.
    #[must_use]
    pub fn extra(mut self, json: String) -> Self {
        if json.len() > MAX_TEXT_BYTES {
            self.warnings.add(|| format!("extra fields of {} bytes were left out", json.len()));
        } else {
            self.alert.extra = json;
        }
        self
    }

    /// The alert.
    pub fn finish(self) -> Alert {
        self.alert
    }
}

/// The sender's word within its bound.
fn raw_word(word: &str) -> String {
    clip(&one_line(word), MAX_WORD_BYTES).into_owned()
}

fn fill(what: &str, list: &mut Vec<Label>, pairs: &Pairs<'_>, warnings: &mut Warnings) {
    if pairs.is_misfit() {
        warnings.add(|| format!("{what}s are neither an object nor a list and were left out"));
    }
    list.reserve(pairs.iter().count().min(MAX_LABELS));
    // An empty value means the same as no label, as in Prometheus.
    for (key, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        push(what, list, key, value, warnings);
    }
    if pairs.dropped() > 0 {
        warnings.add(|| format!("{} {what}s more than are read were left out", pairs.dropped()));
    }
}

fn push(what: &str, list: &mut Vec<Label>, key: &str, value: &str, warnings: &mut Warnings) {
    let key = one_line(key);
    if key.is_empty() {
        warnings.add(|| format!("{what} without a key was left out"));
        return;
    }
    if list.len() >= MAX_LABELS {
        warnings.add(|| {
            format!("{what} `{}` is beyond the first {MAX_LABELS} and was left out", cut(&key, MAX_KEY_BYTES))
        });
        return;
    }
    if key.len() > MAX_KEY_BYTES || value.len() > MAX_VALUE_BYTES {
        let sizes = format!("{} and {} bytes", key.len(), value.len());
        warnings.add(|| format!("{what} `{}` of {sizes} was cut", cut(&key, MAX_WORD_BYTES)));
    }
    list.push(Label {
        key: clip(&key, MAX_KEY_BYTES).into_owned(),
        value: clip(value, MAX_VALUE_BYTES).into_owned(),
    });
}

/// The 64-bit FNV-1a hash: short, stable, and nobody gains by a collision of their own alerts.
fn fnv_1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{SEVERITIES, STATUSES};

    fn pairs(json: &str) -> Pairs<'_> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn every_text_keeps_to_its_bound() {
        let long = "é".repeat(20_000);
        let labels = format!(r#"{{"{long}":"{long}"}}"#);
        let mut warnings = Warnings::default();
        let alert = Draft::new(&long, &mut warnings)
            .fingerprint(&long)
            .status(STATUSES, &[&long])
            .severity(SEVERITIES, &[&long])
            .description(&long)
            .labels(&pairs(&labels))
            .extra(long.clone())
            .link("source", &format!("https://{long}"))
            .finish();
        assert!(alert.name.len() <= MAX_NAME_BYTES && alert.name.ends_with('…'));
        assert_eq!(alert.fingerprint.unwrap().len(), MAX_NAME_BYTES);
        assert!(alert.raw_status.len() <= MAX_WORD_BYTES);
        assert!(alert.raw_severity.len() <= MAX_WORD_BYTES);
        assert!(alert.description.len() <= MAX_TEXT_BYTES);
        assert!(alert.labels[0].key.len() <= MAX_KEY_BYTES);
        assert!(alert.labels[0].value.len() <= MAX_VALUE_BYTES);
        assert_eq!((alert.extra.as_str(), alert.links.len()), ("", 0));
        assert_eq!(warnings.into_lines().len(), 4);
    }

    #[test]
    fn alerts_left_out_are_told_where_there_are_any() {
        let mut warnings = Warnings::default();
        for count in ["", "0", "7"] {
            warnings.left_out("Grafana", count, "max alerts");
        }
        assert_eq!(warnings.into_lines(), ["Grafana left 7 alerts of the group out (`max alerts`)"]);
    }

    #[test]
    fn long_fingerprints_that_differ_at_the_end_stay_apart() {
        let fingerprint =
            |text: &str| Draft::new("a", &mut Warnings::default()).fingerprint(text).finish().fingerprint;
        let (one, two) = ("x".repeat(300) + "1", "x".repeat(300) + "2");
        assert_ne!(fingerprint(&one), fingerprint(&two));
        assert_eq!(fingerprint(&one), fingerprint(&one));
    }

    #[test]
    fn labels_beyond_the_bound_are_left_out_and_named() {
        let fields: Vec<String> = (0..70).map(|index| format!(r#""k{index}":"v""#)).collect();
        let labels = format!("{{{}}}", fields.join(","));
        let mut warnings = Warnings::default();
        let alert = Draft::new("a", &mut warnings).labels(&pairs(&labels)).finish();
        assert_eq!(alert.labels.len(), MAX_LABELS);
        let lines = warnings.into_lines();
        assert_eq!(lines.len(), 6);
        assert_eq!(lines[0], "label `k64` is beyond the first 64 and was left out");
    }

    #[test]
    fn a_label_set_by_the_driver_replaces_the_one_sent() {
        let mut warnings = Warnings::default();
        let alert = Draft::new("a", &mut warnings).labels(&pairs(r#"{"x":"1"}"#)).label("x", "2").finish();
        assert_eq!(alert.labels, [crate::label("x", "2")]);
    }

    #[test]
    fn an_end_counts_only_for_a_resolved_alert_and_in_the_past() {
        let ends_at = |status: &str, end: &str| {
            Draft::new("a", &mut Warnings::default())
                .status(STATUSES, &[status])
                .ends_at(end, 1_000_000)
                .finish()
                .ends_at
        };
        assert_eq!(ends_at("resolved", "1000"), Some(1_000_000));
        assert_eq!(ends_at("resolved", "1001"), None);
        assert_eq!(ends_at("resolved", "0001-01-01T00:00:00Z"), None);
        assert_eq!(ends_at("firing", "1000"), None);
    }

    #[test]
    fn only_addresses_for_a_browser_become_links() {
        let links =
            |url: &str| Draft::new("a", &mut Warnings::default()).link("source", url).finish().links.len();
        assert_eq!(links("https://example.net/a?b"), 1);
        assert_eq!(links("HTTP://example.net"), 1);
        assert_eq!(links("javascript:alert(1)//://"), 0);
        assert_eq!(links("?orgId=1"), 0);
        assert_eq!(links(""), 0);
    }

    #[test]
    fn an_alert_without_a_name_gets_one_and_a_warning() {
        let mut warnings = Warnings::default();
        assert_eq!(Draft::new(" \n", &mut warnings).finish().name, UNNAMED);
        assert_eq!(warnings.into_lines().len(), 1);
    }
}
