//! Runs as workers have them: claimed, taken through their stages, let go.

use std::time::Duration;

use domain::crash::{self, Point};
use domain::delivery::NewDelivery;
use domain::id::{ArtifactId, LeaseToken, Mint, RunId};
use domain::run::{IncidentMoment, Run, RunStatus, Stage, StageStatus};
use domain::time::Timestamp;

use crate::db::{Columns as _, Connection, Query, query, readable};
use crate::error::{Doing as _, StoreError};
use crate::open::Store;
use crate::outbox_put::insert_delivery;
use crate::run_read::read_run;
use crate::sql;

/// A worker's hold on a run. Every change of the run needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunClaim {
    /// Which run.
    pub run_id: RunId,
    /// The claim; a later one has another.
    pub lease: LeaseToken,
}

/// A run that was claimed.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedRun {
    /// The run.
    pub run: Run,
    /// What it is about, as it was when the run was planned.
    pub moment: IncidentMoment,
    /// The claim.
    pub claim: RunClaim,
    /// When the claim ends and another worker may take over.
    pub lease_until: Timestamp,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// In one word of a small closed set.
    pub error_type: String,
    /// In words without secrets.
    pub message: String,
}

/// A result to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewArtifact {
    /// Its identifier, which it is sealed for.
    pub id: ArtifactId,
    /// The result, sealed.
    pub sealed: Vec<u8>,
}

/// How a try at a stage ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageEnd {
    /// Which stage.
    pub stage: Stage,
    /// Which try, as [`Store::begin_stage`] counted it.
    pub attempt: u32,
    /// How it ended. `succeeded` and `skipped` move the run on, `failed` does not.
    pub status: StageStatus,
    /// What came out, in one line.
    pub summary: Option<String>,
    /// What went wrong; a stage may succeed in spite of it.
    pub fault: Option<Fault>,
    /// What it made; the run refers to it.
    pub artifact: Option<NewArtifact>,
    /// Whether analysis came from a fallback or not at all.
    pub fallback_used: bool,
    /// When it ended.
    pub at: Timestamp,
}

/// The route that a run takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteTaken {
    /// Its name.
    pub name: String,
    /// Why it was this one.
    pub reason: String,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEnd {
    /// Its last status.
    pub status: RunStatus,
    /// What went wrong.
    pub fault: Option<Fault>,
    /// When it ended.
    pub at: Timestamp,
}

impl Store {
    /// Claims up to `limit` runs that are due, or whose worker is gone, in the order in which they
    /// were due. Nobody else gets them for `lease_for`. All share one new token.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn claim_runs(
        &self,
        now: Timestamp,
        lease_for: Duration,
        limit: u32,
        mint: &mut (dyn Mint + Send),
    ) -> Result<Vec<ClaimedRun>, StoreError> {
        const DOING: &str = "claim runs";
        let lease = LeaseToken::mint(mint);
        let lease_until = now.after(lease_for);
        let mut tx = self.begin(DOING).await?;
        let claim = query(sql::run::CLAIM_RUNS)
            .bind(lease.to_string())
            .bind(lease_until.as_micros())
            .bind(now.as_micros())
            .bind(now.as_micros())
            .bind(limit);
        if claim.execute(&mut *tx).await.doing(DOING)?.rows_affected() == 0 {
            return Ok(Vec::new());
        }
        let claimed = query(sql::run::CLAIMED_RUNS).bind(lease_until.as_micros()).bind(lease.to_string());
        let rows = claimed.fetch_all(&mut *tx).await.doing(DOING)?;
        let claimed = readable(&rows, |row| {
            let run = read_run(row)?;
            let claim = RunClaim { run_id: run.run_id, lease };
            Ok(ClaimedRun { moment: row.json("moment")?, run, claim, lease_until })
        });
        tx.commit().await.doing(DOING)?;
        Ok(claimed)
    }

    /// When the next run can be claimed; none if nothing waits.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn next_run_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let statement = query(sql::run::NEXT_RUN_DUE);
        statement.fetch_one(&self.inner.readers).await.doing("see when a run is due")?.opt_time("due_at")
    }

    /// Lengthens the lease on a run that takes its time.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] if another worker has the run.
    pub async fn renew_run(&self, claim: RunClaim, until: Timestamp) -> Result<(), StoreError> {
        let renew = query(sql::run::RENEW_RUN).bind(until.as_micros());
        let renew = renew.bind(claim.run_id.to_string()).bind(claim.lease.to_string());
        match renew.execute(&self.inner.writer).await.doing("renew a lease")?.rows_affected() {
            0 => Err(StoreError::LeaseLost(format!("run `{}`", claim.run_id))),
            _ => Ok(()),
        }
    }

    /// Notes that a stage begins. With a route, notes that the run takes it and why, and counts it, unless
    /// the run has taken one before. Returns the number of the try, from 1.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] if another worker has the run.
    pub async fn begin_stage(
        &self,
        claim: RunClaim,
        stage: Stage,
        route: Option<&RouteTaken>,
        now: Timestamp,
    ) -> Result<u32, StoreError> {
        let route = route.cloned();
        self.together(move |tx| Box::pin(begin_stage(tx, claim, stage, route, now))).await
    }

    /// Records how a try at a stage ended, keeps what it made and moves the run on.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] if another worker has the run; nothing is changed then.
    pub async fn finish_stage(&self, claim: RunClaim, end: &StageEnd) -> Result<(), StoreError> {
        let end = end.clone();
        self.together(move |tx| Box::pin(end_other_stage(tx, claim, end))).await
    }

    /// Ends the notify stage together with its deliveries, and lets go of the run: from here on they
    /// decide what becomes of it. Without deliveries it is notified at once. Returns how runs ended with it:
    /// this one, and those whose last deliveries it overtook.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] if another worker has the run; nothing is changed then.
    pub async fn finish_notify(
        &self,
        claim: RunClaim,
        end: &StageEnd,
        deliveries: &[NewDelivery],
    ) -> Result<Vec<RunStatus>, StoreError> {
        let (end, deliveries) = (end.clone(), deliveries.to_vec());
        self.together(move |tx| Box::pin(end_notify(tx, claim, end, deliveries))).await
    }

    /// Lets go of a run until `due_at`, when its stage is tried again; the try that was cut off has failed.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] if another worker has the run; nothing is changed then.
    pub async fn schedule_retry(
        &self,
        claim: RunClaim,
        due_at: Timestamp,
        fault: &Fault,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let fault = fault.clone();
        self.together(move |tx| Box::pin(put_off(tx, claim, due_at, fault, now))).await
    }

    /// Ends a run.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] if another worker has the run; nothing is changed then.
    pub async fn finish_run(&self, claim: RunClaim, end: &RunEnd) -> Result<(), StoreError> {
        let end = end.clone();
        self.together(move |tx| Box::pin(end_run(tx, claim, end))).await
    }
}

async fn begin_stage(
    tx: &mut Connection,
    claim: RunClaim,
    stage: Stage,
    route: Option<RouteTaken>,
    now: Timestamp,
) -> Result<u32, StoreError> {
    const DOING: &str = "begin a stage";
    if let Some(route) = &route {
        let count = query(sql::run::COUNT_ROUTE)
            .bind(now.as_micros())
            .bind(route.name.clone())
            .bind(claim.run_id.to_string())
            .bind(claim.lease.to_string());
        count.execute(&mut *tx).await.doing(DOING)?;
    }
    let (name, reason) = route.map(|route| (route.name, route.reason)).unzip();
    let begin = query(sql::run::BEGIN_STAGE).bind(stage.as_str()).bind(name).bind(reason);
    held(tx, claim, begin, DOING).await?;
    let last = query(sql::run::LAST_ATTEMPT).bind(claim.run_id.to_string()).bind(stage.as_str());
    let last: u32 = last.fetch_one(&mut *tx).await.doing(DOING)?.int("attempt")?;
    let attempt = last.saturating_add(1);
    let insert = query(sql::run::INSERT_STAGE)
        .bind(claim.run_id.to_string())
        .bind(stage.as_str())
        .bind(attempt)
        .bind(now.as_micros());
    insert.execute(tx).await.doing(DOING)?;
    Ok(attempt)
}

async fn end_other_stage(tx: &mut Connection, claim: RunClaim, end: StageEnd) -> Result<(), StoreError> {
    end_stage(tx, claim, &end).await?;
    crash::pass(Point::StageBeforeCommit);
    Ok(())
}

async fn end_notify(
    tx: &mut Connection,
    claim: RunClaim,
    end: StageEnd,
    deliveries: Vec<NewDelivery>,
) -> Result<Vec<RunStatus>, StoreError> {
    end_stage(tx, claim, &end).await?;
    let mut ended = Vec::new();
    for delivery in &deliveries {
        ended.extend(insert_delivery(tx, delivery, end.at).await?);
    }
    held(tx, claim, query(sql::run::RELEASE_RUN), "end the notify stage").await?;
    ended.extend(settle_run(tx, claim.run_id, end.at).await?);
    crash::pass(Point::NotifyBeforeCommit);
    Ok(ended)
}

async fn put_off(
    tx: &mut Connection,
    claim: RunClaim,
    due_at: Timestamp,
    fault: Fault,
    now: Timestamp,
) -> Result<(), StoreError> {
    fail_stages(tx, claim, &fault, now).await?;
    let retry =
        query(sql::run::RETRY_RUN).bind(due_at.as_micros()).bind(fault.error_type).bind(fault.message);
    held(tx, claim, retry, "schedule a retry").await
}

async fn end_run(tx: &mut Connection, claim: RunClaim, end: RunEnd) -> Result<(), StoreError> {
    if let Some(fault) = &end.fault {
        fail_stages(tx, claim, fault, end.at).await?;
    }
    let (error_type, message) = end.fault.map(|fault| (fault.error_type, fault.message)).unzip();
    let finish = query(sql::run::FINISH_RUN)
        .bind(end.status.as_str())
        .bind(error_type)
        .bind(message)
        .bind(end.at.as_micros());
    held(tx, claim, finish, "end a run").await
}

/// Runs a change whose last two parameters are the run and the lease: the fence against a worker that
/// is late.
async fn held(
    tx: &mut Connection,
    claim: RunClaim,
    change: Query,
    doing: &'static str,
) -> Result<(), StoreError> {
    let change = change.bind(claim.run_id.to_string()).bind(claim.lease.to_string());
    match change.execute(&mut *tx).await.doing(doing)?.rows_affected() {
        0 => Err(StoreError::LeaseLost(format!("run `{}`", claim.run_id))),
        _ => Ok(()),
    }
}

async fn end_stage(tx: &mut Connection, claim: RunClaim, end: &StageEnd) -> Result<(), StoreError> {
    const DOING: &str = "end a stage";
    let made = |stage: Stage| {
        end.artifact.as_ref().filter(|_| end.stage == stage).map(|artifact| artifact.id.to_string())
    };
    let status = match (end.status, end.stage) {
        (StageStatus::Started | StageStatus::Failed, _) | (_, Stage::Notify) => None,
        (_, Stage::Ingest) => Some(RunStatus::Ingested.as_str()),
        (_, Stage::Check) => Some(RunStatus::Checked.as_str()),
        (_, Stage::Analyze) => Some(RunStatus::Analyzed.as_str()),
    };
    let advance = query(sql::run::ADVANCE_RUN)
        .bind(status)
        .bind(made(Stage::Check))
        .bind(made(Stage::Analyze))
        .bind(made(Stage::Notify))
        .bind(end.fallback_used.then_some(true));
    held(tx, claim, advance, DOING).await?;
    let ended = query(sql::run::END_STAGE)
        .bind(end.status.as_str())
        .bind(end.summary.clone())
        .bind(end.fault.as_ref().map(|fault| fault.error_type.clone()))
        .bind(end.fault.as_ref().map(|fault| fault.message.clone()))
        .bind(end.at.as_micros())
        .bind(claim.run_id.to_string())
        .bind(end.stage.as_str())
        .bind(end.attempt);
    if ended.execute(&mut *tx).await.doing(DOING)?.rows_affected() == 0 {
        let (stage, attempt, run) = (end.stage, end.attempt, claim.run_id);
        return Err(StoreError::NotFound(format!("attempt {attempt} at stage `{stage}` of run `{run}`")));
    }
    let Some(artifact) = &end.artifact else { return Ok(()) };
    query(sql::run::INSERT_ARTIFACT)
        .bind(artifact.id.to_string())
        .bind(claim.run_id.to_string())
        .bind(end.stage.as_str())
        .bind(artifact.sealed.clone())
        .bind(end.at.as_micros())
        .execute(&mut *tx)
        .await
        .doing(DOING)?;
    Ok(())
}

/// Ends a run whose deliveries are all final, and says how; does nothing while one is not.
pub(crate) async fn settle_run(
    tx: &mut Connection,
    run_id: RunId,
    at: Timestamp,
) -> Result<Option<RunStatus>, StoreError> {
    const DOING: &str = "settle a run";
    let statement = query(sql::run::RUN_DELIVERIES).bind(run_id.to_string());
    let row = statement.fetch_one(&mut *tx).await.doing(DOING)?;
    let (unfinished, dead): (u32, u32) = (row.int("unfinished")?, row.int("dead")?);
    if unfinished > 0 {
        return Ok(None);
    }
    let (status, error_type, message) = match dead {
        0 => (RunStatus::Notified, None, None),
        _ => (
            RunStatus::Failed,
            Some("delivery_dead"),
            Some(format!("{dead} of its deliveries were given up on; see them for the reasons")),
        ),
    };
    let settle = query(sql::run::SETTLE_RUN)
        .bind(status.as_str())
        .bind(error_type)
        .bind(message)
        .bind(at.as_micros())
        .bind(run_id.to_string());
    let settled = settle.execute(&mut *tx).await.doing(DOING)?.rows_affected() > 0;
    Ok(settled.then_some(status))
}

/// Ends the tries at stages that an error cut off.
async fn fail_stages(
    tx: &mut Connection,
    claim: RunClaim,
    fault: &Fault,
    at: Timestamp,
) -> Result<(), StoreError> {
    query(sql::run::FAIL_STAGES)
        .bind(fault.error_type.clone())
        .bind(fault.message.clone())
        .bind(at.as_micros())
        .bind(claim.run_id.to_string())
        .execute(&mut *tx)
        .await
        .doing("end a stage")?;
    Ok(())
}
