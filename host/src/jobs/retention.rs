//! Taking away what is kept no longer, in small steps.

use std::sync::{Mutex, PoisonError};

use domain::id::RunId;
use store::{Store, StoreError};

use crate::clock;
use crate::config::RetentionSettings;
use crate::telemetry::metrics;

/// Takes away what is kept no longer.
pub struct Retention {
    store: Store,
    settings: RetentionSettings,
    /// Everything up to here was looked at since the start.
    after: Mutex<Option<RunId>>,
}

impl Retention {
    /// For this store.
    pub fn new(store: Store, settings: RetentionSettings) -> Self {
        Self { store, settings, after: Mutex::default() }
    }

    /// Goes through everything once.
    ///
    /// # Errors
    /// When the store does not answer; the next round goes on from there.
    pub async fn round(&self) -> Result<(), StoreError> {
        self.requests().await?;
        self.quarantine().await
    }

    async fn requests(&self) -> Result<(), StoreError> {
        let before = clock::now().before(self.settings.requests);
        loop {
            let after = *self.after.lock().unwrap_or_else(PoisonError::into_inner);
            let forgotten = self.store.forget_requests(before, after).await?;
            if forgotten.count > 0 {
                metrics::forgotten_requests("age", forgotten.count);
                tracing::info!(
                    count = forgotten.count,
                    "took the content of {} old webhooks away",
                    forgotten.count
                );
            }
            let Some(next) = forgotten.next else { return Ok(()) };
            *self.after.lock().unwrap_or_else(PoisonError::into_inner) = Some(next);
        }
    }

    async fn quarantine(&self) -> Result<(), StoreError> {
        let quota = self.settings.quarantine_bytes;
        loop {
            let beyond = self.store.beyond_quota(quota).await?;
            if beyond.is_empty() {
                return Ok(());
            }
            let why = format!("beyond the {} MiB of its key and driver in quarantine", quota >> 20);
            for run_id in &beyond {
                match self.store.discard(*run_id, &why, clock::now()).await {
                    // Somebody else was faster.
                    Ok(()) | Err(StoreError::Conflict(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            metrics::forgotten_requests("quota", beyond.len());
            tracing::warn!(count = beyond.len(), "discarded {} webhooks: {why}", beyond.len());
        }
    }
}
