//! One webhook with what its driver read, and who its alerts are.

use crate::alert::ParsedAlert;
use crate::fingerprint::{correlation_key, fingerprint};
use crate::id::{RunId, TraceId};
use crate::plugin::PluginName;
use crate::time::Timestamp;

/// Who an alert is: its source and its fingerprint there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertKey {
    /// The driver.
    pub source: PluginName,
    /// The identity within it.
    pub fingerprint: String,
}

/// One webhook with what its driver read.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// The run that ingests it.
    pub run_id: RunId,
    /// Shared by all that comes of it.
    pub trace_id: TraceId,
    /// The driver.
    pub source: PluginName,
    /// When the request arrived.
    pub received_at: Timestamp,
    /// Whether it is a stored request parsed again. Only then can it be older than what is known:
    /// among live requests the order of arrival decides, so that a clock set back loses nothing.
    pub replayed: bool,
    /// What the driver read, with the identities found by [`Webhook::new`].
    pub alerts: Vec<Identified>,
}

/// An alert with its identity.
#[derive(Debug, Clone)]
pub struct Identified {
    /// Its identity within the source.
    pub fingerprint: String,
    /// Which incident it would join.
    pub correlation_key: String,
    /// What the driver read.
    pub alert: ParsedAlert,
}

impl Webhook {
    /// Finds the identity of each alert. U+0000 in a text becomes U+FFFD: not every database can keep it.
    pub fn new(
        run_id: RunId,
        trace_id: TraceId,
        source: PluginName,
        received_at: Timestamp,
        alerts: Vec<ParsedAlert>,
    ) -> Self {
        let identify = |alert: ParsedAlert| {
            let alert = alert.without_nul();
            let fingerprint = fingerprint(&source, &alert);
            let correlation_key = correlation_key(&source, &fingerprint, &alert.name, &alert.labels);
            Identified { fingerprint, correlation_key, alert }
        };
        let alerts = alerts.into_iter().map(identify).collect();
        Self { run_id, trace_id, source, received_at, replayed: false, alerts }
    }
}
