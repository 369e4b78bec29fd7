//! Downstream runs: one per materially changed incident.
//!
//! `work` is the whole of a run: find the route, take its stages in order, let the last commit the
//! outbox rows. A stage is a file. A run whose worker died is claimed again and goes on after the
//! last stage that ended.

mod analyze;
mod check;
mod notify;
mod outputs;
mod pick;
pub mod routes;
mod worker;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use domain::crash::{self, Point};
use domain::id::ArtifactId;
use domain::retry::Policy;
use domain::route::Route;
use domain::run::{Run, RunStatus, Stage, StageExecution, StageStatus};
use domain::time::Timestamp;
use domain::trace::SpanId;
use serde_json::Value;
use store::{
    ClaimedRun, Fault, IncidentContext, NewArtifact, RouteTaken, RunContext, RunEnd, StageEnd, Store,
    StoreError,
};

use crate::checks::Checks;
use crate::clock::{self, Ids};
use crate::crypto::{CryptoError, KeyRing, Place, Purpose};
use crate::intelligence::{Intelligence, redacted};
use crate::telemetry::export::{self, Side, Step};
use crate::telemetry::{chain, metrics};

pub use outputs::{Output, OutputError, Outputs};
pub use worker::Pipeline;

/// What runs need.
pub struct Parts {
    /// Where runs are kept.
    pub store: Store,
    /// Seals results.
    pub keys: Arc<KeyRing>,
    /// What is checked about this machine.
    pub checks: Arc<Checks>,
    /// Asks providers.
    pub intelligence: Arc<Intelligence>,
    /// When a stage is tried again.
    pub retry: Policy,
}

/// Why a run could not go on.
#[derive(Debug, thiserror::Error)]
enum RunError {
    /// The store did not take or give something.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A result could not be sealed or opened.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

impl RunError {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Store(error) => error.kind(),
            Self::Crypto(_) => "crypto",
        }
    }
}

/// What stages know of the run they are in.
struct Passage<'a> {
    parts: &'a Parts,
    run: &'a ClaimedRun,
    context: &'a IncidentContext,
    route: &'a Route,
    /// What is left to do, in order.
    left: VecDeque<Stage>,
    /// Which try at its stage is under way. It was begun when the stage before it ended, in one transaction.
    attempt: u32,
    /// How often the stage that is under way has failed.
    failures: &'a mut u32,
    /// What the check stage found, as the contract describes it.
    checks: Value,
    /// What the analyze stage found; none where it was not asked or did not answer.
    analysis: Option<Value>,
    fallback_used: bool,
}

/// Works one claimed run off. Errors are recorded on the run; nothing is thrown away.
async fn work(parts: &Parts, run: &ClaimedRun) {
    crash::pass(Point::RunClaimed);
    let began = clock::now();
    let mut failures = run.run.failures;
    let result = passage(parts, run, &mut failures).await;
    tell(run, began, result.as_ref().err());
    if let Err(error) = result {
        if matches!(error, RunError::Store(StoreError::LeaseLost(_))) {
            tracing::warn!(run_id = %run.run.run_id, trace_id = %run.run.trace_id, "another worker has this run now");
            return;
        }
        give_up_or_retry(parts, run, failures, &error).await;
    }
}

/// Tells the collector of traces of a passage. One that is taken up again tells under the same
/// identifier: what it did is a part of the run whichever passage it was in.
fn tell(run: &ClaimedRun, began: Timestamp, error: Option<&RunError>) {
    let Run { run_id, trace_id, parent_run_id, .. } = run.run;
    export::step(|| Step {
        name: "run",
        side: Side::Internal,
        trace_id,
        id: SpanId::from(run_id),
        parent: parent_run_id.map(SpanId::from),
        link: None,
        began,
        ended: clock::now(),
        error: error.map(|error| error.kind().to_owned()),
        fields: vec![("run_id", run_id.to_string()), ("incident.id", run.moment.incident_id.to_string())],
    });
}

async fn passage(parts: &Parts, run: &ClaimedRun, failures: &mut u32) -> Result<(), RunError> {
    let (run_id, incident_id) = (run.run.run_id, run.moment.incident_id);
    let RunContext { incident, routes, stages } = parts.store.run_context(run_id, incident_id).await?;
    let (route, taken) = match pick::pick(run, &incident, routes) {
        Ok(picked) => picked,
        Err(fault) => return Ok(end(parts, run, RunStatus::Failed, Some(fault)).await?),
    };
    let mut passage = Passage {
        parts,
        run,
        context: &incident,
        route: &route,
        left: route.stages.iter().copied().filter(|stage| *stage != Stage::Ingest).collect(),
        attempt: 0,
        failures,
        checks: Value::Array(Vec::new()),
        analysis: None,
        fallback_used: false,
    };
    let status = passage.recall(&stages).await?;
    passage.take_stages(status, taken.as_ref()).await
}

impl Passage<'_> {
    /// Takes what is left. Why it is this route is noted with the first stage, where the run has not taken
    /// it yet.
    async fn take_stages(
        &mut self,
        mut status: RunStatus,
        taken: Option<&RouteTaken>,
    ) -> Result<(), RunError> {
        if let Some(first) = self.left.front() {
            self.attempt = self.parts.store.begin_stage(self.run.claim, *first, taken, clock::now()).await?;
            crash::pass(Point::StageBegun);
        }
        while let Some(stage) = self.left.pop_front() {
            status = match stage {
                Stage::Ingest => continue,
                Stage::Check => timed(&self.run.run, stage, check::stage(self)).await?,
                Stage::Analyze => timed(&self.run.run, stage, Box::pin(analyze::stage(self))).await?,
                // The outbox rows and the end of the stage are one transaction; then the deliveries
                // decide how the run ends.
                Stage::Notify => return timed(&self.run.run, stage, notify::stage(self)).await,
            };
        }
        end(self.parts, self.run, status, None).await?;
        Ok(())
    }

    /// Takes up what stages found before their worker died: they are not left to do. Says how far that
    /// brought the run.
    async fn recall(&mut self, tried: &[StageExecution]) -> Result<RunStatus, RunError> {
        let mut status = RunStatus::Ingested;
        for stage in [Stage::Check, Stage::Analyze] {
            let is_done = |execution: &StageExecution| {
                execution.stage == stage
                    && matches!(execution.status, StageStatus::Succeeded | StageStatus::Skipped)
            };
            if !self.left.contains(&stage) || !tried.iter().any(is_done) {
                continue;
            }
            self.left.retain(|left| *left != stage);
            let run = &self.run.run;
            let (artifact, reached) = match stage {
                Stage::Check => (run.checker_output_ref, RunStatus::Checked),
                _ => (run.intelligence_output_ref, RunStatus::Analyzed),
            };
            status = reached;
            if let Some(id) = artifact {
                let value = outputs::open(&self.parts.store, &self.parts.keys, id).await?;
                match stage {
                    Stage::Check => self.checks = value,
                    _ => {
                        self.analysis =
                            value.get("analysis").filter(|analysis| analysis.is_object()).cloned();
                        self.fallback_used = value.get("fallback_used").is_some_and(|used| used == true);
                    }
                }
            }
        }
        Ok(status)
    }

    /// Ends a stage with what it found, sealed, and begins the next.
    async fn finish(&mut self, mut end: StageEnd, output: Value) -> Result<(), RunError> {
        end.artifact = Some(self.seal(output)?);
        self.end_stage(end).await
    }

    /// Ends a stage and begins the next.
    async fn end_stage(&mut self, end: StageEnd) -> Result<(), RunError> {
        let (store, claim) = (&self.parts.store, self.run.claim);
        match self.left.front() {
            Some(next) => self.attempt = store.next_stage(claim, &end, *next).await?,
            None => store.finish_stage(claim, &end).await?,
        }
        *self.failures = 0;
        crash::pass(Point::StageEnded);
        if !self.left.is_empty() {
            crash::pass(Point::StageBegun);
        }
        Ok(())
    }

    /// Seals a result, without what looks like a secret.
    fn seal(&self, output: Value) -> Result<NewArtifact, CryptoError> {
        self.seal_as_is(&redacted(output))
    }

    /// Seals a result that has been looked through for secrets.
    fn seal_as_is(&self, output: &Value) -> Result<NewArtifact, CryptoError> {
        let id = ArtifactId::mint(&mut Ids);
        let row = id.to_string();
        let place = Place { table: "artifact", column: "sealed", row: &row };
        let sealed = self.parts.keys.seal(Purpose::Artifact, place, output.to_string().as_bytes())?;
        Ok(NewArtifact { id, sealed })
    }
}

/// Counts a stage and how long it took.
async fn timed<T>(
    run: &Run,
    stage: Stage,
    work: impl Future<Output = Result<T, RunError>>,
) -> Result<T, RunError> {
    let (began, began_at) = (Instant::now(), clock::now());
    let result = work.await;
    let status = if result.is_ok() { "ended" } else { "failed" };
    metrics::stage(stage.as_str(), status, began.elapsed());
    export::step(|| Step {
        name: stage.as_str(),
        side: Side::Internal,
        trace_id: run.trace_id,
        id: SpanId::mint(&mut Ids),
        parent: Some(SpanId::from(run.run_id)),
        link: None,
        began: began_at,
        ended: clock::now(),
        error: result.as_ref().err().map(|error| error.kind().to_owned()),
        fields: vec![("run_id", run.run_id.to_string())],
    });
    result
}

async fn end(
    parts: &Parts,
    run: &ClaimedRun,
    status: RunStatus,
    fault: Option<Fault>,
) -> Result<(), StoreError> {
    let (run_id, trace_id) = (run.run.run_id, run.run.trace_id);
    match &fault {
        Some(Fault { error_type, message }) => {
            tracing::error!(%run_id, %trace_id, error.r#type = error_type, "run {run_id} ended {status}: {message}");
        }
        None => tracing::info!(%run_id, %trace_id, "run {run_id} ended {status}"),
    }
    let end = RunEnd { status, fault, at: clock::now() };
    parts.store.finish_run(run.claim, &end).await?;
    metrics::run(status.as_str());
    Ok(())
}

fn fault(error_type: &str, message: impl Into<String>) -> Fault {
    Fault { error_type: error_type.to_owned(), message: message.into() }
}

async fn give_up_or_retry(parts: &Parts, run: &ClaimedRun, failures: u32, error: &RunError) {
    let (run_id, trace_id) = (run.run.run_id, run.run.trace_id);
    let text = chain(error);
    // A database that is away comes back; as long as it is away, giving up would tell nobody.
    let unavailable = matches!(error, RunError::Store(error) if error.is_unavailable());
    let policy = if unavailable { Policy { max_attempts: u32::MAX, ..parts.retry } } else { parts.retry };
    let recorded = match policy.pause(failures.saturating_add(1), None, clock::draw()) {
        Some(pause) => {
            let now = clock::now();
            let due_at = now.after(pause);
            metrics::run("retrying");
            tracing::warn!(%run_id, %trace_id, error.r#type = error.kind(), "run {run_id} is tried again at {due_at}: {text}");
            parts.store.schedule_retry(run.claim, due_at, &fault(error.kind(), text), now).await
        }
        None => end(parts, run, RunStatus::Failed, Some(fault(error.kind(), text))).await,
    };
    if let Err(error) = recorded {
        // The lease ends by itself and the run is claimed again.
        tracing::error!(%run_id, %trace_id, error.r#type = "store", "the end of a run was not recorded: {}", chain(&error));
    }
}
