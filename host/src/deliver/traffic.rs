//! Which channels are called, and saying so when one is left alone or works again.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use domain::delivery::ClaimedDelivery;
use domain::id::ChannelId;
use domain::lanes::{Change, End, Lanes};
use domain::time::Timestamp;

use crate::clock;
use crate::telemetry::metrics;

/// The lanes of this process. They are not kept: after a start every channel is tried anew.
pub(super) struct Traffic {
    lanes: Mutex<Lanes>,
}

/// A claimed delivery that is under way until it is dropped.
pub struct UnderWay {
    pub(super) delivery: ClaimedDelivery,
    traffic: Arc<Traffic>,
    end: OnceLock<End>,
}

impl Traffic {
    pub(super) const fn new(slots: usize) -> Self {
        Self { lanes: Mutex::new(Lanes::new(slots)) }
    }

    /// How many deliveries of which channel may be begun.
    pub(super) fn room(&self, due: &[ChannelId], others: bool, now: Timestamp) -> Vec<(ChannelId, usize)> {
        self.lanes().room(due, others, now)
    }

    pub(super) fn begin(self: &Arc<Self>, delivery: ClaimedDelivery) -> UnderWay {
        self.lanes().began(delivery.channel.id);
        UnderWay { delivery, traffic: Arc::clone(self), end: OnceLock::new() }
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnderWay {
    /// Notes how the attempt ended. Without it, it was cut off.
    pub(super) fn ended(&self, end: End) {
        // There is one end.
        let _ = self.end.set(end);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let channel = &self.delivery.channel;
        let end = self.end.get().copied().unwrap_or(End::Unknown);
        let change = self.traffic.lanes().ended(channel.id, end, clock::now(), clock::draw());
        let name = &channel.name;
        match change {
            // Who answers is not left alone; said so that there is a figure from the first answer on.
            None if end == End::Answered => metrics::breaker(name, false),
            None => {}
            Some(Change::Opened { until, failures }) => {
                metrics::breaker(name, true);
                tracing::warn!(
                    channel.name = name,
                    count = failures,
                    "`{name}` is left alone until {until}: {failures} attempts in a row failed"
                );
            }
            Some(Change::Closed) => {
                metrics::breaker(name, false);
                tracing::info!(channel.name = name, "`{name}` answers again");
            }
        }
    }
}
