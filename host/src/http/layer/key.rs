//! The API key of a request, and how many requests it has left.

use std::sync::Arc;

use axum::extract::{Extension, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use domain::client::Client;
use domain::rate::Identity;
use tracing::Span;

use super::discard;
use super::limit;
use crate::auth::{Asking, Caller, Refusal};
use crate::clock;
use crate::http::problem::Problem;
use crate::http::routes::{self, Listed, Needs};
use crate::http::{Context, unknown_path};
use crate::telemetry::metrics;

/// Turns away who may not call or has called too often, before anything else of the request is looked at.
pub(in crate::http) async fn key(
    State(context): State<Arc<Context>>,
    Extension(client): Extension<Client>,
    mut request: Request,
    next: Next,
) -> Response {
    let matched = request.extensions().get::<MatchedPath>();
    let listed = matched.map(|path| routes::find(request.method(), path.as_str()));
    if listed == Some(Listed::As(Needs::Nothing)) {
        request.extensions_mut().insert(Caller::ANONYMOUS);
        return next.run(request).await;
    }
    let now = clock::now();
    let path = request.uri().path();
    let asking = Asking { path, headers: request.headers(), client };
    let caller = match context.authenticator.check(asking, now).await {
        Ok(caller) => caller,
        // Where there is nothing, who is known is told so.
        Err(Refusal::Forbidden) if listed.is_none() => Caller::ANONYMOUS,
        Err(refusal) => {
            metrics::refused_caller(refusal.kind());
            let problem = Problem::from(refusal).says_unavailable(context.says_unavailable);
            return discard::refuse(request, context.bodies.limit_bytes(), problem).await;
        }
    };
    if listed == Some(Listed::Not) {
        tracing::error!("`{path}` is served but not in the table of routes, so it is not answered");
        return unknown_path(request).await.into_response();
    }
    let identity = match caller.key_id() {
        Some(id) => {
            // Names of keys are for people and may be the same.
            Span::current().record("api_key.id", tracing::field::display(id));
            Identity::Key(id)
        }
        None => Identity::Client(client),
    };
    let standing = context.admission.admit(identity, path, now).await;
    request.extensions_mut().insert(caller);
    let Some(standing) = standing else { return next.run(request).await };
    let mut response = if standing.admitted {
        next.run(request).await
    } else {
        let problem = limit::over(standing).says_unavailable(context.says_unavailable);
        discard::refuse(request, context.bodies.limit_bytes(), problem).await
    };
    limit::tell(standing, response.headers_mut());
    response
}
