//! Deliveries as work: claimed, attempted, recorded.

use std::sync::Arc;

use domain::delivery::ClaimedDelivery;
use domain::time::Timestamp;
use store::{Store, StoreError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use super::attempt::attempt;
use crate::clock::Ids;
use crate::config::References;
use crate::crypto::KeyRing;
use crate::egress::Egress;
use crate::plugins::Catalogue;
use crate::worker::{self, LEASE, Work};

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
    /// What references to secrets lead to.
    pub references: Arc<References>,
}

/// The worker.
pub struct Deliverer {
    parts: Parts,
}

impl Deliverer {
    /// A worker on these parts.
    pub const fn new(parts: Parts) -> Self {
        Self { parts }
    }

    /// Works with at most `most` attempts under way, until stopped.
    pub async fn run(self, most: usize, wake: Arc<Notify>, stop: CancellationToken) {
        worker::run(Arc::new(self), most, wake, stop).await;
    }
}

impl Work for Deliverer {
    type Item = ClaimedDelivery;

    async fn claim(&self, now: Timestamp, limit: u32) -> Result<Vec<ClaimedDelivery>, StoreError> {
        // Looking costs a reader; claiming would take the one writer from webhooks.
        match self.parts.store.next_delivery_due().await? {
            Some(due) if due <= now => self.parts.store.claim_deliveries(now, LEASE, limit, &mut Ids).await,
            _ => Ok(Vec::new()),
        }
    }

    async fn work(&self, delivery: &ClaimedDelivery) {
        attempt(&self.parts, delivery).await;
    }

    async fn renew(&self, delivery: &ClaimedDelivery, until: Timestamp) -> Result<(), StoreError> {
        self.parts.store.renew_delivery(delivery.id, delivery.lease, until).await
    }

    fn lease_until(delivery: &ClaimedDelivery) -> Timestamp {
        delivery.lease_until
    }

    fn span(delivery: &ClaimedDelivery) -> Span {
        let ClaimedDelivery { trace_id, run_id, .. } = delivery;
        tracing::info_span!("delivery", %trace_id, %run_id, delivery.id = %delivery.id)
    }

    fn name(delivery: &ClaimedDelivery) -> String {
        format!("delivery {}", delivery.id)
    }
}
