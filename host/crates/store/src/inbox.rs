//! Reading what arrived, and what stages made of it. Both stay sealed here.

use domain::id::{ArtifactId, KeyId, RunId, TraceId};
use domain::plugin::PluginName;
use domain::run::IngestOutcome;
use domain::time::Timestamp;
use serde::Serialize;

use crate::db::{Columns as _, Row, query};
use crate::error::{Doing as _, StoreError};
use crate::open::Store;
use crate::page::{List, Page, PageRequest};
use crate::sql;

/// One request as it was stored, without its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InboxEntry {
    /// The run that ingested it.
    pub run_id: RunId,
    /// Shared by all that came of it.
    pub trace_id: TraceId,
    /// The driver, where one was found.
    pub driver: Option<PluginName>,
    /// Whether the sender named the driver.
    pub named: bool,
    /// Whether it was signed with a secret of the driver.
    pub verified: bool,
    /// Why this driver, or none.
    pub detection: String,
    /// The sender's id.
    pub delivery_id: Option<String>,
    /// What came of it.
    pub outcome: IngestOutcome,
    /// Why, in one word.
    pub reason_code: Option<String>,
    /// Why, in words.
    pub reason: Option<String>,
    /// When it arrived.
    pub received_at: Timestamp,
    /// Size of its body.
    pub size_bytes: u64,
    /// The key that was shown.
    pub api_key_id: Option<KeyId>,
}

/// The column by which requests are listed.
const KEY: &str = "i.run_id";

/// Which quarantined requests are wanted; what is none does not matter.
#[derive(Debug, Clone, Default)]
pub struct QuarantineFilter {
    /// For this driver.
    pub driver: Option<PluginName>,
    /// For this reason, in one word.
    pub reason_code: Option<String>,
}

impl QuarantineFilter {
    pub(crate) fn list(&self, page: &PageRequest) -> Result<List, StoreError> {
        let mut list = List::new::<RunId>(sql::read::LIST_QUARANTINED, KEY, page)?;
        // Not `i.driver = `: that tempts the database to take all requests of the driver and sort them.
        list.filter("COALESCE(i.driver, '') = ", self.driver.as_ref());
        list.filter("i.reason_code = ", self.reason_code.as_ref());
        Ok(list)
    }
}

impl Store {
    /// Lists quarantined requests, newest first.
    ///
    /// # Errors
    /// [`StoreError::BadCursor`] for a cursor that no page has given out.
    pub async fn quarantined(
        &self,
        filter: &QuarantineFilter,
        page: &PageRequest,
    ) -> Result<Page<InboxEntry>, StoreError> {
        self.page("list quarantined requests", filter.list(page)?, KEY, read_entry, |entry| entry.run_id)
            .await
    }

    /// The next quarantined requests in the order of arrival, at most `limit`: for going through all of
    /// them, whatever becomes of each meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn quarantined_after(
        &self,
        driver: Option<&PluginName>,
        after: Option<RunId>,
        limit: u32,
    ) -> Result<Vec<InboxEntry>, StoreError> {
        let statement = query(sql::read::QUARANTINED_AFTER)
            .bind(after.map(|id| id.to_string()).unwrap_or_default())
            .bind(driver.map(ToString::to_string))
            .bind(limit);
        let rows = statement.fetch_all(&self.inner.readers).await.doing("list quarantined requests")?;
        rows.iter().map(read_entry).collect()
    }

    /// Reads how a request was stored, without its content.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if the run has no request.
    pub async fn inbox_entry(&self, run_id: RunId) -> Result<InboxEntry, StoreError> {
        let statement = query(sql::read::INBOX_ENTRY).bind(run_id.to_string());
        let row = statement.fetch_optional(&self.inner.readers).await.doing("read a stored request")?;
        read_entry(&row.ok_or_else(|| StoreError::NotFound(format!("request of run `{run_id}`")))?)
    }

    /// Reads a request, sealed.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if the run has none, or its content was taken away.
    pub async fn inbox_request(&self, run_id: RunId) -> Result<Vec<u8>, StoreError> {
        let statement = query(sql::read::INBOX_REQUEST).bind(run_id.to_string());
        let row = statement.fetch_optional(&self.inner.readers).await.doing("read a stored request")?;
        let missing = |why: &str| StoreError::NotFound(format!("request of run `{run_id}`{why}"));
        let sealed = row.ok_or_else(|| missing(""))?.bytes("request")?;
        if sealed.is_empty() {
            Err(missing(" any more: it was discarded, or kept as long as it should be"))
        } else {
            Ok(sealed)
        }
    }

    /// Reads what a stage made, sealed.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is none.
    pub async fn artifact(&self, id: ArtifactId) -> Result<Vec<u8>, StoreError> {
        let statement = query(sql::read::ARTIFACT).bind(id.to_string());
        let row = statement.fetch_optional(&self.inner.readers).await.doing("read a stage's result")?;
        row.ok_or_else(|| StoreError::NotFound(format!("artifact `{id}`")))?.bytes("sealed")
    }
}

pub(crate) fn read_entry(row: &Row) -> Result<InboxEntry, StoreError> {
    Ok(InboxEntry {
        run_id: row.parse("run_id")?,
        trace_id: row.parse("trace_id")?,
        driver: row.opt_parse("driver")?,
        named: row.flag("named")?,
        verified: row.flag("verified")?,
        detection: row.text("detection")?,
        delivery_id: row.opt_text("delivery_id")?,
        outcome: row.parse("outcome")?,
        reason_code: row.opt_text("reason_code")?,
        reason: row.opt_text("reason")?,
        received_at: row.time("received_at")?,
        size_bytes: row.int("size_bytes")?,
        api_key_id: row.opt_parse("api_key_id")?,
    })
}
