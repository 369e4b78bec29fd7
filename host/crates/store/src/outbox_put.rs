//! What goes into the outbox, and what newer notifications make of older ones.

use std::sync::Arc;

use domain::alert::AlertStatus;
use domain::delivery::{DeliveryStatus, NewDelivery};
use domain::id::{DeliveryId, RunId};
use domain::run::RunStatus;
use domain::supersede::{Earlier, Progress, tells_both};
use domain::time::Timestamp;

use crate::db::{Columns as _, Connection, Row, query};
use crate::error::{Doing as _, StoreError};
use crate::run_change::{read_settled, settle};
use crate::script::{Results, Script};
use crate::sql;

/// What there is for the same incident and channel before a delivery is put into the outbox.
pub(crate) struct Before {
    unfinished: Vec<Unfinished>,
    /// What the channel was told last; asked only where it matters.
    last_told: Option<AlertStatus>,
}

/// A delivery that is not final.
struct Unfinished {
    id: DeliveryId,
    run_id: RunId,
    earlier: Earlier,
}

/// Asks for what [`Before::read`] reads.
pub(crate) fn look_before(script: Script, delivery: &NewDelivery) -> Script {
    let (incident, channel) = (delivery.incident_id.to_string(), delivery.channel_id.to_string());
    let script = script.then(sql::outbox::UNFINISHED_DELIVERIES).bind(incident.clone()).bind(channel.clone());
    match delivery.telling_both {
        Some(_) => script.then(sql::outbox::LAST_TOLD).bind(incident).bind(channel),
        None => script,
    }
}

impl Before {
    pub(crate) fn read(came: &mut Results, delivery: &NewDelivery) -> Result<Self, StoreError> {
        let unfinished: Vec<Unfinished> =
            came.rows().iter().map(read_unfinished).collect::<Result<_, _>>()?;
        // They are sent in the order of their identifiers, which begin with the time.
        if let Some(later) = unfinished.iter().find(|unfinished| unfinished.id > delivery.id) {
            let text =
                format!("delivery {} is newer than {}: the clocks of hosts differ", delivery.id, later.id);
            let source = Arc::new(std::io::Error::other(text));
            return Err(StoreError::Unavailable { doing: "keep deliveries in order", source });
        }
        let last_told = match delivery.telling_both {
            Some(_) => came.rows().first().map(|row| row.parse("tells")).transpose()?,
            None => None,
        };
        Ok(Self { unfinished, last_told })
    }

    /// What goes stale when something newer is put into the outbox.
    fn overtaken(&self) -> impl Iterator<Item = &Unfinished> {
        self.unfinished.iter().filter(|unfinished| unfinished.earlier.goes_stale())
    }

    /// Whose deliveries go stale.
    pub(crate) fn runs_overtaken(&self) -> impl Iterator<Item = RunId> {
        self.overtaken().map(|unfinished| unfinished.run_id)
    }
}

/// Puts a delivery into the outbox, due at once. What waits for the same incident and channel goes stale.
/// Nothing is done for one that is only to replace what waits, where nothing does.
pub(crate) fn put(script: Script, delivery: &NewDelivery, before: &Before, now: Timestamp) -> Script {
    if delivery.only_instead && before.unfinished.is_empty() {
        return script;
    }
    let earlier: Vec<Earlier> = before.unfinished.iter().map(|unfinished| unfinished.earlier).collect();
    let notification = match &delivery.telling_both {
        Some(both) if tells_both(before.last_told, &earlier, delivery.tells) => both,
        _ => &delivery.notification,
    };
    let insert = script
        .then(sql::outbox::INSERT_DELIVERY)
        .bind(delivery.id.to_string())
        .bind(delivery.run_id.to_string())
        .bind(delivery.trace_id.to_string())
        .bind(delivery.incident_id.to_string())
        .bind(delivery.channel_id.to_string())
        .bind(notification.clone())
        .bind(delivery.tells.as_str())
        .bind(now.as_micros())
        .bind(now.as_micros());
    before.overtaken().fold(insert, |script, overtaken| stale(script, overtaken.id, delivery.id, now))
}

fn read_unfinished(row: &Row) -> Result<Unfinished, StoreError> {
    let progress = match (row.parse("status")?, row.int::<u32>("attempts")?) {
        (DeliveryStatus::Sending, _) => Progress::UnderWay,
        (_, 0) => Progress::Unsent,
        _ => Progress::Tried,
    };
    let earlier = Earlier { tells: row.parse("tells")?, progress };
    Ok(Unfinished { id: row.parse("id")?, run_id: row.parse("run_id")?, earlier })
}

fn stale(script: Script, id: DeliveryId, by: DeliveryId, now: Timestamp) -> Script {
    script.then(sql::outbox::SUPERSEDE).bind(by.to_string()).bind(now.as_micros()).bind(id.to_string())
}

/// Makes a delivery stale that another has overtaken; returns how its run ended, if it did with it.
pub(crate) async fn supersede(
    tx: &mut Connection,
    id: DeliveryId,
    run_id: RunId,
    by: DeliveryId,
    now: Timestamp,
) -> Result<Option<RunStatus>, StoreError> {
    let script = settle(stale(Script::new(), id, by, now), run_id, now);
    let mut came = script.send(tx).await.doing("supersede a delivery")?;
    came.skip(1);
    read_settled(&mut came)
}

/// Whose a delivery is, and how far it has come.
pub(crate) struct DeliveryPlace {
    pub(crate) run_id: RunId,
    pub(crate) attempts: u32,
    pub(crate) status: DeliveryStatus,
}

/// Reads whose a delivery is.
pub(crate) async fn place(tx: &mut Connection, id: DeliveryId) -> Result<DeliveryPlace, StoreError> {
    let statement = query(sql::outbox::DELIVERY_PLACE).bind(id.to_string());
    let row = statement.fetch_optional(&mut *tx).await.doing("read a delivery")?;
    let row = row.ok_or_else(|| StoreError::NotFound(format!("delivery `{id}`")))?;
    Ok(DeliveryPlace {
        run_id: row.parse("run_id")?,
        attempts: row.int("attempts")?,
        status: row.parse("status")?,
    })
}
