//! Requests that are refused before their body is read.

use axum::body::HttpBody as _;
use axum::extract::Request;
use axum::http::{HeaderValue, Version, header};
use axum::response::{IntoResponse, Response};

use crate::http::body::{asks_first, discard};

/// Answers a request whose body was not read. With more than `most` bytes to come the connection is closed,
/// and the answer says so.
pub(super) async fn refuse(request: Request, most: usize, answer: impl IntoResponse) -> Response {
    let (parts, mut body) = request.into_parts();
    let (asks_first, version) = (asks_first(&parts.headers), parts.version);
    // The head of a stranger is not held while its body arrives: over HTTP/2 a few bytes make a large one.
    drop(parts);
    let is_long = body.size_hint().lower() > most as u64;
    let ended = !is_long && discard(asks_first, &mut body, most).await;
    let mut response = answer.into_response();
    if !ended && version < Version::HTTP_2 {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::StatusCode;

    use super::*;

    async fn closes(request: Request) -> bool {
        let response = refuse(request, 8, StatusCode::UNAUTHORIZED).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        response.headers().get(header::CONNECTION).is_some_and(|value| value == "close")
    }

    fn request(body: impl Into<Body>) -> Request {
        Request::new(body.into())
    }

    #[tokio::test]
    async fn the_connection_stays_where_the_body_ends_soon_and_closes_where_it_does_not() {
        assert!(!closes(request(Body::empty())).await);
        assert!(!closes(request("12345678")).await);
        assert!(closes(request("123456789")).await);
    }

    #[tokio::test]
    async fn who_asks_before_it_sends_is_told_not_to() {
        let mut asking = request("1234");
        asking.headers_mut().insert(header::EXPECT, HeaderValue::from_static("100-continue"));
        assert!(closes(asking).await);
    }
}
