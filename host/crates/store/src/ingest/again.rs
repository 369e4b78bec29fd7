//! Requests that are stored already: read again, tried out, or discarded.

use domain::crash::{self, Point};
use domain::id::{Mint, RunId};
use domain::plan::{IngestPlan, Webhook, plan};
use domain::run::IngestOutcome;
use domain::time::Timestamp;

use super::batch::{Reading, Requests, alerts_of, apply, duplicates, known, stored};
use super::rows::{fault, run_status};
use super::{IngestWrite, Ingested};
use crate::db::{Transaction, query};
use crate::error::{Doing as _, StoreError};
use crate::open::Store;
use crate::sql;
use crate::tries::tried;

impl Store {
    /// Writes what came of reading a stored request again, with everything that follows from it.
    ///
    /// Request and run stay the same; `write.sealed_request` is not looked at. Where the same delivery
    /// was taken in the meantime under another run, this one counts as ignored.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if what became of the request is no longer `was`, because somebody else was
    /// faster; or if it was parsed, and the same delivery was taken under another run too.
    pub async fn reparse(
        &self,
        write: &IngestWrite,
        was: IngestOutcome,
        mint: &mut (dyn Mint + Send),
        now: Timestamp,
    ) -> Result<Ingested, StoreError> {
        tried!(self, self.reparse_once(write, was, mint, now))
    }

    async fn reparse_once(
        &self,
        write: &IngestWrite,
        was: IngestOutcome,
        mint: &mut (dyn Mint + Send),
        now: Timestamp,
    ) -> Result<Ingested, StoreError> {
        const DOING: &str = "store a request that was read again";
        let mut tx = self.begin(DOING).await?;
        let first = duplicates(&mut tx, std::slice::from_ref(write)).await?.pop().flatten();
        let other = first
            .filter(|first| !matches!(first, Ingested::Duplicate { run_id, .. } if *run_id == write.run_id));
        let result = if let Some(first) = other {
            if was == IngestOutcome::Parsed {
                let text = format!("the delivery of run `{}` was taken under another run too", write.run_id);
                return Err(StoreError::Conflict(text));
            }
            let same = IngestWrite {
                delivery_id: None,
                outcome: IngestOutcome::Ignored,
                reason_code: Some("duplicate".to_owned()),
                reason: Some(match &first {
                    Ingested::Duplicate { run_id, .. } => {
                        format!("the same delivery was taken as run {run_id}")
                    }
                    Ingested::Stored { .. } => "the same delivery was taken before".to_owned(),
                }),
                webhook: None,
                ..write.clone()
            };
            settle(&mut tx, &same, was, now).await?;
            first
        } else {
            settle(&mut tx, write, was, now).await?;
            let plans = apply(&mut tx, &[write], Requests::Stored, mint, now).await?;
            stored(write, &plans.into_iter().next().unwrap_or_default())
        };
        crash::pass(Point::ReparseBeforeCommit);
        tx.commit().await.doing(DOING)?;
        crash::pass(Point::ReparseAfterCommit);
        Ok(result)
    }

    /// What a webhook would change now. Nothing is written.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn plan(
        &self,
        webhook: &Webhook,
        mint: &mut (dyn Mint + Send),
    ) -> Result<IngestPlan, StoreError> {
        let mut tx = self.snapshot("read what a webhook would change").await?;
        let mut known = known(&mut tx, &[webhook], Reading::ToSee).await?;
        Ok(plan(webhook, &mut known, mint))
    }

    /// Takes a request out of quarantine for good: its content goes, its run stays and says why.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the request is not in quarantine, or no longer.
    pub async fn discard(&self, run_id: RunId, reason: &str, now: Timestamp) -> Result<(), StoreError> {
        const DOING: &str = "discard a request";
        let mut tx = self.begin(DOING).await?;
        let done = query(sql::ingest::DISCARD_INBOX).bind(reason.to_owned()).bind(run_id.to_string());
        let done = done.execute(&mut *tx).await.doing(DOING)?.rows_affected();
        unchanged(run_id, IngestOutcome::Quarantined, done)?;
        let run = query(sql::ingest::DISCARD_INGEST)
            .bind(reason.to_owned())
            .bind(now.as_micros())
            .bind(run_id.to_string());
        run.execute(&mut *tx).await.doing(DOING)?;
        tx.commit().await.doing(DOING)
    }
}

/// Writes what became of a request and of its run.
async fn settle(
    tx: &mut Transaction,
    write: &IngestWrite,
    was: IngestOutcome,
    now: Timestamp,
) -> Result<(), StoreError> {
    const DOING: &str = "settle a stored request";
    let driver = write.driver.as_ref().map(ToString::to_string);
    let inbox = query(sql::ingest::SETTLE_INBOX)
        .bind(driver.clone())
        .bind(write.detection.clone())
        .bind(write.delivery_id.clone())
        .bind(write.outcome.as_str())
        .bind(write.reason_code.clone())
        .bind(write.reason.clone())
        .bind(write.run_id.to_string())
        .bind(was.as_str());
    unchanged(write.run_id, was, inbox.execute(&mut **tx).await.doing(DOING)?.rows_affected())?;
    let (error_type, error_message) = fault(write);
    let run = query(sql::ingest::SETTLE_INGEST)
        .bind(run_status(write.outcome).as_str())
        .bind(driver)
        .bind(write.outcome.as_str())
        .bind(alerts_of(write))
        .bind(write.reason.clone())
        .bind(error_type.map(str::to_owned))
        .bind(error_message.map(str::to_owned))
        .bind(now.as_micros())
        .bind(write.run_id.to_string());
    run.execute(&mut **tx).await.doing(DOING)?;
    Ok(())
}

fn unchanged(run_id: RunId, was: IngestOutcome, rows: u64) -> Result<(), StoreError> {
    match rows {
        0 => Err(StoreError::Conflict(format!("the request of run `{run_id}` is not `{was}`, or no longer"))),
        _ => Ok(()),
    }
}
