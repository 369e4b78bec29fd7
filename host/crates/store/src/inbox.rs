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

/// The list of quarantined requests.
pub(crate) fn quarantined(page: &PageRequest) -> Result<List, StoreError> {
    List::new::<RunId>(sql::read::LIST_QUARANTINED, KEY, page)
}

impl Store {
    /// Lists quarantined requests, newest first.
    ///
    /// # Errors
    /// [`StoreError::BadCursor`] for a cursor that no page has given out.
    pub async fn quarantined(&self, page: &PageRequest) -> Result<Page<InboxEntry>, StoreError> {
        self.page("list quarantined requests", quarantined(page)?, KEY, read_entry, |entry| entry.run_id)
            .await
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
    /// [`StoreError::NotFound`] if the run has none.
    pub async fn inbox_request(&self, run_id: RunId) -> Result<Vec<u8>, StoreError> {
        let statement = query(sql::read::INBOX_REQUEST).bind(run_id.to_string());
        let row = statement.fetch_optional(&self.inner.readers).await.doing("read a stored request")?;
        row.ok_or_else(|| StoreError::NotFound(format!("request of run `{run_id}`")))?.bytes("request")
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

fn read_entry(row: &Row) -> Result<InboxEntry, StoreError> {
    Ok(InboxEntry {
        run_id: row.parse("run_id")?,
        trace_id: row.parse("trace_id")?,
        driver: row.opt_parse("driver")?,
        delivery_id: row.opt_text("delivery_id")?,
        outcome: row.parse("outcome")?,
        reason_code: row.opt_text("reason_code")?,
        reason: row.opt_text("reason")?,
        received_at: row.time("received_at")?,
        size_bytes: row.int("size_bytes")?,
        api_key_id: row.opt_parse("api_key_id")?,
    })
}
