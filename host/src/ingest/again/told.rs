//! What is told of stored requests that were read again.

use domain::id::{IncidentId, RunId, TraceId};
use domain::plugin::PluginName;
use domain::run::IngestOutcome;
use serde::Serialize;
use store::{InboxEntry, IngestWrite, Ingested};

use super::difference::{Change, Difference};
use super::{AgainError, Verdict};
use crate::plugins::DriverEntry;

/// What came of a request that was read again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reparsed {
    /// The run that it has always had.
    pub run_id: RunId,
    /// What ties everything together that comes of it.
    pub trace_id: TraceId,
    /// Who read it.
    pub driver: Option<PluginName>,
    /// What became of it.
    pub outcome: IngestOutcome,
    /// How many alerts it holds.
    pub alerts: u32,
    /// Why it is ignored or still in quarantine; for alerts, what was odd about them.
    pub reason: Option<String>,
    /// The incidents that it touched.
    pub incidents: Vec<IncidentId>,
    /// The downstream runs that it started.
    pub runs: Vec<RunId>,
}

/// What one reading of a request found.
#[derive(Debug, Clone, Serialize)]
pub struct Reading {
    /// Who read it.
    pub driver: Option<PluginName>,
    /// Which version of it.
    pub version: Option<String>,
    /// SHA-256 of the component.
    pub digest: Option<String>,
    /// What would become of the request.
    pub outcome: IngestOutcome,
    /// Why.
    pub reason: Option<String>,
    /// How many alerts it found.
    pub alerts: usize,
}

/// What a stored request would be read as, and what that would change.
#[derive(Debug, Clone, Serialize)]
pub struct Replayed {
    /// How the request was stored.
    pub stored: InboxEntry,
    /// Why it is read by whom it is read by.
    pub detection: String,
    /// What was found now.
    pub reading: Reading,
    /// What the driver that is loaded finds, where another one was tried.
    pub loaded: Option<Reading>,
    /// How the alerts differ from what the loaded driver finds, or else from what is stored of them.
    pub difference: Difference,
    /// What it would change, were it applied now.
    pub would_change: Change,
    /// Whether it was applied.
    pub applied: bool,
}

/// One page of requests that were read again or discarded.
#[derive(Debug, Serialize)]
pub struct Round<T> {
    /// What came of each.
    pub done: Vec<T>,
    /// Those with which nothing could be done, and why.
    pub failed: Vec<Failed>,
    /// Where the next round begins; none at the end.
    pub next: Option<RunId>,
    #[serde(skip)]
    last: Option<RunId>,
    #[serde(skip)]
    more: bool,
}

/// A request with which nothing could be done.
#[derive(Debug, Serialize)]
pub struct Failed {
    /// Its run.
    pub run_id: RunId,
    /// Why.
    pub error: String,
}

impl Reparsed {
    pub(super) fn of(write: IngestWrite, ingested: Ingested) -> Self {
        let (run_id, trace_id, driver) = (write.run_id, write.trace_id, write.driver);
        match ingested {
            Ingested::Stored { alerts, incidents, runs } => {
                let (outcome, reason) = (write.outcome, write.reason);
                Self { run_id, trace_id, driver, outcome, alerts, reason, incidents, runs }
            }
            Ingested::Duplicate { run_id: first, .. } => {
                let reason = Some(format!("the same delivery was taken as run {first}"));
                let (outcome, incidents, runs) = (IngestOutcome::Ignored, Vec::new(), Vec::new());
                Self { run_id, trace_id, driver, outcome, alerts: 0, reason, incidents, runs }
            }
        }
    }
}

impl Reading {
    pub(super) fn of(entry: Option<&DriverEntry>, verdict: &Verdict) -> Self {
        Self {
            driver: verdict.driver.clone(),
            version: entry.map(|entry| entry.driver.info().plugin.version.clone()),
            digest: entry.map(|entry| entry.driver.digest().to_owned()),
            outcome: verdict.outcome,
            reason: verdict.reason.clone(),
            alerts: verdict.alerts.len(),
        }
    }
}

impl<T> Round<T> {
    /// An empty one; with `more` another follows it.
    pub(super) const fn new(more: bool) -> Self {
        Self { done: Vec::new(), failed: Vec::new(), next: None, last: None, more }
    }

    /// Ends it early, so that another follows.
    pub(super) fn cut(mut self) -> Self {
        self.next = self.last;
        self
    }

    /// Adds what came of one request.
    pub(super) fn note(&mut self, run_id: RunId, result: Result<T, AgainError>) {
        self.last = Some(run_id);
        self.next = self.last.filter(|_| self.more);
        match result {
            Ok(done) => self.done.push(done),
            Err(error) => self.failed.push(Failed { run_id, error: error.to_string() }),
        }
    }
}
