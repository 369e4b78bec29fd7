//! Reading runs.

use domain::delivery::Delivery;
use domain::id::{IncidentId, RunId, TraceId};
use domain::run::{IncidentMoment, Run, RunStatus, StageExecution};
use serde::Serialize;

use crate::db::{Columns as _, Row, query};
use crate::error::{Doing as _, StoreError};
use crate::inbox::{InboxEntry, read_entry};
use crate::incident::{IncidentContext, look_at_incident, read_context};
use crate::open::Store;
use crate::outbox_read::read_delivery;
use crate::page::{List, MAX_PAGE, Page, PageRequest};
use crate::route::{Routes, read_routes};
use crate::script::Script;
use crate::sql;

/// Which runs are wanted; what is none does not matter.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// This far.
    pub status: Option<RunStatus>,
    /// Of this driver.
    pub source: Option<String>,
    /// Of this webhook.
    pub trace_id: Option<TraceId>,
    /// About this incident.
    pub incident_id: Option<IncidentId>,
}

/// One run with its stages and deliveries.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunDetail {
    /// The run.
    #[serde(flatten)]
    pub run: Run,
    /// The request that it ingested, without its content.
    pub request: Option<InboxEntry>,
    /// Tries at its stages, in the order of time.
    pub stages: Vec<StageExecution>,
    /// Its deliveries, in the order of sending, at most [`MAX_PAGE`].
    pub deliveries: Vec<Delivery>,
}

/// What a worker needs to take a run through its stages.
#[derive(Debug, Clone, PartialEq)]
pub struct RunContext {
    /// The incident that it is about.
    pub incident: IncidentContext,
    /// The routes that there are.
    pub routes: Routes,
    /// Tries at its stages so far, in the order of time.
    pub stages: Vec<StageExecution>,
}

/// The column by which runs are listed.
const KEY: &str = "r.id";

impl RunFilter {
    pub(crate) fn list(&self, page: &PageRequest) -> Result<List, StoreError> {
        let mut list = List::new::<RunId>(sql::run::LIST_RUNS, KEY, page)?;
        list.filter("r.trace_id = ", self.trace_id);
        list.filter("r.incident_id = ", self.incident_id);
        list.filter("r.status = ", self.status);
        list.filter("r.source = ", self.source.as_ref());
        Ok(list)
    }
}

impl Store {
    /// Lists runs, newest first.
    ///
    /// # Errors
    /// [`StoreError::BadCursor`] for a cursor that no page has given out.
    pub async fn runs(&self, filter: &RunFilter, page: &PageRequest) -> Result<Page<Run>, StoreError> {
        self.page("list runs", filter.list(page)?, KEY, read_run, |run| run.run_id).await
    }

    /// Reads one run with its stages and deliveries.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is none.
    pub async fn run(&self, id: RunId) -> Result<RunDetail, StoreError> {
        const DOING: &str = "read a run";
        let mut tx = self.snapshot(DOING).await?;
        let row = query(sql::run::RUN).bind(id.to_string()).fetch_optional(&mut *tx).await.doing(DOING)?;
        let row = row.ok_or_else(|| StoreError::NotFound(format!("run `{id}`")))?;
        let request = query(sql::read::INBOX_ENTRY).bind(id.to_string());
        let request = request.fetch_optional(&mut *tx).await.doing(DOING)?;
        let stages = query(sql::run::STAGE_EXECUTIONS).bind(id.to_string());
        let stages = stages.fetch_all(&mut *tx).await.doing(DOING)?;
        let deliveries = query(sql::outbox::DELIVERIES_OF_RUN).bind(id.to_string()).bind(MAX_PAGE);
        let deliveries = deliveries.fetch_all(&mut *tx).await.doing(DOING)?;
        Ok(RunDetail {
            run: read_run(&row)?,
            request: request.as_ref().map(read_entry).transpose()?,
            stages: stages.iter().map(read_stage).collect::<Result<_, _>>()?,
            deliveries: deliveries.iter().map(read_delivery).collect::<Result<_, _>>()?,
        })
    }

    /// The greatest identifier of a run or a delivery, of whichever it is; none in an empty database.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn newest(&self) -> Result<Option<RunId>, StoreError> {
        let statement = query(sql::read::NEWEST);
        statement.fetch_one(&self.inner.readers).await.doing("see what is newest")?.opt_parse("id")
    }

    /// Reads what a worker needs to take a run through its stages, all of one moment: the incident, the routes,
    /// and the tries at stages so far, because who takes over goes on after the last that succeeded.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such incident.
    pub async fn run_context(&self, run: RunId, incident: IncidentId) -> Result<RunContext, StoreError> {
        const DOING: &str = "read what a run needs";
        let script = look_at_incident(Script::new(), incident)
            .then(sql::channel::ROUTES)
            .then(sql::run::STAGE_EXECUTIONS)
            .bind(run.to_string());
        let mut tx = self.snapshot(DOING).await?;
        let mut came = script.send(&mut tx).await.doing(DOING)?;
        Ok(RunContext {
            incident: read_context(&mut came, incident)?,
            routes: read_routes(&came.rows()),
            stages: came.rows().iter().map(read_stage).collect::<Result<_, _>>()?,
        })
    }
}

/// Reads the columns of `run_columns!`.
pub(crate) fn read_run(row: &Row) -> Result<Run, StoreError> {
    let moment: Option<IncidentMoment> = row.opt_json("moment")?;
    Ok(Run {
        run_id: row.parse("id")?,
        trace_id: row.parse("trace_id")?,
        parent_run_id: row.opt_parse("parent_id")?,
        status: row.parse("status")?,
        current_stage: row.opt_parse("current_stage")?,
        origin: row.parse("origin")?,
        source: row.opt_text("source")?,
        incident_id: row.opt_parse("incident_id")?,
        reasons: moment.map(|moment| moment.reasons).unwrap_or_default(),
        outcome: row.opt_parse("outcome")?,
        alerts: row.int("alerts")?,
        reason: row.opt_text("reason")?,
        route: row.opt_text("route")?,
        total_attempts: row.int("total_attempts")?,
        failures: row.int("failures")?,
        intelligence_fallback_used: row.flag("intelligence_fallback_used")?,
        normalized_payload_ref: row.opt_text("normalized_payload_ref")?,
        checker_output_ref: row.opt_parse("checker_output_ref")?,
        intelligence_output_ref: row.opt_parse("intelligence_output_ref")?,
        notify_output_ref: row.opt_parse("notify_output_ref")?,
        error_type: row.opt_text("error_type")?,
        error_message: row.opt_text("error_message")?,
        created_at: row.time("created_at")?,
        started_at: row.opt_time("started_at")?,
        completed_at: row.opt_time("completed_at")?,
    })
}

fn read_stage(row: &Row) -> Result<StageExecution, StoreError> {
    Ok(StageExecution {
        stage: row.parse("stage")?,
        attempt: row.int("attempt")?,
        status: row.parse("status")?,
        summary: row.opt_text("summary")?,
        error_type: row.opt_text("error_type")?,
        error_message: row.opt_text("error_message")?,
        started_at: row.time("started_at")?,
        completed_at: row.opt_time("completed_at")?,
    })
}
