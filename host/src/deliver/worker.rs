//! Deliveries as work: claimed, attempted, recorded.

use std::sync::Arc;

use domain::delivery::ClaimedDelivery;
use domain::id::ChannelId;
use domain::time::Timestamp;
use store::{Store, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::Span;

use super::attempt::attempt;
use super::traffic::{Traffic, UnderWay};
use crate::clock::Ids;
use crate::config::References;
use crate::crypto::KeyRing;
use crate::egress::Egress;
use crate::plugins::Catalogue;
use crate::template::Templates;
use crate::wake::{Wake, Wakes};
use crate::worker::{self, LEASE, Pace, Work};

/// What deliveries need.
#[derive(Clone)]
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
    /// How notifications read.
    pub templates: Arc<Templates>,
}

/// The worker.
pub struct Deliverer {
    parts: Parts,
    traffic: Arc<Traffic>,
    pace: Pace,
}

impl Deliverer {
    /// A worker on these parts.
    pub fn new(parts: Parts, pace: Pace) -> Self {
        Self { parts, traffic: Arc::new(Traffic::new(pace.most)), pace }
    }

    /// Works until stopped.
    pub async fn run(self, wakes: Arc<Wakes>, stop: CancellationToken) {
        let pace = self.pace;
        worker::run(Arc::new(self), pace, wakes, stop).await;
    }
}

impl Work for Deliverer {
    type Item = UnderWay;

    fn wake(wakes: &Wakes) -> &Wake {
        &wakes.deliveries
    }

    /// The lanes know how much room there is, as `limit` does; and whose it is.
    async fn claim(&self, now: Timestamp, _limit: u32) -> Result<Vec<UnderWay>, StoreError> {
        // Looking costs a reader; claiming would take the one writer from webhooks.
        let channels = self.parts.store.channels_due().await?;
        let is_due = |due: &Timestamp| *due <= now;
        let mut due: Vec<(Timestamp, ChannelId)> = channels
            .iter()
            .filter_map(|channel| Some((channel.due_at.filter(is_due)?, channel.id)))
            .collect();
        due.sort_unstable();
        let due: Vec<ChannelId> = due.into_iter().map(|(_, id)| id).collect();
        let room = self.traffic.room(&due, channels.len() > due.len(), now);
        if room.is_empty() {
            return Ok(Vec::new());
        }
        let claimed = self.parts.store.claim_deliveries(now, LEASE, &room, &mut Ids).await?;
        Ok(claimed.into_iter().map(|delivery| self.traffic.begin(delivery)).collect())
    }

    async fn work(&self, under_way: &UnderWay) {
        attempt(&self.parts, under_way).await;
    }

    async fn renew(&self, under_way: &UnderWay, until: Timestamp) -> Result<(), StoreError> {
        let delivery = &under_way.delivery;
        self.parts.store.renew_delivery(delivery.id, delivery.lease, until).await
    }

    fn lease_until(under_way: &UnderWay) -> Timestamp {
        under_way.delivery.lease_until
    }

    fn span(under_way: &UnderWay) -> Span {
        let ClaimedDelivery { trace_id, run_id, id, .. } = &under_way.delivery;
        tracing::info_span!("delivery", %trace_id, %run_id, delivery.id = %id)
    }

    fn name(under_way: &UnderWay) -> String {
        format!("delivery {}", under_way.delivery.id)
    }
}
