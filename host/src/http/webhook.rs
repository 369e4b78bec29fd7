//! The public ingest endpoint.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Extension, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::Context;
use super::layer::Told;
use super::problem::Problem;
use crate::auth::Caller;
use crate::clock;
use crate::ingest::{Accepted, Received};
use domain::run::IngestOutcome;

/// How long a body that is too large is read and thrown away.
const DRAIN_FOR: Duration = Duration::from_secs(2);

/// The endpoint is there.
pub(super) async fn alive(State(context): State<Arc<Context>>) -> Json<Value> {
    Json(json!({ "status": "ok", "driver": "auto-detect", "drivers": context.ingest.driver_names() }))
}

/// A webhook whose driver is found by what it looks like.
pub(super) async fn detected(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, Problem> {
    take(&context, None, caller, request).await
}

/// A webhook for a driver named in the path.
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
    let body = read_body(context, &parts.headers, body).await?;
    let accepted = context
        .ingest
        .receive(Received {
            driver,
            method: parts.method.as_str().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers: parts.headers,
            body,
            received_at,
            api_key: caller.key,
        })
        .await?;
    Ok(answer(accepted, strict))
}

fn is_strict(query: &str) -> bool {
    query.split('&').any(|pair| pair == "strict=1")
}

async fn read_body(
    context: &Context,
    headers: &axum::http::HeaderMap,
    body: axum::body::Body,
) -> Result<Vec<u8>, Problem> {
    let limit = context.body_limit_bytes;
    let too_large = || {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", format!("the body is over {limit} bytes"))
    };
    let declared =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > limit as u64) {
        let _gave_up = tokio::time::timeout(DRAIN_FOR, drain(body, limit.saturating_mul(2))).await;
        return Err(too_large());
    }
    match tokio::time::timeout(context.read_timeout, axum::body::to_bytes(body, limit)).await {
        Ok(Ok(bytes)) => Ok(bytes.into()),
        Ok(Err(error)) if is_length_limit(&error) => Err(too_large()),
        Ok(Err(_)) => Err(Problem::new(StatusCode::BAD_REQUEST, "broken-body", "the body broke off")),
        Err(_) => {
            let detail = format!("the body did not arrive within {}s", context.read_timeout.as_secs());
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "too-slow", detail))
        }
    }
}

/// Reads on without keeping anything: a sender that is still writing when the connection closes sees that
/// instead of the answer.
async fn drain(mut body: axum::body::Body, most: usize) {
    let mut seen = 0_usize;
    while let Some(Ok(frame)) = body.frame().await {
        seen = seen.saturating_add(frame.data_ref().map_or(0, |data| data.len()));
        if seen > most {
            return;
        }
    }
}

fn is_length_limit(error: &axum::Error) -> bool {
    std::error::Error::source(error).is_some_and(|cause| cause.is::<http_body_util::LengthLimitError>())
}

fn answer(accepted: Accepted, strict: bool) -> Response {
    if strict && accepted.outcome == IngestOutcome::Quarantined {
        let reason = accepted.reason.unwrap_or_default();
        let detail = format!("{reason} (kept as run {})", accepted.run_id);
        return Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "quarantined", detail).into_response();
    }
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
    (StatusCode::ACCEPTED, Extension(Told), Json(body)).into_response()
}
