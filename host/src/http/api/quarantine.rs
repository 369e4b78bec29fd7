//! `/manage/quarantine/`: webhooks that no driver could read.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, State};
use domain::id::RunId;
use domain::plugin::PluginName;
use serde::Deserialize;
use serde_json::{Value, json};
use store::QuarantineFilter;
use utoipa::{IntoParams, ToSchema};

use super::{Body, Query, id, page, typed};
use crate::auth::Caller;
use crate::http::Context;
use crate::http::openapi::{
    Discarded, DiscardedRound, ReparsedOne, ReparsedRound, StoredPage, StoredRequest,
};
use crate::http::problem::Problem;
use crate::ingest::{self, Reparsed, Round};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Filters {
    /// The driver that could not read it.
    #[param(pattern = "^([a-z][a-z0-9_]{0,31})?$")]
    driver: Option<String>,
    /// Why it is there, in one word.
    reason_code: Option<String>,
    /// How many a page holds.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(pattern = "^(313[0-7](3[0-9]|[46][1-8aAbBdDeE]|[57][0-46-9aA]){25})?$")]
    cursor: Option<String>,
}

/// What may be said when a request is read again.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ReadBy)]
pub(in crate::http) struct Reader {
    /// The driver that shall read it, instead of the one that is found for it.
    driver: Option<String>,
}

/// Which requests are meant, a round at a time: all, which has to be said, or those for one driver.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::http) struct Several {
    /// All of them, whatever driver they are for.
    all: bool,
    /// The driver that could not read them.
    #[schema(pattern = "^([a-z][a-z0-9_]{0,31})?$")]
    driver: Option<String>,
    /// `next` of the round before.
    #[schema(pattern = "^([0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25})?$")]
    after: Option<String>,
}

/// A page of requests in quarantine, the newest first.
#[utoipa::path(
    get, path = "/manage/quarantine/", tag = "quarantine", operation_id = "list_quarantine", params(Filters),
    responses((status = 200, description = "A page of webhooks.", body = StoredPage), (status = 400, description = "A parameter that cannot be understood; `detail` names it."))
)]
pub(in crate::http) async fn list(
    State(context): State<Arc<Context>>,
    Query(filters): Query<Filters>,
) -> Result<Json<Value>, Problem> {
    let filter =
        QuarantineFilter { driver: typed("driver", filters.driver)?, reason_code: filters.reason_code };
    let page = context.store.quarantined(&filter, &page(filters.limit, filters.cursor)?).await?;
    Ok(Json(json!({ "requests": page.items, "next": page.next })))
}

/// One stored request with its content, whatever became of it.
#[utoipa::path(
    get, path = "/manage/quarantine/{run_id}/", tag = "quarantine", operation_id = "read_stored_request", params(("run_id" = String, Path, description = "The run that took the webhook.")),
    responses((status = 200, description = "The webhook.", body = StoredRequest), (status = 404, description = "There is none, or its content was taken away."))
)]
pub(in crate::http) async fn one(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Path(run_id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let (about, request) = context.again.open(run(&run_id)?, &caller).await?;
    Ok(Json(json!({ "about": about, "request": request, "body": ingest::shown(&request.body) })))
}

/// Reads one request again.
#[utoipa::path(
    post, path = "/manage/quarantine/{run_id}/reparse/", tag = "quarantine", operation_id = "reparse", params(("run_id" = String, Path, description = "The run that took the webhook.")),
    request_body(content = Option<Reader>, description = "Nothing, or who shall read it."),
    responses(
        (status = 200, description = "What came of it.", body = ReparsedOne),
        (status = 400, description = "A body that cannot be understood."),
        (status = 404, description = "There is none, its content was taken away, or no such driver is loaded."),
        (status = 409, description = "It is not in quarantine, or must not be read by this driver."),
        (status = 413, description = "The body is too large."),
        (status = 415, description = "The body is compressed in a way that is not known here."),
    )
)]
pub(in crate::http) async fn reparse(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Path(run_id): Path<String>,
    Body(reader): Body<Reader>,
) -> Result<Json<Reparsed>, Problem> {
    Ok(Json(context.again.reparse(run(&run_id)?, reader.driver.as_deref(), &caller).await?))
}

/// Reads a round of requests again, the oldest first.
#[utoipa::path(
    post, path = "/manage/quarantine/reparse/", tag = "quarantine", operation_id = "reparse_round",
    request_body(content = Option<Several>, description = "Which are meant; `all` or a driver has to be said."),
    responses(
        (status = 200, description = "What came of a round of them.", body = ReparsedRound),
        (status = 400, description = "A body that cannot be understood."),
        (status = 413, description = "The body is too large."),
        (status = 415, description = "The body is compressed in a way that is not known here."),
    )
)]
pub(in crate::http) async fn reparse_all(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Body(several): Body<Several>,
) -> Result<Json<Round<Reparsed>>, Problem> {
    let (driver, after) = several.parse()?;
    Ok(Json(context.again.reparse_all(driver.as_ref(), after, &caller).await?))
}

/// Takes one request out of quarantine, with its content.
#[utoipa::path(
    post, path = "/manage/quarantine/{run_id}/discard/", tag = "quarantine", operation_id = "discard", params(("run_id" = String, Path, description = "The run that took the webhook.")),
    responses(
        (status = 200, description = "Its content was taken away.", body = Discarded),
        (status = 404, description = "There is none."),
        (status = 409, description = "It is not in quarantine."),
    )
)]
pub(in crate::http) async fn discard(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Path(run_id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let run_id = context.again.discard(run(&run_id)?, &caller).await?;
    Ok(Json(json!({ "run_id": run_id })))
}

/// Takes a round of requests out of quarantine, the oldest first.
#[utoipa::path(
    post, path = "/manage/quarantine/discard/", tag = "quarantine", operation_id = "discard_round",
    request_body(content = Option<Several>, description = "Which are meant; `all` or a driver has to be said."),
    responses(
        (status = 200, description = "The content of a round of them was taken away.", body = DiscardedRound),
        (status = 400, description = "A body that cannot be understood, or that says neither."),
        (status = 413, description = "The body is too large."),
        (status = 415, description = "The body is compressed in a way that is not known here."),
    )
)]
pub(in crate::http) async fn discard_all(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Body(several): Body<Several>,
) -> Result<Json<Round<RunId>>, Problem> {
    let (driver, after) = several.parse()?;
    Ok(Json(context.again.discard_all(driver.as_ref(), after, &caller).await?))
}

impl Several {
    fn parse(self) -> Result<(Option<PluginName>, Option<RunId>), Problem> {
        if !self.all && self.driver.is_none() {
            return Err(Problem::parameter("body: name a `driver`, or say `\"all\": true`"));
        }
        Ok((typed("driver", self.driver)?, typed("after", self.after)?))
    }
}

/// The run in the path.
pub(super) fn run(text: &str) -> Result<RunId, Problem> {
    id("run", text)
}
