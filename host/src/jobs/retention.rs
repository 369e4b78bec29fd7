//! Taking away what is kept no longer, in small steps.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::id::RunId;
use domain::time::Timestamp;
use store::{Store, StoreError};

use crate::config::RetentionSettings;
use crate::telemetry::metrics;

/// How often everything that was passed is looked at again: what was read again later has its time from
/// then on.
const AGAIN_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Takes away what is kept no longer.
pub struct Retention {
    store: Store,
    settings: RetentionSettings,
    passed: Mutex<Passed>,
}

/// How far the requests were gone through.
#[derive(Clone, Copy, Default)]
struct Passed {
    /// Nothing before this one has to be looked at.
    until: Option<RunId>,
    /// When that began at the first.
    since: Timestamp,
}

impl Retention {
    /// For this store.
    pub fn new(store: Store, settings: RetentionSettings) -> Self {
        Self { store, settings, passed: Mutex::default() }
    }

    /// Goes through everything once.
    ///
    /// # Errors
    /// When the store does not answer; the next round goes on from there.
    pub async fn round(&self, now: Timestamp) -> Result<(), StoreError> {
        self.requests(now).await?;
        self.quarantine(now).await
    }

    async fn requests(&self, now: Timestamp) -> Result<(), StoreError> {
        let before = now.before(self.settings.requests);
        let mut passed = *self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        if now.since(passed.since) >= AGAIN_AFTER {
            passed = Passed { until: None, since: now };
        }
        loop {
            let forgotten = self.store.forget_requests(before, passed.until).await?;
            if forgotten.count > 0 {
                metrics::forgotten_requests("age", forgotten.count);
                tracing::info!(
                    count = forgotten.count,
                    "took the content of {} old webhooks away",
                    forgotten.count
                );
            }
            passed.until = forgotten.next.or(Some(RunId::first_at(before)));
            *self.passed.lock().unwrap_or_else(PoisonError::into_inner) = passed;
            if forgotten.next.is_none() {
                return Ok(());
            }
        }
    }

    async fn quarantine(&self, now: Timestamp) -> Result<(), StoreError> {
        let quota = self.settings.quarantine_bytes;
        loop {
            let beyond = self.store.beyond_quota(quota).await?;
            if beyond.is_empty() {
                return Ok(());
            }
            let why = format!("beyond the {} MiB of its key and driver in quarantine", quota >> 20);
            for run_id in &beyond {
                match self.store.discard(*run_id, &why, now).await {
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

#[cfg(test)]
mod tests {
    use domain::id::TraceId;
    use domain::run::{IngestOutcome, Origin};
    use store::{IngestWrite, Options};

    use super::*;
    use crate::clock::Ids;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn request(run_id: RunId, outcome: IngestOutcome, at: Timestamp) -> IngestWrite {
        IngestWrite {
            run_id,
            trace_id: TraceId::mint(&mut Ids),
            origin: Origin::IncomingWebhook,
            received_at: at,
            driver: None,
            named: false,
            verified: false,
            detection: String::new(),
            delivery_id: None,
            api_key_id: None,
            size_bytes: 4,
            sealed_request: vec![1; 4],
            outcome,
            reason_code: Some("not_json".to_owned()),
            reason: None,
            webhook: None,
        }
    }

    #[tokio::test]
    async fn content_goes_after_its_time_and_what_was_read_late_after_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("t.sqlite3").display());
        let store = Store::open(&url, Options::default()).await.unwrap();
        let day = |days: u32| Timestamp::from_millis(1_700_000_000_000).after(DAY * days);
        store.migrate(day(0)).await.unwrap();
        let settings = RetentionSettings { requests: DAY * 30, quarantine_bytes: 4 };
        let retention = Retention::new(store.clone(), settings);
        let id = |days: u32, number: u128| {
            let time = u64::try_from(day(days).as_millis()).unwrap();
            RunId::from(ulid::Ulid::from_parts(time, number))
        };
        let ignored = request(id(0, 1), IngestOutcome::Ignored, day(0));
        let kept = request(id(0, 2), IngestOutcome::Quarantined, day(0));
        for result in store.ingest(&[ignored.clone(), kept.clone()], &mut Ids, day(0)).await {
            result.unwrap();
        }
        let has = async |run_id| store.inbox_request(run_id).await.is_ok();
        retention.round(day(30)).await.unwrap();
        assert!(has(ignored.run_id).await, "not yet");
        retention.round(day(31)).await.unwrap();
        assert!(!has(ignored.run_id).await && has(kept.run_id).await);

        let read = IngestWrite { outcome: IngestOutcome::Ignored, ..kept.clone() };
        store.reparse(&read, IngestOutcome::Quarantined, &mut Ids, day(40)).await.unwrap();
        retention.round(day(41)).await.unwrap();
        assert!(has(kept.run_id).await, "its time begins when it was read");
        retention.round(day(71)).await.unwrap();
        assert!(!has(kept.run_id).await, "passed long ago, and found all the same");

        let old = request(id(71, 1), IngestOutcome::Quarantined, day(71));
        let new = request(id(71, 2), IngestOutcome::Quarantined, day(71));
        for result in store.ingest(&[old.clone(), new.clone()], &mut Ids, day(71)).await {
            result.unwrap();
        }
        retention.round(day(72)).await.unwrap();
        assert!(!has(old.run_id).await && has(new.run_id).await, "four bytes may stay");
    }
}
