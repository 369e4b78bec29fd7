//! `POST /manage/replay/{run_id}/`: what a stored request would be read as now.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, State};
use serde::Deserialize;
use serde_json::{Value, json};

use utoipa::ToSchema;

use super::Body;
use super::quarantine::run;
use crate::auth::Caller;
use crate::http::Context;
use crate::http::openapi::Replayed;
use crate::http::problem::Problem;
use crate::ingest::By;

/// How it is read.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ReplayOptions)]
pub(in crate::http) struct Options {
    /// The driver that shall read it, instead of the one that is found for it.
    driver: Option<String>,
    /// Whether what is different is written.
    apply: bool,
}

/// Reads a stored request and tells what is different; writes it only where that is asked for.
#[utoipa::path(
    post, path = "/manage/replay/{run_id}/", tag = "quarantine", operation_id = "replay", params(("run_id" = String, Path, description = "The run that took the webhook.")),
    request_body(content = Option<Options>, description = "Nothing, or how it shall be read."),
    responses(
        (status = 200, description = "What it would be read as now.", body = Replayed),
        (status = 400, description = "A body that cannot be understood."),
        (status = 404, description = "There is none, its content was taken away, or no such driver is loaded."),
        (status = 409, description = "It must not be read by this driver, or something would be lost."),
        (status = 413, description = "The body is too large."),
        (status = 415, description = "The body is compressed in a way that is not known here."),
    )
)]
pub(in crate::http) async fn replay(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Path(run_id): Path<String>,
    Body(options): Body<Options>,
) -> Result<Json<Value>, Problem> {
    let (run_id, driver) = (run(&run_id)?, options.driver.as_deref());
    if options.apply {
        let (replayed, result) = context.again.apply(run_id, driver, &caller).await?;
        return Ok(Json(json!({ "replayed": replayed, "result": result })));
    }
    let replayed = context.again.replay(run_id, By::Loaded(driver), &caller).await?;
    Ok(Json(json!({ "replayed": replayed })))
}
