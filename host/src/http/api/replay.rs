//! `POST /manage/replay/{run_id}/`: what a stored request would be read as now.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Body;
use super::quarantine::run;
use crate::auth::Caller;
use crate::http::Context;
use crate::http::problem::Problem;
use crate::ingest::By;

/// How it is read.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::http) struct Options {
    driver: Option<String>,
    apply: bool,
}

/// Reads a stored request and tells what is different; writes it only where that is asked for.
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
