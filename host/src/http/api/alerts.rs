//! `GET /alerts/` and `GET /alerts/{id}/`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};
use store::AlertFilter;

use super::{Query, id, page, typed};
use crate::http::Context;
use crate::http::problem::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Filters {
    trace_id: Option<String>,
    source: Option<String>,
    name: Option<String>,
    fingerprint: Option<String>,
    status: Option<String>,
    severity: Option<String>,
    incident_id: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// A page of alerts, the newest first.
pub(in crate::http) async fn list(
    State(context): State<Arc<Context>>,
    Query(filters): Query<Filters>,
) -> Result<Json<Value>, Problem> {
    let filter = AlertFilter {
        trace_id: typed("trace_id", filters.trace_id)?,
        source: typed("source", filters.source)?,
        name: filters.name,
        fingerprint: filters.fingerprint,
        status: typed("status", filters.status)?,
        severity: typed("severity", filters.severity)?,
        incident_id: typed("incident_id", filters.incident_id)?,
    };
    let page = context.store.alerts(&filter, &page(filters.limit, filters.cursor)?).await?;
    Ok(Json(json!({ "alerts": page.items, "next": page.next })))
}

/// One alert with its history.
pub(in crate::http) async fn one(
    State(context): State<Arc<Context>>,
    Path(alert_id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let detail = context.store.alert(id("alert", &alert_id)?).await?;
    Ok(Json(json!(detail)))
}
