//! What workers change of runs: one script, and so one trip to the database, for each step.
//!
//! Some change in each is fenced: it finds its row only while the worker has the claim. Where it finds
//! none, the step refuses itself, and its transaction undoes the rest.

use domain::crash::{self, Point};
use domain::delivery::NewDelivery;
use domain::id::RunId;
use domain::run::{RunStatus, Stage, StageStatus};
use domain::time::Timestamp;

use crate::db::{Columns as _, Connection};
use crate::error::{Doing as _, StoreError};
use crate::outbox_put::{Before, look_before, put};
use crate::run::{Fault, RouteTaken, RunClaim, RunEnd, StageEnd};
use crate::script::{Results, Script};
use crate::sql;

/// A stage that begins.
pub(crate) struct Beginning {
    pub(crate) claim: RunClaim,
    pub(crate) stage: Stage,
    pub(crate) route: Option<RouteTaken>,
    pub(crate) now: Timestamp,
}

pub(crate) async fn begin_stage(tx: &mut Connection, beginning: &Beginning) -> Result<u32, StoreError> {
    let mut came = beginning.add_to(Script::new()).send(tx).await.doing("begin a stage")?;
    beginning.read(&mut came)
}

pub(crate) async fn end_stage(
    tx: &mut Connection,
    claim: RunClaim,
    end: &StageEnd,
) -> Result<(), StoreError> {
    let mut came = ending(claim, end).send(tx).await.doing("end a stage")?;
    read_ending(&mut came, claim, end)?;
    crash::pass(Point::StageBeforeCommit);
    Ok(())
}

/// Ends a stage and begins the next of the same run.
pub(crate) async fn end_and_begin(
    tx: &mut Connection,
    end: &StageEnd,
    next: &Beginning,
) -> Result<u32, StoreError> {
    let script = next.add_to(ending(next.claim, end));
    let mut came = script.send(tx).await.doing("end a stage and begin the next")?;
    read_ending(&mut came, next.claim, end)?;
    let attempt = next.read(&mut came)?;
    crash::pass(Point::StageBeforeCommit);
    Ok(attempt)
}

impl Beginning {
    fn add_to(&self, mut script: Script) -> Script {
        let (run_id, lease) = (self.claim.run_id.to_string(), self.claim.lease.to_string());
        if let Some(route) = &self.route {
            script = script
                .then(sql::run::COUNT_ROUTE)
                .bind(self.now.as_micros())
                .bind(route.name.clone())
                .bind(run_id.clone())
                .bind(lease.clone());
        }
        script
            .then(sql::run::BEGIN_STAGE)
            .bind(self.stage.as_str())
            .bind(self.route.as_ref().map(|route| route.name.clone()))
            .bind(self.route.as_ref().map(|route| route.reason.clone()))
            .bind(run_id.clone())
            .bind(lease)
            .then(sql::run::INSERT_STAGE)
            .bind(run_id.clone())
            .bind(self.stage.as_str())
            .bind(self.now.as_micros())
            .bind(run_id.clone())
            .bind(self.stage.as_str())
            .then(sql::run::LAST_ATTEMPT)
            .bind(run_id)
            .bind(self.stage.as_str())
    }

    /// The number of the try.
    fn read(&self, came: &mut Results) -> Result<u32, StoreError> {
        came.skip(usize::from(self.route.is_some()));
        held(came, self.claim)?;
        came.skip(1);
        came.row()?.int("attempt")
    }
}

fn ending(claim: RunClaim, end: &StageEnd) -> Script {
    let made = |stage: Stage| {
        end.artifact.as_ref().filter(|_| end.stage == stage).map(|artifact| artifact.id.to_string())
    };
    let status = match (end.status, end.stage) {
        (StageStatus::Started | StageStatus::Failed, _) | (_, Stage::Notify) => None,
        (_, Stage::Ingest) => Some(RunStatus::Ingested.as_str()),
        (_, Stage::Check) => Some(RunStatus::Checked.as_str()),
        (_, Stage::Analyze) => Some(RunStatus::Analyzed.as_str()),
    };
    let run_id = claim.run_id.to_string();
    let script = Script::new()
        .then(sql::run::ADVANCE_RUN)
        .bind(status)
        .bind(made(Stage::Check))
        .bind(made(Stage::Analyze))
        .bind(made(Stage::Notify))
        .bind(end.fallback_used.then_some(true))
        .bind(run_id.clone())
        .bind(claim.lease.to_string())
        .then(sql::run::END_STAGE)
        .bind(end.status.as_str())
        .bind(end.summary.clone())
        .bind(end.fault.as_ref().map(|fault| fault.error_type.clone()))
        .bind(end.fault.as_ref().map(|fault| fault.message.clone()))
        .bind(end.at.as_micros())
        .bind(run_id.clone())
        .bind(end.stage.as_str())
        .bind(end.attempt);
    let Some(artifact) = &end.artifact else { return script };
    script
        .then(sql::run::INSERT_ARTIFACT)
        .bind(artifact.id.to_string())
        .bind(run_id)
        .bind(end.stage.as_str())
        .bind(artifact.sealed.clone())
        .bind(end.at.as_micros())
}

fn read_ending(came: &mut Results, claim: RunClaim, end: &StageEnd) -> Result<(), StoreError> {
    held(came, claim)?;
    if came.changed() == 0 {
        let (stage, attempt, run) = (end.stage, end.attempt, claim.run_id);
        return Err(StoreError::NotFound(format!("attempt {attempt} at stage `{stage}` of run `{run}`")));
    }
    came.skip(usize::from(end.artifact.is_some()));
    Ok(())
}

/// The fence: whether the next result is a change of the run that the claim is on.
fn held(came: &mut Results, claim: RunClaim) -> Result<(), StoreError> {
    match came.changed() {
        0 => Err(StoreError::LeaseLost(format!("run `{}`", claim.run_id))),
        _ => Ok(()),
    }
}

pub(crate) async fn end_notify(
    tx: &mut Connection,
    claim: RunClaim,
    end: &StageEnd,
    deliveries: &[NewDelivery],
) -> Result<Vec<RunStatus>, StoreError> {
    const DOING: &str = "end the notify stage";
    let script = deliveries.iter().fold(ending(claim, end), look_before);
    let mut came = script.send(tx).await.doing(DOING)?;
    read_ending(&mut came, claim, end)?;

    let mut script = Script::new();
    let mut runs = Vec::new();
    for delivery in deliveries {
        let before = Before::read(&mut came, delivery)?;
        script = put(script, delivery, &before, end.at);
        runs.extend(before.runs_overtaken());
    }
    runs.push(claim.run_id);
    let written = script.len();
    script = script.then(sql::run::RELEASE_RUN).bind(claim.run_id.to_string()).bind(claim.lease.to_string());
    script = runs.iter().fold(script, |script, run_id| settle(script, *run_id, end.at));
    let mut came = script.send(tx).await.doing(DOING)?;
    came.skip(written);
    held(&mut came, claim)?;
    let ended: Vec<Option<RunStatus>> =
        runs.iter().map(|_| read_settled(&mut came)).collect::<Result<_, _>>()?;
    crash::pass(Point::NotifyBeforeCommit);
    Ok(ended.into_iter().flatten().collect())
}

pub(crate) async fn put_off(
    tx: &mut Connection,
    claim: RunClaim,
    due_at: Timestamp,
    fault: &Fault,
    now: Timestamp,
) -> Result<(), StoreError> {
    let retry = fail_stages(claim, fault, now)
        .then(sql::run::RETRY_RUN)
        .bind(due_at.as_micros())
        .bind(fault.error_type.clone())
        .bind(fault.message.clone())
        .bind(claim.run_id.to_string())
        .bind(claim.lease.to_string());
    let mut came = retry.send(tx).await.doing("schedule a retry")?;
    came.skip(1);
    held(&mut came, claim)
}

pub(crate) async fn end_run(tx: &mut Connection, claim: RunClaim, end: &RunEnd) -> Result<(), StoreError> {
    let script = end.fault.as_ref().map_or_else(Script::new, |fault| fail_stages(claim, fault, end.at));
    let before = script.len();
    let finish = script
        .then(sql::run::FINISH_RUN)
        .bind(end.status.as_str())
        .bind(end.fault.as_ref().map(|fault| fault.error_type.clone()))
        .bind(end.fault.as_ref().map(|fault| fault.message.clone()))
        .bind(end.at.as_micros())
        .bind(claim.run_id.to_string())
        .bind(claim.lease.to_string());
    let mut came = finish.send(tx).await.doing("end a run")?;
    came.skip(before);
    held(&mut came, claim)
}

/// Ends the tries at stages that an error cut off.
fn fail_stages(claim: RunClaim, fault: &Fault, at: Timestamp) -> Script {
    Script::new()
        .then(sql::run::FAIL_STAGES)
        .bind(fault.error_type.clone())
        .bind(fault.message.clone())
        .bind(at.as_micros())
        .bind(claim.run_id.to_string())
}

/// Ends a run whose deliveries are all final; does nothing while one is not.
pub(crate) fn settle(script: Script, run_id: RunId, at: Timestamp) -> Script {
    script
        .then(sql::run::LOCK_RUN)
        .bind(run_id.to_string())
        .then(sql::run::SETTLE_RUN)
        .bind(at.as_micros())
        .bind(run_id.to_string())
        .then(sql::run::RUN_STATUS)
        .bind(run_id.to_string())
}

/// How a run ended that [`settle`] ended.
pub(crate) fn read_settled(came: &mut Results) -> Result<Option<RunStatus>, StoreError> {
    came.skip(1);
    let ended = came.changed() > 0;
    let row = came.row()?;
    ended.then(|| row.parse("status")).transpose()
}
