//! Taking away what is kept no longer, in small steps with pauses between them: however much there is,
//! webhooks come first, and a stop does not wait for it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::id::RunId;
use domain::time::Timestamp;
use store::{Kept, Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::config::RetentionSettings;
use crate::telemetry::metrics;

/// How often everything that was passed is looked at again: what was read again later has its time from
/// then on.
const AGAIN_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// How many times as long as it took the pause after a step is: a fifth of a processor at most.
const GIVE_WAY: u32 = 4;

/// Takes away what is kept no longer.
pub struct Retention {
    store: Store,
    settings: RetentionSettings,
    passed: Mutex<BTreeMap<Kept, Passed>>,
}

/// How far one kind was gone through.
#[derive(Clone, Default)]
struct Passed {
    /// Nothing up to this one has to be looked at.
    until: Option<String>,
    /// When that began at the first.
    since: Timestamp,
}

impl Retention {
    /// For this store.
    pub fn new(store: Store, settings: RetentionSettings) -> Self {
        Self { store, settings, passed: Mutex::default() }
    }

    /// Goes through everything once, or until stopped.
    ///
    /// # Errors
    /// When the store does not answer; the next round goes on from there.
    pub async fn round(&self, now: Timestamp, stop: &CancellationToken) -> Result<(), StoreError> {
        for kind in Kept::ALL {
            self.forget(kind, now, stop).await?;
        }
        self.quarantine(now, stop).await
    }

    const fn age(&self, kind: Kept) -> Duration {
        match kind {
            Kept::Requests => self.settings.requests,
            Kept::Results => self.settings.results,
            Kept::Runs => self.settings.runs,
            Kept::Incidents | Kept::Alerts => self.settings.incidents,
        }
    }

    fn passed(&self) -> MutexGuard<'_, BTreeMap<Kept, Passed>> {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn forget(&self, kind: Kept, now: Timestamp, stop: &CancellationToken) -> Result<(), StoreError> {
        let before = now.before(self.age(kind));
        let mut passed = self.passed().get(&kind).cloned().unwrap_or_default();
        if now.since(passed.since) >= AGAIN_AFTER {
            passed = Passed { until: None, since: now };
        }
        while !stop.is_cancelled() {
            let began = Instant::now();
            let forgotten = self.store.forget(kind, before, passed.until.as_deref()).await?;
            if forgotten.count > 0 {
                metrics::forgotten(kind.as_str(), "age", forgotten.count);
                let (count, kind) = (forgotten.count, kind.as_str());
                tracing::info!(count, "took {count} {kind} away that were kept long enough");
            }
            let done = forgotten.next.is_none();
            passed.until = forgotten.next.or_else(|| Some(RunId::first_at(before).to_string()));
            self.passed().insert(kind, passed.clone());
            if done {
                break;
            }
            give_way(began.elapsed(), stop).await;
        }
        Ok(())
    }

    async fn quarantine(&self, now: Timestamp, stop: &CancellationToken) -> Result<(), StoreError> {
        let quota = self.settings.quarantine_bytes;
        while !stop.is_cancelled() {
            let began = Instant::now();
            let beyond = self.store.beyond_quota(quota).await?;
            if beyond.is_empty() {
                break;
            }
            let why = format!("beyond the {} MiB of its key and driver in quarantine", quota >> 20);
            for run_id in &beyond {
                match self.store.discard(*run_id, &why, now).await {
                    // Somebody else was faster.
                    Ok(()) | Err(StoreError::Conflict(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            metrics::forgotten(Kept::Requests.as_str(), "quota", beyond.len());
            tracing::warn!(count = beyond.len(), "discarded {} webhooks: {why}", beyond.len());
            give_way(began.elapsed(), stop).await;
        }
        Ok(())
    }
}

/// Leaves the database to others for longer than a step took, unless stopped.
async fn give_way(took: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(took.saturating_mul(GIVE_WAY)) => {}
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

    fn settings() -> RetentionSettings {
        RetentionSettings {
            requests: DAY * 30,
            results: DAY * 30,
            runs: DAY * 90,
            incidents: DAY * 400,
            quarantine_bytes: 4,
        }
    }

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
        let settings = settings();
        let retention = Retention::new(store.clone(), settings);
        let go_on = CancellationToken::new();
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
        retention.round(day(30), &go_on).await.unwrap();
        assert!(has(ignored.run_id).await, "not yet");
        retention.round(day(31), &go_on).await.unwrap();
        assert!(!has(ignored.run_id).await && has(kept.run_id).await);

        let read = IngestWrite { outcome: IngestOutcome::Ignored, ..kept.clone() };
        store.reparse(&read, IngestOutcome::Quarantined, &mut Ids, day(40)).await.unwrap();
        retention.round(day(41), &go_on).await.unwrap();
        assert!(has(kept.run_id).await, "its time begins when it was read");
        retention.round(day(71), &go_on).await.unwrap();
        assert!(!has(kept.run_id).await, "passed long ago, and found all the same");

        let old = request(id(71, 1), IngestOutcome::Quarantined, day(71));
        let new = request(id(71, 2), IngestOutcome::Quarantined, day(71));
        for result in store.ingest(&[old.clone(), new.clone()], &mut Ids, day(71)).await {
            result.unwrap();
        }
        retention.round(day(72), &go_on).await.unwrap();
        assert!(!has(old.run_id).await && has(new.run_id).await, "four bytes may stay");
    }

    #[tokio::test]
    async fn a_stop_does_not_wait_until_everything_old_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("t.sqlite3").display());
        let store = Store::open(&url, Options::default()).await.unwrap();
        let day = |days: u32| Timestamp::from_millis(1_700_000_000_000).after(DAY * days);
        store.migrate(day(0)).await.unwrap();
        let time = u64::try_from(day(0).as_millis()).unwrap();
        let old: Vec<IngestWrite> = (1..=2000)
            .map(|number| RunId::from(ulid::Ulid::from_parts(time, number)))
            .map(|id| request(id, IngestOutcome::Ignored, day(0)))
            .collect();
        for result in store.ingest(&old, &mut Ids, day(0)).await {
            result.unwrap();
        }
        let retention = Retention::new(store.clone(), settings());
        let stop = CancellationToken::new();
        let has = async |write: &IngestWrite| store.inbox_request(write.run_id).await.is_ok();
        let stop_soon = async {
            while has(&old[0]).await {
                tokio::task::yield_now().await;
            }
            stop.cancel();
        };
        let (ended, ()) = tokio::join!(retention.round(day(31), &stop), stop_soon);
        ended.unwrap();
        assert!(has(&old[1999]).await, "it went on although it was to stop");

        retention.round(day(31), &CancellationToken::new()).await.unwrap();
        assert!(!has(&old[1999]).await, "the next round goes on from there");
    }
}
