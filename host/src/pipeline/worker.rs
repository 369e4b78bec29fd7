//! Runs as work: claimed, taken through their stages, let go.

use std::sync::Arc;

use domain::run::Run;
use domain::time::Timestamp;
use store::{ClaimedRun, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::Span;

use super::{Parts, work};
use crate::clock::Ids;
use crate::wake::{Wake, Wakes};
use crate::worker::{self, LEASE, Pace, Work};

/// The worker.
pub struct Pipeline {
    parts: Parts,
    /// Deliveries are told of what runs have put into the outbox.
    wakes: Arc<Wakes>,
}

impl Pipeline {
    /// A worker on these parts.
    pub const fn new(parts: Parts, wakes: Arc<Wakes>) -> Self {
        Self { parts, wakes }
    }

    /// Works until stopped.
    pub async fn run(self, pace: Pace, stop: CancellationToken) {
        let wakes = Arc::clone(&self.wakes);
        worker::run(Arc::new(self), pace, wakes, stop).await;
    }
}

impl Work for Pipeline {
    type Item = ClaimedRun;

    fn wake(wakes: &Wakes) -> &Wake {
        &wakes.runs
    }

    async fn claim(&self, now: Timestamp, limit: u32) -> Result<Vec<ClaimedRun>, StoreError> {
        // Looking costs a reader; claiming would take the one writer from webhooks.
        match self.parts.store.next_run_due().await? {
            Some(due) if due <= now => self.parts.store.claim_runs(now, LEASE, limit, &mut Ids).await,
            _ => Ok(Vec::new()),
        }
    }

    async fn work(&self, run: &ClaimedRun) {
        work(&self.parts, run).await;
        self.wakes.deliveries.notify();
    }

    async fn renew(&self, run: &ClaimedRun, until: Timestamp) -> Result<(), StoreError> {
        self.parts.store.renew_run(run.claim, until).await
    }

    fn lease_until(run: &ClaimedRun) -> Timestamp {
        run.lease_until
    }

    fn span(run: &ClaimedRun) -> Span {
        let Run { run_id, trace_id, .. } = run.run;
        tracing::info_span!("run", %trace_id, %run_id)
    }

    fn name(run: &ClaimedRun) -> String {
        format!("run {}", run.run.run_id)
    }
}
