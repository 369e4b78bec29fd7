//! `GET /orchestration/pipelines/` and `GET /orchestration/pipeline/{run_id}/`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};
use store::RunFilter;

use super::{Query, id, page, typed};
use crate::http::Context;
use crate::http::problem::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Filters {
    status: Option<String>,
    source: Option<String>,
    trace_id: Option<String>,
    incident_id: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// A page of runs, the newest first.
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
pub(in crate::http) async fn one(
    State(context): State<Arc<Context>>,
    Path(run_id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let detail = context.store.run(id("run", &run_id)?).await?;
    Ok(Json(json!(detail)))
}
