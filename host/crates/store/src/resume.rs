//! Taking up a run that ended without having told everybody.

use domain::id::{DeliveryId, IncidentId, RunId};
use domain::run::RunStatus;
use domain::time::Timestamp;

use crate::db::{Columns as _, query};
use crate::error::{Doing as _, StoreError};
use crate::open::Store;
use crate::outbox_dead::revive;
use crate::outbox_put::place;
use crate::sql;
use crate::tries::tried;

/// What is done to take a run up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resumed {
    /// It goes on after the last stage that succeeded.
    Stages,
    /// Its stages are done; so many of its dead deliveries are due again.
    Deliveries(u32),
}

impl Store {
    /// Makes a run due again that failed or was skipped: after the last stage that succeeded, or with its dead
    /// deliveries, which note that `actor` did it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is none, [`StoreError::Conflict`] if it has not ended that way, or
    /// something newer was told, or is to be told, of its incident.
    pub async fn resume_run(&self, id: RunId, actor: &str, now: Timestamp) -> Result<Resumed, StoreError> {
        tried!(self, self.resume_once(id, actor, now))
    }

    async fn resume_once(&self, id: RunId, actor: &str, now: Timestamp) -> Result<Resumed, StoreError> {
        const DOING: &str = "resume a run";
        let mut tx = self.begin(DOING).await?;
        query(sql::run::LOCK_INCIDENT_OF_RUN).bind(id.to_string()).if_spoken(&mut tx).await.doing(DOING)?;
        let row = query(sql::run::RUN).bind(id.to_string()).fetch_optional(&mut *tx).await.doing(DOING)?;
        let row = row.ok_or_else(|| StoreError::NotFound(format!("run `{id}`")))?;
        let status: RunStatus = row.parse("status")?;
        let Some(incident) = row.opt_parse::<IncidentId>("incident_id")? else {
            return Err(StoreError::Conflict(format!(
                "run `{id}` took a webhook and has nothing to resume; what is in quarantine is read again by \
                 `watchbell quarantine reparse {id}`"
            )));
        };
        if !matches!(status, RunStatus::Failed | RunStatus::Skipped) {
            return Err(StoreError::Conflict(format!(
                "run `{id}` is {status}: only one that is FAILED or SKIPPED can be resumed"
            )));
        }
        let newer = query(sql::run::NEWER_RUN).bind(incident.to_string()).bind(id.to_string());
        if let Some(newer) = newer.fetch_optional(&mut *tx).await.doing(DOING)? {
            let newer = newer.text("id")?;
            return Err(StoreError::Conflict(format!(
                "run `{id}` is overtaken: run `{newer}` tells something newer of its incident"
            )));
        }
        let dead = query(sql::outbox::DEAD_DELIVERIES_OF_RUN).bind(id.to_string());
        let dead = dead.fetch_all(&mut *tx).await.doing(DOING)?;
        let resumed = if dead.is_empty() {
            let resume = query(sql::run::RESUME_RUN).bind(now.as_micros()).bind(id.to_string());
            resume.execute(&mut *tx).await.doing(DOING)?;
            Resumed::Stages
        } else {
            for row in &dead {
                let delivery: DeliveryId = row.parse("id")?;
                let place = place(&mut tx, delivery).await?;
                revive(&mut tx, delivery, &place, actor, now).await?;
            }
            Resumed::Deliveries(u32::try_from(dead.len()).unwrap_or(u32::MAX))
        };
        tx.commit().await.doing(DOING)?;
        Ok(resumed)
    }
}
