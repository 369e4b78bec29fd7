//! `/manage/channels/`: where notifications go.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use domain::id::ChannelId;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::notify::told;
use super::{Body, Query, id, page};
use crate::auth::Caller;
use crate::clock;
use crate::deliver::{Change, Saved};
use crate::http::Context;
use crate::http::openapi::{ChangedChannel, ChannelPage, RemovedChannel, Sent, ShownChannel};
use crate::http::problem::Problem;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Part {
    /// How many a page holds.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(pattern = "^(313[0-7](3[0-9]|[46][1-8aAbBdDeE]|[57][0-46-9aA]){25})?$")]
    cursor: Option<String>,
}

/// A channel that shall be.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ChannelWish)]
pub(in crate::http) struct Wanted {
    /// Its name, which no other has and which stays.
    #[schema(required = true, min_length = 1, max_length = 64)]
    name: String,
    /// The plugin that delivers: one of `/notify/drivers/`.
    #[schema(required = true)]
    notifier: String,
    /// What its `config_schema` asks for. A secret may be given as `env:NAME` or `file:/path`.
    #[schema(value_type = Object, required = true)]
    settings: Value,
    /// Whether anything is sent to it; true unless it is said.
    enabled: Option<bool>,
}

/// Other settings of a channel.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ChannelChange)]
pub(in crate::http) struct Changed {
    /// All of them; `{"secret": "set"}` in the place of a secret keeps the one that is stored.
    #[schema(value_type = Object, required = true)]
    settings: Value,
}

/// A page of channels, the newest first.
#[utoipa::path(
    get, path = "/manage/channels/", tag = "channels", operation_id = "list_channels", params(Part),
    responses(
        (status = 200, description = "A page of channels.", body = ChannelPage),
        (status = 400, description = "A parameter that cannot be understood; `detail` names it."),
    )
)]
pub(in crate::http) async fn list(
    State(context): State<Arc<Context>>,
    Query(part): Query<Part>,
) -> Result<Json<Value>, Problem> {
    let page = context.store.channel_page(&page(part.limit, part.cursor)?).await?;
    let mut channels = Vec::with_capacity(page.items.len());
    for state in page.items {
        channels.push(context.channels.show(state).await?);
    }
    Ok(Json(json!({ "channels": channels, "next": page.next })))
}

/// One channel with its settings, without their secrets.
#[utoipa::path(
    get, path = "/manage/channels/{id}/", tag = "channels", operation_id = "read_channel",
    params(("id" = String, Path, description = "Its identifier.")),
    responses((status = 200, description = "The channel.", body = ShownChannel), (status = 404, description = "There is none."))
)]
pub(in crate::http) async fn one(
    State(context): State<Arc<Context>>,
    Path(channel): Path<String>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({ "channel": context.channels.one(id("channel", &channel)?).await? })))
}

/// Makes a channel. Its settings are checked by the schema of its notifier and by the notifier itself, and
/// stored encrypted. It may reach the addresses in them and no others.
#[utoipa::path(
    post, path = "/manage/channels/", tag = "channels", operation_id = "create_channel", request_body = Wanted,
    responses(
        (status = 201, description = "The channel, and what may not be meant.", body = ChangedChannel),
        (status = 400, description = "A body that cannot be understood, or a name that cannot be one."),
        (status = 409, description = "Another channel has this name."),
        (status = 413, description = "The body is too large."),
        (status = 422, description = "There is no such notifier, or the settings do not fit it; `errors` says where."),
        (status = 502, description = "The notifier broke while it looked at the settings."),
    )
)]
pub(in crate::http) async fn create(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Body(wanted): Body<Wanted>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let Wanted { name, notifier, settings, enabled } = wanted;
    let (enabled, actor) = (enabled.unwrap_or(true), caller.to_string());
    let saved = context.channels.add(&name, &notifier, &settings, enabled, &actor).await?;
    Ok((StatusCode::CREATED, changed(&saved)))
}

/// Gives a channel other settings.
#[utoipa::path(
    patch, path = "/manage/channels/{id}/", tag = "channels", operation_id = "change_channel",
    params(("id" = String, Path, description = "Its identifier.")), request_body = Changed,
    responses(
        (status = 200, description = "The channel, and what may not be meant.", body = ChangedChannel),
        (status = 400, description = "A body that cannot be understood."),
        (status = 404, description = "There is none."),
        (status = 409, description = "Its notifier is not loaded, or somebody else changed it at the same time."),
        (status = 413, description = "The body is too large."),
        (status = 422, description = "The settings do not fit its notifier; `errors` says where."),
        (status = 502, description = "The notifier broke while it looked at the settings."),
    )
)]
pub(in crate::http) async fn change(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Path(channel): Path<String>,
    Body(wanted): Body<Changed>,
) -> Result<Json<Value>, Problem> {
    let id = id("channel", &channel)?;
    let change = Change::Whole(wanted.settings);
    Ok(changed(&context.channels.change(id, change, &caller.to_string()).await?))
}

/// Takes a channel away with its settings. What waits for it is given up on; what was sent to it stays known.
#[utoipa::path(
    delete, path = "/manage/channels/{id}/", tag = "channels", operation_id = "remove_channel",
    params(("id" = String, Path, description = "Its identifier.")),
    responses(
        (status = 200, description = "It is gone.", body = RemovedChannel),
        (status = 404, description = "There is none."),
        (status = 409, description = "Routes name it; `detail` says which."),
    )
)]
pub(in crate::http) async fn remove(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Path(channel): Path<String>,
) -> Result<Json<Value>, Problem> {
    let id: ChannelId = id("channel", &channel)?;
    let name = context.channels.remove(id, clock::now(), &caller.to_string()).await?;
    Ok(Json(json!({ "id": id, "name": name })))
}

/// Sends a test through a channel now, also through one that is switched off, and says what the remote answered.
#[utoipa::path(
    post, path = "/manage/channels/{id}/test/", tag = "channels", operation_id = "test_channel",
    params(("id" = String, Path, description = "Its identifier.")),
    responses(
        (status = 200, description = "The remote took it.", body = Sent),
        (status = 403, description = "The key may not do this here, or the channel may not reach where it wants to go."),
        (status = 404, description = "There is none."),
        (status = 422, description = "Its settings cannot be used; `errors` says where."),
        (status = 429, description = "Too many requests, or the remote asks to wait; `retry-after` says how long."),
        (status = 502, description = "The remote refused it, or is not well, or the notifier broke."),
        (status = 504, description = "No answer in time; it may have arrived."),
    )
)]
pub(in crate::http) async fn test(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Path(channel): Path<String>,
) -> Result<Json<Value>, Problem> {
    let state = context.store.channel_state(id("channel", &channel)?).await?;
    Ok(Json(told(&context.sender.test(&state.channel.name, &caller.to_string()).await?)))
}

/// Sends nothing to a channel until it is enabled again. What waits for it goes on waiting.
#[utoipa::path(
    post, path = "/manage/channels/{id}/disable/", tag = "channels", operation_id = "disable_channel",
    params(("id" = String, Path, description = "Its identifier.")),
    responses(
        (status = 200, description = "It is off; what may not be meant.", body = ChangedChannel),
        (status = 404, description = "There is none."),
    )
)]
pub(in crate::http) async fn disable(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Path(channel): Path<String>,
) -> Result<Json<Value>, Problem> {
    switch(&context, &caller, &channel, false).await
}

/// Sends to a channel again.
#[utoipa::path(
    post, path = "/manage/channels/{id}/enable/", tag = "channels", operation_id = "enable_channel",
    params(("id" = String, Path, description = "Its identifier.")),
    responses(
        (status = 200, description = "It is on.", body = ChangedChannel),
        (status = 404, description = "There is none."),
    )
)]
pub(in crate::http) async fn enable(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Path(channel): Path<String>,
) -> Result<Json<Value>, Problem> {
    switch(&context, &caller, &channel, true).await
}

async fn switch(
    context: &Context,
    caller: &Caller,
    channel: &str,
    enabled: bool,
) -> Result<Json<Value>, Problem> {
    let id = id("channel", channel)?;
    Ok(changed(&context.channels.switch(id, enabled, &caller.to_string()).await?))
}

fn changed(saved: &Saved) -> Json<Value> {
    Json(json!({ "channel": saved.channel, "warnings": saved.warnings }))
}
