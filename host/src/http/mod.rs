//! HTTP: routes, extractors, answers. Decisions are made elsewhere.

mod api;
mod body;
mod health;
mod layer;
mod openapi;
mod problem;
mod routes;
mod serve;
mod webhook;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use domain::client::TrustedProxies;
use metrics_exporter_prometheus::PrometheusHandle;
use store::Store;
use tower::ServiceExt as _;
use tower::util::{BoxCloneSyncService, MapRequest};

use crate::auth::Authenticator;
use crate::config::HttpsSettings;
use crate::deliver::{Channels, Sender};
use crate::hosts::Presence;
use crate::ingest::{Admission, Again, Ingest, WebhookSecrets};
use crate::intelligence::Intelligence;
use crate::pipeline::Outputs;
use crate::plugins::{Approvals, Catalogue, Manager};
use crate::wake::Wakes;
pub use body::Bodies;
use problem::Problem;
pub use routes::{Needs, ROUTES, Route};

pub use serve::{Certificates, Limits, Server, listen};

/// What handlers need.
pub struct Context {
    /// Where things are stored.
    pub store: Store,
    /// Who may call.
    pub authenticator: Arc<Authenticator>,
    /// Whose word counts on where a request came from.
    pub trusted_proxies: TrustedProxies,
    /// How many requests are let in.
    pub admission: Admission,
    /// Whether who called too often is told 503.
    pub says_unavailable: bool,
    /// What happens to webhooks.
    pub ingest: Ingest,
    /// Stored webhooks, read again.
    pub again: Again,
    /// What stages made.
    pub outputs: Outputs,
    /// Where notifications go.
    pub channels: Channels,
    /// What sends at once.
    pub sender: Sender,
    /// The plugins.
    pub catalogue: Arc<Catalogue>,
    /// What is loaded, and how that changes.
    pub plugins: Arc<Manager>,
    /// What is decided about them.
    pub approvals: Arc<Approvals>,
    /// What senders sign with.
    pub webhook_secrets: Arc<WebhookSecrets>,
    /// Asks providers.
    pub intelligence: Arc<Intelligence>,
    /// What was counted.
    pub metrics: PrometheusHandle,
    /// What reads bodies.
    pub bodies: Bodies,
    /// Woken when a run waits to be worked off, or a delivery to be sent.
    pub wakes: Arc<Wakes>,
    /// This process among the others.
    pub presence: Arc<Presence>,
    /// What has to be encrypted, and what is said about it.
    pub https: HttpsSettings,
}

/// The address on the other side of a request's connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// Gives each connection the routes.
pub struct Connections {
    routes: Routes,
}

type Routes = BoxCloneSyncService<Request, Response, Infallible>;

impl Connections {
    /// For all connections of a server.
    pub fn new(context: Arc<Context>) -> Self {
        Self { routes: service(context) }
    }

    /// For one of them.
    fn routes(&self) -> Routes {
        self.routes.clone()
    }
}

/// All routes, ready to be served. Each stands in [`ROUTES`] too, which says who may call it.
fn service(context: Arc<Context>) -> Routes {
    let routes = Router::new()
        .route("/alerts/webhook", get(webhook::alive).post(webhook::detected))
        .route("/alerts/webhook/{driver}", post(webhook::named))
        .route("/alerts", get(api::alerts::list))
        .route("/alerts/{id}", get(api::alerts::one))
        .route("/alerts/{id}/{action}", post(api::act::on_alert))
        .route("/incidents", get(api::incidents::list))
        .route("/incidents/{id}", get(api::incidents::one))
        .route("/incidents/{id}/{action}", post(api::act::on_incident))
        .route("/orchestration/pipelines", get(api::runs::list))
        .route("/orchestration/pipeline", post(api::pipeline::start))
        .route("/orchestration/pipeline/sync", post(api::pipeline::finish))
        .route("/orchestration/pipeline/{run_id}", get(api::runs::one))
        .route("/orchestration/pipeline/{run_id}/resume", post(api::pipeline::resume))
        .route("/orchestration/why/{id}", get(api::why::why))
        .route("/orchestration/trace/{trace_id}", get(api::why::trace))
        .route("/intelligence/health", get(health::intelligence))
        .route("/notify/send", post(api::notify::send))
        .route("/notify/send/{driver}", post(api::notify::send_by))
        .route("/notify/batch", post(api::notify::batch))
        .route("/notify/drivers", get(api::notify::drivers))
        .route("/notify/drivers/{driver}", get(api::notify::driver))
        .route("/manage/channels", get(api::channels::list).post(api::channels::create))
        .route(
            "/manage/channels/{id}",
            get(api::channels::one).patch(api::channels::change).delete(api::channels::remove),
        )
        .route("/manage/channels/{id}/test", post(api::channels::test))
        .route("/manage/channels/{id}/disable", post(api::channels::disable))
        .route("/manage/channels/{id}/enable", post(api::channels::enable))
        .route("/intelligence/providers", get(api::intelligence::providers))
        .route("/intelligence/recommendations", get(api::intelligence::read).post(api::intelligence::ask))
        .route("/intelligence/memory", get(api::intelligence::memory))
        .route("/intelligence/disk", get(api::intelligence::disk))
        .route("/manage/deliveries", get(api::deliveries::list))
        .route("/manage/deliveries/retry", post(api::deliveries::retry_all))
        .route("/manage/deliveries/{id}", get(api::deliveries::one))
        .route("/manage/deliveries/{id}/retry", post(api::deliveries::retry))
        .route("/manage/hosts", get(api::hosts::list))
        .route("/manage/keys", get(api::keys::list).post(api::keys::create))
        .route("/manage/keys/{id}/revoke", post(api::keys::revoke))
        .merge(plugins())
        .route("/manage/providers", get(api::providers::list))
        .route(
            "/manage/providers/{name}",
            get(api::providers::one).put(api::providers::set).delete(api::providers::reset),
        )
        .route("/manage/providers/{name}/activate", post(api::providers::activate))
        .route("/manage/providers/{name}/test", post(api::providers::test))
        .route("/manage/quarantine", get(api::quarantine::list))
        .route("/manage/quarantine/reparse", post(api::quarantine::reparse_all))
        .route("/manage/quarantine/discard", post(api::quarantine::discard_all))
        .route("/manage/quarantine/{run_id}", get(api::quarantine::one))
        .route("/manage/quarantine/{run_id}/reparse", post(api::quarantine::reparse))
        .route("/manage/quarantine/{run_id}/discard", post(api::quarantine::discard))
        .route("/manage/replay/{run_id}", post(api::replay::replay))
        .route("/manage/routes", get(api::routes::list).post(api::routes::create))
        .route("/manage/routes/test", post(api::routes::test))
        .route(
            "/manage/routes/{id}",
            get(api::routes::one).patch(api::routes::change).delete(api::routes::remove),
        )
        .route("/manage/runs/{run_id}/outputs", get(api::pipeline::outputs))
        .route("/manage/secrets", get(api::secrets::list))
        .route("/manage/secrets/webhook/{driver}", post(api::secrets::set))
        .route("/manage/secrets/webhook/{driver}/remove", post(api::secrets::remove))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(openapi::document))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(Arc::clone(&context), layer::key))
        .layer(from_fn_with_state(Arc::clone(&context), layer::encrypted_only))
        .layer(from_fn_with_state(Arc::clone(&context), layer::access))
        .layer(from_fn_with_state(Arc::clone(&context), layer::transport))
        .with_state(context);
    BoxCloneSyncService::new(MapRequest::new(routes, layer::in_one_form).map_err(|never| never))
}

fn plugins() -> Router<Arc<Context>> {
    Router::new()
        .route("/manage/plugins", get(api::plugins::list))
        .route("/manage/plugins/{kind}/{name}", get(api::plugins::one))
        .route("/manage/plugins/{kind}/{name}/approve", post(api::plugins::approve))
        .route("/manage/plugins/{kind}/{name}/disable", post(api::plugins::disable))
        .route("/manage/plugins/{kind}/{name}/enable", post(api::plugins::enable))
        .route("/manage/plugins/{kind}/{name}/rollback", post(api::plugins::rollback))
}

async fn unknown_path(request: Request) -> Problem {
    let path: String = request.uri().path().chars().take(200).collect();
    Problem::not_found(format!("there is nothing at `{path}`"))
}

async fn wrong_method(request: Request) -> Response {
    if request.method() == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    let detail =
        format!("`{}` does not take {}; see the `Allow` header", request.uri().path(), request.method());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail).into_response()
}
