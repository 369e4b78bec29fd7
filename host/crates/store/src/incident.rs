//! Reading incidents.

use domain::alert::{Alert, Severity};
use domain::id::{IncidentId, RunId, TraceId};
use domain::incident::{Incident, IncidentEvent, IncidentStatus};
use domain::time::Timestamp;
use serde::Serialize;

use crate::alert::{SHOWN_HISTORY, read_alert};
use crate::db::{Columns as _, Row, Transaction, query};
use crate::error::{Doing as _, StoreError};
use crate::open::Store;
use crate::page::{List, MAX_PAGE, Page, PageRequest};
use crate::script::{Results, Script};
use crate::sql;

/// How many alerts plugins and people are told of with one incident: the worst.
const CONTEXT_ALERTS: u32 = 20;

/// Which incidents are wanted; what is none does not matter.
#[derive(Debug, Clone, Default)]
pub struct IncidentFilter {
    /// In this state.
    pub status: Option<IncidentStatus>,
    /// Exactly this bad.
    pub severity: Option<Severity>,
    /// Of alerts of exactly this name.
    pub name: Option<String>,
    /// On this machine or service.
    pub instance: Option<String>,
}

/// Something that happened to an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IncidentHistory {
    /// What.
    pub event: IncidentEvent,
    /// Its state then.
    pub status: IncidentStatus,
    /// Its severity then.
    pub severity: Severity,
    /// Who: `driver:<name>`, or a person as `key:<name>`, `cli:<user>` or `anonymous`.
    pub actor: String,
    /// A person's words.
    pub reason: Option<String>,
    /// Of the webhook behind it, or of what follows from what a person did.
    pub trace_id: Option<TraceId>,
    /// The run behind it; for what a person did, the run that tells of it.
    pub run_id: Option<RunId>,
    /// When.
    pub at: Timestamp,
}

/// One incident with its alerts and its past.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IncidentDetail {
    /// The incident.
    #[serde(flatten)]
    pub incident: Incident,
    /// Its alerts, the worst first, at most [`MAX_PAGE`].
    pub alerts: Vec<Alert>,
    /// What happened to it, newest first, at most 200.
    pub history: Vec<IncidentHistory>,
}

/// What a downstream run needs to know of an incident.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentContext {
    /// The incident as it is now.
    pub incident: Incident,
    /// Its worst alerts, at most 20: firing before acknowledged before resolved, then by severity,
    /// then by name.
    pub alerts: Vec<Alert>,
    /// How many alerts it has in all.
    pub total: u32,
}

/// The column by which incidents are listed.
const KEY: &str = "i.id";

impl IncidentFilter {
    pub(crate) fn list(&self, page: &PageRequest) -> Result<List, StoreError> {
        let mut list = List::new::<IncidentId>(sql::read::LIST_INCIDENTS, KEY, page)?;
        list.filter("i.name = ", self.name.as_ref());
        list.filter("i.status = ", self.status);
        list.filter("i.severity = ", self.severity);
        list.filter("i.instance = ", self.instance.as_ref());
        Ok(list)
    }
}

impl Store {
    /// Lists incidents, newest first: by when they were made.
    ///
    /// # Errors
    /// [`StoreError::BadCursor`] for a cursor that no page has given out.
    pub async fn incidents(
        &self,
        filter: &IncidentFilter,
        page: &PageRequest,
    ) -> Result<Page<Incident>, StoreError> {
        self.page("list incidents", filter.list(page)?, KEY, read_incident, |incident| incident.id).await
    }

    /// Reads one incident with its alerts and its past.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is none.
    pub async fn incident(&self, id: IncidentId) -> Result<IncidentDetail, StoreError> {
        const DOING: &str = "read an incident";
        let mut tx = self.snapshot(DOING).await?;
        let incident = one(&mut tx, id).await?;
        let alerts = worst(&mut tx, id, MAX_PAGE).await?;
        let history = query(sql::read::INCIDENT_HISTORY)
            .bind(id.to_string())
            .bind(SHOWN_HISTORY)
            .fetch_all(&mut *tx)
            .await
            .doing(DOING)?;
        let history = history.iter().map(read_history).collect::<Result<_, _>>()?;
        Ok(IncidentDetail { incident, alerts, history })
    }

    /// Reads an incident as those who ask about it need it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is none.
    pub async fn incident_context(&self, id: IncidentId) -> Result<IncidentContext, StoreError> {
        const DOING: &str = "read an incident";
        let mut tx = self.snapshot(DOING).await?;
        let mut came = look_at_incident(Script::new(), id).send(&mut tx).await.doing(DOING)?;
        read_context(&mut came, id)
    }
}

/// Asks for what [`read_context`] reads.
pub(crate) fn look_at_incident(script: Script, id: IncidentId) -> Script {
    script
        .then(sql::read::INCIDENT)
        .bind(id.to_string())
        .then(sql::read::INCIDENT_ALERTS)
        .bind(id.to_string())
        .bind(CONTEXT_ALERTS)
        .then(sql::read::COUNT_INCIDENT_ALERTS)
        .bind(id.to_string())
}

/// An incident as a run needs it.
pub(crate) fn read_context(came: &mut Results, id: IncidentId) -> Result<IncidentContext, StoreError> {
    let incident = came.rows();
    let incident = incident.first().ok_or_else(|| StoreError::NotFound(format!("incident `{id}`")))?;
    Ok(IncidentContext {
        incident: read_incident(incident)?,
        alerts: came.rows().iter().map(read_alert).collect::<Result<_, _>>()?,
        total: came.row()?.int("found")?,
    })
}

async fn one(tx: &mut Transaction, id: IncidentId) -> Result<Incident, StoreError> {
    let statement = query(sql::read::INCIDENT).bind(id.to_string());
    let row = statement.fetch_optional(&mut **tx).await.doing("read an incident")?;
    read_incident(&row.ok_or_else(|| StoreError::NotFound(format!("incident `{id}`")))?)
}

pub(crate) async fn worst(
    tx: &mut Transaction,
    id: IncidentId,
    limit: u32,
) -> Result<Vec<Alert>, StoreError> {
    let statement = query(sql::read::INCIDENT_ALERTS).bind(id.to_string()).bind(limit);
    let rows = statement.fetch_all(&mut **tx).await.doing("read the alerts of an incident")?;
    rows.iter().map(read_alert).collect()
}

/// Reads the columns of `incident_columns!`.
pub(crate) fn read_incident(row: &Row) -> Result<Incident, StoreError> {
    Ok(Incident {
        id: row.parse("id")?,
        key: row.text("correlation_key")?,
        title: row.text("title")?,
        name: row.text("name")?,
        instance: row.opt_text("instance")?,
        status: row.parse("status")?,
        severity: row.parse("severity")?,
        firing: row.int("firing")?,
        acknowledged: row.int("acknowledged")?,
        opened_at: row.time("opened_at")?,
        updated_at: row.time("updated_at")?,
        acknowledged_at: row.opt_time("acknowledged_at")?,
        resolved_at: row.opt_time("resolved_at")?,
        closed_at: row.opt_time("closed_at")?,
    })
}

fn read_history(row: &Row) -> Result<IncidentHistory, StoreError> {
    Ok(IncidentHistory {
        event: row.parse("event")?,
        status: row.parse("status")?,
        severity: row.parse("severity")?,
        actor: row.text("actor")?,
        reason: row.opt_text("reason")?,
        trace_id: row.opt_parse("trace_id")?,
        run_id: row.opt_parse("run_id")?,
        at: row.time("at")?,
    })
}
