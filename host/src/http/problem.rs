//! Errors as the caller sees them: RFC 9457 problem documents.
//!
//! Internal causes are logged where they stop and never sent.

use std::error::Error;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::plugin::Problem as Misfit;
use serde_json::{Map, Value, json};
use store::StoreError;

use super::serve::TooSlow;
use crate::auth;
use crate::deliver::{ManageError, NowError};
use crate::ingest;
use crate::pipeline::OutputError;
use crate::pipeline::routes::RouteError;
use crate::plugins::ChannelError;
use crate::telemetry::chain;

/// How long a sender should wait before it tries again, in seconds.
const RETRY_AFTER_S: u32 = 2;

/// One problem. The request's identifier is added by the outermost layer.
#[derive(Debug, Clone)]
pub(in crate::http) struct Problem {
    /// HTTP status.
    pub(in crate::http) status: StatusCode,
    /// The last part of `type`; a small closed set.
    pub(in crate::http) kind: &'static str,
    /// What is wrong with this request and what to do.
    pub(in crate::http) detail: String,
    /// When to try again, in seconds, where that is known.
    pub(in crate::http) retry_after_s: Option<u32>,
    /// What is wrong where, for settings.
    pub(in crate::http) errors: Vec<Misfit>,
}

impl Problem {
    /// A problem of this kind.
    pub(in crate::http) fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        Self { status, kind, detail: detail.into(), retry_after_s: None, errors: Vec::new() }
    }

    /// Too many requests.
    pub(in crate::http) fn too_many(detail: impl Into<String>, retry_after_s: u32) -> Self {
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", detail);
        Self { retry_after_s: Some(retry_after_s), ..problem }
    }

    /// 503 instead of 429, for senders that drop what gets a 429.
    pub(in crate::http) fn says_unavailable(mut self, really: bool) -> Self {
        if really && self.status == StatusCode::TOO_MANY_REQUESTS {
            self.status = StatusCode::SERVICE_UNAVAILABLE;
        }
        self
    }

    /// No such thing.
    pub(in crate::http) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    /// A parameter that cannot be understood.
    pub(in crate::http) fn parameter(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid-parameter", detail)
    }

    /// A body that did not come whole.
    pub(in crate::http) fn from_body(error: &(dyn Error + 'static)) -> Self {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(slow) = error.downcast_ref::<TooSlow>() {
                return Self::new(StatusCode::REQUEST_TIMEOUT, "too-slow", slow.to_string());
            }
            cause = error.source();
        }
        Self::new(StatusCode::BAD_REQUEST, "broken-body", "the body broke off")
    }

    /// Nothing is wrong with the request; later it may work.
    pub(in crate::http) fn unavailable() -> Self {
        unavailable()
    }

    fn sealed() -> Self {
        let detail = "what is stored cannot be opened with the secret key of this hub";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "sealed", detail)
    }

    /// Settings that do not fit.
    pub(in crate::http) fn settings(detail: String, error: &ChannelError) -> Self {
        let errors = match error {
            ChannelError::Invalid(problems) => problems.as_slice(),
            ChannelError::NotAnObject | ChannelError::NoAddress | ChannelError::Reference(_) => &[],
        };
        Self {
            errors: errors.to_vec(),
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-settings", detail)
        }
    }

    /// The document without the identifier of a request, as part of another answer.
    pub(in crate::http) fn body(&self) -> Map<String, Value> {
        let mut body = Map::new();
        let mut put = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
        put("type", format!("urn:watchbell:problem:{}", self.kind).into());
        put("title", self.status.canonical_reason().unwrap_or("Error").into());
        put("status", self.status.as_u16().into());
        put("detail", self.detail.as_str().into());
        if !self.errors.is_empty() {
            let error = |misfit: &Misfit| json!({ "pointer": misfit.path, "detail": misfit.message });
            put("errors", self.errors.iter().map(error).collect());
        }
        body
    }

    /// The document, with the identifier of the request.
    pub(in crate::http) fn render(&self, request_id: &str) -> Response {
        let mut body = self.body();
        body.insert("request_id".to_owned(), request_id.into());
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match self.status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                let retry_after_s = self.retry_after_s.unwrap_or(RETRY_AFTER_S);
                headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after_s));
            }
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                let accepted = HeaderValue::from_static(ingest::ContentEncoding::ACCEPTED);
                headers.insert(header::ACCEPT_ENCODING, accepted);
            }
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            error @ StoreError::NotFound(_) => Self::not_found(error.to_string()),
            StoreError::BadCursor => {
                Self::parameter("`cursor` is not one that this server gave out; start again without it")
            }
            error @ StoreError::Conflict(_) => Self::new(StatusCode::CONFLICT, "conflict", error.to_string()),
            other => {
                tracing::error!(error.r#type = other.kind(), error = %chain(&other), "the store did not answer");
                unavailable()
            }
        }
    }
}

impl From<RouteError> for Problem {
    fn from(error: RouteError) -> Self {
        match error {
            error @ RouteError::Defects(_) => {
                Self::new(StatusCode::BAD_REQUEST, "invalid-route", error.to_string())
            }
            RouteError::Store(error) => error.into(),
        }
    }
}

impl From<ManageError> for Problem {
    fn from(error: ManageError) -> Self {
        let detail = error.to_string();
        match error {
            ManageError::Name => Self::parameter(format!("body: {detail}")),
            ManageError::NoNotifier { .. } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "unknown-notifier", detail)
            }
            ManageError::Settings { error, .. } => Self::settings(detail, &error),
            ManageError::NotLoaded(_) | ManageError::Named { .. } => {
                Self::new(StatusCode::CONFLICT, "conflict", detail)
            }
            ManageError::Broken(_) => Self::new(StatusCode::BAD_GATEWAY, "notifier-failed", detail),
            ManageError::Sealed(cause) => {
                tracing::error!(
                    error.r#type = "sealed",
                    error = cause,
                    "the settings of a channel cannot be opened"
                );
                Self::sealed()
            }
            ManageError::Store(error) => error.into(),
        }
    }
}

impl From<NowError> for Problem {
    fn from(error: NowError) -> Self {
        let detail = error.to_string();
        match error {
            NowError::NoChannel { .. } => Self::new(StatusCode::NOT_FOUND, "unknown-channel", detail),
            NowError::NoNotifier { .. } => Self::new(StatusCode::NOT_FOUND, "unknown-notifier", detail),
            NowError::Off(_) => Self::new(StatusCode::CONFLICT, "channel-off", detail),
            NowError::Settings { error, .. } => Self::settings(detail, &error),
            NowError::Unusable(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-settings", detail),
            NowError::Denied(_) => Self::new(StatusCode::FORBIDDEN, "not-granted", detail),
            NowError::Refused(_) => Self::new(StatusCode::BAD_GATEWAY, "remote-refused", detail),
            NowError::Unavailable(_) => Self::new(StatusCode::BAD_GATEWAY, "remote-unavailable", detail),
            NowError::Broken(_) => Self::new(StatusCode::BAD_GATEWAY, "notifier-failed", detail),
            NowError::RateLimited(retry_after_s) => {
                let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "remote-rate-limited", detail);
                Self { retry_after_s, ..problem }
            }
            NowError::Timeout => Self::new(StatusCode::GATEWAY_TIMEOUT, "remote-timeout", detail),
            NowError::Busy => Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail),
            NowError::Sealed(_) => {
                tracing::error!(error.r#type = "sealed", "{detail}");
                Self::sealed()
            }
            NowError::Store(error) => error.into(),
        }
    }
}

impl From<auth::Refusal> for Problem {
    fn from(refusal: auth::Refusal) -> Self {
        match &refusal {
            auth::Refusal::Unauthenticated => {
                Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", refusal.to_string())
            }
            auth::Refusal::Forbidden => Self::new(StatusCode::FORBIDDEN, "forbidden", refusal.to_string()),
            auth::Refusal::TooMany { retry_after_s } => Self::too_many(refusal.to_string(), *retry_after_s),
            auth::Refusal::Unavailable(cause) => {
                tracing::error!(error.r#type = cause.kind(), error = %chain(cause), "an API key could not be looked up");
                unavailable()
            }
        }
    }
}

impl From<ingest::Refused> for Problem {
    fn from(refused: ingest::Refused) -> Self {
        match &refused {
            ingest::Refused::UnknownDriver { .. } => {
                Self::new(StatusCode::NOT_FOUND, "unknown-driver", refused.to_string())
            }
            ingest::Refused::Signature(cause) => {
                tracing::warn!(error.r#type = "signature", reason = cause, "refused a webhook: {cause}");
                Self::new(StatusCode::FORBIDDEN, "signature", refused.to_string())
            }
            ingest::Refused::KeyRequired => {
                Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", refused.to_string())
            }
            ingest::Refused::Unavailable(cause) => {
                tracing::error!(
                    error.r#type = "store",
                    error = cause,
                    "a webhook could not be stored: {cause}"
                );
                unavailable()
            }
        }
    }
}

impl From<ingest::AgainError> for Problem {
    fn from(error: ingest::AgainError) -> Self {
        match error {
            ingest::AgainError::Store(error) => error.into(),
            ingest::AgainError::NoDriver(detail) => {
                Self::new(StatusCode::NOT_FOUND, "unknown-driver", detail)
            }
            error @ (ingest::AgainError::Unverifiable | ingest::AgainError::WouldBeLost { .. }) => {
                Self::new(StatusCode::CONFLICT, "conflict", error.to_string())
            }
            ingest::AgainError::Unavailable(detail) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
            }
            ingest::AgainError::Sealed(error) => {
                tracing::error!(error.r#type = "sealed", error = %chain(&error), "a stored request cannot be opened");
                Self::sealed()
            }
        }
    }
}

impl From<OutputError> for Problem {
    fn from(error: OutputError) -> Self {
        match error {
            OutputError::Store(error) => error.into(),
            error @ OutputError::Sealed(_) => {
                tracing::error!(error.r#type = "sealed", error = %error, "a result cannot be opened");
                Self::sealed()
            }
        }
    }
}

fn unavailable() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "unavailable",
        "this could not be stored or read just now, and nothing was changed; try again",
    )
}
