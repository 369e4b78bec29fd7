//! `host-http`: the only way out.
//!
//! Takes requests over in the domain's words. Whether they may go anywhere is for the host to say.

use std::sync::Arc;

use domain::egress::{HttpError, HttpRequest, HttpResponse, Signing};

use crate::bindings::driver::watchbell::plugin::types::Label;
use crate::bindings::notifier::watchbell::plugin::host_http;
use crate::state::State;

/// Bounds of `wit/host.wit`; the longest address is that of common servers.
const MAX_HEADERS: usize = 32;
const MAX_URL: usize = 8 * 1024;

impl host_http::Host for State {
    async fn send(
        &mut self,
        request: host_http::Request,
    ) -> wasmtime::Result<Result<host_http::Response, host_http::HttpError>> {
        exchange(self, request, None).await
    }

    async fn send_signed(
        &mut self,
        request: host_http::Request,
        signing: host_http::Signing,
    ) -> wasmtime::Result<Result<host_http::Response, host_http::HttpError>> {
        exchange(self, request, Some(Signing { secret: signing.secret, id: signing.id })).await
    }
}

async fn exchange(
    state: &mut State,
    request: host_http::Request,
    signing: Option<Signing>,
) -> wasmtime::Result<Result<host_http::Response, host_http::HttpError>> {
    let services = Arc::clone(state.services("host-http")?);
    if let Some(refusal) = refuse(&request, state.max_sent_bytes) {
        return Ok(Err(refusal));
    }
    let time_left = state.wall_left();
    // The next tick ends the call; nothing may begin before.
    if time_left.is_zero() {
        return Ok(Err(host_http::HttpError::Timeout));
    }
    let meter = Arc::clone(&state.meter);
    let request = HttpRequest { signing, ..from_guest(request) };
    // The host's own work, TLS above all, is not the plugin's.
    let answer = meter.pause(services.http(request, time_left)).await;
    Ok(answer.map(to_guest).map_err(error_to_guest))
}

fn refuse(request: &host_http::Request, max_sent_bytes: usize) -> Option<host_http::HttpError> {
    if request.headers.len() > MAX_HEADERS {
        let count = request.headers.len();
        return Some(host_http::HttpError::InvalidRequest(format!(
            "{count} headers, at most {MAX_HEADERS} are allowed"
        )));
    }
    if request.url.len() > MAX_URL {
        let length = request.url.len();
        return Some(host_http::HttpError::InvalidRequest(format!(
            "the address has {length} bytes, at most {MAX_URL} are allowed"
        )));
    }
    if request.body.len() > max_sent_bytes {
        let size = request.body.len();
        return Some(host_http::HttpError::BudgetExceeded(format!(
            "the body has {size} bytes, at most {max_sent_bytes} are allowed"
        )));
    }
    None
}

fn from_guest(request: host_http::Request) -> HttpRequest {
    HttpRequest {
        method: request.method,
        url: request.url,
        headers: request.headers.into_iter().map(|header| (header.key, header.value)).collect(),
        body: request.body,
        resolve_in_body: request.resolve_in_body,
        credential: request.credential,
        timeout_ms: request.timeout_ms,
        signing: None,
    }
}

fn to_guest(response: HttpResponse) -> host_http::Response {
    host_http::Response {
        status: response.status,
        headers: response.headers.into_iter().map(|(key, value)| Label { key, value }).collect(),
        body: response.body,
    }
}

fn error_to_guest(error: HttpError) -> host_http::HttpError {
    match error {
        HttpError::Denied(why) => host_http::HttpError::Denied(why),
        HttpError::InvalidRequest(why) => host_http::HttpError::InvalidRequest(why),
        HttpError::Unreachable(why) => host_http::HttpError::Unreachable(why),
        HttpError::Timeout => host_http::HttpError::Timeout,
        HttpError::TooLarge => host_http::HttpError::TooLarge,
        HttpError::BudgetExceeded(why) => host_http::HttpError::BudgetExceeded(why),
    }
}
