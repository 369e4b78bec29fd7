//! `GET /incidents/` and `GET /incidents/{id}/`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};
use store::IncidentFilter;
use utoipa::IntoParams;

use super::{Query, id, page, typed};
use crate::http::Context;
use crate::http::openapi::{IncidentDetail, IncidentPage};
use crate::http::problem::Problem;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Filters {
    /// Its state.
    #[param(pattern = "^(open|acknowledged|resolved|closed)?$")]
    status: Option<String>,
    /// How bad it is.
    #[param(pattern = "^(info|warning|critical)?$")]
    severity: Option<String>,
    /// Its name.
    name: Option<String>,
    /// Where it happens.
    instance: Option<String>,
    /// How many a page holds.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(pattern = "^(313[0-7](3[0-9]|[46][1-8aAbBdDeE]|[57][0-46-9aA]){25})?$")]
    cursor: Option<String>,
}

/// A page of incidents, the newest first.
#[utoipa::path(
    get, path = "/incidents/", tag = "incidents", operation_id = "list_incidents", params(Filters),
    responses((status = 200, description = "A page of incidents.", body = IncidentPage), (status = 400, description = "A parameter that cannot be understood; `detail` names it."))
)]
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
#[utoipa::path(
    get, path = "/incidents/{id}/", tag = "incidents", operation_id = "read_incident",
    params(("id" = String, Path, description = "Its identifier.")),
    responses((status = 200, description = "The incident.", body = IncidentDetail), (status = 404, description = "There is none."))
)]
pub(in crate::http) async fn one(
    State(context): State<Arc<Context>>,
    Path(incident_id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let detail = context.store.incident(id("incident", &incident_id)?).await?;
    Ok(Json(json!(detail)))
}
