//! `POST /incidents/{id}/{action}/` and `POST /alerts/{id}/{action}/`: what people do.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, State};
use domain::act::Act;
use domain::id::{AlertId, IncidentId};
use domain::life::Action;
use serde::Deserialize;
use serde_json::{Value, json};
use store::StoreError;
use utoipa::ToSchema;

use super::{Body, id};
use crate::auth::Caller;
use crate::clock::{self, Ids};
use crate::http::Context;
use crate::http::openapi::{self, Acted};
use crate::http::problem::Problem;

/// Why somebody does something.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ActReason)]
pub(in crate::http) struct Words {
    /// In their own words; a comment needs some.
    #[schema(max_length = 4000)]
    reason: Option<String>,
}

/// Acknowledges, unacknowledges, resolves, closes or comments on an incident.
#[utoipa::path(
    post, path = "/incidents/{id}/{action}/", tag = "incidents", operation_id = "act_on_incident",
    params(("id" = String, Path, description = "The incident."), ("action" = openapi::Action, Path, description = "What is done.")),
    request_body(content = Option<Words>, description = "Nothing, or why."),
    responses(
        (status = 200, description = "The incident as it is now; also where it was so already.", body = Acted),
        (status = 400, description = "A body that cannot be understood, or a comment without words."),
        (status = 404, description = "There is no such incident, or nothing of this name can be done to it."),
        (status = 409, description = "It makes no sense in the state that the incident is in."),
        (status = 413, description = "The body is too large."),
    )
)]
pub(in crate::http) async fn on_incident(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Path((incident, action)): Path<(String, String)>,
    Body(words): Body<Words>,
) -> Result<Json<Value>, Problem> {
    let action = self::action(&action)?;
    act(&context, &caller, id("incident", &incident)?, action, words).await
}

/// The same for the incident that an alert belongs to: the state of an alert is its sender's to say.
#[utoipa::path(
    post, path = "/alerts/{id}/{action}/", tag = "alerts", operation_id = "act_on_alert",
    params(("id" = String, Path, description = "The alert."), ("action" = openapi::Action, Path, description = "What is done.")),
    request_body(content = Option<Words>, description = "Nothing, or why."),
    responses(
        (status = 200, description = "The incident as it is now; also where it was so already.", body = Acted),
        (status = 400, description = "A body that cannot be understood, or a comment without words."),
        (status = 404, description = "There is no such alert, or nothing of this name can be done to it."),
        (status = 409, description = "The alert belongs to no incident, or it makes no sense in the state that one is in."),
        (status = 413, description = "The body is too large."),
    )
)]
pub(in crate::http) async fn on_alert(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Path((alert, action)): Path<(String, String)>,
    Body(words): Body<Words>,
) -> Result<Json<Value>, Problem> {
    let (alert, action): (AlertId, _) = (id("alert", &alert)?, self::action(&action)?);
    let incident = context.store.incident_of(alert).await?.ok_or_else(|| {
        StoreError::Conflict(
            "this alert was over when it was first heard of: it belongs to no incident".to_owned(),
        )
    })?;
    act(&context, &caller, incident, action, words).await
}

/// What is done, as the path has it.
fn action(text: &str) -> Result<Action, Problem> {
    text.parse().map_err(|error| Problem::not_found(format!("the last part of the path: {error}")))
}

async fn act(
    context: &Context,
    caller: &Caller,
    incident: IncidentId,
    action: Action,
    words: Words,
) -> Result<Json<Value>, Problem> {
    let act = Act::new(action, caller.to_string(), words.reason.as_deref()).map_err(Problem::parameter)?;
    let acted = context.store.act(incident, &act, &mut Ids, clock::now()).await?;
    if acted.changed {
        tracing::info!(actor = %caller, incident.id = %incident, "{caller} did `{action}` to incident {incident}");
    }
    if acted.run.is_some() {
        context.wakes.runs.notify();
    }
    let (run_id, trace_id) = acted.run.unzip();
    Ok(Json(json!({
        "incident": acted.incident, "changed": acted.changed, "run_id": run_id, "trace_id": trace_id,
    })))
}
