//! `/intelligence/`: what providers say when somebody asks by hand. Nothing of it is kept but what it cost.

use std::ops::RangeInclusive;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{Body, Query, typed};
use crate::http::Context;
use crate::http::openapi::{FoundHere, NamedProviders, RecommendedByProvider};
use crate::http::problem::Problem;
use crate::intelligence::{DiskWish, Wish};

/// What is asked about an incident.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = RecommendationWish)]
pub(in crate::http) struct Wanted {
    /// The incident; without one, how this machine is.
    incident_id: Option<String>,
    /// Who is asked; the active provider unless it is said.
    provider: Option<String>,
    /// Settings over those of the provider, for this question alone. They widen nothing: the provider goes
    /// where it may go already.
    #[schema(value_type = Option<Object>)]
    config: Option<Map<String, Value>>,
}

/// The same in a query.
#[derive(Deserialize)]
pub(in crate::http) struct AboutIncident {
    incident_id: Option<String>,
    provider: Option<String>,
}

/// What is asked about memory.
#[derive(Deserialize)]
pub(in crate::http) struct AboutMemory {
    top_n: Option<u64>,
}

/// What is asked about disks.
#[derive(Deserialize)]
pub(in crate::http) struct AboutDisk {
    path: Option<String>,
    threshold_mb: Option<u64>,
    old_days: Option<u64>,
}

/// The providers that are loaded, and which one is active.
#[utoipa::path(
    get, path = "/intelligence/providers/", tag = "intelligence", operation_id = "name_providers",
    responses((status = 200, description = "All providers.", body = NamedProviders))
)]
pub(in crate::http) async fn providers(State(context): State<Arc<Context>>) -> Result<Json<Value>, Problem> {
    let (list, active) = (context.intelligence.list().await?, context.intelligence.active().await?);
    let named: Vec<Value> = (list.iter())
        .map(|shown| {
            json!({
                "name": shown.name, "active": shown.active, "summary": shown.summary,
                "version": shown.version, "tasks": shown.tasks,
            })
        })
        .collect();
    Ok(Json(json!({ "count": named.len(), "providers": named, "active": active })))
}

/// What a provider recommends about an incident, or about this machine. Where the active provider was meant and
/// gives no answer, the local rules do.
#[utoipa::path(
    get, path = "/intelligence/recommendations/", tag = "intelligence", operation_id = "read_recommendations",
    params(
        ("incident_id" = Option<String>, Query, description = "The incident; without one, how this machine is."),
        ("provider" = Option<String>, Query, description = "Who is asked; the active provider unless it is said."),
    ),
    responses(
        (status = 200, description = "What is recommended.", body = RecommendedByProvider),
        (status = 400, description = "A parameter that cannot be understood."),
        (status = 404, description = "There is no such provider or incident."),
        (status = 409, description = "The provider is not set up, or not granted what it needs; `detail` says what to do."),
        (status = 502, description = "The provider gave no answer; `detail` says why."),
        (status = 504, description = "It gave none in time."),
    )
)]
pub(in crate::http) async fn read(
    State(context): State<Arc<Context>>,
    Query(query): Query<AboutIncident>,
) -> Result<Json<Value>, Problem> {
    let AboutIncident { incident_id, provider } = query;
    recommend(&context, Wanted { incident_id, provider, config: None }).await
}

/// The same, with settings for this question.
#[utoipa::path(
    post, path = "/intelligence/recommendations/", tag = "intelligence", operation_id = "ask_for_recommendations",
    request_body(content = Option<Wanted>, description = "What is asked; without a body, how this machine is."),
    responses(
        (status = 200, description = "What is recommended.", body = RecommendedByProvider),
        (status = 400, description = "A body that cannot be understood, or settings that the provider does not take."),
        (status = 404, description = "There is no such provider or incident."),
        (status = 413, description = "The body is too large."),
        (status = 409, description = "The provider is not set up, or not granted what it needs; `detail` says what to do."),
        (status = 502, description = "The provider gave no answer; `detail` says why."),
        (status = 504, description = "It gave none in time."),
    )
)]
pub(in crate::http) async fn ask(
    State(context): State<Arc<Context>>,
    Body(wanted): Body<Wanted>,
) -> Result<Json<Value>, Problem> {
    recommend(&context, wanted).await
}

async fn recommend(context: &Context, wanted: Wanted) -> Result<Json<Value>, Problem> {
    let Wanted { incident_id, provider, config } = wanted;
    let incident_id = typed("incident_id", incident_id)?;
    let provider = provider.filter(|name| !name.is_empty());
    let wish = Wish { incident_id, provider, config };
    Ok(Json(json!(context.intelligence.recommend(wish).await?)))
}

/// What takes the memory of this machine, by the local rules.
#[utoipa::path(
    get, path = "/intelligence/memory/", tag = "intelligence", operation_id = "analyze_memory",
    params(
        ("top_n" = Option<u64>, Query, minimum = 1, maximum = 50, description = "How many processes are named; 10 unless the provider's settings say otherwise."),
    ),
    responses(
        (status = 200, description = "What was found.", body = FoundHere),
        (status = 400, description = "A parameter out of its bounds."),
        (status = 404, description = "The provider `local` is not loaded."),
        (status = 409, description = "It may not look at this machine: `plugins.toml` does not grant it."),
        (status = 502, description = "It gave no answer."),
        (status = 504, description = "It gave none in time."),
    )
)]
pub(in crate::http) async fn memory(
    State(context): State<Arc<Context>>,
    Query(query): Query<AboutMemory>,
) -> Result<Json<Value>, Problem> {
    let top_n = within("top_n", query.top_n, 1..=50)?;
    Ok(Json(json!(context.intelligence.memory(top_n).await?)))
}

/// Large and old files on this machine, by the local rules.
#[utoipa::path(
    get, path = "/intelligence/disk/", tag = "intelligence", operation_id = "analyze_disk",
    params(
        ("path" = Option<String>, Query, description = "A folder in one that `INTELLIGENCE_DISK_ROOTS` opens; without it all of them."),
        ("threshold_mb" = Option<u64>, Query, minimum = 1, maximum = 1_048_576, description = "From how many MiB on a file is large; 100 unless the provider's settings say otherwise."),
        ("old_days" = Option<u64>, Query, minimum = 1, maximum = 3650, description = "From how many days without a change on a file is old; 30 unless the provider's settings say otherwise."),
    ),
    responses(
        (status = 200, description = "What was found.", body = FoundHere),
        (status = 400, description = "A parameter out of its bounds, or a folder that may not be looked through."),
        (status = 404, description = "The provider `local` is not loaded."),
        (status = 409, description = "It may not look at this machine: `plugins.toml` does not grant it."),
        (status = 502, description = "It gave no answer."),
        (status = 504, description = "It gave none in time."),
    )
)]
pub(in crate::http) async fn disk(
    State(context): State<Arc<Context>>,
    Query(query): Query<AboutDisk>,
) -> Result<Json<Value>, Problem> {
    let wish = DiskWish {
        path: query.path.filter(|path| !path.is_empty()),
        threshold_mb: within("threshold_mb", query.threshold_mb, 1..=1_048_576)?,
        old_days: within("old_days", query.old_days, 1..=3650)?,
    };
    Ok(Json(json!(context.intelligence.disk(wish).await?)))
}

fn within(name: &str, value: Option<u64>, bounds: RangeInclusive<u64>) -> Result<Option<u64>, Problem> {
    match value.filter(|value| !bounds.contains(value)) {
        Some(value) => Err(Problem::parameter(format!(
            "`{name}` must be between {} and {}, found {value}",
            bounds.start(),
            bounds.end()
        ))),
        None => Ok(value),
    }
}
