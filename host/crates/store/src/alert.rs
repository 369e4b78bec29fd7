//! Reading alerts.

use domain::alert::{Alert, AlertStatus, Severity};
use domain::id::{AlertId, IncidentId, RunId, TraceId};
use domain::plan::AlertEvent;
use domain::plugin::PluginName;
use domain::time::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::db::{Columns as _, Row, query};
use crate::error::{Doing as _, StoreError};
use crate::open::Store;
use crate::page::{List, Page, PageRequest};
use crate::sql;

/// How much history is shown with one alert or incident: the newest.
pub(crate) const SHOWN_HISTORY: i64 = 200;

/// Which alerts are wanted; what is none does not matter.
#[derive(Debug, Clone, Default)]
pub struct AlertFilter {
    /// Told of by this webhook, last or at any change.
    pub trace_id: Option<TraceId>,
    /// Read by this driver.
    pub source: Option<PluginName>,
    /// Of exactly this name.
    pub name: Option<String>,
    /// Of this identity within its source.
    pub fingerprint: Option<String>,
    /// In this state.
    pub status: Option<AlertStatus>,
    /// Exactly this bad.
    pub severity: Option<Severity>,
    /// Of this incident.
    pub incident_id: Option<IncidentId>,
}

/// Something that happened to an alert.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AlertHistory {
    /// What.
    pub event: AlertEvent,
    /// What changed: `{"field": [old, new]}`.
    pub changed: Value,
    /// The webhook that told of it.
    pub trace_id: TraceId,
    /// The run that ingested that.
    pub run_id: RunId,
    /// When.
    pub at: Timestamp,
}

/// One alert with its past.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AlertDetail {
    /// The alert.
    #[serde(flatten)]
    pub alert: Alert,
    /// What happened to it, newest first, at most 200.
    pub history: Vec<AlertHistory>,
}

/// The column by which alerts are listed.
const KEY: &str = "a.id";

impl AlertFilter {
    pub(crate) fn list(&self, page: &PageRequest) -> Result<List, StoreError> {
        let mut list = List::new::<AlertId>(sql::read::LIST_ALERTS, KEY, page)?;
        let told = [
            "a.id IN (SELECT t.id FROM alert AS t WHERE t.trace_id = ",
            " UNION SELECT h.alert_id FROM alert_history AS h WHERE h.trace_id = ",
            ")",
        ];
        list.filter_twice(told, self.trace_id);
        list.filter("a.incident_id = ", self.incident_id);
        list.filter("a.fingerprint = ", self.fingerprint.as_ref());
        list.filter("a.name = ", self.name.as_ref());
        list.filter("a.source = ", self.source.as_ref());
        list.filter("a.status = ", self.status);
        list.filter("a.severity = ", self.severity);
        Ok(list)
    }
}

impl Store {
    /// Lists alerts, newest first: by when they were first heard of.
    ///
    /// # Errors
    /// [`StoreError::BadCursor`] for a cursor that no page has given out.
    pub async fn alerts(&self, filter: &AlertFilter, page: &PageRequest) -> Result<Page<Alert>, StoreError> {
        self.page("list alerts", filter.list(page)?, KEY, read_alert, |alert| alert.id).await
    }

    /// Reads one alert with its past.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is none.
    pub async fn alert(&self, id: AlertId) -> Result<AlertDetail, StoreError> {
        const DOING: &str = "read an alert";
        let mut tx = self.snapshot(DOING).await?;
        let row = query(sql::read::ALERT).bind(id.to_string()).fetch_optional(&mut *tx).await.doing(DOING)?;
        let row = row.ok_or_else(|| StoreError::NotFound(format!("alert `{id}`")))?;
        let history = query(sql::read::ALERT_HISTORY)
            .bind(id.to_string())
            .bind(SHOWN_HISTORY)
            .fetch_all(&mut *tx)
            .await
            .doing(DOING)?;
        Ok(AlertDetail {
            alert: read_alert(&row)?,
            history: history.iter().map(read_history).collect::<Result<_, _>>()?,
        })
    }
}

/// Reads the columns of `alert_columns!`.
pub(crate) fn read_alert(row: &Row) -> Result<Alert, StoreError> {
    Ok(Alert {
        id: row.parse("id")?,
        source: row.parse("source")?,
        fingerprint: row.text("fingerprint")?,
        name: row.text("name")?,
        status: row.parse("status")?,
        raw_status: row.text("raw_status")?,
        severity: row.parse("severity")?,
        raw_severity: row.text("raw_severity")?,
        description: row.text("description")?,
        labels: row.json("labels")?,
        annotations: row.json("annotations")?,
        links: row.json("links")?,
        started_at: row.time("started_at")?,
        ended_at: row.opt_time("ended_at")?,
        received_at: row.time("received_at")?,
        incident_id: row.opt_parse("incident_id")?,
        trace_id: row.parse("trace_id")?,
    })
}

fn read_history(row: &Row) -> Result<AlertHistory, StoreError> {
    Ok(AlertHistory {
        event: row.parse("event")?,
        changed: row.json("changed")?,
        trace_id: row.parse("trace_id")?,
        run_id: row.parse("run_id")?,
        at: row.time("at")?,
    })
}
