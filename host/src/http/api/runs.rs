//! `GET /orchestration/pipelines/` and `GET /orchestration/pipeline/{run_id}/`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};
use store::RunFilter;
use utoipa::IntoParams;

use super::{Query, id, page, typed};
use crate::http::Context;
use crate::http::openapi::{RunDetail, RunPage};
use crate::http::problem::Problem;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Filters {
    /// Its state, in upper or lower case.
    #[param(pattern = "^(?i:pending|ingested|checked|analyzed|notified|failed|retrying|skipped)?$")]
    status: Option<String>,
    /// The driver that read its webhook.
    source: Option<String>,
    /// The webhook that it came of.
    #[param(pattern = "^((?!0{32})[0-9a-f]{32})?$")]
    trace_id: Option<String>,
    /// The incident that it is about.
    #[param(pattern = "^([0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25})?$")]
    incident_id: Option<String>,
    /// How many a page holds.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(pattern = "^(313[0-7](3[0-9]|[46][1-8aAbBdDeE]|[57][0-46-9aA]){25})?$")]
    cursor: Option<String>,
}

/// A page of runs, the newest first.
#[utoipa::path(
    get, path = "/orchestration/pipelines/", tag = "runs", operation_id = "list_runs", params(Filters),
    responses((status = 200, description = "A page of runs.", body = RunPage), (status = 400, description = "A parameter that cannot be understood; `detail` names it."))
)]
pub(in crate::http) async fn list(
    State(context): State<Arc<Context>>,
    Query(filters): Query<Filters>,
) -> Result<Json<Value>, Problem> {
    let filter = RunFilter {
        status: typed("status", filters.status.map(|status| status.to_ascii_uppercase()))?,
        source: filters.source,
        trace_id: typed("trace_id", filters.trace_id)?,
        incident_id: typed("incident_id", filters.incident_id)?,
    };
    let page = context.store.runs(&filter, &page(filters.limit, filters.cursor)?).await?;
    Ok(Json(json!({ "runs": page.items, "next": page.next })))
}

/// One run with its stages and deliveries.
#[utoipa::path(
    get, path = "/orchestration/pipeline/{run_id}/", tag = "runs", operation_id = "read_run",
    params(("run_id" = String, Path, description = "Its identifier.")),
    responses((status = 200, description = "The run.", body = RunDetail), (status = 404, description = "There is none."))
)]
pub(in crate::http) async fn one(
    State(context): State<Arc<Context>>,
    Path(run_id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let detail = context.store.run(id("run", &run_id)?).await?;
    Ok(Json(json!(detail)))
}
