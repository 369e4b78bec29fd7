//! Reading deliveries.

use std::collections::BTreeMap;

use domain::delivery::{AttemptOutcome, Delivery, DeliveryStatus};
use domain::id::{DeliveryId, RunId};
use domain::time::Timestamp;
use serde::Serialize;

use crate::db::{Columns as _, Row, query};
use crate::error::{Doing as _, StoreError};
use crate::open::Store;
use crate::page::{List, Page, PageRequest};
use crate::sql;

/// Which deliveries are wanted; what is none does not matter.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// This far.
    pub status: Option<DeliveryStatus>,
    /// To the channel of this name.
    pub channel: Option<String>,
    /// Of this run.
    pub run_id: Option<RunId>,
}

/// One try at a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// Counts from 1.
    pub attempt: u32,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// The remote's identifier.
    pub remote_ref: Option<String>,
    /// What went wrong, in one word.
    pub error_type: Option<String>,
    /// What went wrong, in words.
    pub error_message: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; none if it is under way or was cut off.
    pub completed_at: Option<Timestamp>,
}

/// That a person had a delivery tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Retry {
    /// Tries before it.
    pub attempts: u32,
    /// Who.
    pub actor: String,
    /// When.
    pub at: Timestamp,
}

/// One delivery with its attempts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeliveryDetail {
    /// The delivery.
    #[serde(flatten)]
    pub delivery: Delivery,
    /// Its attempts, in order.
    pub tries: Vec<Attempt>,
    /// When and by whom it was made due again after it had been given up on, in order.
    pub retries: Vec<Retry>,
}

/// The column by which deliveries are listed.
const KEY: &str = "d.id";

impl DeliveryFilter {
    pub(crate) fn list(&self, page: &PageRequest) -> Result<List, StoreError> {
        let mut list = List::new::<DeliveryId>(sql::outbox::LIST_DELIVERIES, KEY, page)?;
        list.filter("d.run_id = ", self.run_id);
        list.filter("d.status = ", self.status);
        list.filter("c.name = ", self.channel.as_ref());
        Ok(list)
    }
}

impl Store {
    /// Lists deliveries, newest first.
    ///
    /// # Errors
    /// [`StoreError::BadCursor`] for a cursor that no page has given out.
    pub async fn deliveries(
        &self,
        filter: &DeliveryFilter,
        page: &PageRequest,
    ) -> Result<Page<Delivery>, StoreError> {
        self.page("list deliveries", filter.list(page)?, KEY, read_delivery, |delivery| delivery.id).await
    }

    /// Reads one delivery with its attempts.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is none.
    pub async fn delivery(&self, id: DeliveryId) -> Result<DeliveryDetail, StoreError> {
        const DOING: &str = "read a delivery";
        let mut tx = self.snapshot(DOING).await?;
        let statement = query(sql::outbox::DELIVERY).bind(id.to_string());
        let row = statement.fetch_optional(&mut *tx).await.doing(DOING)?;
        let row = row.ok_or_else(|| StoreError::NotFound(format!("delivery `{id}`")))?;
        let tries = query(sql::outbox::ATTEMPTS).bind(id.to_string());
        let tries = tries.fetch_all(&mut *tx).await.doing(DOING)?;
        let retries = query(sql::outbox::RETRIES).bind(id.to_string());
        let retries = retries.fetch_all(&mut *tx).await.doing(DOING)?;
        Ok(DeliveryDetail {
            delivery: read_delivery(&row)?,
            tries: tries.iter().map(read_attempt).collect::<Result<_, _>>()?,
            retries: retries.iter().map(read_retry).collect::<Result<_, _>>()?,
        })
    }

    /// Counts deliveries by how far they have come; a status without any is missing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn delivery_counts(&self) -> Result<BTreeMap<DeliveryStatus, u64>, StoreError> {
        let statement = query(sql::outbox::COUNT_DELIVERIES);
        let rows = statement.fetch_all(&self.inner.readers).await.doing("count deliveries")?;
        rows.iter().map(|row| Ok((row.parse("status")?, row.int("found")?))).collect()
    }
}

/// Reads the columns of `delivery_columns!`.
pub(crate) fn read_delivery(row: &Row) -> Result<Delivery, StoreError> {
    Ok(Delivery {
        id: row.parse("id")?,
        run_id: row.parse("run_id")?,
        trace_id: row.parse("trace_id")?,
        incident_id: row.parse("incident_id")?,
        channel: row.text("channel")?,
        tells: row.parse("tells")?,
        status: row.parse("status")?,
        attempts: row.int("attempts")?,
        due_at: row.time("due_at")?,
        error_type: row.opt_text("error_type")?,
        error_message: row.opt_text("error_message")?,
        superseded_by: row.opt_parse("superseded_by")?,
        created_at: row.time("created_at")?,
        completed_at: row.opt_time("completed_at")?,
    })
}

fn read_attempt(row: &Row) -> Result<Attempt, StoreError> {
    Ok(Attempt {
        attempt: row.int("attempt")?,
        outcome: row.parse("outcome")?,
        remote_ref: row.opt_text("remote_ref")?,
        error_type: row.opt_text("error_type")?,
        error_message: row.opt_text("error_message")?,
        started_at: row.time("started_at")?,
        completed_at: row.opt_time("completed_at")?,
    })
}

fn read_retry(row: &Row) -> Result<Retry, StoreError> {
    Ok(Retry { attempts: row.int("attempts")?, actor: row.text("actor")?, at: row.time("at")? })
}
