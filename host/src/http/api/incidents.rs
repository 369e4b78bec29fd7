//! `GET /incidents/` and `GET /incidents/{id}/`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};
use store::IncidentFilter;

use super::{Query, id, page, typed};
use crate::http::Context;
use crate::http::problem::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Filters {
    status: Option<String>,
    severity: Option<String>,
    name: Option<String>,
    instance: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// A page of incidents, the newest first.
pub(in crate::http) async fn list(
    State(context): State<Arc<Context>>,
    Query(filters): Query<Filters>,
) -> Result<Json<Value>, Problem> {
    let filter = IncidentFilter {
        status: typed("status", filters.status)?,
        severity: typed("severity", filters.severity)?,
        name: filters.name,
        instance: filters.instance,
    };
    let page = context.store.incidents(&filter, &page(filters.limit, filters.cursor)?).await?;
    Ok(Json(json!({ "incidents": page.items, "next": page.next })))
}

/// One incident with its alerts and its history.
pub(in crate::http) async fn one(
    State(context): State<Arc<Context>>,
    Path(incident_id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let detail = context.store.incident(id("incident", &incident_id)?).await?;
    Ok(Json(json!(detail)))
}
