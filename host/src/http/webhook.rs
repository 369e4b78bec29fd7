//! The public ingest endpoint.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::Context;
use super::layer::Told;
use super::openapi;
use super::problem::Problem;
use crate::auth::Caller;
use crate::clock;
use crate::ingest::{Accepted, ContentEncoding, Payload, Received, TooLarge};
use domain::run::{IngestOutcome, Origin};

/// How long a body that is too large is read and thrown away.
const DRAIN_FOR: Duration = Duration::from_secs(2);

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
    let encoding = ContentEncoding::of(&parts.headers).ok_or_else(unknown_encoding)?;
    let body = read_body(context, &parts.headers, body).await?;
    let payload = decode(context, encoding, body).await?;
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
            api_key: caller.key,
        })
        .await?;
    Ok(answer(accepted, strict))
}

fn is_strict(query: &str) -> bool {
    query.split('&').any(|pair| pair == "strict=1")
}

async fn read_body(context: &Context, headers: &HeaderMap, body: Body) -> Result<Vec<u8>, Problem> {
    let limit = context.body_limit_bytes;
    let declared =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let mut body = Arriving { body, limit, kept: Vec::new(), seen: 0 };
    let ended =
        if declared.is_some_and(|length| length > limit as u64) { Ok(false) } else { body.read(limit).await };
    match ended {
        Ok(true) => Ok(body.kept),
        Ok(false) => {
            // A sender that is still writing when the connection closes sees that instead of the answer.
            let _gave_up = tokio::time::timeout(DRAIN_FOR, body.read(limit.saturating_mul(2))).await;
            let detail = format!("the body is over {limit} bytes");
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail))
        }
        Err(error) => Err(Problem::from_body(&error)),
    }
}

/// Decodes a body that came compressed, elsewhere than on the threads that answer.
async fn decode(context: &Context, encoding: ContentEncoding, body: Vec<u8>) -> Result<Payload, Problem> {
    let limit = context.body_limit_bytes;
    let decoded = match encoding {
        ContentEncoding::Identity => Ok(Payload::Plain(body)),
        _ => {
            let decoding = tokio::task::spawn_blocking(move || encoding.decode(body, limit));
            decoding.await.map_err(|error| {
                tracing::error!(error.r#type = "decoding", "a body could not be decoded: {error}");
                Problem::unavailable()
            })?
        }
    };
    decoded.map_err(|TooLarge| {
        let detail = format!("the body is over {limit} bytes when it is decoded");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail)
    })
}

fn unknown_encoding() -> Problem {
    let detail = format!(
        "`Content-Encoding` must be one of {}; send the body again in one of them",
        ContentEncoding::ACCEPTED
    );
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unknown-encoding", detail)
}

/// A body on its way in: kept up to the limit, and only counted beyond it.
struct Arriving {
    body: Body,
    limit: usize,
    kept: Vec<u8>,
    seen: usize,
}

impl Arriving {
    /// Reads until the body ends, which is true, or more than `most` bytes of it have come.
    async fn read(&mut self, most: usize) -> Result<bool, axum::Error> {
        while let Some(frame) = self.body.frame().await {
            // Trailers are no part of what is read.
            let Ok(data) = frame?.into_data() else { continue };
            self.seen = self.seen.saturating_add(data.len());
            if self.seen <= self.limit {
                self.kept.extend_from_slice(&data);
            }
            if self.seen > most {
                return Ok(false);
            }
        }
        Ok(true)
    }
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
