//! Taking away what is kept no longer.

use domain::crash::{self, Point};
use domain::id::RunId;
use domain::time::Timestamp;

use crate::db::{Columns as _, query, to_json};
use crate::error::{Doing as _, StoreError};
use crate::open::Store;
use crate::sql::{self, Sql};
use crate::tries::tried;

/// How many rows one step takes away: a transaction that webhooks hardly notice.
const STEP: u32 = 100;
/// How many requests are found at once that are beyond what may stay in quarantine: finding them means
/// adding up all that is there.
const FOUND_BEYOND: u32 = 500;

const DOING: &str = "take away what is old";

/// What can be taken away for its age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kept {
    /// The content of requests that were read; their rows stay. What is in quarantine stays whole.
    Requests,
    /// What the stages of ended runs made.
    Results,
    /// Ended runs with their requests, stages and deliveries, but for those of open incidents and requests in
    /// quarantine.
    Runs,
    /// Incidents that are over, with their alerts; only where their runs are gone.
    Incidents,
    /// Alerts that belong to no incident.
    Alerts,
}

impl Kept {
    /// All of them, in the order in which they have to go.
    pub const ALL: [Self; 5] = [Self::Requests, Self::Results, Self::Runs, Self::Incidents, Self::Alerts];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Results => "results",
            Self::Runs => "runs",
            Self::Incidents => "incidents",
            Self::Alerts => "alerts",
        }
    }

    /// The statement that finds them, one that locks them where a host can take one up meanwhile, and those
    /// that take them away; the last one counts.
    const fn statements(self) -> (Sql, Option<Sql>, &'static [Sql]) {
        use sql::keep as k;
        match self {
            Self::Requests => (k::OLD_REQUESTS, None, &[k::FORGET_REQUESTS]),
            Self::Results => (k::OLD_RESULTS, None, &[k::FORGET_RESULTS]),
            Self::Runs => (k::OLD_RUNS, Some(k::LOCK_RUNS), &[k::FORGET_DELIVERIES, k::FORGET_RUNS]),
            Self::Incidents => (
                k::OLD_INCIDENTS,
                Some(k::LOCK_INCIDENTS),
                &[k::FORGET_ALERTS_OF_INCIDENTS, k::FORGET_INCIDENTS],
            ),
            Self::Alerts => (k::OLD_ALERTS, None, &[k::FORGET_ALERTS]),
        }
    }
}

/// What one step took away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forgotten {
    /// How many went.
    pub count: usize,
    /// After which identifier the next step begins; none if everything is done for now.
    pub next: Option<String>,
}

impl Store {
    /// Takes some of what is older than a time away, the oldest first, after one.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn forget(
        &self,
        kind: Kept,
        before: Timestamp,
        after: Option<&str>,
    ) -> Result<Forgotten, StoreError> {
        let (find, ..) = kind.statements();
        // Which kind of identifier does not matter: they all begin with their time.
        let end = RunId::first_at(before).to_string();
        let find = query(find).bind(after.unwrap_or_default().to_owned()).bind(end);
        let find = find.bind(before.as_micros()).bind(STEP);
        let found = find.fetch_all(&self.inner.readers).await.doing(DOING)?;
        let ids: Vec<String> = found.iter().map(|row| row.text("id")).collect::<Result<_, _>>()?;
        let mut gone = 0;
        if !ids.is_empty() {
            crash::pass(Point::RetentionFound);
            gone = tried!(self, self.forget_these(kind, &ids))?;
        }
        let full = u32::try_from(ids.len()).is_ok_and(|count| count == STEP);
        let count = usize::try_from(gone).unwrap_or(usize::MAX);
        Ok(Forgotten { count, next: ids.last().cloned().filter(|_| full) })
    }

    /// Takes these away, as far as they may still go; tells how many did.
    async fn forget_these(&self, kind: Kept, ids: &[String]) -> Result<u64, StoreError> {
        let (_, lock, forget) = kind.statements();
        let list = to_json(DOING, &ids)?;
        let mut gone = 0;
        let mut tx = self.begin(DOING).await?;
        if let Some(lock) = lock {
            query(lock).bind(list.clone()).if_spoken(&mut tx).await.doing(DOING)?;
        }
        for statement in forget {
            let done = query(*statement).bind(list.clone()).execute(&mut *tx).await.doing(DOING)?;
            gone = done.rows_affected();
        }
        crash::pass(Point::RetentionBeforeCommit);
        tx.commit().await.doing(DOING)?;
        crash::pass(Point::RetentionAfterCommit);
        Ok(gone)
    }

    /// Some requests that are in quarantine for what their sender sent, beyond `bytes` of what came with
    /// their key for their driver, the oldest first. Those at which a driver broke, or that could not be
    /// stored, neither count nor are they among them.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn beyond_quota(&self, bytes: u64) -> Result<Vec<RunId>, StoreError> {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let found = query(sql::ingest::BEYOND_QUOTA).bind(bytes).bind(FOUND_BEYOND);
        let found = found.fetch_all(&self.inner.readers).await.doing("measure the quarantine")?;
        found.iter().map(|row| row.parse("run_id")).collect()
    }
}
