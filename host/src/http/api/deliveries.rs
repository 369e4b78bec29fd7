//! `/manage/deliveries/`: what was sent, is due or was given up on.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, State};
use domain::id::DeliveryId;
use serde::Deserialize;
use serde_json::{Value, json};
use store::{DeadFilter, DeliveryDetail, DeliveryFilter, Revived};
use utoipa::{IntoParams, ToSchema};

use super::{Body, Query, id, page, typed};
use crate::auth::Caller;
use crate::clock;
use crate::http::Context;
use crate::http::openapi::{DeliveryPage, DeliveryWithTries, RevivedDeliveries};
use crate::http::problem::Problem;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Filters {
    /// How far it has come.
    #[param(pattern = "^(pending|sending|delivered|dead|stale)?$")]
    status: Option<String>,
    /// The name of its channel.
    channel: Option<String>,
    /// The run it belongs to.
    #[param(pattern = "^([0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25})?$")]
    run_id: Option<String>,
    /// How many a page holds.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(pattern = "^(313[0-7](3[0-9]|[46][1-8aAbBdDeE]|[57][0-46-9aA]){25})?$")]
    cursor: Option<String>,
}

/// Which dead deliveries are meant: all, which has to be said, or those to one channel.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::http) struct WhichDead {
    /// All of them, whatever channel they are for.
    all: bool,
    /// The name of their channel.
    channel: Option<String>,
    /// Made at this time or later; RFC 3339.
    #[schema(format = DateTime)]
    since: Option<String>,
}

/// A page of deliveries, the newest first.
#[utoipa::path(
    get, path = "/manage/deliveries/", tag = "deliveries", operation_id = "list_deliveries", params(Filters),
    responses((status = 200, description = "A page of deliveries.", body = DeliveryPage), (status = 400, description = "A parameter that cannot be understood; `detail` names it."))
)]
pub(in crate::http) async fn list(
    State(context): State<Arc<Context>>,
    Query(filters): Query<Filters>,
) -> Result<Json<Value>, Problem> {
    let filter = DeliveryFilter {
        status: typed("status", filters.status)?,
        channel: filters.channel,
        run_id: typed("run_id", filters.run_id)?,
    };
    let page = context.store.deliveries(&filter, &page(filters.limit, filters.cursor)?).await?;
    Ok(Json(json!({ "deliveries": page.items, "next": page.next })))
}

/// One delivery with its attempts.
#[utoipa::path(
    get, path = "/manage/deliveries/{id}/", tag = "deliveries", operation_id = "read_delivery", params(("id" = String, Path, description = "The delivery.")),
    responses((status = 200, description = "The delivery.", body = DeliveryWithTries), (status = 404, description = "There is none."))
)]
pub(in crate::http) async fn one(
    State(context): State<Arc<Context>>,
    Path(delivery): Path<String>,
) -> Result<Json<DeliveryDetail>, Problem> {
    Ok(Json(context.store.delivery(id("delivery", &delivery)?).await?))
}

/// Makes a delivery due again that was given up on. Its idempotency key stays.
#[utoipa::path(
    post, path = "/manage/deliveries/{id}/retry/", tag = "deliveries", operation_id = "retry_delivery", params(("id" = String, Path, description = "The delivery.")),
    responses(
        (status = 200, description = "It is due again.", body = DeliveryWithTries),
        (status = 404, description = "There is none."),
        (status = 409, description = "It is not dead, or its channel is told something newer of the incident."),
    )
)]
pub(in crate::http) async fn retry(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Path(delivery): Path<String>,
) -> Result<Json<DeliveryDetail>, Problem> {
    let id: DeliveryId = id("delivery", &delivery)?;
    context.store.retry_delivery(id, &caller.to_string(), clock::now()).await?;
    context.wakes.deliveries.notify();
    tracing::info!(actor = %caller, delivery.id = %id, "{caller} had delivery {id} tried again");
    Ok(Json(context.store.delivery(id).await?))
}

/// Makes deliveries due again that were given up on; those that something newer has overtaken go stale.
#[utoipa::path(
    post, path = "/manage/deliveries/retry/", tag = "deliveries", operation_id = "retry_deliveries",
    request_body(content = Option<WhichDead>, description = "Which are meant; `all` or a channel has to be said."),
    responses(
        (status = 200, description = "How many are due again.", body = RevivedDeliveries),
        (status = 400, description = "A body that cannot be understood, or that says neither."),
        (status = 413, description = "The body is too large."),
    )
)]
pub(in crate::http) async fn retry_all(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Body(which): Body<WhichDead>,
) -> Result<Json<Revived>, Problem> {
    if !which.all && which.channel.is_none() {
        return Err(Problem::parameter("body: name a `channel`, or say `\"all\": true`"));
    }
    let filter = DeadFilter { channel: which.channel, since: typed("since", which.since)? };
    let revived = context.store.retry_dead_deliveries(&filter, &caller.to_string(), clock::now()).await?;
    context.wakes.deliveries.notify();
    tracing::info!(actor = %caller, count = revived.due, "{caller} had {} deliveries tried again", revived.due);
    Ok(Json(revived))
}
