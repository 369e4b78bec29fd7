//! `/openapi.json`: what can be asked and what is answered, made from the handlers.
//!
//! A handler says its own part in `#[utoipa::path]`; what holds for all of them is added here.

mod schema;

use std::sync::LazyLock;

use axum::http::header;
use axum::response::IntoResponse;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi as Document, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use super::{api, health, webhook};
pub(super) use schema::{
    Accepted, Acted, Action, AlertDetail, AlertPage, AlertStatus, Alive, BatchSent, ChangedChannel,
    ChangedPlugin, ChangedRoute, ChannelPage, Condition, DeliveryPage, DeliveryWithTries, Discarded,
    DiscardedRound, Endpoint, Explanation, Finished, FoundHere, HostList, IncidentDetail, IncidentPage,
    IntelligenceAlive, Keys, NamedProviders, NewKey, NotifierList, Output, PluginDetail, PluginList,
    ProviderDetail, ProviderList, ProviderTrial, Ready, RecommendedByProvider, RemovedChannel, RemovedRoute,
    RemovedSecret, ReparsedOne, ReparsedRound, Replayed, Resumed, RevivedDeliveries, RevokedKey, RouteList,
    RouteStage, RouteTrials, RunDetail, RunPage, SecretSet, Secrets, Sent, Severity, ShownChannel,
    ShownNotifier, ShownProvider, ShownRoute, StoredPage, StoredRequest,
};

/// Who may call in which way.
const SCHEMES: [&str; 3] = ["bearer", "header", "basic"];

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Watchbell",
        description = "An alert hub: webhooks in, incidents and notifications out. Every path works with and without \
                       its last slash. Times are RFC 3339 in UTC; sizes are in bytes; durations say their unit. \
                       Every answer has a header `x-request-id`, and every error is a problem document (RFC 9457)."
    ),
    paths(
        webhook::alive,
        webhook::detected,
        webhook::named,
        api::alerts::list,
        api::alerts::one,
        api::act::on_alert,
        api::incidents::list,
        api::incidents::one,
        api::act::on_incident,
        api::runs::list,
        api::runs::one,
        api::pipeline::start,
        api::pipeline::finish,
        api::pipeline::resume,
        api::pipeline::outputs,
        api::why::why,
        api::why::trace,
        api::notify::send,
        api::notify::send_by,
        api::notify::batch,
        api::notify::drivers,
        api::notify::driver,
        api::channels::list,
        api::channels::create,
        api::channels::one,
        api::channels::change,
        api::channels::remove,
        api::channels::test,
        api::channels::disable,
        api::channels::enable,
        api::deliveries::list,
        api::deliveries::one,
        api::deliveries::retry,
        api::deliveries::retry_all,
        api::hosts::list,
        api::keys::list,
        api::keys::create,
        api::keys::revoke,
        api::plugins::list,
        api::plugins::one,
        api::plugins::approve,
        api::plugins::disable,
        api::plugins::enable,
        api::plugins::rollback,
        api::quarantine::list,
        api::quarantine::one,
        api::quarantine::reparse,
        api::quarantine::reparse_all,
        api::quarantine::discard,
        api::quarantine::discard_all,
        api::replay::replay,
        api::secrets::list,
        api::secrets::set,
        api::secrets::remove,
        api::routes::list,
        api::routes::one,
        api::routes::create,
        api::routes::change,
        api::routes::remove,
        api::routes::test,
        api::intelligence::providers,
        api::intelligence::read,
        api::intelligence::ask,
        api::intelligence::memory,
        api::intelligence::disk,
        api::providers::list,
        api::providers::one,
        api::providers::set,
        api::providers::reset,
        api::providers::activate,
        api::providers::test,
        health::alive,
        health::intelligence,
        health::ready,
        health::metrics,
        document,
    ),
    components(schemas(schema::Problem, schema::Action)),
    security(("bearer" = []), ("header" = []), ("basic" = [])),
    modifiers(&Common)
)]
struct Api;

/// The document as text, made once.
static TEXT: LazyLock<String> = LazyLock::new(|| Api::openapi().to_json().unwrap_or_default());

/// This document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "operations", operation_id = "read_openapi",
    responses((status = 200, description = "An OpenAPI document.", body = Object))
)]
pub(super) async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], TEXT.as_str())
}

/// What holds for every operation.
struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut Document) {
        let components = document.components.get_or_insert_default();
        let token = "An API key: `wbk_` and 40 hexadecimal digits.";
        let bearer = Http::builder().scheme(HttpAuthScheme::Bearer).description(Some(token)).build();
        let basic = Http::builder()
            .scheme(HttpAuthScheme::Basic)
            .description(Some("For senders that know nothing else: any user name, the key as password."))
            .build();
        let key = ApiKey::Header(ApiKeyValue::with_description("X-API-Key", token));
        let schemes =
            [SecurityScheme::Http(bearer), SecurityScheme::ApiKey(key), SecurityScheme::Http(basic)];
        components.add_security_schemes_from_iter(SCHEMES.into_iter().zip(schemes));
        for item in document.paths.paths.values_mut() {
            let all = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
            all.into_iter().flatten().for_each(common);
        }
    }
}

fn common(operation: &mut Operation) {
    let open = operation.security.as_ref().is_some_and(Vec::is_empty);
    let mut add = |status: u16, description: &str| {
        let response = operation.responses.responses.entry(status.to_string());
        response.or_insert_with(|| RefOr::T(problem(status, description)));
    };
    if !open {
        add(401, "No API key, or one that is unknown, expired or revoked: one text for all of them.");
        add(403, "The key may not do this here.");
    }
    add(429, "Too many requests; `retry-after` says when to try again.");
    add(503, "Not now, and nothing was changed; `retry-after` says when to try again.");
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && response.content.is_empty()
            && let Ok(status) = status.parse()
        {
            *response = problem(status, &response.description);
        }
    }
}

/// An answer that is a problem document.
fn problem(status: u16, description: &str) -> Response {
    let reference = Ref::from_schema_name("Problem");
    let content = ContentBuilder::new().schema(Some(reference)).build();
    let mut response =
        ResponseBuilder::new().description(description).content("application/problem+json", content);
    if matches!(status, 429 | 503) {
        let seconds = Schema::Object(ObjectBuilder::new().schema_type(Type::Integer).build());
        let header = HeaderBuilder::new().schema(Some(seconds)).description(Some("Seconds.")).build();
        response = response.header("retry-after", header);
    }
    response.build()
}
