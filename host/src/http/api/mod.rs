//! What can be read: one file per resource.

pub(super) mod act;
pub(super) mod alerts;
pub(super) mod channels;
pub(super) mod deliveries;
pub(super) mod hosts;
pub(super) mod incidents;
pub(super) mod intelligence;
pub(super) mod keys;
pub(super) mod notify;
pub(super) mod pipeline;
pub(super) mod plugins;
pub(super) mod providers;
pub(super) mod quarantine;
pub(super) mod replay;
pub(super) mod routes;
pub(super) mod runs;
pub(super) mod secrets;
pub(super) mod why;

use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::Value;
use store::{MAX_PAGE, PageRequest};

use super::Context;
use super::body::Taken;
use super::problem::Problem;
use crate::ingest::Payload;

/// How many a page holds where nobody says.
const DEFAULT_LIMIT: u32 = 100;

/// The query of a request; what cannot be understood is a problem that names it.
pub(super) struct Query<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        axum::extract::Query::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Query(query)| Self(query))
            .map_err(|rejection| {
                let text = rejection.body_text();
                let cause = text.split_once(": ").map_or(text.as_str(), |(_, cause)| cause);
                Problem::parameter(format!("query: {cause}"))
            })
    }
}

/// The JSON body of a request, or its defaults where there is none; what cannot be understood is a
/// problem that names it.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned + Default> FromRequest<Arc<Context>> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, context: &Arc<Context>) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let Taken { payload, room: _held } = context.bodies.read(&parts.headers, body).await?;
        let bytes = match payload {
            Payload::Plain(body) | Payload::Decoded { body, .. } => body,
            Payload::Undecodable { reason, .. } => return Err(Problem::parameter(reason)),
        };
        if bytes.trim_ascii().is_empty() {
            return Ok(Self(T::default()));
        }
        let problem = |error: serde_json::Error| Problem::parameter(format!("body: {error}"));
        match serde_json::from_slice(&bytes).map_err(problem)? {
            Value::Null => Ok(Self(T::default())),
            // A list would be taken for the fields in their order.
            Value::Array(_) => Err(Problem::parameter("body: expected an object, found a list")),
            value => serde_json::from_value(value).map(Self).map_err(problem),
        }
    }
}

/// The page asked for.
fn page(limit: Option<u32>, cursor: Option<String>) -> Result<PageRequest, Problem> {
    match limit.unwrap_or(DEFAULT_LIMIT) {
        limit @ 1..=MAX_PAGE => Ok(PageRequest { limit, cursor: cursor.filter(|cursor| !cursor.is_empty()) }),
        other => Err(Problem::parameter(format!("`limit` must be between 1 and {MAX_PAGE}, found {other}"))),
    }
}

/// A parameter of a type of its own.
fn typed<T: FromStr>(name: &str, text: Option<String>) -> Result<Option<T>, Problem>
where
    T::Err: std::fmt::Display,
{
    let parse = |text: String| text.parse().map_err(|error| Problem::parameter(format!("`{name}`: {error}")));
    text.filter(|text| !text.is_empty()).map(parse).transpose()
}

/// An identifier in the path; what is none names nothing.
fn id<T: FromStr>(what: &str, text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::not_found(format!("there is no {what} with this identifier")))
}
