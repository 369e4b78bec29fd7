//! One identifier and one log line for every request, and the headers every answer carries.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use domain::id::Mint as _;
use domain::time::millis;
use tracing::Instrument as _;

use super::limit;
use crate::clock::Ids;
use crate::http::Context;
use crate::http::problem::Problem;
use crate::telemetry::metrics;

/// Said on every answer; none of them is a page that anybody may embed.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

/// What a problem leaves on its answer.
const KEPT: [HeaderName; 5] =
    [header::ALLOW, header::CONNECTION, limit::LIMIT, limit::REMAINING, limit::RESET];
/// What a browser may do with an answer that is data: nothing, should it ever show one.
const DATA: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox";
/// What a page may do: use files of this hub, never a script in its text, and send forms here alone.
const PAGE: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; \
                    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Gives the request an identifier, renders problems, adds the common headers, writes the line.
pub(in crate::http) async fn access(
    State(context): State<Arc<Context>>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = Ids.mint().to_string();
    let started = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let route = route.unwrap_or_else(|| "unmatched".to_owned());

    let client = limit::client(&request, &context.trusted_proxies);
    request.extensions_mut().insert(client);

    let span = tracing::info_span!("request", request.id = %id, api_key.id = tracing::field::Empty);
    let mut response = next.run(request).instrument(span.clone()).await;

    let problem = response.extensions_mut().remove::<Problem>().or_else(|| rejected(&response));
    if let Some(problem) = problem {
        let kept = KEPT.map(|name| (response.headers_mut().remove(&name), name));
        response = problem.render(&id);
        for (value, name) in kept {
            response.headers_mut().extend(value.map(|value| (name, value)));
        }
    }
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    let policy = if is_page(headers) { PAGE } else { DATA };
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(policy));
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(HeaderName::from_static("x-request-id"), value);
    }
    let status = response.status().as_u16();
    let took = started.elapsed();
    metrics::request(word(&method), &route, status, took);
    if response.extensions_mut().remove::<Told>().is_some() {
        return response;
    }
    let duration_ms = millis(took);
    span.in_scope(|| {
        tracing::info!(
            http.request.method = %method,
            http.route = route,
            http.response.status_code = status,
            client.address = %client,
            duration_ms,
            "{method} {route} answered {status}"
        );
    });
    response
}

fn is_page(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

/// A method as a label: whoever calls must not be able to make up new ones.
const fn word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// On an answer whose request has a line in the log already: a second one for every webhook would cost
/// a tenth of its time.
#[derive(Clone, Copy)]
pub(in crate::http) struct Told;

/// The framework's own refusals, such as a path that is not UTF-8, in the form of all others.
fn rejected(response: &Response) -> Option<Problem> {
    let status = response.status();
    let plain = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    let detail = "the path or the query of this request cannot be understood";
    (status.is_client_error() && plain).then(|| Problem::new(status, "invalid-request", detail))
}
