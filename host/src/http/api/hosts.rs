//! `/manage/hosts/`: the processes that serve on this database.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::clock;
use crate::hosts::{self, Hosts};
use crate::http::Context;
use crate::http::openapi::HostList;
use crate::http::problem::Problem;

/// The processes that serve on this database, and whether they have the same plugins.
#[utoipa::path(
    get, path = "/manage/hosts/", tag = "operations", operation_id = "list_hosts",
    responses((status = 200, description = "All that were heard of within a day.", body = HostList))
)]
pub(in crate::http) async fn list(State(context): State<Arc<Context>>) -> Result<Json<Hosts>, Problem> {
    Ok(Json(hosts::list(&context.store, clock::now()).await?))
}
