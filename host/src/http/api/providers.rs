//! `/manage/providers/`: how providers of intelligence are set up, and which one is active.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::Body;
use crate::auth::Caller;
use crate::http::Context;
use crate::http::openapi::{ProviderDetail, ProviderList, ProviderTrial, ShownProvider};
use crate::http::problem::Problem;
use crate::intelligence::ProviderError;

/// How a provider shall be set up.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ProviderSettings)]
pub(in crate::http) struct Wanted {
    /// All its settings, in place of those it had; `config_schema` describes them.
    #[schema(value_type = Object, required = true)]
    settings: Option<Map<String, Value>>,
}

/// All providers as they are set up, without secrets.
#[utoipa::path(
    get, path = "/manage/providers/", tag = "intelligence", operation_id = "list_providers",
    responses((status = 200, description = "All providers that are loaded.", body = ProviderList))
)]
pub(in crate::http) async fn list(State(context): State<Arc<Context>>) -> Result<Json<Value>, Problem> {
    let (providers, active) = (context.intelligence.list().await?, context.intelligence.active().await?);
    Ok(Json(json!({ "providers": providers, "active": active })))
}

/// One provider, with the JSON Schema of its settings.
#[utoipa::path(
    get, path = "/manage/providers/{name}/", tag = "intelligence", operation_id = "read_provider",
    params(("name" = String, Path, description = "Its name.")),
    responses(
        (status = 200, description = "The provider.", body = ProviderDetail),
        (status = 404, description = "There is none."),
    )
)]
pub(in crate::http) async fn one(
    State(context): State<Arc<Context>>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    let (provider, schema) = context.intelligence.show(&name).await?;
    Ok(Json(json!({ "provider": provider, "config_schema": schema })))
}

/// Sets a provider up; its settings are kept encrypted. It may reach the addresses among them beside what
/// `plugins.toml` grants, private ones only where `SSRF_ALLOWED_HOSTS` lists them. Hubs that share the database
/// know within seconds.
#[utoipa::path(
    put, path = "/manage/providers/{name}/", tag = "intelligence", operation_id = "set_provider",
    params(("name" = String, Path, description = "Its name.")),
    request_body(content = Wanted, description = "Its settings."),
    responses(
        (status = 200, description = "It holds from now on.", body = ShownProvider),
        (status = 400, description = "Settings that it does not take; `detail` names what is wrong."),
        (status = 404, description = "There is no such provider."),
        (status = 409, description = "Somebody else set it up at the same moment."),
        (status = 413, description = "The body is too large."),
    )
)]
pub(in crate::http) async fn set(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Body(wanted): Body<Wanted>,
) -> Result<Json<Value>, Problem> {
    // Nothing said is not everything taken away.
    let settings = wanted.settings.ok_or_else(|| Problem::parameter("body: `settings` is missing"))?;
    let settings = Value::Object(settings);
    let shown = context.intelligence.set(&name, settings, false, &caller).await?;
    Ok(Json(json!({ "provider": shown })))
}

/// Goes back to the settings of `plugins.toml`, and to the provider of `INTELLIGENCE_PROVIDER` if this one was
/// active.
#[utoipa::path(
    delete, path = "/manage/providers/{name}/", tag = "intelligence", operation_id = "reset_provider",
    params(("name" = String, Path, description = "Its name.")),
    responses(
        (status = 200, description = "The provider as it is now.", body = ShownProvider),
        (status = 404, description = "There is no such provider, or it was not set up otherwise."),
    )
)]
pub(in crate::http) async fn reset(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({ "provider": context.intelligence.reset(&name, &caller).await? })))
}

/// Makes a provider the one that analyses incidents.
#[utoipa::path(
    post, path = "/manage/providers/{name}/activate/", tag = "intelligence", operation_id = "activate_provider",
    params(("name" = String, Path, description = "Its name.")),
    responses(
        (status = 200, description = "It is, from the next incident on.", body = ShownProvider),
        (status = 404, description = "There is no such provider."),
        (status = 409, description = "It cannot work as it is set up, or somebody else chose at the same moment; `detail` says why."),
    )
)]
pub(in crate::http) async fn activate(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    let activated = context.intelligence.activate(&name, &caller).await.map_err(not_set_up)?;
    Ok(Json(json!({ "provider": activated })))
}

/// Settings that are stored and do not do are no fault of the request.
fn not_set_up(error: ProviderError) -> Problem {
    match error {
        ProviderError::Settings(..) | ProviderError::Refused { .. } | ProviderError::NoGrant { .. } => {
            Problem::new(StatusCode::CONFLICT, "not-set-up", error.to_string())
        }
        other => other.into(),
    }
}

/// Asks a provider about a made-up incident. It costs what a real question does.
#[utoipa::path(
    post, path = "/manage/providers/{name}/test/", tag = "intelligence", operation_id = "test_provider",
    params(("name" = String, Path, description = "Its name.")),
    responses(
        (status = 200, description = "Whether it answered, and what.", body = ProviderTrial),
        (status = 404, description = "There is no such provider."),
    )
)]
pub(in crate::http) async fn test(
    State(context): State<Arc<Context>>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(json!(context.intelligence.try_out(&name).await?)))
}

impl From<ProviderError> for Problem {
    fn from(error: ProviderError) -> Self {
        match error {
            ProviderError::Store(error) => error.into(),
            ProviderError::Unknown { .. } => {
                Self::new(StatusCode::NOT_FOUND, "unknown-provider", error.to_string())
            }
            ProviderError::NoSystem(_) => Self::new(StatusCode::CONFLICT, "not-granted", error.to_string()),
            ProviderError::Failed { ref fault, .. } => match fault.error_type.as_str() {
                "token_budget" | "left_alone" => {
                    Self::new(StatusCode::SERVICE_UNAVAILABLE, "provider-unavailable", error.to_string())
                }
                "config" => Self::new(StatusCode::CONFLICT, "not-set-up", error.to_string()),
                "timeout" => Self::new(StatusCode::GATEWAY_TIMEOUT, "provider-failed", error.to_string()),
                _ => Self::new(StatusCode::BAD_GATEWAY, "provider-failed", error.to_string()),
            },
            ProviderError::Sealed(..) => {
                tracing::error!(error.r#type = "sealed", error = %error, "settings of a provider cannot be opened");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "sealed", error.to_string())
            }
            ProviderError::Crypto(error) => {
                tracing::error!(error.r#type = "sealed", error = %error, "settings of a provider could not be sealed");
                Self::unavailable()
            }
            ProviderError::Settings(..)
            | ProviderError::Refused { .. }
            | ProviderError::NoGrant { .. }
            | ProviderError::Reference(_)
            | ProviderError::Task(..)
            | ProviderError::Path(_) => Self::parameter(error.to_string()),
        }
    }
}
