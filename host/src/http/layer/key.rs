//! The API key of a request.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::auth::Refusal;
use crate::clock;
use crate::http::Context;
use crate::http::problem::Problem;

/// Paths that need no key, asked with GET or HEAD.
const EXEMPT: [&str; 3] = ["/alerts/webhook", "/healthz", "/readyz"];

/// Turns away who may not call, before anything else is looked at.
pub(in crate::http) async fn key(
    State(context): State<Arc<Context>>,
    mut request: Request,
    next: Next,
) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let path = request.uri().path();
    let routed = request.extensions().get::<MatchedPath>().is_some();
    let exempt = reads && EXEMPT.contains(&path);
    match context.authenticator.check(exempt, path, request.headers(), clock::now()).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        // Where there is nothing, who is known is told so.
        Err(Refusal::Forbidden) if !routed => next.run(request).await,
        Err(refusal) => Problem::from(refusal).into_response(),
    }
}
