//! Runs as workers have them: claimed, taken through their stages, let go.

use std::time::Duration;

use domain::crash::{self, Point};
use domain::delivery::NewDelivery;
use domain::id::{ArtifactId, LeaseToken, Mint, RunId};
use domain::run::{IncidentMoment, Run, RunStatus, Stage, StageStatus};
use domain::time::Timestamp;

use crate::db::{Columns as _, Connection, query, readable};
use crate::error::{Doing as _, StoreError};
use crate::open::Store;
use crate::run_change::{Beginning, begin_stage, end_and_begin, end_notify, end_run, end_stage, put_off};
use crate::run_read::read_run;
use crate::script::Script;
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
        let lease = LeaseToken::mint(mint);
        let claim = Claim { lease, now, until: now.after(lease_for), limit };
        self.together(claim, |tx, claim| Box::pin(claim_runs(tx, claim))).await
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
        let beginning = Beginning { claim, stage, route: route.cloned(), now };
        self.together(beginning, |tx, beginning| Box::pin(begin_stage(tx, beginning))).await
    }

    /// Records how a try at a stage ended, keeps what it made and moves the run on.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] if another worker has the run; nothing is changed then.
    pub async fn finish_stage(&self, claim: RunClaim, end: &StageEnd) -> Result<(), StoreError> {
        self.together((claim, end.clone()), |tx, (claim, end)| Box::pin(end_stage(tx, *claim, end))).await
    }

    /// Records how a try at a stage ended, as [`Store::finish_stage`] does, and notes that the next begins,
    /// as [`Store::begin_stage`] does. Returns the number of that try.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] if another worker has the run; nothing is changed then.
    pub async fn next_stage(&self, claim: RunClaim, end: &StageEnd, next: Stage) -> Result<u32, StoreError> {
        let beginning = Beginning { claim, stage: next, route: None, now: end.at };
        let given = (end.clone(), beginning);
        self.together(given, |tx, (end, beginning)| Box::pin(end_and_begin(tx, end, beginning))).await
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
        let given = (claim, end.clone(), deliveries.to_vec());
        self.together(given, |tx, (claim, end, deliveries)| Box::pin(end_notify(tx, *claim, end, deliveries)))
            .await
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
        let given = (claim, due_at, fault.clone(), now);
        self.together(given, |tx, (claim, due_at, fault, now)| {
            Box::pin(put_off(tx, *claim, *due_at, fault, *now))
        })
        .await
    }

    /// Ends a run.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] if another worker has the run; nothing is changed then.
    pub async fn finish_run(&self, claim: RunClaim, end: &RunEnd) -> Result<(), StoreError> {
        self.together((claim, end.clone()), |tx, (claim, end)| Box::pin(end_run(tx, *claim, end))).await
    }
}

/// A claim on what is due.
struct Claim {
    lease: LeaseToken,
    now: Timestamp,
    until: Timestamp,
    limit: u32,
}

async fn claim_runs(tx: &mut Connection, claim: &Claim) -> Result<Vec<ClaimedRun>, StoreError> {
    let Claim { lease, now, until, limit } = *claim;
    let claim = Script::new()
        .then(sql::run::CLAIM_RUNS)
        .bind(lease.to_string())
        .bind(until.as_micros())
        .bind(now.as_micros())
        .bind(now.as_micros())
        .bind(limit)
        .then(sql::run::CLAIMED_RUNS)
        .bind(until.as_micros())
        .bind(lease.to_string());
    let mut came = claim.send(tx).await.doing("claim runs")?;
    came.skip(1);
    let claimed = readable(&came.rows(), |row| {
        let run = read_run(row)?;
        let claim = RunClaim { run_id: run.run_id, lease };
        Ok(ClaimedRun { moment: row.json("moment")?, run, claim, lease_until: until })
    });
    if !claimed.is_empty() {
        crash::pass(Point::RunClaimBeforeCommit);
    }
    Ok(claimed)
}
