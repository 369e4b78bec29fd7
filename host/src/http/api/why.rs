//! `GET /orchestration/why/{id}/` and `GET /orchestration/trace/{trace_id}/`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};

use super::id;
use crate::explain::{self, Explanation};
use crate::http::Context;
use crate::http::openapi;
use crate::http::problem::Problem;

/// Why somebody was told, or nobody, in plain words.
#[utoipa::path(
    get, path = "/orchestration/why/{id}/", tag = "runs", operation_id = "explain",
    params(("id" = String, Path, description = "The identifier of a run, an alert, an incident, a delivery or a trace.")),
    responses((status = 200, description = "What happened, step by step.", body = openapi::Explanation), (status = 404, description = "Nothing has this identifier."))
)]
pub(in crate::http) async fn why(
    State(context): State<Arc<Context>>,
    Path(subject): Path<String>,
) -> Result<Json<Explanation>, Problem> {
    Ok(Json(explain::why(&context.store, &subject).await?))
}

/// Everything that came of one webhook, in the order of time.
#[utoipa::path(
    get, path = "/orchestration/trace/{trace_id}/", tag = "runs", operation_id = "read_trace",
    params(("trace_id" = String, Path, description = "What the sender was answered as `trace_id`.")),
    responses((status = 200, description = "What happened, step by step.", body = openapi::Explanation), (status = 404, description = "There is none."))
)]
pub(in crate::http) async fn trace(
    State(context): State<Arc<Context>>,
    Path(trace_id): Path<String>,
) -> Result<Json<Explanation>, Problem> {
    Ok(Json(explain::trace(&context.store, id("trace", &trace_id)?).await?))
}
