//! Writing webhooks: many per transaction, and none acknowledged before its commit.

mod again;
mod batch;
pub(crate) mod later;
pub(crate) mod rows;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use domain::crash::{self, Point};
use domain::id::{IncidentId, KeyId, Mint, RunId, TraceId};
use domain::plan::Webhook;
use domain::plugin::PluginName;
use domain::run::{IngestOutcome, Origin};
use domain::time::Timestamp;

use crate::db::{Columns as _, Dialect, query};
use crate::error::{Doing as _, StoreError};
use crate::open::Store;
use crate::sql;
use crate::tries::tried;

/// The most webhooks of one transaction.
const MAX_WRITES: usize = 256;
/// The most sealed bytes of one transaction; a larger request has one of its own. SQLite takes
/// parameters of up to 1 GB.
const MAX_BYTES: usize = 32 << 20;
/// The same on MySQL, which takes statements of at most 16 MiB unless it is told otherwise.
const MAX_BYTES_ON_MYSQL: usize = 8 << 20;
/// The most alerts of one transaction; a webhook with more has one of its own. About 4 MiB of JSON.
const MAX_ALERTS: usize = 4096;

/// How long a transaction may take on a server: longer than it waits for a lock, and shorter than senders wait.
const SERVER_WITHIN: Duration = Duration::from_secs(8);

/// One webhook to be written, whatever came of it.
#[derive(Debug, Clone)]
pub struct IngestWrite {
    /// The run that ingests it.
    pub run_id: RunId,
    /// Shared by all that comes of it.
    pub trace_id: TraceId,
    /// What started the run.
    pub origin: Origin,
    /// When the request arrived.
    pub received_at: Timestamp,
    /// The driver, where one was found.
    pub driver: Option<PluginName>,
    /// Whether the sender named the driver.
    pub named: bool,
    /// Whether it was signed with a secret of the driver.
    pub verified: bool,
    /// Why this driver, or none.
    pub detection: String,
    /// The sender's id, the same when it tries again. Says nothing without a driver.
    pub delivery_id: Option<String>,
    /// The key that was shown.
    pub api_key_id: Option<KeyId>,
    /// Size of the body as received.
    pub size_bytes: u64,
    /// The request, sealed for its run.
    pub sealed_request: Vec<u8>,
    /// What came of it.
    pub outcome: IngestOutcome,
    /// Why it was ignored or quarantined, in one word.
    pub reason_code: Option<String>,
    /// Why it was ignored or quarantined, in words.
    pub reason: Option<String>,
    /// What the driver read; none unless the outcome is `parsed`.
    pub webhook: Option<Webhook>,
}

/// What was stored of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ingested {
    /// All of it.
    Stored {
        /// How many alerts it held.
        alerts: u32,
        /// The incidents it touched.
        incidents: Vec<IncidentId>,
        /// The downstream runs it started; due at once.
        runs: Vec<RunId>,
    },
    /// Nothing: it was stored before, under the same delivery id.
    Duplicate {
        /// The run that ingested the first.
        run_id: RunId,
        /// What the first is traced by.
        trace_id: TraceId,
        /// The driver.
        driver: PluginName,
        /// What came of the first.
        outcome: IngestOutcome,
        /// How many alerts the first held.
        alerts: u32,
    },
}

impl Store {
    /// Writes webhooks, in the order given, and answers each in its place.
    ///
    /// All share one transaction, up to 256 webhooks, 4096 alerts and 32 MiB of sealed bytes; more
    /// are split. Where another host is in its way it is replayed as it is. If it is refused, it is replayed
    /// in halves and then singly, so that one bad write never fails its neighbours. What is answered `Ok` is
    /// committed.
    ///
    /// # Errors
    /// Per webhook. [`StoreError::Unavailable`] for all that are not committed when the database does
    /// not answer; anything else concerns that webhook alone.
    pub async fn ingest(
        &self,
        writes: &[IngestWrite],
        mint: &mut (dyn Mint + Send),
        now: Timestamp,
    ) -> Vec<Result<Ingested, StoreError>> {
        let mut results: Vec<Result<Ingested, StoreError>> = Vec::with_capacity(writes.len());
        // The next range is last.
        let max_bytes = match self.dialect() {
            Dialect::Sqlite | Dialect::Postgres => MAX_BYTES,
            Dialect::Mysql => MAX_BYTES_ON_MYSQL,
        };
        let mut waiting = chunks(writes, max_bytes);
        waiting.reverse();
        while let Some(range) = waiting.pop() {
            let Some(batch) = writes.get(range.clone()) else { continue };
            match tried!(self, self.ingest_in_time(batch, mint, now)) {
                Ok(stored) => results.extend(stored.into_iter().map(Ok)),
                Err(error @ StoreError::Unavailable { .. }) if !error.is_contention() || batch.len() == 1 => {
                    // The rest would wait for the same database just as long.
                    results.resize_with(writes.len(), || Err(error.clone()));
                    break;
                }
                Err(error) if batch.len() == 1 => results.push(Err(error)),
                Err(error) => {
                    let middle = range.start + batch.len() / 2;
                    tracing::warn!(
                        error = %error, count = batch.len(),
                        "a transaction of {} webhooks was refused; trying its halves", batch.len(),
                    );
                    waiting.push(middle..range.end);
                    waiting.push(range.start..middle);
                }
            }
        }
        results
    }

    /// Writes a batch, and gives a server up that does not answer while senders can still be told so.
    async fn ingest_in_time(
        &self,
        batch: &[IngestWrite],
        mint: &mut (dyn Mint + Send),
        now: Timestamp,
    ) -> Result<Vec<Ingested>, StoreError> {
        let write = self.ingest_batch(batch, mint, now);
        if !self.dialect().is_server() {
            return write.await;
        }
        let late = |_| {
            let text = format!("no answer within {} s", SERVER_WITHIN.as_secs());
            let source = std::io::Error::new(std::io::ErrorKind::TimedOut, text);
            Err(StoreError::Unavailable { doing: "store webhooks", source: Arc::new(source) })
        };
        tokio::time::timeout(SERVER_WITHIN, write).await.unwrap_or_else(late)
    }

    /// One transaction; all or nothing.
    async fn ingest_batch(
        &self,
        batch: &[IngestWrite],
        mint: &mut (dyn Mint + Send),
        now: Timestamp,
    ) -> Result<Vec<Ingested>, StoreError> {
        const DOING: &str = "store webhooks";
        let mut tx = self.begin_ingest(DOING).await?;
        let results = batch::write(&mut tx, batch, mint, now).await?;
        let (before, after) = match batch {
            [_] => (Point::IngestBeforeCommit, Point::IngestAfterCommit),
            _ => (Point::BatchBeforeCommit, Point::BatchAfterCommit),
        };
        crash::pass(before);
        match tx.commit().await {
            Ok(()) => {
                crash::pass(after);
                Ok(results)
            }
            // Whether it is on disk is not known: ask, because to write it twice is wrong as well.
            Err(error) if self.is_stored(batch, &results).await? => {
                tracing::warn!(error = %error, "a commit was reported as failed, but is there");
                Ok(results)
            }
            Err(error) => Err(StoreError::of(DOING, error)),
        }
    }

    /// Whether what a batch wanted to store is there.
    async fn is_stored(&self, batch: &[IngestWrite], results: &[Ingested]) -> Result<bool, StoreError> {
        const DOING: &str = "look up what became of a commit";
        let wanted: Vec<RunId> = batch
            .iter()
            .zip(results)
            .filter(|(_, result)| matches!(result, Ingested::Stored { .. }))
            .map(|(write, _)| write.run_id)
            .collect();
        let ids = crate::db::to_json(DOING, &wanted)?;
        let row =
            query(sql::ingest::COUNT_INBOX).bind(ids).fetch_one(&self.inner.readers).await.doing(DOING)?;
        Ok(!wanted.is_empty() && row.int::<usize>("found")? == wanted.len())
    }
}

/// Splits writes so that no transaction and no parameter grows without bound.
fn chunks(writes: &[IngestWrite], max_bytes: usize) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let (mut start, mut bytes, mut alerts) = (0, 0usize, 0usize);
    for (at, write) in writes.iter().enumerate() {
        let more_alerts = write.webhook.as_ref().map_or(0, |webhook| webhook.alerts.len());
        let full = at - start >= MAX_WRITES
            || bytes.saturating_add(write.sealed_request.len()) > max_bytes
            || alerts.saturating_add(more_alerts) > MAX_ALERTS;
        if full && at > start {
            ranges.push(start..at);
            (start, bytes, alerts) = (at, 0, 0);
        }
        bytes = bytes.saturating_add(write.sealed_request.len());
        alerts = alerts.saturating_add(more_alerts);
    }
    if start < writes.len() {
        ranges.push(start..writes.len());
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::open::Options;

    /// What a commit without an answer is judged by.
    #[tokio::test]
    async fn stored_webhooks_are_told_from_those_that_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("t.sqlite3").display());
        let store = Store::open(&url, Options::default()).await.unwrap();
        store.migrate(Timestamp::default()).await.unwrap();
        let mut next = 0u128;
        let mut mint = move || {
            next += 1;
            ulid::Ulid(next)
        };
        let mut ignored = |number: u128| IngestWrite {
            run_id: RunId::from(ulid::Ulid(1000 + number)),
            trace_id: TraceId::mint(&mut mint),
            origin: Origin::IncomingWebhook,
            received_at: Timestamp::default(),
            driver: None,
            named: false,
            verified: false,
            detection: String::new(),
            delivery_id: None,
            api_key_id: None,
            size_bytes: 0,
            sealed_request: Vec::new(),
            outcome: IngestOutcome::Ignored,
            reason_code: None,
            reason: None,
            webhook: None,
        };
        let writes = [ignored(1), ignored(2), ignored(3)];
        let mut mint = move || ulid::Ulid(7);
        let (here, missing) = writes.split_at(2);
        let results: Vec<Ingested> = store
            .ingest(here, &mut mint, Timestamp::default())
            .await
            .into_iter()
            .collect::<Result<_, _>>()
            .unwrap();
        assert!(store.is_stored(here, &results).await.unwrap());
        assert!(!store.is_stored(missing, &results[..1]).await.unwrap());
        assert!(!store.is_stored(&[], &[]).await.unwrap());
    }
}
