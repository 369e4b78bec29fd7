//! What people do to incidents.

use domain::act::{Act, Cause, plan};
use domain::id::{AlertId, IncidentId, Mint, RunId, TraceId};
use domain::incident::Incident;
use domain::run::{IncidentMoment, Origin};
use domain::time::Timestamp;

use crate::db::{Columns as _, Dialect, Transaction, query, to_json};
use crate::error::{Doing as _, StoreError};
use crate::incident::{read_incident, worst};
use crate::ingest::later::Later;
use crate::ingest::rows::{IncidentHistoryRow, IncidentRow, RunRow};
use crate::open::Store;
use crate::sql;
use crate::tries::tried;

const DOING: &str = "store what a person did to an incident";

/// What came of an act.
#[derive(Debug, Clone, PartialEq)]
pub struct Acted {
    /// The incident as it is now.
    pub incident: Incident,
    /// Whether anything was changed; false where it was so already.
    pub changed: bool,
    /// The run that tells people, and what it is traced by; none where nobody is told.
    pub run: Option<(RunId, TraceId)>,
}

impl Store {
    /// Does what a person wants done to an incident: its state, its history and the run that tells people
    /// are one transaction, which reads the incident as webhooks do, so that nobody overwrites anybody.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such incident; [`StoreError::Conflict`] where the act makes no
    /// sense in its state, which the text names.
    pub async fn act(
        &self,
        id: IncidentId,
        act: &Act,
        mint: &mut (dyn Mint + Send),
        now: Timestamp,
    ) -> Result<Acted, StoreError> {
        tried!(self, self.act_once(id, act, mint, now))
    }

    async fn act_once(
        &self,
        id: IncidentId,
        act: &Act,
        mint: &mut (dyn Mint + Send),
        now: Timestamp,
    ) -> Result<Acted, StoreError> {
        let mut tx = self.begin(DOING).await?;
        let incidents = query(sql::ingest::INCIDENTS_BY_ID_OR_KEY).bind(to_json(DOING, &[id])?).bind("[]");
        let row = incidents.fetch_optional(&mut *tx).await.doing(DOING)?;
        let before = read_incident(&row.ok_or_else(|| StoreError::NotFound(format!("incident `{id}`")))?)?;
        let cause = cause(&mut tx, id).await?;
        let mint = &mut Later::than_runs_about(&mut tx, [id], mint).await?;
        let plan = plan(&before, act, &cause, mint, now)
            .map_err(|refusal| StoreError::Conflict(refusal.to_string()))?;
        let Some(history) = IncidentHistoryRow::of_act(act, &plan, mint, now) else {
            return Ok(Acted { incident: before, changed: false, run: None });
        };
        let runs: Vec<RunRow<'_>> = plan.run.iter().map(|run| RunRow::downstream(run, now)).collect();
        let change = match tx.dialect() {
            Dialect::Mysql => sql::ingest::UPDATE_INCIDENTS,
            Dialect::Sqlite | Dialect::Postgres => sql::ingest::UPSERT_INCIDENTS,
        };
        for (statement, rows) in [
            (change, to_json(DOING, &[IncidentRow::of(&plan.incident)])?),
            (sql::ingest::INSERT_RUNS, to_json(DOING, &runs)?),
            (sql::ingest::INSERT_INCIDENT_HISTORY, to_json(DOING, &[history])?),
        ] {
            query(statement).bind(rows).execute(&mut *tx).await.doing(DOING)?;
        }
        tx.commit().await.doing(DOING)?;
        let run = plan.run.map(|run| (run.id, run.trace_id));
        Ok(Acted { incident: plan.incident, changed: true, run })
    }

    /// Finds the incident that an alert belongs to; none for one that was over when it was first heard of.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such alert.
    pub async fn incident_of(&self, id: AlertId) -> Result<Option<IncidentId>, StoreError> {
        let statement = query(sql::read::INCIDENT_OF_ALERT).bind(id.to_string());
        let row = statement.fetch_optional(&self.inner.readers).await.doing("read an alert")?;
        row.ok_or_else(|| StoreError::NotFound(format!("alert `{id}`")))?.opt_parse("incident_id")
    }
}

/// Where an incident came from, by its last run; where that is gone by retention, by its worst alert.
async fn cause(tx: &mut Transaction, id: IncidentId) -> Result<Cause, StoreError> {
    let last = query(sql::run::LAST_OF_INCIDENT).bind(id.to_string());
    if let Some(row) = last.fetch_optional(&mut **tx).await.doing(DOING)? {
        let moment: Option<IncidentMoment> = row.opt_json("moment")?;
        let origin = moment.map_or(Origin::IncomingWebhook, |moment| moment.origin);
        return Ok(Cause { source: row.opt_parse("source")?, origin });
    }
    let alert = worst(tx, id, 1).await?.pop();
    Ok(Cause { source: alert.map(|alert| alert.source), origin: Origin::IncomingWebhook })
}
