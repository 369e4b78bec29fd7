//! `/manage/keys/`: API keys. A token is shown once, to who makes it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use domain::id::KeyId;
use domain::key::KeyState;
use domain::time::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{Body, id, typed};
use crate::auth::Caller;
use crate::auth::new_key::{self, Wish};
use crate::clock::{self, Ids};
use crate::http::Context;
use crate::http::openapi::{Keys, NewKey, RevokedKey};
use crate::http::problem::Problem;

/// What a new key shall be.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = CreateKey)]
pub(in crate::http) struct Create {
    /// For people: 1 to 100 characters in one line.
    #[schema(required = true, min_length = 1, max_length = 100)]
    name: String,
    /// Path prefixes that it may call; empty stands for all but `/manage/`.
    #[schema(max_items = 50)]
    allowed_endpoints: Vec<String>,
    /// Whether it may call `/manage/`.
    manage: bool,
    /// When it ends, RFC 3339; without it never.
    expires_at: Option<String>,
}

/// All keys, the oldest first, those revoked and expired too.
#[utoipa::path(
    get, path = "/manage/keys/", tag = "keys", operation_id = "list_keys",
    responses((status = 200, description = "All keys, without their tokens.", body = Keys))
)]
pub(in crate::http) async fn list(State(context): State<Arc<Context>>) -> Result<Json<Value>, Problem> {
    let (keys, now) = (context.store.api_keys().await?, clock::now());
    let shown: Vec<_> = keys.iter().map(|key| key.shown(now)).collect();
    Ok(Json(json!({ "keys": shown })))
}

/// Makes a key; its token is in this answer and nowhere else.
#[utoipa::path(
    post, path = "/manage/keys/", tag = "keys", operation_id = "create_key",
    request_body(content = Create, description = "What it shall be."),
    responses(
        (status = 201, description = "The key, with its token.", body = NewKey),
        (status = 400, description = "A body that cannot be understood, or a key that could never work."),
        (status = 413, description = "The body is too large."),
        (status = 415, description = "The body is compressed in a way that is not known here."),
    )
)]
pub(in crate::http) async fn create(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Body(wish): Body<Create>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let Create { name, allowed_endpoints, manage, expires_at } = wish;
    let expires_at: Option<Timestamp> = typed("expires_at", expires_at)?;
    let now = clock::now();
    let wish = Wish { name, allowed_endpoints, manage, expires_at };
    let new = new_key::make(wish, now, &mut Ids).map_err(Problem::parameter)?;
    context.store.add_api_key(&new.key, &new.digest).await?;
    tracing::info!(actor = %caller, "{caller} made key {}", new.key.id);
    Ok((StatusCode::CREATED, Json(json!({ "key": new.key.shown(now), "token": new.token.expose() }))))
}

/// Takes a key back. It is refused from this answer on, by other processes within 5 s.
#[utoipa::path(
    post, path = "/manage/keys/{id}/revoke/", tag = "keys", operation_id = "revoke_key",
    params(("id" = String, Path, description = "The key.")),
    responses(
        (status = 200, description = "It is refused from now on.", body = RevokedKey),
        (status = 404, description = "There is none."),
    )
)]
pub(in crate::http) async fn revoke(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Path(key): Path<String>,
) -> Result<Json<Value>, Problem> {
    let key: KeyId = id("key", &key)?;
    context.authenticator.revoke(key, clock::now()).await?;
    tracing::info!(actor = %caller, "{caller} revoked key {key}");
    Ok(Json(json!({ "id": key, "state": KeyState::Revoked })))
}
