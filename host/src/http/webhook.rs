//! The public ingest endpoint.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::Context;
use super::body::Taken;
use super::layer::Told;
use super::openapi;
use super::problem::Problem;
use crate::auth::Caller;
use crate::clock;
use crate::ingest::{Accepted, Received};
use crate::telemetry::metrics;
use domain::run::{IngestOutcome, Origin};

/// The endpoint is there.
#[utoipa::path(
    get, path = "/alerts/webhook/", tag = "webhooks", operation_id = "is_webhook_endpoint", security(),
    responses((status = 200, description = "It is.", body = openapi::Endpoint))
)]
pub(super) async fn alive(State(context): State<Arc<Context>>) -> Json<Value> {
    Json(json!({ "status": "ok", "driver": "auto-detect", "drivers": context.ingest.driver_names() }))
}

/// A webhook whose driver is found by what it looks like.
#[utoipa::path(
    post, path = "/alerts/webhook/", tag = "webhooks", operation_id = "post_webhook", params(("strict" = Option<String>, Query, description = "`1`: a webhook that goes to quarantine is answered 422.")),
    request_body(content = Option<Value>, description = "What the monitoring system sends: JSON as a rule, and anything else is kept too."),
    responses(
        (status = 202, description = "It is on disk.", body = openapi::Accepted),
        (status = 400, description = "The body broke off."),
        (status = 408, description = "The body did not arrive in time."),
        (status = 413, description = "The body is too large; nothing was stored."),
        (status = 415, description = "The body is compressed in a way that is not known here; nothing was stored."),
        (status = 422, description = "Only with `strict=1`: it is on disk, in quarantine."),
    )
)]
pub(super) async fn detected(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, Problem> {
    take(&context, None, caller, request).await
}

/// A webhook for a driver named in the path.
#[utoipa::path(
    post, path = "/alerts/webhook/{driver}/", tag = "webhooks", operation_id = "post_webhook_of_driver",
    params(("driver" = String, Path, description = "The driver that shall read it."), ("strict" = Option<String>, Query, description = "`1`: a webhook that goes to quarantine is answered 422.")),
    request_body(content = Option<Value>, description = "What the monitoring system sends: JSON as a rule, and anything else is kept too."),
    responses(
        (status = 202, description = "It is on disk.", body = openapi::Accepted),
        (status = 400, description = "The body broke off."),
        (status = 404, description = "No such driver is loaded; `detail` names those that are."),
        (status = 408, description = "The body did not arrive in time."),
        (status = 413, description = "The body is too large; nothing was stored."),
        (status = 415, description = "The body is compressed in a way that is not known here; nothing was stored."),
        (status = 422, description = "Only with `strict=1`: it is on disk, in quarantine."),
    )
)]
pub(super) async fn named(
    State(context): State<Arc<Context>>,
    Path(driver): Path<String>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, Problem> {
    take(&context, Some(driver), caller, request).await
}

async fn take(
    context: &Context,
    driver: Option<String>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    let received_at = clock::now();
    let (parts, body) = request.into_parts();
    let strict = is_strict(parts.uri.query().unwrap_or_default());
    let taken = context.bodies.read(&parts.headers, body).await;
    let Taken { payload, room: _held } =
        taken.inspect_err(|problem| metrics::webhook_refused(problem.kind))?;
    let accepted = context
        .ingest
        .receive(Received {
            origin: Origin::IncomingWebhook,
            told_trace: None,
            driver,
            method: parts.method.as_str().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers: parts.headers,
            payload,
            received_at,
            api_key: caller.key_id(),
        })
        .await?;
    Ok(answer(accepted, strict))
}

fn is_strict(query: &str) -> bool {
    query.split('&').any(|pair| pair == "strict=1")
}

fn answer(accepted: Accepted, strict: bool) -> Response {
    if strict && accepted.outcome == IngestOutcome::Quarantined {
        let reason = accepted.reason.unwrap_or_default();
        let detail = format!("{reason} (kept as run {})", accepted.run_id);
        return Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "quarantined", detail).into_response();
    }
    (StatusCode::ACCEPTED, Extension(Told), Json(told(accepted))).into_response()
}

/// What is said of alerts that are on disk.
pub(super) fn told(accepted: Accepted) -> Value {
    let mut body = json!({
        "status": "accepted",
        "outcome": accepted.outcome,
        "run_id": accepted.run_id,
        "trace_id": accepted.trace_id,
        "driver": accepted.driver,
        "alerts": accepted.alerts,
    });
    if let (Some(fields), Some(reason)) = (body.as_object_mut(), accepted.reason) {
        fields.insert("reason".to_owned(), Value::String(reason));
    }
    body
}
