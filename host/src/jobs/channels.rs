//! Saying so, through another channel, when one fails for long.

use std::time::Duration;

use domain::alert::AlertStatus;
use domain::own;
use domain::plugin::PluginName;
use domain::run::Origin;
use domain::time::Timestamp;
use serde_json::json;
use store::{AlertFilter, MAX_PAGE, PageRequest, Store, StoreError};

use crate::ingest::{Own, Recorder};

/// Looks whether channels work. What it has said already it reads from the alerts, so that it is said once,
/// whichever process looks.
pub struct ChannelWatch {
    store: Store,
    recorder: Recorder,
    patience: Duration,
}

impl ChannelWatch {
    /// Says so when a channel has taken nothing for `patience`; never, where that is nothing.
    pub const fn new(store: Store, recorder: Recorder, patience: Duration) -> Self {
        Self { store, recorder, patience }
    }

    /// Looks once.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn round(&self, now: Timestamp) -> Result<(), StoreError> {
        self.give_up_for_removed(now).await?;
        if self.patience.is_zero() {
            return Ok(());
        }
        self.tell(now).await
    }

    /// What was under way when its channel was removed, or was put into the outbox at that moment.
    async fn give_up_for_removed(&self, now: Timestamp) -> Result<(), StoreError> {
        let count = self.store.give_up_for_removed(now).await?;
        if count > 0 {
            tracing::warn!(count, "gave up on {count} deliveries to channels that were removed");
        }
        Ok(())
    }

    async fn tell(&self, now: Timestamp) -> Result<(), StoreError> {
        let states = self.store.channel_states().await?;
        let source = PluginName::of_hub();
        let filter = AlertFilter {
            source: Some(source.clone()),
            name: Some(own::CHANNEL_FAILING.to_owned()),
            status: Some(AlertStatus::Firing),
            ..AlertFilter::default()
        };
        let known = self.store.alerts(&filter, &PageRequest { limit: MAX_PAGE, cursor: None }).await?.items;
        let states = states.iter().map(|state| (&state.channel, &state.health));
        let alerts = own::about_channels(states, &known, self.patience, now);
        for alert in &alerts {
            tracing::warn!(alert.source = %source, "{}", alert.description);
        }
        let body = json!({ "alerts": alerts }).to_string().into_bytes();
        let found = Own { source, origin: Origin::CheckerGenerated, alerts, body, at: now };
        if let Err(error) = self.recorder.record(found).await {
            // The next round finds the same.
            tracing::warn!(error.r#type = "unavailable", "{error}");
        }
        Ok(())
    }
}
