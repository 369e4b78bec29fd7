//! Alerts: what a driver reports, and what the hub keeps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{AlertId, IncidentId, TraceId};
use crate::plugin::PluginName;
use crate::text::without_nul;
use crate::time::Timestamp;

/// A text that is none of the words it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected one of {expected}, found `{found}`")]
pub struct WordError {
    expected: String,
    found: String,
}

impl WordError {
    /// Says which words it should be one of.
    pub fn new(expected: impl Iterator<Item = &'static str>, found: &str) -> Self {
        let expected: Vec<String> = expected.map(|word| format!("`{word}`")).collect();
        let found = found.chars().take(40).flat_map(char::escape_default).collect();
        Self { expected: expected.join(", "), found }
    }
}

/// Declares an enum whose words are the same in the database, in JSON and in rules.
#[macro_export]
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ::serde::Serialize, ::serde::Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// All of them, in order.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word for it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::alert::WordError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::alert::WordError::new(Self::ALL.iter().map(|word| word.as_str()), text)),
                }
            }
        }
    };
}
pub use words;

words! {
    /// How bad an alert or incident is. Ordered: `Info < Warning < Critical`.
    Severity {
        /// Good to know.
        Info = "info",
        /// Somebody has to look at it.
        Warning = "warning",
        /// Somebody has to act now.
        Critical = "critical",
    }
}

words! {
    /// What an alert says about its condition.
    AlertStatus {
        /// The condition holds.
        Firing = "firing",
        /// It holds and a person at the sender's side has taken it.
        Acknowledged = "acknowledged",
        /// It has ended.
        Resolved = "resolved",
    }
}

words! {
    /// A severity as a driver reports it: the sender's word may be in no table.
    ReportedSeverity {
        /// Somebody has to act now.
        Critical = "critical",
        /// Somebody has to look at it.
        Warning = "warning",
        /// Good to know.
        Info = "info",
        /// In no table of the driver; treated as a warning and counted.
        Unmapped = "unmapped",
    }
}

words! {
    /// A status as a driver reports it: the sender's word may be in no table.
    ReportedStatus {
        /// The condition holds.
        Firing = "firing",
        /// It holds and a person has taken it.
        Acknowledged = "acknowledged",
        /// It has ended.
        Resolved = "resolved",
        /// In no table of the driver; treated as firing and counted.
        Unmapped = "unmapped",
    }
}

impl ReportedSeverity {
    /// What it is treated as.
    pub const fn mapped(self) -> Severity {
        match self {
            Self::Critical => Severity::Critical,
            Self::Warning | Self::Unmapped => Severity::Warning,
            Self::Info => Severity::Info,
        }
    }
}

impl From<Severity> for ReportedSeverity {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Critical => Self::Critical,
            Severity::Warning => Self::Warning,
            Severity::Info => Self::Info,
        }
    }
}

impl ReportedStatus {
    /// What it is treated as.
    pub const fn mapped(self) -> AlertStatus {
        match self {
            Self::Firing | Self::Unmapped => AlertStatus::Firing,
            Self::Acknowledged => AlertStatus::Acknowledged,
            Self::Resolved => AlertStatus::Resolved,
        }
    }
}

impl From<AlertStatus> for ReportedStatus {
    fn from(status: AlertStatus) -> Self {
        match status {
            AlertStatus::Firing => Self::Firing,
            AlertStatus::Acknowledged => Self::Acknowledged,
            AlertStatus::Resolved => Self::Resolved,
        }
    }
}

/// Keys and values, ordered by key.
pub type Labels = BTreeMap<String, String>;

/// One alert as a driver read it from a webhook. Bounded by the sandbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParsedAlert {
    /// The sender's identity for it, or none.
    pub fingerprint: Option<String>,
    /// What it is called.
    pub name: String,
    /// Its state.
    pub status: ReportedStatus,
    /// The sender's word for the state.
    pub raw_status: String,
    /// How bad.
    pub severity: ReportedSeverity,
    /// The sender's word for how bad.
    pub raw_severity: String,
    /// For people.
    pub description: String,
    /// When the condition began.
    pub starts_at: Option<Timestamp>,
    /// When it ended.
    pub ends_at: Option<Timestamp>,
    /// What identifies and classifies it.
    pub labels: Labels,
    /// What explains it.
    pub annotations: Labels,
    /// Addresses a person may open.
    pub links: Labels,
    /// Anything else.
    pub extra: serde_json::Value,
}

impl ParsedAlert {
    /// The same with U+FFFD for every U+0000 in a text that is kept.
    pub fn without_nul(self) -> Self {
        let all = |labels: Labels| -> Labels {
            labels.into_iter().map(|(name, value)| (without_nul(name), without_nul(value))).collect()
        };
        Self {
            fingerprint: self.fingerprint.map(without_nul),
            name: without_nul(self.name),
            raw_status: without_nul(self.raw_status),
            raw_severity: without_nul(self.raw_severity),
            description: without_nul(self.description),
            labels: all(self.labels),
            annotations: all(self.annotations),
            links: all(self.links),
            ..self
        }
    }
}

/// One alert as the hub keeps it.
///
/// Invariant: (`source`, `fingerprint`) is unique.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Its identifier.
    pub id: AlertId,
    /// The driver that read it.
    pub source: PluginName,
    /// Its identity within the source.
    pub fingerprint: String,
    /// What it is called.
    pub name: String,
    /// Its state.
    pub status: AlertStatus,
    /// The sender's word for the state.
    pub raw_status: String,
    /// How bad.
    pub severity: Severity,
    /// The sender's word for how bad.
    pub raw_severity: String,
    /// For people.
    pub description: String,
    /// What identifies and classifies it.
    pub labels: Labels,
    /// What explains it.
    pub annotations: Labels,
    /// Addresses a person may open.
    pub links: Labels,
    /// When the condition began.
    pub started_at: Timestamp,
    /// When it ended; none while it holds.
    pub ended_at: Option<Timestamp>,
    /// When the hub last heard of it.
    pub received_at: Timestamp,
    /// The incident it belongs to; none for an alert that was first heard of when it was over.
    pub incident_id: Option<IncidentId>,
    /// The webhook that last told of it.
    pub trace_id: TraceId,
}

impl From<&Alert> for ParsedAlert {
    /// The alert as plugins see it.
    fn from(alert: &Alert) -> Self {
        Self {
            fingerprint: Some(alert.fingerprint.clone()),
            name: alert.name.clone(),
            status: alert.status.into(),
            raw_status: alert.raw_status.clone(),
            severity: alert.severity.into(),
            raw_severity: alert.raw_severity.clone(),
            description: alert.description.clone(),
            starts_at: Some(alert.started_at),
            ends_at: alert.ended_at,
            labels: alert.labels.clone(),
            annotations: alert.annotations.clone(),
            links: alert.links.clone(),
            extra: serde_json::Value::Null,
        }
    }
}

/// Labels that name the machine or service, the surest first.
const INSTANCE_LABELS: [&str; 5] = ["instance_id", "instance", "hostname", "host", "host_name"];

/// The machine or service an alert is about: the first non-empty of the labels `instance_id`,
/// `instance`, `hostname`, `host` and `host_name`.
pub fn instance(labels: &Labels) -> Option<&str> {
    instance_label(labels).map(|(_, value)| value)
}

/// The label that names the machine or service, and its value.
pub fn instance_label(labels: &Labels) -> Option<(&'static str, &str)> {
    INSTANCE_LABELS.iter().find_map(|key| {
        let value = labels.get(*key)?.trim();
        (!value.is_empty()).then_some((*key, value))
    })
}

/// The one checker whose alerts have a context key.
const PORTS: &str = "listening_ports";
/// The lists in its figures that make the key up.
const PORT_LISTS: [&str; 2] = ["unexpected_ports", "missing_ports"];

/// What an alert is about beside its state: for the label `checker` = `listening_ports` its sorted ports, as
/// the annotation `metrics` (JSON) has them; other alerts have none. Another key is worth telling people
/// though nothing got worse.
pub fn context_key(labels: &Labels, annotations: &Labels) -> Option<String> {
    if labels.get("checker").map(String::as_str) != Some(PORTS) {
        return None;
    }
    let metrics: serde_json::Value = serde_json::from_str(annotations.get("metrics")?).ok()?;
    let list = |name: &str| {
        let ports = metrics.get(name).and_then(serde_json::Value::as_array).into_iter().flatten();
        let mut ports: Vec<String> =
            ports.map(|port| port.as_str().map_or_else(|| port.to_string(), str::to_owned)).collect();
        ports.sort_unstable();
        ports.dedup();
        ports.join(",")
    };
    Some(format!("{PORTS}:{}", PORT_LISTS.map(list).join(";")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severity_is_ordered_by_how_bad_it_is() {
        assert!(Severity::Info < Severity::Warning && Severity::Warning < Severity::Critical);
    }

    #[test]
    fn instance_is_the_first_label_that_is_not_empty() {
        let labels = |pairs: &[(&str, &str)]| -> Labels {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        assert_eq!(instance(&labels(&[("host", "b"), ("instance", " "), ("hostname", "a")])), Some("a"));
        assert_eq!(instance(&labels(&[("job", "a")])), None);
    }

    #[test]
    fn only_ports_are_a_context_and_their_order_is_none() {
        let key = |checker: &str, metrics: &str| {
            let map = |key: &str, value: &str| Labels::from([(key.to_owned(), value.to_owned())]);
            context_key(&map("checker", checker), &map("metrics", metrics))
        };
        let ports = |metrics: &str| key("listening_ports", metrics).unwrap();
        assert_eq!(
            ports(r#"{"unexpected_ports": [8080, 22], "listening_count": 12}"#),
            ports(r#"{"unexpected_ports": ["22", "8080"], "listening_count": 13}"#)
        );
        assert_ne!(ports(r#"{"unexpected_ports": [22]}"#), ports(r#"{"missing_ports": [22]}"#));
        assert_ne!(ports(r#"{"unexpected_ports": [22]}"#), ports(r#"{"unexpected_ports": [22, 23]}"#));
        assert_eq!(key("disk", r#"{"unexpected_ports": [22]}"#), None);
        assert_eq!(key("listening_ports", "no JSON"), None);
    }

    #[test]
    fn unknown_words_are_refused_and_shown_escaped() {
        let error = "on\nfire".parse::<AlertStatus>().unwrap_err();
        assert!(error.to_string().contains(r"on\nfire"), "{error}");
    }
}
