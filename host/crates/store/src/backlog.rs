//! What is waiting, for timers: counts that are cut, so that a look costs the same however much there is.

use domain::time::Timestamp;

use crate::db::{Columns as _, query};
use crate::error::{Doing as _, StoreError};
use crate::open::Store;
use crate::sql;

/// What is waiting. No count is greater than 10000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Runs that are not over.
    pub runs: u64,
    /// When the first of them is or was due.
    pub run_due_at: Option<Timestamp>,
    /// Deliveries that are not final.
    pub deliveries: u64,
    /// When the first of them to a channel that is on is or was due.
    pub delivery_due_at: Option<Timestamp>,
    /// Deliveries given up on.
    pub dead: u64,
    /// Webhooks in quarantine.
    pub quarantined: u64,
    /// The size of their bodies as received.
    pub quarantined_bytes: u64,
    /// The size of the database, its log not counted.
    pub database_bytes: u64,
}

impl Store {
    /// Looks at what is waiting, in one snapshot.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn backlog(&self) -> Result<Backlog, StoreError> {
        const DOING: &str = "count what is waiting";
        let mut tx = self.snapshot(DOING).await?;
        let runs = query(sql::read::RUNS_WAITING).fetch_one(&mut *tx).await.doing(DOING)?;
        let deliveries = query(sql::read::DELIVERIES_WAITING).fetch_one(&mut *tx).await.doing(DOING)?;
        let due = query(sql::read::DELIVERY_DUE).fetch_one(&mut *tx).await.doing(DOING)?;
        let dead = query(sql::read::DEAD_COUNT).fetch_one(&mut *tx).await.doing(DOING)?;
        let quarantine = query(sql::read::QUARANTINE_SIZE).fetch_one(&mut *tx).await.doing(DOING)?;
        let size = query(sql::read::FILE_SIZE).fetch_one(&mut *tx).await.doing(DOING)?;
        Ok(Backlog {
            runs: runs.int("found")?,
            run_due_at: runs.opt_time("first")?,
            deliveries: deliveries.int("found")?,
            delivery_due_at: due.opt_time("first")?,
            dead: dead.int("found")?,
            quarantined: quarantine.int("found")?,
            quarantined_bytes: quarantine.int("bytes")?,
            database_bytes: size.int("bytes")?,
        })
    }
}
