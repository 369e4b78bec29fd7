//! `/notify/`: notifications that somebody waits for, and the plugins that deliver.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::HeaderMap;
use domain::alert::{AlertStatus, Severity};
use domain::text::disturbs;
use domain::time::millis;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout_at;
use tracing::Instrument as _;
use utoipa::ToSchema;

use super::Body;
use crate::auth::Caller;
use crate::deliver::{Message, NowError, Sent, Target, WITHIN};
use crate::http::Context;
use crate::http::openapi::{self, BatchSent, NotifierList, ShownNotifier};
use crate::http::problem::Problem;
use crate::plugins::NotifierEntry;

/// Where the idempotency key of the caller may stand.
const KEY_HEADER: &str = "idempotency-key";
/// How long a key may be; plugins put it into headers.
const MAX_KEY_BYTES: usize = 128;
const MAX_TITLE_CHARS: usize = 500;
/// As many as the hub's own notifications have.
const MAX_MESSAGE_CHARS: usize = 16_000;
/// How many tags, and how many links.
const MAX_PAIRS: usize = 32;
const MAX_PAIR_NAME_BYTES: usize = 128;
const MAX_PAIR_VALUE_BYTES: usize = 2048;
/// How many notifications one request may hold.
const MAX_BATCH: usize = 50;
/// How many of them are under way at once: a batch leaves room for others.
const BATCH_AT_ONCE: usize = 4;
/// How long they may take together.
const BATCH_WITHIN: Duration = Duration::from_secs(60);

/// What to tell, and where: a channel by name, or a notifier and its settings.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = NotifyOrder)]
pub(in crate::http) struct Order {
    /// The name of a stored channel.
    channel: Option<String>,
    /// A notifier, for settings that are not stored.
    notifier: Option<String>,
    /// Its settings. They reach only what `plugins.toml` grants the notifier.
    #[schema(value_type = Option<Object>)]
    config: Option<Value>,
    /// One line.
    #[schema(required = true, min_length = 1, max_length = 500)]
    title: String,
    /// Several lines of plain text.
    #[schema(required = true, min_length = 1, max_length = 16000)]
    message: String,
    /// `info` unless it is said.
    #[schema(value_type = Option<openapi::Severity>)]
    severity: Option<Severity>,
    /// `firing` unless it is said.
    #[schema(value_type = Option<openapi::AlertStatus>)]
    status: Option<AlertStatus>,
    /// Short facts by name.
    tags: BTreeMap<String, String>,
    /// Addresses a person may open, by what they lead to.
    links: BTreeMap<String, String>,
    /// The idempotency key, also as the header `Idempotency-Key`; made if there is none.
    #[schema(pattern = "^[A-Za-z0-9._:-]{1,128}$")]
    id: Option<String>,
    /// What it is about, the same for a beginning and its end; the idempotency key unless it is said.
    #[schema(pattern = "^[A-Za-z0-9._:-]{1,128}$")]
    incident_id: Option<String>,
}

/// Several of them.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = NotifyBatch)]
pub(in crate::http) struct Orders {
    /// In this order.
    #[schema(required = true, min_items = 1, max_items = 50, value_type = Vec<Order>)]
    notifications: Vec<Value>,
}

/// Sends one notification now and waits for what the remote says. It is tried once and not stored.
#[utoipa::path(
    post, path = "/notify/send/", tag = "notify", operation_id = "send_notification", request_body = Order,
    params(("Idempotency-Key" = Option<String>, Header, description = "Handed to the remote: the same key again is the same notification, where the remote heeds it.")),
    responses(
        (status = 200, description = "The remote took it.", body = openapi::Sent),
        (status = 400, description = "A body that cannot be understood; `detail` says where."),
        (status = 403, description = "The key may not do this here, or the notifier may not reach where it wants to go; `detail` has the line that would let it."),
        (status = 404, description = "There is no such channel or notifier; `detail` names those there are."),
        (status = 409, description = "The channel is switched off."),
        (status = 413, description = "The body is too large."),
        (status = 422, description = "The settings cannot be used; `errors` says where."),
        (status = 429, description = "Too many requests, or the remote asks to wait; `retry-after` says how long."),
        (status = 502, description = "The remote refused it, or is not well, or the notifier broke."),
        (status = 504, description = "No answer in time; it may have arrived."),
    )
)]
pub(in crate::http) async fn send(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Body(order): Body<Order>,
) -> Result<Json<Value>, Problem> {
    let key = header(&headers)?;
    let (target, message) = read(order, key).map_err(|why| Problem::parameter(format!("body: {why}")))?;
    let until = Instant::now() + WITHIN;
    Ok(Json(told(&context.sender.send(target, message, until, &caller.to_string()).await?)))
}

/// The same by the notifier that the path names, with settings in the body.
#[utoipa::path(
    post, path = "/notify/send/{driver}/", tag = "notify", operation_id = "send_notification_by", request_body = Order,
    params(
        ("driver" = String, Path, description = "The name of a notifier."),
        ("Idempotency-Key" = Option<String>, Header, description = "Handed to the remote: the same key again is the same notification, where the remote heeds it."),
    ),
    responses(
        (status = 200, description = "The remote took it.", body = openapi::Sent),
        (status = 400, description = "A body that cannot be understood, or one that names a channel or another notifier."),
        (status = 403, description = "The key may not do this here, or the notifier may not reach where it wants to go; `detail` has the line that would let it."),
        (status = 404, description = "There is no such notifier; `detail` names those there are."),
        (status = 413, description = "The body is too large."),
        (status = 422, description = "The settings cannot be used; `errors` says where."),
        (status = 429, description = "Too many requests, or the remote asks to wait; `retry-after` says how long."),
        (status = 502, description = "The remote refused it, or is not well, or the notifier broke."),
        (status = 504, description = "No answer in time; it may have arrived."),
    )
)]
pub(in crate::http) async fn send_by(
    state: State<Arc<Context>>,
    caller: Extension<Caller>,
    Path(driver): Path<String>,
    headers: HeaderMap,
    Body(order): Body<Order>,
) -> Result<Json<Value>, Problem> {
    find(&state, &driver)?;
    if order.channel.is_some() || order.notifier.as_ref().is_some_and(|named| *named != driver) {
        let why = format!("body: the path names notifier `{driver}`; leave `channel` and `notifier` out");
        return Err(Problem::parameter(why));
    }
    send(state, caller, headers, Body(Order { notifier: Some(driver), ..order })).await
}

/// Sends several notifications now; each has its own result, in their order. With an `Idempotency-Key` that of
/// each is the key, `-` and its place from 0, unless it has an `id`.
#[utoipa::path(
    post, path = "/notify/batch/", tag = "notify", operation_id = "send_notifications", request_body = Orders,
    params(("Idempotency-Key" = Option<String>, Header, description = "What the keys of those without an `id` are made from.")),
    responses(
        (status = 200, description = "How each ended, also where none was delivered.", body = BatchSent),
        (status = 400, description = "A body that cannot be understood, or without notifications, or with too many."),
        (status = 413, description = "The body is too large."),
    )
)]
pub(in crate::http) async fn batch(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Body(orders): Body<Orders>,
) -> Result<Json<Value>, Problem> {
    let key = header(&headers)?;
    let count = orders.notifications.len();
    if !(1..=MAX_BATCH).contains(&count) {
        let why = format!("body: `notifications` must have 1 to {MAX_BATCH} entries, found {count}");
        return Err(Problem::parameter(why));
    }
    let until = Instant::now() + BATCH_WITHIN;
    let (actor, room) = (caller.to_string(), Arc::new(Semaphore::new(BATCH_AT_ONCE)));
    // Dropped with the request, should the caller go.
    let mut tasks = JoinSet::new();
    for (index, order) in orders.notifications.into_iter().enumerate() {
        let key = key.as_ref().map(|key| format!("{key}-{index}"));
        let (context, actor, room) = (Arc::clone(&context), actor.clone(), Arc::clone(&room));
        let one = async move {
            let sent = match timeout_at(until.into(), room.acquire()).await {
                Ok(Ok(_room)) => one_of_many(&context, order, key, until, &actor).await,
                _ => Err(Problem::from(NowError::Busy)),
            };
            (index, result(index, sent))
        };
        tasks.spawn(one.in_current_span());
    }
    let mut results = BTreeMap::new();
    while let Some(done) = tasks.join_next().await {
        results.extend(done.ok());
    }
    let results: Vec<Value> = results.into_values().collect();
    let delivered = results.iter().filter(|result| result["status"] == "delivered").count();
    let failed = results.len().saturating_sub(delivered);
    Ok(Json(json!({ "delivered": delivered, "failed": failed, "results": results })))
}

/// All plugins that deliver, with what they ask for.
#[utoipa::path(
    get, path = "/notify/drivers/", tag = "notify", operation_id = "list_notifiers",
    responses((status = 200, description = "All notifiers.", body = NotifierList))
)]
pub(in crate::http) async fn drivers(State(context): State<Arc<Context>>) -> Json<Value> {
    let all: Vec<Value> = context.catalogue.notifiers().iter().map(|entry| described(entry)).collect();
    Json(json!({ "drivers": all }))
}

/// One plugin that delivers, with what it asks for.
#[utoipa::path(
    get, path = "/notify/drivers/{driver}/", tag = "notify", operation_id = "read_notifier",
    params(("driver" = String, Path, description = "Its name.")),
    responses(
        (status = 200, description = "The notifier.", body = ShownNotifier),
        (status = 404, description = "There is none; `detail` names those there are."),
    )
)]
pub(in crate::http) async fn driver(
    State(context): State<Arc<Context>>,
    Path(driver): Path<String>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({ "driver": described(&*find(&context, &driver)?) })))
}

fn find(context: &Context, name: &str) -> Result<Arc<NotifierEntry>, Problem> {
    Ok(context.sender.notifier(name)?)
}

fn described(entry: &NotifierEntry) -> Value {
    let info = entry.notifier.info();
    let grants: Vec<String> = entry.allow_hosts.iter().map(ToString::to_string).collect();
    json!({
        "name": info.plugin.name, "version": info.plugin.version, "summary": info.plugin.summary,
        "homepage": info.plugin.homepage, "hosts": info.hosts, "grants": grants,
        "supports_update": info.supports_update, "config_schema": info.config_schema,
    })
}

/// What is answered for one that was delivered.
pub(super) fn told(sent: &Sent) -> Value {
    json!({
        "status": "delivered", "channel": sent.channel, "notifier": sent.notifier, "id": sent.id,
        "remote_ref": sent.remote_ref, "attempts": 1, "duration_ms": millis(sent.took),
    })
}

async fn one_of_many(
    context: &Context,
    order: Value,
    key: Option<String>,
    until: Instant,
    actor: &str,
) -> Result<Sent, Problem> {
    let order: Order =
        serde_json::from_value(order).map_err(|error| Problem::parameter(error.to_string()))?;
    // That of all is for those that have none of their own.
    let key = key.filter(|_| order.id.is_none());
    let (target, message) = read(order, key).map_err(Problem::parameter)?;
    let until = until.min(Instant::now() + WITHIN);
    Ok(context.sender.send(target, message, until, actor).await?)
}

fn result(index: usize, sent: Result<Sent, Problem>) -> Value {
    match sent {
        Ok(sent) => {
            let mut result = told(&sent);
            if let Some(fields) = result.as_object_mut() {
                fields.insert("index".to_owned(), index.into());
                fields.retain(|_, value| !value.is_null());
            }
            result
        }
        Err(problem) => {
            let mut body = problem.body();
            if let Some(seconds) = problem.retry_after_s {
                body.insert("retry_after_s".to_owned(), seconds.into());
            }
            json!({ "index": index, "status": "failed", "problem": body })
        }
    }
}

/// The caller's key, where there is one.
fn header(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(KEY_HEADER).iter();
    let (Some(value), more) = (values.next(), values.next()) else { return Ok(None) };
    let key = value.to_str().unwrap_or_default();
    match more {
        None if is_key(key) => Ok(Some(key.to_owned())),
        _ => Err(Problem::parameter(format!("header `Idempotency-Key` {KEY_FORM}"))),
    }
}

const KEY_FORM: &str = "must be there once, with 1 to 128 letters, digits, `.`, `_`, `:` and `-`";

fn is_key(key: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    (1..=MAX_KEY_BYTES).contains(&key.len()) && key.bytes().all(plain)
}

/// What is to be sent where; the error says what is wrong with the order.
fn read(order: Order, key: Option<String>) -> Result<(Target, Message), String> {
    let Order { channel, notifier, config, title, message, severity, status, tags, links, id, incident_id } =
        order;
    let target = match (channel, notifier, config) {
        (Some(name), None, None) => Target::Channel(name),
        (None, Some(notifier), Some(settings)) => Target::AdHoc { notifier, settings },
        (None, Some(_), None) => return Err("`config` is missing: the settings for this notifier".to_owned()),
        _ => return Err("name either a `channel`, or a `notifier` with its `config`".to_owned()),
    };
    for (name, value) in [("id", &id), ("incident_id", &incident_id)] {
        if value.as_ref().is_some_and(|value| !is_key(value)) {
            return Err(format!("`{name}` {KEY_FORM}"));
        }
    }
    if key.is_some() && id.is_some() && key != id {
        return Err("`id` is not what the header `Idempotency-Key` says; leave one out".to_owned());
    }
    line("title", &title)?;
    let count = message.chars().count();
    if message.trim().is_empty() || count > MAX_MESSAGE_CHARS {
        return Err(format!("`message` must have 1 to {MAX_MESSAGE_CHARS} characters, found {count}"));
    }
    pairs("tags", &tags)?;
    pairs("links", &links)?;
    let severity = severity.unwrap_or(Severity::Info);
    let status = status.unwrap_or(AlertStatus::Firing);
    let id = key.or(id);
    Ok((target, Message { id, incident_id, title, message, severity, status, tags, links }))
}

fn line(name: &str, text: &str) -> Result<(), String> {
    let count = text.chars().count();
    if text.trim().is_empty() || count > MAX_TITLE_CHARS || text.chars().any(disturbs) {
        return Err(format!(
            "`{name}` must be one line of 1 to {MAX_TITLE_CHARS} characters without control characters, found {count}"
        ));
    }
    Ok(())
}

fn pairs(what: &str, pairs: &BTreeMap<String, String>) -> Result<(), String> {
    let fits = |(name, value): (&String, &String)| {
        (1..=MAX_PAIR_NAME_BYTES).contains(&name.len())
            && value.len() <= MAX_PAIR_VALUE_BYTES
            && !name.chars().any(disturbs)
    };
    if pairs.len() <= MAX_PAIRS && pairs.iter().all(fits) {
        return Ok(());
    }
    Err(format!(
        "`{what}` may have {MAX_PAIRS} entries, their names 1 to {MAX_PAIR_NAME_BYTES} bytes without control \
         characters, and their values {MAX_PAIR_VALUE_BYTES} bytes"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(order: Value) -> String {
        read(serde_json::from_value(order).unwrap(), Some("key".to_owned())).unwrap_err()
    }

    #[test]
    fn orders_that_say_too_little_or_too_much_are_refused_by_name() {
        let with = |more: Value| {
            let mut order = json!({ "channel": "ops", "title": "t", "message": "m" });
            order.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            order
        };
        for (order, word) in [
            (with(json!({ "notifier": "slack" })), "either a `channel`"),
            (json!({ "title": "t", "message": "m" }), "either a `channel`"),
            (json!({ "notifier": "slack", "title": "t", "message": "m" }), "`config` is missing"),
            (with(json!({ "title": "" })), "`title`"),
            (with(json!({ "title": "a\nb" })), "`title`"),
            (with(json!({ "title": "x".repeat(501) })), "found 501"),
            (with(json!({ "message": " " })), "`message`"),
            (with(json!({ "message": "x".repeat(16_001) })), "found 16001"),
            (with(json!({ "tags": { "": "x" } })), "`tags`"),
            (with(json!({ "links": { "x": "y".repeat(2049) } })), "`links`"),
            (with(json!({ "id": "a b" })), "`id`"),
            (with(json!({ "id": "other" })), "`Idempotency-Key`"),
            (with(json!({ "incident_id": "" })), "`incident_id`"),
        ] {
            let message = refused(order.clone());
            assert!(message.contains(word), "{order}: {message}");
        }
        assert!(
            read(serde_json::from_value(with(json!({ "id": "key" }))).unwrap(), Some("key".to_owned()))
                .is_ok()
        );
    }
}
