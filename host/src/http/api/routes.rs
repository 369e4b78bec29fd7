//! `/manage/routes/`: which incidents take which stages and channels.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use domain::id::RouteId;
use domain::route::Condition;
use domain::run::Stage;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{Body, id};
use crate::auth::Caller;
use crate::clock::{self, Ids};
use crate::http::Context;
use crate::http::openapi::{self, ChangedRoute, RemovedRoute, RouteList, RouteTrials, ShownRoute};
use crate::http::problem::Problem;
use crate::pipeline::routes::{self, Wish};

/// What a route shall be. What is left out has its default in a new route and stays in an old one.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = RouteWish)]
pub(in crate::http) struct Wanted {
    /// Its name, which no other has; a new one needs one.
    #[schema(min_length = 1, max_length = 64)]
    name: Option<String>,
    /// The lowest is asked first; 100 unless it is said.
    priority: Option<i32>,
    /// All must hold; without any it matches everything.
    #[schema(value_type = Option<Vec<openapi::Condition>>, max_items = 32)]
    conditions: Option<Vec<Condition>>,
    /// Of `check`, `analyze`, `notify`, in this order; all of them unless it is said.
    #[schema(value_type = Option<Vec<openapi::RouteStage>>, min_items = 1, max_items = 3)]
    stages: Option<Vec<Stage>>,
    /// Names of channels; without any every enabled one is told.
    channels: Option<Vec<String>>,
    /// Whether it takes part.
    enabled: Option<bool>,
}

impl From<Wanted> for Wish {
    fn from(wanted: Wanted) -> Self {
        let Wanted { name, priority, conditions, stages, channels, enabled } = wanted;
        Self { name, priority, conditions, stages, channels, enabled }
    }
}

/// An alert, or several, as they are tried out.
#[derive(Default, Deserialize)]
pub(in crate::http) struct Anything(Value);

/// All routes in the order in which they are asked, and those that cannot be understood.
#[utoipa::path(
    get, path = "/manage/routes/", tag = "routes", operation_id = "list_routes",
    responses((status = 200, description = "All routes.", body = RouteList))
)]
pub(in crate::http) async fn list(State(context): State<Arc<Context>>) -> Result<Json<Value>, Problem> {
    Ok(Json(json!(context.store.routes().await?)))
}

/// One route.
#[utoipa::path(
    get, path = "/manage/routes/{id}/", tag = "routes", operation_id = "read_route",
    params(("id" = String, Path, description = "Its identifier.")),
    responses(
        (status = 200, description = "The route.", body = ShownRoute),
        (status = 404, description = "There is none."),
        (status = 409, description = "It cannot be understood: another build wrote it."),
    )
)]
pub(in crate::http) async fn one(
    State(context): State<Arc<Context>>,
    Path(route): Path<String>,
) -> Result<Json<Value>, Problem> {
    let route: RouteId = id("route", &route)?;
    Ok(Json(json!({ "route": routes::find(&context.store, &route.to_string()).await? })))
}

/// Makes a route. It is asked from the next run on.
#[utoipa::path(
    post, path = "/manage/routes/", tag = "routes", operation_id = "create_route",
    request_body(content = Wanted, description = "What it shall be."),
    responses(
        (status = 201, description = "The route, and what may not be meant.", body = ChangedRoute),
        (status = 400, description = "It cannot be understood; `detail` names everything that is wrong."),
        (status = 409, description = "Another route has this name."),
        (status = 413, description = "The body is too large."),
    )
)]
pub(in crate::http) async fn create(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Body(wanted): Body<Wanted>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let saved = routes::add(&context.store, wanted.into(), &mut Ids, clock::now()).await?;
    let route = &saved.route;
    tracing::info!(actor = %caller, route.name = route.name, "{caller} made route `{}`", route.name);
    Ok((StatusCode::CREATED, Json(json!({ "route": route, "warnings": saved.warnings }))))
}

/// Changes a route: what is said, and nothing else.
#[utoipa::path(
    patch, path = "/manage/routes/{id}/", tag = "routes", operation_id = "change_route",
    params(("id" = String, Path, description = "Its identifier.")),
    request_body(content = Option<Wanted>, description = "What is to be different."),
    responses(
        (status = 200, description = "The route, and what may not be meant.", body = ChangedRoute),
        (status = 400, description = "It cannot be understood; `detail` names everything that is wrong."),
        (status = 404, description = "There is none."),
        (status = 409, description = "Another route has this name, or what is stored cannot be understood."),
        (status = 413, description = "The body is too large."),
    )
)]
pub(in crate::http) async fn change(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Path(route): Path<String>,
    Body(wanted): Body<Wanted>,
) -> Result<Json<Value>, Problem> {
    let saved = routes::change(&context.store, id("route", &route)?, wanted.into(), clock::now()).await?;
    let route = &saved.route;
    tracing::info!(actor = %caller, route.name = route.name, "{caller} changed route `{}`", route.name);
    Ok(Json(json!({ "route": route, "warnings": saved.warnings })))
}

/// Takes a route away.
#[utoipa::path(
    delete, path = "/manage/routes/{id}/", tag = "routes", operation_id = "remove_route",
    params(("id" = String, Path, description = "Its identifier.")),
    responses(
        (status = 200, description = "It is gone; what may not be meant.", body = RemovedRoute),
        (status = 404, description = "There is none."),
    )
)]
pub(in crate::http) async fn remove(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Path(route): Path<String>,
) -> Result<Json<Value>, Problem> {
    let route: RouteId = id("route", &route)?;
    let warnings = routes::remove(&context.store, route, clock::now()).await?;
    tracing::info!(actor = %caller, "{caller} removed route {route}");
    Ok(Json(json!({ "id": route, "warnings": warnings })))
}

/// Says for an alert, or a list of them, what each route says and what would become of it. Changes nothing.
#[utoipa::path(
    post, path = "/manage/routes/test/", tag = "routes", operation_id = "test_routes",
    request_body(content = Object, description = "An alert, or an object with a list of them in `alerts`."),
    responses(
        (status = 200, description = "What would become of each.", body = RouteTrials),
        (status = 400, description = "An alert that cannot be understood; `detail` says which."),
        (status = 413, description = "The body is too large."),
    )
)]
pub(in crate::http) async fn test(
    State(context): State<Arc<Context>>,
    Body(Anything(alerts)): Body<Anything>,
) -> Result<Json<Value>, Problem> {
    let probes = routes::probes(&alerts).map_err(|why| Problem::parameter(format!("body: {why}")))?;
    Ok(Json(json!({ "trials": routes::try_out(&context.store, probes).await? })))
}
