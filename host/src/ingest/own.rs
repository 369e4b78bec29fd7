//! What the hub found out by itself, taken by the same way as webhooks: stored sealed, planned and
//! committed in one transaction with whatever else waits.

use std::sync::Arc;

use domain::alert::ParsedAlert;
use domain::id::{RunId, TraceId};
use domain::plan::Webhook;
use domain::plugin::{Incoming, PluginName};
use domain::run::{IngestOutcome, Origin};
use domain::time::Timestamp;
use store::{IngestWrite, Ingested};

use super::writer::NotWritten;
use super::{WriterHandle, payload};
use crate::clock::Ids;
use crate::crypto::KeyRing;
use crate::telemetry::chain;

/// What a stored request says of how it came, where that of a webhook has its HTTP method.
const METHOD: &str = "CHECK";

/// Takes alerts of the hub's own.
pub struct Recorder {
    keys: Arc<KeyRing>,
    writer: WriterHandle,
}

/// What was found, and by whom.
#[derive(Debug)]
pub struct Own {
    /// Set by the host, where that of a webhook is its driver.
    pub source: PluginName,
    /// What the runs that come of it are told apart by.
    pub origin: Origin,
    /// What was found.
    pub alerts: Vec<ParsedAlert>,
    /// All of it as JSON, for looking things up.
    pub body: Vec<u8>,
    /// When.
    pub at: Timestamp,
}

/// What is on disk of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// The run that took it.
    pub run_id: RunId,
    /// What ties everything together that comes of it.
    pub trace_id: TraceId,
    /// How many alerts it held.
    pub alerts: usize,
    /// How many incidents changed so that people are told.
    pub runs: usize,
}

/// Why it is not on disk. Nothing of it is stored.
#[derive(Debug, thiserror::Error)]
#[error("what was found could not be stored: {0}")]
pub struct NotRecorded(String);

impl Recorder {
    /// Puts the parts together.
    pub const fn new(keys: Arc<KeyRing>, writer: WriterHandle) -> Self {
        Self { keys, writer }
    }

    /// Takes what was found; without alerts there is nothing to take.
    ///
    /// # Errors
    /// [`NotRecorded`]; what is found next takes its place.
    pub async fn record(&self, own: Own) -> Result<Option<Recorded>, NotRecorded> {
        let Own { source, origin, alerts, body, at } = own;
        if alerts.is_empty() {
            return Ok(None);
        }
        let (run_id, trace_id) = (RunId::mint(&mut Ids), TraceId::mint(&mut Ids));
        let incoming = Incoming {
            method: METHOD.to_owned(),
            query: String::new(),
            content_type: "application/json".to_owned(),
            headers: Vec::new(),
            body,
            received_at: at,
        };
        let sealed_request =
            payload::seal(&self.keys, run_id, &incoming).map_err(|error| NotRecorded(chain(&error)))?;
        let count = alerts.len();
        let write = IngestWrite {
            run_id,
            trace_id,
            origin,
            received_at: at,
            driver: Some(source.clone()),
            named: true,
            verified: false,
            detection: "found by the hub itself".to_owned(),
            delivery_id: None,
            api_key_id: None,
            size_bytes: incoming.body.len() as u64,
            sealed_request,
            outcome: IngestOutcome::Parsed,
            reason_code: None,
            reason: None,
            webhook: Some(Webhook::new(run_id, trace_id, source, at, alerts)),
        };
        match self.writer.commit(write).await {
            Ok(Ingested::Stored { runs, .. }) => {
                Ok(Some(Recorded { run_id, trace_id, alerts: count, runs: runs.len() }))
            }
            // Without a delivery id nothing is taken for a repeat.
            Ok(Ingested::Duplicate { .. }) => Ok(None),
            Err(NotWritten::Refused(error, _)) => Err(NotRecorded(chain(&error))),
            Err(NotWritten::Unavailable(why)) => Err(NotRecorded(why)),
        }
    }
}
