//! `POST /orchestration/pipeline/`, `…/sync/` and `…/{run_id}/resume/`.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use domain::id::TraceId;
use domain::run::{Origin, Run};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use store::{MAX_PAGE, PageRequest, Resumed, RunDetail, RunFilter};
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};

use super::{Body, Query, id, typed};
use crate::auth::Caller;
use crate::clock;
use crate::http::Context;
use crate::http::openapi::{self, Finished};
use crate::http::problem::Problem;
use crate::http::webhook::told;
use crate::ingest::{Accepted, Payload, Received};
use crate::pipeline::Output;

/// How long `…/sync/` waits where nobody says, and at most, in seconds.
const WAIT_S: (u64, u64) = (60, 300);
/// How often it looks whether the runs have ended: soon at first.
const LOOK_EVERY: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));
/// How many downstream runs it tells of: the newest. It waits for all.
const RUNS: usize = 100;

/// What is to be taken through the pipeline.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = PipelineRequest)]
pub(in crate::http) struct Order {
    /// What a monitoring system would have sent.
    #[serde(deserialize_with = "anything")]
    #[schema(required, value_type = Value)]
    payload: Option<Value>,
    /// The driver that shall read it; found by what it looks like where none is named.
    #[schema(pattern = "^([a-z][a-z0-9_]{0,31})?$")]
    driver: Option<String>,
    /// Where this stands in a trace of the caller's: only for the log. The run gets its own.
    #[schema(pattern = "^((?!0{32})[0-9a-f]{32})?$")]
    trace_id: Option<String>,
    /// Has no effect: runs get identifiers of their own.
    run_id: Option<Value>,
    /// Has no effect: the source of alerts is their driver.
    source: Option<Value>,
    /// Has no effect.
    environment: Option<Value>,
}

/// A value that is there, also where it is null.
fn anything<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Wait {
    /// How long to wait for the runs to end, in seconds.
    #[param(minimum = 1, maximum = 300, default = 60)]
    wait_s: Option<u64>,
}

/// Takes alerts as a webhook would bring them; what comes of them is worked off later.
#[utoipa::path(
    post, path = "/orchestration/pipeline/", tag = "runs", operation_id = "start_run", request_body = Order,
    responses(
        (status = 202, description = "It is on disk.", body = openapi::Accepted),
        (status = 400, description = "A body that cannot be understood; `detail` says where."),
        (status = 404, description = "No such driver is loaded; `detail` names those that are."),
        (status = 413, description = "The body is too large; nothing was stored."),
    )
)]
pub(in crate::http) async fn start(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Body(order): Body<Order>,
) -> Result<Response, Problem> {
    let accepted = take(&context, caller, order).await?;
    Ok((StatusCode::ACCEPTED, Json(told(accepted))).into_response())
}

/// Takes alerts as a webhook would bring them, and answers when all that came of them has ended.
#[utoipa::path(
    post, path = "/orchestration/pipeline/sync/", tag = "runs", operation_id = "run_to_the_end", params(Wait), request_body = Order,
    responses(
        (status = 200, description = "It is on disk, and so is what came of it; `complete` says whether all has ended.", body = Finished),
        (status = 400, description = "A body or a parameter that cannot be understood; `detail` says where."),
        (status = 404, description = "No such driver is loaded; `detail` names those that are."),
        (status = 413, description = "The body is too large; nothing was stored."),
    )
)]
pub(in crate::http) async fn finish(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Query(wait): Query<Wait>,
    Body(order): Body<Order>,
) -> Result<Json<Value>, Problem> {
    let wait_s = wait.wait_s.unwrap_or(WAIT_S.0);
    if !(1..=WAIT_S.1).contains(&wait_s) {
        let most = WAIT_S.1;
        return Err(Problem::parameter(format!("`wait_s` must be between 1 and {most}, found {wait_s}")));
    }
    let until = Instant::now() + Duration::from_secs(wait_s);
    let accepted = take(&context, caller, order).await?;
    let trace_id = accepted.trace_id;
    let (mut pause, mut runs) = (LOOK_EVERY.0, downstream(&context, trace_id).await?);
    while runs.iter().any(is_under_way) && Instant::now() < until {
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(LOOK_EVERY.1);
        runs = downstream(&context, trace_id).await?;
    }
    let complete = !runs.iter().any(is_under_way);
    let mut details: Vec<RunDetail> = Vec::new();
    for run in runs.iter().take(RUNS) {
        details.push(context.store.run(run.run_id).await?);
    }
    let mut answer = told(accepted);
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("complete".to_owned(), json!(complete));
        fields.insert("runs".to_owned(), json!(details));
    }
    Ok(Json(answer))
}

/// What the stages of a run made, opened; the log says who looked.
#[utoipa::path(
    get, path = "/manage/runs/{run_id}/outputs/", tag = "runs", operation_id = "read_outputs",
    params(("run_id" = String, Path, description = "Its identifier.")),
    responses((status = 200, description = "What there is.", body = openapi::Output), (status = 404, description = "There is none."))
)]
pub(in crate::http) async fn outputs(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Path(run_id): Path<String>,
) -> Result<Json<Output>, Problem> {
    Ok(Json(context.outputs.open(id("run", &run_id)?, &caller).await?))
}

/// Takes up a run that failed, or that had nobody to tell: after its last stage that succeeded.
#[utoipa::path(
    post, path = "/orchestration/pipeline/{run_id}/resume/", tag = "runs", operation_id = "resume_run",
    params(("run_id" = String, Path, description = "Its identifier.")),
    responses(
        (status = 202, description = "It is due again.", body = openapi::Resumed),
        (status = 404, description = "There is none."),
        (status = 409, description = "It has not ended that way, or something newer was told of its incident; `detail` says which."),
    )
)]
pub(in crate::http) async fn resume(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Path(run_id): Path<String>,
) -> Result<Response, Problem> {
    let run_id = id("run", &run_id)?;
    let resumed = context.store.resume_run(run_id, &caller.to_string(), clock::now()).await?;
    tracing::info!(actor = %caller, %run_id, "{caller} resumed run {run_id}");
    let (worker, deliveries) = match resumed {
        Resumed::Stages => (&context.wakes.runs, 0),
        Resumed::Deliveries(count) => (&context.wakes.deliveries, count),
    };
    worker.notify();
    let answer = json!({ "status": "accepted", "run_id": run_id, "deliveries": deliveries });
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}

/// It is read as a webhook is, and no signature can be over it: drivers with a secret refuse it.
async fn take(context: &Context, caller: Caller, order: Order) -> Result<Accepted, Problem> {
    let Some(payload) = order.payload else {
        return Err(Problem::parameter(
            "body: `payload` is missing; it holds what a monitoring system would send",
        ));
    };
    let received = Received {
        origin: Origin::Api,
        told_trace: typed("trace_id", order.trace_id)?,
        driver: order.driver.filter(|name| !name.is_empty()),
        method: "POST".to_owned(),
        query: String::new(),
        headers: HeaderMap::new(),
        payload: Payload::Plain(payload.to_string().into_bytes()),
        received_at: clock::now(),
        api_key: caller.key_id(),
    };
    Ok(context.ingest.receive(received).await?)
}

/// All of them, however many pages that are: what is not told of has to have ended too.
async fn downstream(context: &Context, trace_id: TraceId) -> Result<Vec<Run>, Problem> {
    let filter = RunFilter { trace_id: Some(trace_id), ..RunFilter::default() };
    let (mut found, mut page) = (Vec::new(), PageRequest { limit: MAX_PAGE, cursor: None });
    loop {
        let runs = context.store.runs(&filter, &page).await?;
        found.extend(runs.items.into_iter().filter(|run| run.incident_id.is_some()));
        match runs.next {
            Some(next) => page.cursor = Some(next),
            None => return Ok(found),
        }
    }
}

const fn is_under_way(run: &Run) -> bool {
    run.completed_at.is_none()
}
