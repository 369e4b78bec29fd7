//! The outbox as workers have it: claimed, tried, recorded.

use std::time::Duration;

use domain::delivery::{
    AttemptOutcome, AttemptResult, Channel, ClaimedDelivery, DeliveryStatus, NewDelivery,
};
use domain::id::{DeliveryId, LeaseToken, Mint, RunId};
use domain::run::RunStatus;
use domain::time::Timestamp;

use crate::db::{Columns as _, Connection, Row, query, readable};
use crate::error::{Doing as _, StoreError};
use crate::open::Store;
use crate::run::settle_run;
use crate::sql;

/// How many dead deliveries one transaction of [`Store::retry_dead_deliveries`] revives.
const REVIVED_AT_ONCE: i64 = 500;

impl Store {
    /// Claims up to `limit` deliveries that are due, or whose worker is gone, and writes their next
    /// attempt before anybody is called.
    ///
    /// Order is kept: a delivery waits for every earlier one for the same incident and channel, so at
    /// most one of those is under way. Deliveries of disabled channels wait. All that are claimed
    /// together share one new token.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn claim_deliveries(
        &self,
        now: Timestamp,
        lease_for: Duration,
        limit: u32,
        mint: &mut (dyn Mint + Send),
    ) -> Result<Vec<ClaimedDelivery>, StoreError> {
        const DOING: &str = "claim deliveries";
        let lease = LeaseToken::mint(mint);
        let lease_until = now.after(lease_for);
        let mut tx = self.begin(DOING).await?;
        let claim = query(sql::outbox::CLAIM_DELIVERIES)
            .bind(lease.to_string())
            .bind(lease_until.as_micros())
            .bind(now.as_micros())
            .bind(limit);
        if claim.execute(&mut *tx).await.doing(DOING)?.rows_affected() == 0 {
            return Ok(Vec::new());
        }
        query(sql::outbox::INSERT_ATTEMPTS)
            .bind(now.as_micros())
            .bind(lease_until.as_micros())
            .bind(lease.to_string())
            .execute(&mut *tx)
            .await
            .doing(DOING)?;
        let claimed =
            query(sql::outbox::CLAIMED_DELIVERIES).bind(lease_until.as_micros()).bind(lease.to_string());
        let rows = claimed.fetch_all(&mut *tx).await.doing(DOING)?;
        let claimed = readable(&rows, |row| read_claimed(row, lease, lease_until));
        tx.commit().await.doing(DOING)?;
        Ok(claimed)
    }

    /// When the next delivery can be claimed; none if nothing waits but for something else.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn next_delivery_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let statement = query(sql::outbox::NEXT_DELIVERY_DUE);
        let row = statement.fetch_optional(&self.inner.readers).await.doing("see when a delivery is due")?;
        row.map(|row| row.time("due_at")).transpose()
    }

    /// Records how an attempt ended. When the last delivery of a run becomes final, the run ends with
    /// it: notified, or failed with `delivery_dead` if one is dead. Returns how, if it did.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] if another worker has the delivery; nothing is changed then.
    pub async fn record_attempt(
        &self,
        id: DeliveryId,
        lease: LeaseToken,
        result: &AttemptResult,
        now: Timestamp,
    ) -> Result<Option<RunStatus>, StoreError> {
        let result = result.clone();
        self.together(move |tx| Box::pin(record_attempt(tx, id, lease, result, now))).await
    }

    /// Lengthens the lease on a delivery that takes its time.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] if another worker has the delivery.
    pub async fn renew_delivery(
        &self,
        id: DeliveryId,
        lease: LeaseToken,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        let renew = query(sql::outbox::RENEW_DELIVERY).bind(until.as_micros());
        let renew = renew.bind(id.to_string()).bind(lease.to_string());
        match renew.execute(&self.inner.writer).await.doing("renew a lease")?.rows_affected() {
            0 => Err(StoreError::LeaseLost(format!("delivery `{id}`"))),
            _ => Ok(()),
        }
    }

    /// Makes a dead delivery due again; its attempts go on counting and their schedule begins anew. Its
    /// run waits for it again.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is none, [`StoreError::Conflict`] if it is not dead, or if its
    /// channel was told something newer of the incident since.
    pub async fn retry_delivery(&self, id: DeliveryId, now: Timestamp) -> Result<(), StoreError> {
        const DOING: &str = "retry a delivery";
        let mut tx = self.begin(DOING).await?;
        let (run_id, _, status) = run_of(&mut tx, id).await?;
        if status != DeliveryStatus::Dead {
            return Err(StoreError::Conflict(format!(
                "delivery `{id}` is `{status}`: only a dead one can be tried again"
            )));
        }
        if told_since(&mut tx, id).await? {
            return Err(StoreError::Conflict(format!(
                "delivery `{id}` is overtaken: its channel was told something newer of the incident since"
            )));
        }
        revive(&mut tx, id, run_id, now).await?;
        tx.commit().await.doing(DOING)
    }

    /// Makes all dead deliveries due again that are not overtaken, and returns how many. Done in transactions of 500, so that
    /// webhooks need not wait.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer; some may be due again by then.
    pub async fn retry_dead_deliveries(&self, now: Timestamp) -> Result<u64, StoreError> {
        const DOING: &str = "retry dead deliveries";
        let mut after = String::new();
        let mut revived = 0u64;
        loop {
            let mut tx = self.begin(DOING).await?;
            let dead = query(sql::outbox::DEAD_DELIVERIES).bind(after.clone()).bind(REVIVED_AT_ONCE);
            let rows = dead.fetch_all(&mut *tx).await.doing(DOING)?;
            let Some(last) = rows.last() else { return Ok(revived) };
            after = last.text("id")?;
            for row in &rows {
                let id = row.parse("id")?;
                if !told_since(&mut tx, id).await? {
                    revive(&mut tx, id, row.parse("run_id")?, now).await?;
                    revived += 1;
                }
            }
            tx.commit().await.doing(DOING)?;
        }
    }
}

/// The claim is checked by the first change.
async fn record_attempt(
    tx: &mut Connection,
    id: DeliveryId,
    lease: LeaseToken,
    result: AttemptResult,
    now: Timestamp,
) -> Result<Option<RunStatus>, StoreError> {
    const DOING: &str = "record an attempt";
    let end = End::of(&result, now);
    let recorded = query(sql::outbox::RECORD_DELIVERY)
        .bind(end.status.as_str())
        .bind(end.due_at.map(Timestamp::as_micros))
        .bind(end.remote_ref)
        .bind(end.error_type)
        .bind(end.error_message)
        .bind(end.status.is_final().then_some(now.as_micros()))
        .bind(id.to_string())
        .bind(lease.to_string())
        .execute(&mut *tx)
        .await
        .doing(DOING)?;
    if recorded.rows_affected() == 0 {
        return Err(StoreError::LeaseLost(format!("delivery `{id}`")));
    }
    let (run_id, attempt, _) = run_of(tx, id).await?;
    query(sql::outbox::END_ATTEMPT)
        .bind(end.outcome.as_str())
        .bind(end.remote_ref)
        .bind(end.error_type)
        .bind(end.error_message)
        .bind(now.as_micros())
        .bind(id.to_string())
        .bind(attempt)
        .execute(&mut *tx)
        .await
        .doing(DOING)?;
    match end.status.is_final() {
        true => settle_run(tx, run_id, now).await,
        false => Ok(None),
    }
}

/// Whether the channel of a delivery was told something newer of its incident since.
pub(crate) async fn told_since(tx: &mut Connection, id: DeliveryId) -> Result<bool, StoreError> {
    let newer = query(sql::outbox::TOLD_SINCE).bind(id.to_string());
    Ok(newer.fetch_one(&mut *tx).await.doing("see what was told since")?.int::<u32>("found")? > 0)
}

/// What a result means for the rows of the delivery and the attempt.
struct End<'a> {
    status: DeliveryStatus,
    outcome: AttemptOutcome,
    due_at: Option<Timestamp>,
    remote_ref: Option<&'a str>,
    error_type: Option<&'a str>,
    error_message: Option<&'a str>,
}

impl<'a> End<'a> {
    fn of(result: &'a AttemptResult, now: Timestamp) -> Self {
        match result {
            AttemptResult::Delivered { remote_ref } => Self {
                status: DeliveryStatus::Delivered,
                outcome: AttemptOutcome::Delivered,
                due_at: None,
                remote_ref: remote_ref.as_deref(),
                error_type: None,
                error_message: None,
            },
            AttemptResult::Retry { due_at, error_type, error_message } => Self {
                status: DeliveryStatus::Pending,
                outcome: AttemptOutcome::Retry,
                due_at: Some(*due_at.max(&now)),
                remote_ref: None,
                error_type: Some(error_type),
                error_message: Some(error_message),
            },
            AttemptResult::Dead { error_type, error_message } => Self {
                status: DeliveryStatus::Dead,
                outcome: AttemptOutcome::Refused,
                due_at: None,
                remote_ref: None,
                error_type: Some(error_type),
                error_message: Some(error_message),
            },
        }
    }
}

/// Puts a delivery into the outbox, due at once.
pub(crate) async fn insert_delivery(
    tx: &mut Connection,
    delivery: &NewDelivery,
    now: Timestamp,
) -> Result<(), StoreError> {
    query(sql::outbox::INSERT_DELIVERY)
        .bind(delivery.id.to_string())
        .bind(delivery.run_id.to_string())
        .bind(delivery.trace_id.to_string())
        .bind(delivery.incident_id.to_string())
        .bind(delivery.channel_id.to_string())
        .bind(delivery.notification.clone())
        .bind(now.as_micros())
        .bind(now.as_micros())
        .execute(&mut *tx)
        .await
        .doing("put a delivery into the outbox")?;
    Ok(())
}

async fn run_of(tx: &mut Connection, id: DeliveryId) -> Result<(RunId, u32, DeliveryStatus), StoreError> {
    let statement = query(sql::outbox::DELIVERY_RUN).bind(id.to_string());
    let row = statement.fetch_optional(&mut *tx).await.doing("read a delivery")?;
    let row = row.ok_or_else(|| StoreError::NotFound(format!("delivery `{id}`")))?;
    Ok((row.parse("run_id")?, row.int("attempts")?, row.parse("status")?))
}

pub(crate) async fn revive(
    tx: &mut Connection,
    id: DeliveryId,
    run_id: RunId,
    now: Timestamp,
) -> Result<(), StoreError> {
    const DOING: &str = "retry a delivery";
    let delivery = query(sql::outbox::REVIVE_DELIVERY).bind(now.as_micros()).bind(id.to_string());
    delivery.execute(&mut *tx).await.doing(DOING)?;
    query(sql::run::REOPEN_RUN).bind(run_id.to_string()).execute(&mut *tx).await.doing(DOING)?;
    Ok(())
}

fn read_claimed(row: &Row, lease: LeaseToken, lease_until: Timestamp) -> Result<ClaimedDelivery, StoreError> {
    Ok(ClaimedDelivery {
        id: row.parse("id")?,
        run_id: row.parse("run_id")?,
        trace_id: row.parse("trace_id")?,
        incident_id: row.parse("incident_id")?,
        channel: Channel {
            id: row.parse("channel_id")?,
            name: row.text("name")?,
            notifier: row.parse("notifier")?,
            enabled: row.flag("enabled")?,
            created_at: row.time("channel_created_at")?,
        },
        channel_settings: row.bytes("settings")?,
        notification: row.bytes("notification")?,
        attempt: row.int("attempts")?,
        attempts_before: row.int("attempts_before")?,
        lease,
        lease_until,
        created_at: row.time("created_at")?,
        previous_ref: row.opt_text("previous_ref")?,
    })
}
