//! `GET /alerts/` and `GET /alerts/{id}/`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};
use store::AlertFilter;
use utoipa::IntoParams;

use super::{Query, id, page, typed};
use crate::http::Context;
use crate::http::openapi::{AlertDetail, AlertPage};
use crate::http::problem::Problem;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Filters {
    /// The webhook that told of it.
    #[param(pattern = "^((?!0{32})[0-9a-f]{32})?$")]
    trace_id: Option<String>,
    /// The driver that read it.
    #[param(pattern = "^([a-z][a-z0-9_]{0,31})?$")]
    source: Option<String>,
    /// Its name.
    name: Option<String>,
    /// Its fingerprint.
    fingerprint: Option<String>,
    /// Its state.
    #[param(pattern = "^(firing|acknowledged|resolved)?$")]
    status: Option<String>,
    /// How bad it is.
    #[param(pattern = "^(info|warning|critical)?$")]
    severity: Option<String>,
    /// The incident that it belongs to.
    #[param(pattern = "^([0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25})?$")]
    incident_id: Option<String>,
    /// How many a page holds.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(pattern = "^(313[0-7](3[0-9]|[46][1-8aAbBdDeE]|[57][0-46-9aA]){25})?$")]
    cursor: Option<String>,
}

/// A page of alerts, the newest first.
#[utoipa::path(
    get, path = "/alerts/", tag = "alerts", operation_id = "list_alerts", params(Filters),
    responses((status = 200, description = "A page of alerts.", body = AlertPage), (status = 400, description = "A parameter that cannot be understood; `detail` names it."))
)]
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
#[utoipa::path(
    get, path = "/alerts/{id}/", tag = "alerts", operation_id = "read_alert",
    params(("id" = String, Path, description = "Its identifier.")),
    responses((status = 200, description = "The alert.", body = AlertDetail), (status = 404, description = "There is none."))
)]
pub(in crate::http) async fn one(
    State(context): State<Arc<Context>>,
    Path(alert_id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let detail = context.store.alert(id("alert", &alert_id)?).await?;
    Ok(Json(json!(detail)))
}
