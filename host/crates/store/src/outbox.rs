//! The outbox as workers have it: claimed, tried, recorded.

use std::time::Duration;

use domain::crash::{self, Point};
use domain::delivery::{AttemptOutcome, AttemptResult, Channel, ClaimedDelivery, DeliveryStatus};
use domain::id::{ChannelId, DeliveryId, IncidentId, LeaseToken, Mint, RunId};
use domain::run::RunStatus;
use domain::time::Timestamp;

use crate::channel::note_health;
use crate::db::{Columns as _, Connection, Row, query, readable};
use crate::error::{Doing as _, StoreError};
use crate::open::Store;
use crate::outbox_put::supersede;
use crate::run_change::{read_settled, settle};
use crate::script::Script;
use crate::sql;

/// An enabled channel as workers see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelDue {
    /// Which.
    pub id: ChannelId,
    /// When the next delivery to it can be claimed; none if nothing waits but for something else.
    pub due_at: Option<Timestamp>,
}

impl Store {
    /// Claims deliveries that are due, or whose worker is gone, at most so many of each channel, and writes
    /// their next attempt before anybody is called.
    ///
    /// Order is kept: a delivery waits for every earlier one for the same incident and channel, so at
    /// most one of those is under way. Deliveries of disabled channels wait. All that are claimed
    /// together share one new token; only who has it may record what came of them.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn claim_deliveries(
        &self,
        now: Timestamp,
        lease_for: Duration,
        channels: &[(ChannelId, usize)],
        mint: &mut (dyn Mint + Send),
    ) -> Result<Vec<ClaimedDelivery>, StoreError> {
        let claim = Claim {
            lease: LeaseToken::mint(mint),
            now,
            until: now.after(lease_for),
            channels: channels.to_vec(),
        };
        self.together(claim, |tx, claim| Box::pin(claim_deliveries(tx, claim))).await
    }

    /// Every enabled channel, and when the next delivery to it can be claimed.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn channels_due(&self) -> Result<Vec<ChannelDue>, StoreError> {
        let statement = query(sql::outbox::CHANNELS_DUE);
        let rows = statement.fetch_all(&self.inner.readers).await.doing("see when deliveries are due")?;
        let read = |row: &Row| Ok(ChannelDue { id: row.parse("id")?, due_at: row.opt_time("due_at")? });
        rows.iter().map(read).collect()
    }

    /// Whether something about an incident waits for a channel.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn waits(&self, incident: IncidentId, channel: ChannelId) -> Result<bool, StoreError> {
        let newest =
            query(sql::outbox::NEWEST_UNFINISHED).bind(incident.to_string()).bind(channel.to_string());
        let newest = newest.fetch_optional(&self.inner.readers).await.doing("see what waits")?;
        Ok(newest.is_some())
    }

    /// Records how an attempt ended; returns how far the delivery is now, and how its run ended, if it did.
    /// One that would be tried again is stale instead if a newer one for the same incident and channel waits.
    /// When the last delivery of a run becomes final, the run ends with it: notified, or failed with
    /// `delivery_dead` if one is dead.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] if another worker has the delivery; nothing is changed then.
    pub async fn record_attempt(
        &self,
        delivery: &ClaimedDelivery,
        result: &AttemptResult,
        now: Timestamp,
    ) -> Result<(DeliveryStatus, Option<RunStatus>), StoreError> {
        let attempt = Attempted {
            id: delivery.id,
            run_id: delivery.run_id,
            incident_id: delivery.incident_id,
            channel_id: delivery.channel.id,
            attempt: delivery.attempt,
            lease: delivery.lease,
            result: result.clone(),
            now,
        };
        self.together(attempt, |tx, attempt| Box::pin(record(tx, attempt))).await
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
}

/// A claim on what is due, at most so many of each channel.
struct Claim {
    lease: LeaseToken,
    now: Timestamp,
    until: Timestamp,
    channels: Vec<(ChannelId, usize)>,
}

async fn claim_deliveries(tx: &mut Connection, claim: &Claim) -> Result<Vec<ClaimedDelivery>, StoreError> {
    let Claim { lease, now, until, channels } = claim;
    let (lease, now, until) = (*lease, *now, *until);
    let mut claimed = Vec::new();
    for (channel, most) in channels {
        let script = Script::new()
            .then(sql::outbox::CLAIM_DELIVERIES)
            .bind(lease.to_string())
            .bind(until.as_micros())
            .bind(channel.to_string())
            .bind(now.as_micros())
            .bind(i64::try_from(*most).unwrap_or(i64::MAX))
            .then(sql::outbox::INSERT_ATTEMPTS)
            .bind(now.as_micros())
            .bind(channel.to_string())
            .bind(until.as_micros())
            .bind(lease.to_string())
            .then(sql::outbox::CLAIMED_DELIVERIES)
            .bind(channel.to_string())
            .bind(until.as_micros())
            .bind(lease.to_string());
        let mut came = script.send(tx).await.doing("claim deliveries")?;
        came.skip(2);
        claimed.extend(readable(&came.rows(), |row| read_claimed(row, lease, until)));
    }
    if !claimed.is_empty() {
        crash::pass(Point::DeliveryClaimBeforeCommit);
    }
    Ok(claimed)
}

/// An attempt that ended.
struct Attempted {
    id: DeliveryId,
    run_id: RunId,
    incident_id: IncidentId,
    channel_id: ChannelId,
    attempt: u32,
    lease: LeaseToken,
    result: AttemptResult,
    now: Timestamp,
}

/// The claim is checked by the first change.
async fn record(
    tx: &mut Connection,
    attempt: &Attempted,
) -> Result<(DeliveryStatus, Option<RunStatus>), StoreError> {
    const DOING: &str = "record an attempt";
    let Attempted { id, run_id, incident_id, channel_id, now, .. } = *attempt;
    let end = End::of(&attempt.result, now);
    let script = note_health(end.script(attempt), channel_id, end.error_message, now);
    let script = if end.status.is_final() {
        settle(script, run_id, now)
    } else {
        let newest = script.then(sql::outbox::NEWEST_UNFINISHED);
        newest.bind(incident_id.to_string()).bind(channel_id.to_string())
    };
    let mut came = script.send(tx).await.doing(DOING)?;
    if came.changed() == 0 {
        return Err(StoreError::LeaseLost(format!("delivery `{id}`")));
    }
    came.skip(2);
    let recorded = if end.status.is_final() {
        (end.status, read_settled(&mut came)?)
    } else {
        let newest: Option<DeliveryId> = came.rows().first().map(|row| row.parse("id")).transpose()?;
        match newest.filter(|newest| *newest != id) {
            Some(newest) => (DeliveryStatus::Stale, supersede(tx, id, run_id, newest, now).await?),
            None => (end.status, None),
        }
    };
    crash::pass(Point::RecordBeforeCommit);
    Ok(recorded)
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
    fn script(&self, attempt: &Attempted) -> Script {
        let completed_at = self.status.is_final().then_some(attempt.now.as_micros());
        Script::new()
            .then(sql::outbox::RECORD_DELIVERY)
            .bind(self.status.as_str())
            .bind(self.due_at.map(Timestamp::as_micros))
            .bind(self.remote_ref.map(str::to_owned))
            .bind(self.error_type.map(str::to_owned))
            .bind(self.error_message.map(str::to_owned))
            .bind(completed_at)
            .bind(attempt.id.to_string())
            .bind(attempt.lease.to_string())
            .then(sql::outbox::END_ATTEMPT)
            .bind(self.outcome.as_str())
            .bind(self.remote_ref.map(str::to_owned))
            .bind(self.error_type.map(str::to_owned))
            .bind(self.error_message.map(str::to_owned))
            .bind(attempt.now.as_micros())
            .bind(attempt.id.to_string())
            .bind(attempt.attempt)
    }

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
