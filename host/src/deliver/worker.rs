//! Claims what is due and keeps a bounded number of attempts under way.

use std::sync::Arc;
use std::time::Duration;

use domain::delivery::ClaimedDelivery;
use store::Store;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::attempt::attempt;
use crate::clock::{self, Ids};
use crate::crypto::KeyRing;
use crate::egress::Egress;
use crate::plugins::Catalogue;

/// How long a claim lasts: well over a notifier's wall limit, so that only a dead worker's claim ends.
const LEASE: Duration = Duration::from_secs(60);
/// How long to wait for a sign of work before looking anyway: retries that have become due.
const POLL: Duration = Duration::from_millis(500);

/// What deliveries need.
pub struct Parts {
    /// The outbox.
    pub store: Store,
    /// Notifiers.
    pub catalogue: Arc<Catalogue>,
    /// Opens settings and notifications.
    pub keys: Arc<KeyRing>,
    /// The way out.
    pub egress: Arc<Egress>,
}

/// The worker.
pub struct Deliverer {
    parts: Arc<Parts>,
    workers: usize,
}

impl Deliverer {
    /// A worker that has at most `workers` attempts under way.
    pub const fn new(parts: Arc<Parts>, workers: usize) -> Self {
        Self { parts, workers }
    }

    /// Works until stopped, then lets what is under way end.
    pub async fn run(self, wake: Arc<Notify>, stop: CancellationToken) {
        let mut under_way = JoinSet::new();
        while !stop.is_cancelled() {
            let room = self.workers.saturating_sub(under_way.len());
            let claimed = self.claim(room).await;
            let some = !claimed.is_empty();
            for delivery in claimed {
                let parts = Arc::clone(&self.parts);
                under_way.spawn(async move { attempt(&parts, delivery).await });
            }
            if some && under_way.len() < self.workers {
                continue;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = wake.notified(), if under_way.len() < self.workers => {}
                // An end may make room, and may let the next delivery of the same incident go.
                Some(_) = under_way.join_next() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
        while under_way.join_next().await.is_some() {}
    }

    async fn claim(&self, room: usize) -> Vec<ClaimedDelivery> {
        if room == 0 {
            return Vec::new();
        }
        let limit = u32::try_from(room).unwrap_or(u32::MAX);
        match self.parts.store.claim_deliveries(clock::now(), LEASE, limit, &mut Ids).await {
            Ok(claimed) => claimed,
            Err(error) => {
                tracing::error!(error.r#type = "store", %error, "deliveries could not be claimed: {error}");
                tokio::time::sleep(POLL).await;
                Vec::new()
            }
        }
    }
}
