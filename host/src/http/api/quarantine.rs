//! `/manage/quarantine/`: webhooks that no driver could read.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, State};
use domain::id::RunId;
use domain::plugin::PluginName;
use serde::Deserialize;
use serde_json::{Value, json};
use store::QuarantineFilter;

use super::{Body, Query, id, page, typed};
use crate::auth::Caller;
use crate::http::Context;
use crate::http::problem::Problem;
use crate::ingest::{self, Reparsed, Round};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Filters {
    driver: Option<String>,
    reason_code: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// What may be said when a request is read again.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::http) struct Reader {
    driver: Option<String>,
}

/// Which requests are meant, a round at a time: all, which has to be said, or those for one driver.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::http) struct Several {
    all: bool,
    driver: Option<String>,
    after: Option<String>,
}

/// A page of requests in quarantine, the newest first.
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
pub(in crate::http) async fn one(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Path(run_id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let (about, request) = context.again.open(run(&run_id)?, &caller).await?;
    Ok(Json(json!({ "about": about, "request": request, "body": ingest::shown(&request.body) })))
}

/// Reads one request again.
pub(in crate::http) async fn reparse(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Path(run_id): Path<String>,
    Body(reader): Body<Reader>,
) -> Result<Json<Reparsed>, Problem> {
    Ok(Json(context.again.reparse(run(&run_id)?, reader.driver.as_deref(), &caller).await?))
}

/// Reads a round of requests again, the oldest first.
pub(in crate::http) async fn reparse_all(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Body(several): Body<Several>,
) -> Result<Json<Round<Reparsed>>, Problem> {
    let (driver, after) = several.parse()?;
    Ok(Json(context.again.reparse_all(driver.as_ref(), after, &caller).await?))
}

/// Takes one request out of quarantine, with its content.
pub(in crate::http) async fn discard(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Path(run_id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let run_id = context.again.discard(run(&run_id)?, &caller).await?;
    Ok(Json(json!({ "run_id": run_id })))
}

/// Takes a round of requests out of quarantine, the oldest first.
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
