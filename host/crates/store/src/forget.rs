//! Taking away what is kept no longer.

use domain::id::RunId;
use domain::time::Timestamp;

use crate::db::{Columns as _, query, to_json};
use crate::error::{Doing as _, StoreError};
use crate::open::Store;
use crate::sql;

/// How many requests one step looks for: a transaction that holds nobody up.
const STEP: u32 = 500;

/// What one step took away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forgotten {
    /// How many requests lost their content.
    pub count: usize,
    /// Where the next step begins; none if everything is done for now.
    pub next: Option<RunId>,
}

impl Store {
    /// Takes the content away of some requests that were read before a time, the oldest first, after one.
    /// Their rows stay, and with them what became of each; what is in quarantine stays whole.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn forget_requests(
        &self,
        before: Timestamp,
        after: Option<RunId>,
    ) -> Result<Forgotten, StoreError> {
        const DOING: &str = "take old requests away";
        // Identifiers begin with the time at which they were made, so their index is in that order.
        let end = RunId::first_at(before);
        let found = query(sql::ingest::OLD_REQUESTS)
            .bind(after.map(|id| id.to_string()).unwrap_or_default())
            .bind(end.to_string())
            .bind(before.as_micros())
            .bind(STEP);
        let found = found.fetch_all(&self.inner.readers).await.doing(DOING)?;
        let ids: Vec<RunId> = found.iter().map(|row| row.parse("run_id")).collect::<Result<_, _>>()?;
        if !ids.is_empty() {
            let mut tx = self.begin(DOING).await?;
            let forget = query(sql::ingest::FORGET_REQUESTS).bind(to_json(DOING, &ids)?);
            forget.execute(&mut *tx).await.doing(DOING)?;
            tx.commit().await.doing(DOING)?;
        }
        let full = u32::try_from(ids.len()).is_ok_and(|count| count == STEP);
        Ok(Forgotten { count: ids.len(), next: ids.last().copied().filter(|_| full) })
    }

    /// Some requests that are in quarantine for what their sender sent, beyond `bytes` of what came with
    /// their key for their driver, the oldest first. Those at which a driver broke, or that could not be
    /// stored, neither count nor are they among them.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn beyond_quota(&self, bytes: u64) -> Result<Vec<RunId>, StoreError> {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let found = query(sql::ingest::BEYOND_QUOTA).bind(bytes).bind(STEP);
        let found = found.fetch_all(&self.inner.readers).await.doing("measure the quarantine")?;
        found.iter().map(|row| row.parse("run_id")).collect()
    }
}
