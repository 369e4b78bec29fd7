//! Servers that do less than the hub: what remains of a request's cost is the hub's own.

use std::net::SocketAddr;

use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::{get, post};
use clap::ValueEnum;
use tokio::net::TcpListener;

/// How much a server does with a webhook.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Row {
    /// Row 1: answers without reading
    Answer,
    /// Row 2: reads the body and parses it as JSON of any form
    Value,
}

/// Serves until it is stopped.
///
/// # Errors
/// The address cannot be listened on.
pub(crate) async fn serve(row: Row, address: SocketAddr) -> anyhow::Result<()> {
    let webhook = match row {
        Row::Answer => post(answer),
        Row::Value => post(value),
    };
    let router =
        Router::new().route("/alerts/webhook/", webhook).route("/readyz", get(|| async { StatusCode::OK }));
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("`{address}` cannot be listened on"))?;
    axum::serve(listener, router).await.context("the server stopped")
}

async fn answer() -> StatusCode {
    StatusCode::ACCEPTED
}

async fn value(body: Bytes) -> StatusCode {
    match serde_json::from_slice::<serde_json::Value>(&body) {
        Ok(value) => {
            std::hint::black_box(value);
            StatusCode::ACCEPTED
        }
        Err(_) => StatusCode::BAD_REQUEST,
    }
}
