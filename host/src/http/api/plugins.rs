//! `/manage/plugins/`: which components there are, which may run, and with what.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use domain::plugin::{PluginKind, PluginName};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::Body;
use crate::auth::Caller;
use crate::http::Context;
use crate::http::openapi::{ChangedPlugin, PluginDetail, PluginList};
use crate::http::problem::Problem;
use crate::plugins::{By, DecideError};

/// What is approved.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = PluginApproval)]
pub(in crate::http) struct Approved {
    /// SHA-256 of the component that is meant, in hexadecimal, as `found` shows it: what took its place since is
    /// not approved by mistake.
    #[schema(required = true, pattern = "^[0-9a-f]{64}$")]
    sha256: String,
    /// Why; it is kept with who did it.
    #[schema(max_length = 500, pattern = r"^[^\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]*$")]
    reason: Option<String>,
}

/// Where a plugin goes back to.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = PluginRollback)]
pub(in crate::http) struct Back {
    /// SHA-256 of an earlier component, one of `kept`; the newest of them unless it is said.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    sha256: Option<String>,
    /// Why; it is kept with who did it.
    #[schema(max_length = 500, pattern = r"^[^\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]*$")]
    reason: Option<String>,
}

/// What may be said when a plugin is switched.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = PluginSwitch)]
pub(in crate::http) struct Switched {
    /// Why; it is kept with who did it.
    #[schema(max_length = 500, pattern = r"^[^\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]*$")]
    reason: Option<String>,
}

/// Every plugin as this hub has it, and the files that are none.
#[utoipa::path(
    get, path = "/manage/plugins/", tag = "plugins", operation_id = "list_plugins",
    responses((status = 200, description = "All plugins.", body = PluginList))
)]
pub(in crate::http) async fn list(State(context): State<Arc<Context>>) -> Result<Json<Value>, Problem> {
    Ok(Json(json!(context.approvals.list().await?)))
}

/// One plugin, with what was decided about it and the earlier components that are kept on this host.
#[utoipa::path(
    get, path = "/manage/plugins/{kind}/{name}/", tag = "plugins", operation_id = "read_plugin",
    params(("kind" = String, Path, description = "`driver`, `notifier` or `provider`."), ("name" = String, Path, description = "Its name.")),
    responses(
        (status = 200, description = "The plugin.", body = PluginDetail),
        (status = 404, description = "There is none."),
    )
)]
pub(in crate::http) async fn one(
    State(context): State<Arc<Context>>,
    Path(plugin): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let (kind, name) = named(&plugin)?;
    Ok(Json(json!(context.approvals.one(kind, &name).await?)))
}

/// Lets the component that is there run, with all that it asks for and no more. A driver takes part in detection
/// from then on. Hubs that share the database know within 2 s.
#[utoipa::path(
    post, path = "/manage/plugins/{kind}/{name}/approve/", tag = "plugins", operation_id = "approve_plugin",
    params(("kind" = String, Path, description = "`driver`, `notifier` or `provider`."), ("name" = String, Path, description = "Its name.")),
    request_body(content = Approved, description = "Which component."),
    responses(
        (status = 200, description = "It may.", body = ChangedPlugin),
        (status = 400, description = "A body that cannot be understood."),
        (status = 404, description = "There is no such plugin."),
        (status = 409, description = "Another component is there by now, it does not load, or `plugins.toml` decides; `detail` says which."),
        (status = 413, description = "The body is too large."),
    )
)]
pub(in crate::http) async fn approve(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Path(plugin): Path<(String, String)>,
    Body(Approved { sha256, reason }): Body<Approved>,
) -> Result<Json<Value>, Problem> {
    let (kind, name) = named(&plugin)?;
    if sha256.is_empty() {
        return Err(Problem::parameter(
            "body: `sha256` is missing: `found` of the plugin, as it was looked at",
        ));
    }
    let by = by(&caller, reason)?;
    Ok(Json(json!({ "plugin": context.approvals.approve(kind, &name, Some(&sha256), by).await? })))
}

/// Switches a plugin off. What is under way ends; a webhook for a driver that is off is answered as if there were
/// none of its name.
#[utoipa::path(
    post, path = "/manage/plugins/{kind}/{name}/disable/", tag = "plugins", operation_id = "disable_plugin",
    params(("kind" = String, Path, description = "`driver`, `notifier` or `provider`."), ("name" = String, Path, description = "Its name.")),
    request_body(content = Option<Switched>, description = "Nothing, or why."),
    responses(
        (status = 200, description = "It is off.", body = ChangedPlugin),
        (status = 400, description = "A body that cannot be understood."),
        (status = 404, description = "There is no such plugin."),
        (status = 413, description = "The body is too large."),
    )
)]
pub(in crate::http) async fn disable(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Path(plugin): Path<(String, String)>,
    Body(Switched { reason }): Body<Switched>,
) -> Result<Json<Value>, Problem> {
    let (kind, name) = named(&plugin)?;
    let by = by(&caller, reason)?;
    Ok(Json(json!({ "plugin": context.approvals.switch(kind, &name, false, by).await? })))
}

/// Switches a plugin on again.
#[utoipa::path(
    post, path = "/manage/plugins/{kind}/{name}/enable/", tag = "plugins", operation_id = "enable_plugin",
    params(("kind" = String, Path, description = "`driver`, `notifier` or `provider`."), ("name" = String, Path, description = "Its name.")),
    request_body(content = Option<Switched>, description = "Nothing, or why."),
    responses(
        (status = 200, description = "It is on.", body = ChangedPlugin),
        (status = 400, description = "A body that cannot be understood."),
        (status = 404, description = "There is no such plugin."),
        (status = 409, description = "`plugins.toml` has it off; `detail` says where."),
        (status = 413, description = "The body is too large."),
    )
)]
pub(in crate::http) async fn enable(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Path(plugin): Path<(String, String)>,
    Body(Switched { reason }): Body<Switched>,
) -> Result<Json<Value>, Problem> {
    let (kind, name) = named(&plugin)?;
    let by = by(&caller, reason)?;
    Ok(Json(json!({ "plugin": context.approvals.switch(kind, &name, true, by).await? })))
}

/// Puts a plugin back to an earlier component, for as long as the one that is there now is not replaced by a third.
#[utoipa::path(
    post, path = "/manage/plugins/{kind}/{name}/rollback/", tag = "plugins", operation_id = "roll_plugin_back",
    params(("kind" = String, Path, description = "`driver`, `notifier` or `provider`."), ("name" = String, Path, description = "Its name.")),
    request_body(content = Option<Back>, description = "Nothing, or which one, and why."),
    responses(
        (status = 200, description = "It is back there.", body = ChangedPlugin),
        (status = 400, description = "A body that cannot be understood."),
        (status = 404, description = "There is no such plugin."),
        (status = 409, description = "There is nothing to go back to, it may not run, or `plugins.toml` decides; `detail` says which."),
        (status = 413, description = "The body is too large."),
    )
)]
pub(in crate::http) async fn rollback(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Path(plugin): Path<(String, String)>,
    Body(Back { sha256, reason }): Body<Back>,
) -> Result<Json<Value>, Problem> {
    let (kind, name) = named(&plugin)?;
    let by = by(&caller, reason)?;
    Ok(Json(json!({ "plugin": context.approvals.roll_back(kind, &name, sha256.as_deref(), by).await? })))
}

fn named((kind, name): &(String, String)) -> Result<(PluginKind, PluginName), Problem> {
    let unknown = |text: String| Problem::new(StatusCode::NOT_FOUND, "unknown-plugin", text);
    let kind = kind.parse().map_err(|error| unknown(format!("kind: {error}")))?;
    Ok((kind, name.parse().map_err(|error| unknown(format!("{error}")))?))
}

fn by(caller: &Caller, reason: Option<String>) -> Result<By, Problem> {
    By::new(caller.to_string(), reason).map_err(Problem::parameter)
}

impl From<DecideError> for Problem {
    fn from(error: DecideError) -> Self {
        let kind = match error {
            DecideError::Store(error) => return error.into(),
            DecideError::Unknown { .. } | DecideError::Several { .. } => {
                return Self::new(StatusCode::NOT_FOUND, "unknown-plugin", error.to_string());
            }
            DecideError::Changed { .. } => "changed",
            DecideError::NotLoaded { .. } => "not-loaded",
            DecideError::ByFile { .. } => "decided-by-file",
            DecideError::NothingEarlier { .. } | DecideError::NotKept(_) => "nothing-earlier",
            DecideError::NeverApproved { .. } => "never-approved",
        };
        Self::new(StatusCode::CONFLICT, kind, error.to_string())
    }
}
