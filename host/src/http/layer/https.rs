//! Whether a request came encrypted, and what happens to those that should have and did not.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::http::problem::Problem;
use crate::http::serve::Encrypted;
use crate::http::{Context, Peer};

/// Where people are, who follow a redirect; everything else is called by programs.
const CONSOLE: [&str; 2] = ["admin", "static"];
/// Asked by what runs the hub, from the same machine, and telling nothing.
const HEALTH: [&str; 2] = ["/healthz", "/readyz"];

/// Marks a request that a proxy took encrypted, and tells browsers to come back like that.
pub(in crate::http) async fn transport(
    State(context): State<Arc<Context>>,
    mut request: Request,
    next: Next,
) -> Response {
    if told_by_proxy(&context, &request) {
        request.extensions_mut().insert(Encrypted);
    }
    let encrypted = request.extensions().get::<Encrypted>().is_some();
    let mut response = next.run(request).await;
    if let Some(value) = context.https.strict_transport.as_ref().filter(|_| encrypted) {
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, value.clone());
    }
    response
}

/// Turns away what should have come encrypted; a page is asked for again, an API is not.
///
/// Never a redirect for an API: the key has been sent in the clear by then, and a sender that follows one
/// loses the body.
pub(in crate::http) async fn encrypted_only(
    State(context): State<Arc<Context>>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    if !context.https.redirect || request.extensions().get::<Encrypted>().is_some() || HEALTH.contains(&path)
    {
        return next.run(request).await;
    }
    let console = path.split('/').nth(1).is_some_and(|first| CONSOLE.contains(&first));
    if console
        && matches!(*request.method(), Method::GET | Method::HEAD)
        && let Some(location) = encrypted_address(&request)
    {
        return (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, location)]).into_response();
    }
    let detail = "this hub answers over HTTPS alone; use `https://`, and take the key that was sent for known \
                  to others";
    Problem::new(StatusCode::FORBIDDEN, "not-encrypted", detail).into_response()
}

/// Whether a proxy that is trusted says so. A header that comes twice says nothing.
fn told_by_proxy(context: &Context, request: &Request) -> bool {
    let Some((name, expected)) = &context.https.proxy_header else { return false };
    let Some(Peer(peer)) = request.extensions().get::<Peer>() else { return false };
    let mut values = request.headers().get_all(name).iter();
    let told = values.next().is_some_and(|value| value.as_bytes() == expected.as_bytes());
    told && values.next().is_none() && context.trusted_proxies.trusts(peer.ip())
}

/// The same page, encrypted. None where the request does not say what the hub is called.
fn encrypted_address(request: &Request) -> Option<HeaderValue> {
    let named = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()?.parse().ok());
    let authority: Authority = request.uri().authority().cloned().or(named)?;
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    // Whatever port this one is, it is not the encrypted one.
    HeaderValue::from_str(&format!("https://{}{path}", authority.host())).ok()
}
