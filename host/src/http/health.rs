//! Whether the process lives, and whether it can do its work.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::Context;
use super::openapi::{Alive, IntelligenceAlive, Ready};
use super::problem::Problem;
use crate::clock;
use crate::telemetry::chain;

/// The process answers.
#[utoipa::path(
    get, path = "/healthz", tag = "operations", operation_id = "is_alive", security(),
    responses((status = 200, description = "It does.", body = Alive))
)]
pub(super) async fn alive() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// Incidents can be analysed, and by whom.
#[utoipa::path(
    get, path = "/intelligence/health/", tag = "operations", operation_id = "intelligence_is_alive", security(),
    responses((status = 200, description = "It is there.", body = IntelligenceAlive))
)]
pub(super) async fn intelligence(State(context): State<Arc<Context>>) -> Json<Value> {
    let providers = context.intelligence.names();
    Json(json!({ "name": "intelligence", "status": "ok", "providers": providers }))
}

/// The database answers too, so a webhook can be committed, and the clocks agree.
#[utoipa::path(
    get, path = "/readyz", tag = "operations", operation_id = "is_ready", security(),
    responses((status = 200, description = "It does.", body = Ready))
)]
pub(super) async fn ready(State(context): State<Arc<Context>>) -> Result<Json<Value>, Problem> {
    let not_ready = |detail| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", detail);
    if let Some(skew) = clock::astray() {
        return Err(not_ready(skew.to_string()));
    }
    match context.store.ping().await {
        Ok(()) => {
            let others = context.presence.others();
            let hosts = json!({ "live": others.live, "same_plugins": others.differences.is_empty() });
            let drivers = context.ingest.driver_names();
            Ok(Json(json!({ "status": "ready", "drivers": drivers, "hosts": hosts })))
        }
        Err(error) => {
            tracing::warn!(error.r#type = error.kind(), "not ready: {}", chain(&error));
            Err(not_ready("the database does not answer".to_owned()))
        }
    }
}

/// What was counted, in the text form of Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "operations", operation_id = "read_metrics",
    responses((status = 200, description = "Every metric of `docs/METRICS.md` that was counted.", body = String, content_type = "text/plain"))
)]
pub(super) async fn metrics(State(context): State<Arc<Context>>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, context.metrics.render()).into_response()
}
