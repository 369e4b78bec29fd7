//! What goes into the outbox, and what newer notifications make of older ones.

use domain::alert::AlertStatus;
use domain::delivery::{DeliveryStatus, NewDelivery};
use domain::id::{ChannelId, DeliveryId, IncidentId, RunId};
use domain::run::RunStatus;
use domain::supersede::{Earlier, Progress, tells_both};
use domain::time::Timestamp;

use crate::db::{Columns as _, Connection, Row, query};
use crate::error::{Doing as _, StoreError};
use crate::run::settle_run;
use crate::sql;

const DOING: &str = "put a delivery into the outbox";

/// Puts a delivery into the outbox, due at once. What waits for the same incident and channel goes stale;
/// returns how the runs ended that end with it.
pub(crate) async fn insert_delivery(
    tx: &mut Connection,
    delivery: &NewDelivery,
    now: Timestamp,
) -> Result<Vec<RunStatus>, StoreError> {
    let unfinished = query(sql::outbox::UNFINISHED_DELIVERIES)
        .bind(delivery.incident_id.to_string())
        .bind(delivery.channel_id.to_string());
    let unfinished = unfinished.fetch_all(&mut *tx).await.doing(DOING)?;
    if delivery.only_instead && unfinished.is_empty() {
        return Ok(Vec::new());
    }
    let earlier: Vec<Earlier> = unfinished.iter().map(read_earlier).collect::<Result<_, _>>()?;
    let notification = match &delivery.telling_both {
        Some(both) if tells_both(last_told(tx, delivery).await?, &earlier, delivery.tells) => both,
        _ => &delivery.notification,
    };
    query(sql::outbox::INSERT_DELIVERY)
        .bind(delivery.id.to_string())
        .bind(delivery.run_id.to_string())
        .bind(delivery.trace_id.to_string())
        .bind(delivery.incident_id.to_string())
        .bind(delivery.channel_id.to_string())
        .bind(notification.clone())
        .bind(delivery.tells.as_str())
        .bind(now.as_micros())
        .bind(now.as_micros())
        .execute(&mut *tx)
        .await
        .doing(DOING)?;
    let mut ended = Vec::new();
    for (row, earlier) in unfinished.iter().zip(earlier) {
        if earlier.goes_stale() {
            let run_id = row.parse("run_id")?;
            ended.extend(supersede(tx, row.parse("id")?, run_id, delivery.id, now).await?);
        }
    }
    Ok(ended)
}

fn read_earlier(row: &Row) -> Result<Earlier, StoreError> {
    let progress = match (row.parse("status")?, row.int::<u32>("attempts")?) {
        (DeliveryStatus::Sending, _) => Progress::UnderWay,
        (_, 0) => Progress::Unsent,
        _ => Progress::Tried,
    };
    Ok(Earlier { tells: row.parse("tells")?, progress })
}

async fn last_told(tx: &mut Connection, delivery: &NewDelivery) -> Result<Option<AlertStatus>, StoreError> {
    let last = query(sql::outbox::LAST_TOLD)
        .bind(delivery.incident_id.to_string())
        .bind(delivery.channel_id.to_string());
    last.fetch_optional(&mut *tx).await.doing(DOING)?.map(|row| row.parse("tells")).transpose()
}

/// Makes a delivery stale that another has overtaken; returns how its run ended, if it did with it.
pub(crate) async fn supersede(
    tx: &mut Connection,
    id: DeliveryId,
    run_id: RunId,
    by: DeliveryId,
    now: Timestamp,
) -> Result<Option<RunStatus>, StoreError> {
    let supersede =
        query(sql::outbox::SUPERSEDE).bind(by.to_string()).bind(now.as_micros()).bind(id.to_string());
    supersede.execute(&mut *tx).await.doing("supersede a delivery")?;
    settle_run(tx, run_id, now).await
}

/// Whose a delivery is, and how far it has come.
pub(crate) struct DeliveryPlace {
    pub(crate) run_id: RunId,
    incident_id: IncidentId,
    pub(crate) channel_id: ChannelId,
    pub(crate) attempts: u32,
    pub(crate) status: DeliveryStatus,
}

impl DeliveryPlace {
    /// The newest delivery for the same incident and channel that is not final.
    pub(crate) async fn newest_unfinished(
        &self,
        tx: &mut Connection,
    ) -> Result<Option<DeliveryId>, StoreError> {
        let newest = query(sql::outbox::NEWEST_UNFINISHED)
            .bind(self.incident_id.to_string())
            .bind(self.channel_id.to_string());
        let newest = newest.fetch_optional(&mut *tx).await.doing("see what is newer")?;
        newest.map(|row| row.parse("id")).transpose()
    }
}

/// Reads whose a delivery is.
pub(crate) async fn place(tx: &mut Connection, id: DeliveryId) -> Result<DeliveryPlace, StoreError> {
    let statement = query(sql::outbox::DELIVERY_PLACE).bind(id.to_string());
    let row = statement.fetch_optional(&mut *tx).await.doing("read a delivery")?;
    let row = row.ok_or_else(|| StoreError::NotFound(format!("delivery `{id}`")))?;
    Ok(DeliveryPlace {
        run_id: row.parse("run_id")?,
        incident_id: row.parse("incident_id")?,
        channel_id: row.parse("channel_id")?,
        attempts: row.int("attempts")?,
        status: row.parse("status")?,
    })
}
