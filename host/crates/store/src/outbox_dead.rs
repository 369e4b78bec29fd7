//! Deliveries that were given up on, tried again.

use domain::delivery::DeliveryStatus;
use domain::id::DeliveryId;
use domain::time::Timestamp;
use serde::Serialize;

use crate::db::{Columns as _, Connection, query};
use crate::error::{Doing as _, StoreError};
use crate::open::Store;
use crate::outbox_put::{DeliveryPlace, place, supersede};
use crate::sql;
use crate::tries::tried;

/// How many dead deliveries one transaction of [`Store::retry_dead_deliveries`] goes through, so that
/// webhooks need not wait.
const AT_ONCE: i64 = 500;

const DOING: &str = "retry a delivery";

/// Which dead deliveries are meant; what is none does not matter.
#[derive(Debug, Clone, Default)]
pub struct DeadFilter {
    /// To the channel of this name.
    pub channel: Option<String>,
    /// Made at this time or later.
    pub since: Option<Timestamp>,
}

/// What came of having dead deliveries tried again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Revived {
    /// These are due again.
    pub due: u64,
    /// These are stale now: something newer was told, or is about to be.
    pub stale: u64,
}

impl Store {
    /// Makes a dead delivery due again for `actor`, which is written down. Its key stays, its attempts go on
    /// counting, and their schedule begins anew. Its run waits for it again.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is none, [`StoreError::Conflict`] if it is not dead, if its channel is
    /// removed, or if there is something newer about the incident for its channel.
    pub async fn retry_delivery(
        &self,
        id: DeliveryId,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        tried!(self, self.retry_once(id, actor, now))
    }

    async fn retry_once(&self, id: DeliveryId, actor: &str, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.begin(DOING).await?;
        lock_incident(&mut tx, id).await?;
        let place = place(&mut tx, id).await?;
        if place.status != DeliveryStatus::Dead {
            let status = place.status;
            return Err(StoreError::Conflict(format!(
                "delivery `{id}` is `{status}`: only a dead one can be tried again"
            )));
        }
        if let Some(by) = overtaken_by(&mut tx, id).await? {
            return Err(StoreError::Conflict(format!(
                "delivery `{id}` is overtaken: `{by}` tells its channel something newer of the incident\n\
                 hint: `watchbell delivery retry --all` makes it stale"
            )));
        }
        revive(&mut tx, id, &place, actor, now).await?;
        tx.commit().await.doing(DOING)
    }

    /// Makes dead deliveries due again for `actor`, as [`Store::retry_delivery`] does with one. Those that are
    /// overtaken go stale.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer; some may be due again by then.
    pub async fn retry_dead_deliveries(
        &self,
        filter: &DeadFilter,
        actor: &str,
        now: Timestamp,
    ) -> Result<Revived, StoreError> {
        let mut after = filter.since.map(|since| DeliveryId::first_at(since).to_string()).unwrap_or_default();
        let mut revived = Revived::default();
        loop {
            let (some, last) = tried!(self, self.retry_some(&after, filter, actor, now))?;
            revived.due += some.due;
            revived.stale += some.stale;
            match last {
                Some(last) => after = last,
                None => return Ok(revived),
            }
        }
    }

    /// Goes through the next dead deliveries after one; tells which was the last, if there were any.
    async fn retry_some(
        &self,
        after: &str,
        filter: &DeadFilter,
        actor: &str,
        now: Timestamp,
    ) -> Result<(Revived, Option<String>), StoreError> {
        let mut revived = Revived::default();
        let mut tx = self.begin(DOING).await?;
        // On a server each locks its incident, and webhooks lock theirs in the order of their identifiers.
        let at_once = if self.dialect().is_server() { 1 } else { AT_ONCE };
        let dead = query(sql::outbox::DEAD_DELIVERIES).bind(after.to_owned()).bind(filter.channel.clone());
        let rows = dead.bind(at_once).fetch_all(&mut *tx).await.doing(DOING)?;
        let last = rows.last().map(|row| row.text("id")).transpose()?;
        for row in &rows {
            let id = row.parse("id")?;
            lock_incident(&mut tx, id).await?;
            let place = place(&mut tx, id).await?;
            if place.status != DeliveryStatus::Dead {
                continue;
            }
            match overtaken_by(&mut tx, id).await? {
                Some(by) => {
                    supersede(&mut tx, id, place.run_id, by, now).await?;
                    revived.stale += 1;
                }
                None => {
                    revive(&mut tx, id, &place, actor, now).await?;
                    revived.due += 1;
                }
            }
        }
        tx.commit().await.doing(DOING)?;
        Ok((revived, last))
    }
}

/// Has the incident of a delivery to ourselves.
async fn lock_incident(tx: &mut Connection, id: DeliveryId) -> Result<(), StoreError> {
    let lock = query(sql::outbox::LOCK_INCIDENT_OF_DELIVERY).bind(id.to_string());
    lock.if_spoken(tx).await.doing(DOING).map(drop)
}

async fn overtaken_by(tx: &mut Connection, id: DeliveryId) -> Result<Option<DeliveryId>, StoreError> {
    let newer = query(sql::outbox::OVERTAKEN_BY).bind(id.to_string());
    let newer = newer.fetch_optional(&mut *tx).await.doing("see what is newer")?;
    newer.map(|row| row.parse("id")).transpose()
}

pub(crate) async fn revive(
    tx: &mut Connection,
    id: DeliveryId,
    place: &DeliveryPlace,
    actor: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let delivery = query(sql::outbox::REVIVE_DELIVERY).bind(now.as_micros()).bind(id.to_string());
    if delivery.execute(&mut *tx).await.doing(DOING)?.rows_affected() == 0 {
        return Err(StoreError::Conflict(format!("delivery `{id}` was for a channel that is removed")));
    }
    let note = query(sql::outbox::INSERT_RETRY)
        .bind(id.to_string())
        .bind(place.attempts)
        .bind(actor.to_owned())
        .bind(now.as_micros());
    note.execute(&mut *tx).await.doing(DOING)?;
    let run = query(sql::run::REOPEN_RUN).bind(place.run_id.to_string());
    run.execute(&mut *tx).await.doing(DOING)?;
    Ok(())
}
