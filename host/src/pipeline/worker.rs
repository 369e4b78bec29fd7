//! Claims runs that are due and keeps a bounded number under way.

use std::sync::Arc;
use std::time::Duration;

use store::ClaimedRun;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Parts, work};
use crate::clock::{self, Ids};

/// How long a claim lasts: well over all stages' budgets together.
const LEASE: Duration = Duration::from_secs(180);
/// How long to wait for a sign of work before looking anyway.
const POLL: Duration = Duration::from_millis(500);

/// The worker.
pub struct Pipeline {
    parts: Arc<Parts>,
    workers: usize,
    /// Woken when a run has put deliveries into the outbox.
    outbox: Arc<Notify>,
}

impl Pipeline {
    /// A worker that has at most `workers` runs under way.
    pub const fn new(parts: Arc<Parts>, workers: usize, outbox: Arc<Notify>) -> Self {
        Self { parts, workers, outbox }
    }

    /// Works until stopped, then lets what is under way end.
    pub async fn run(self, wake: Arc<Notify>, stop: CancellationToken) {
        let mut under_way = JoinSet::new();
        while !stop.is_cancelled() {
            let room = self.workers.saturating_sub(under_way.len());
            let claimed = self.claim(room).await;
            let some = !claimed.is_empty();
            for run in claimed {
                let (parts, outbox) = (Arc::clone(&self.parts), Arc::clone(&self.outbox));
                under_way.spawn(async move {
                    work(&parts, &run).await;
                    outbox.notify_one();
                });
            }
            if some && under_way.len() < self.workers {
                continue;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = wake.notified(), if under_way.len() < self.workers => {}
                Some(_) = under_way.join_next() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
        while under_way.join_next().await.is_some() {}
    }

    async fn claim(&self, room: usize) -> Vec<ClaimedRun> {
        if room == 0 {
            return Vec::new();
        }
        let limit = u32::try_from(room).unwrap_or(u32::MAX);
        match self.parts.store.claim_runs(clock::now(), LEASE, limit, &mut Ids).await {
            Ok(claimed) => claimed,
            Err(error) => {
                tracing::error!(error.r#type = "store", %error, "runs could not be claimed: {error}");
                tokio::time::sleep(POLL).await;
                Vec::new()
            }
        }
    }
}
