//! `/manage/secrets/`: secrets that senders sign with. They go in and never come out.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use domain::secret::Secret;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::Body;
use crate::auth::Caller;
use crate::config::SecretText;
use crate::http::Context;
use crate::http::openapi::{RemovedSecret, SecretSet, Secrets};
use crate::http::problem::Problem;
use crate::ingest::SecretError;

/// What a secret shall be.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = SetSecret)]
pub(in crate::http) struct Set {
    /// As the sender shows it.
    #[serde(deserialize_with = "text")]
    #[schema(required = true, min_length = 1, max_length = 4096)]
    value: String,
    /// Whether the one before is refused from now on, instead of being accepted too.
    #[serde(deserialize_with = "flag")]
    replace: bool,
}

/// What shall go.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = RemoveSecret)]
pub(in crate::http) struct Remove {
    /// Only the one before the current one.
    previous_only: bool,
}

/// A text; an error of the parser itself would show what it found.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(text),
        _ => Err(serde::de::Error::custom("`value` must be a text")),
    }
}

fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Bool(flag) => Ok(flag),
        _ => Err(serde::de::Error::custom("`replace` must be true or false")),
    }
}

/// The secrets that are kept, without what they are.
#[utoipa::path(
    get, path = "/manage/secrets/", tag = "secrets", operation_id = "list_secrets",
    responses((status = 200, description = "Names and times.", body = Secrets))
)]
pub(in crate::http) async fn list(State(context): State<Arc<Context>>) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({ "secrets": context.webhook_secrets.list().await? })))
}

/// Sets the secret that the sender of a driver signs with. The one before is accepted too until it is
/// removed. Hubs that share the database know within seconds.
#[utoipa::path(
    post, path = "/manage/secrets/webhook/{driver}/", tag = "secrets", operation_id = "set_webhook_secret",
    params(("driver" = String, Path, description = "The driver.")),
    request_body(content = Set, description = "What it shall be."),
    responses(
        (status = 200, description = "It holds from now on.", body = SecretSet),
        (status = 400, description = "A body that cannot be understood, or a secret that would protect nothing."),
        (status = 404, description = "There is no such driver."),
        (status = 409, description = "Somebody else set it at the same moment."),
        (status = 413, description = "The body is too large."),
    )
)]
pub(in crate::http) async fn set(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Path(driver): Path<String>,
    Body(wish): Body<Set>,
) -> Result<Json<Value>, Problem> {
    let Set { value, replace } = wish;
    let value = Secret::new(value);
    // Who holds a key shall not have the hub read its files and variables.
    if !matches!(SecretText::parse("value", value.expose()), Ok(SecretText::Plain(_))) {
        return Err(Problem::parameter(
            "`value` is a reference: those are set where the hub runs, with `watchbell secrets set`",
        ));
    }
    let shown = context.webhook_secrets.set(&driver, &value, replace, &caller).await?;
    Ok(Json(json!({ "secret": shown })))
}

/// Removes the secret of a driver, or only the one before the current one. Without a secret its webhooks
/// are taken unsigned, unless signatures are required.
#[utoipa::path(
    post, path = "/manage/secrets/webhook/{driver}/remove/", tag = "secrets",
    operation_id = "remove_webhook_secret",
    params(("driver" = String, Path, description = "The driver.")),
    request_body(content = Remove, description = "What shall go; without a body all of it."),
    responses(
        (status = 200, description = "It is gone.", body = RemovedSecret),
        (status = 400, description = "A body that cannot be understood."),
        (status = 404, description = "There is none."),
        (status = 413, description = "The body is too large."),
    )
)]
pub(in crate::http) async fn remove(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Path(driver): Path<String>,
    Body(wish): Body<Remove>,
) -> Result<Json<Value>, Problem> {
    let removed = context.webhook_secrets.remove(&driver, wish.previous_only, &caller).await?;
    Ok(Json(json!({ "name": format!("webhook/{driver}"), "removed": removed })))
}

impl From<SecretError> for Problem {
    fn from(error: SecretError) -> Self {
        match error {
            SecretError::Store(error) => error.into(),
            SecretError::NoDriver(..) => {
                Self::new(StatusCode::NOT_FOUND, "unknown-driver", error.to_string())
            }
            SecretError::NoScheme(_) | SecretError::Defect(_) | SecretError::Reference(_) => {
                Self::parameter(error.to_string())
            }
            SecretError::Sealed(error) => {
                tracing::error!(error.r#type = "sealed", error = %error, "a secret could not be sealed");
                Self::unavailable()
            }
        }
    }
}
