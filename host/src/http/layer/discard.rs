//! The body of a request that is refused: nobody looks at it, and the sender still gets its answer.

use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Version, header};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt as _;

/// How long a body is read and thrown away.
const DISCARD_FOR: Duration = Duration::from_secs(2);

/// Answers a request whose body was not read.
///
/// A sender that is still writing when its connection closes may see that instead of the answer, so up to
/// `most` bytes are read first, and kept nowhere. With more to come the connection is closed, and the answer
/// says so.
pub(super) async fn refuse(request: Request, most: usize, answer: impl IntoResponse) -> Response {
    let (parts, body) = request.into_parts();
    let ended = ends(&parts.headers, body, most).await;
    let mut response = answer.into_response();
    if !ended && parts.version < Version::HTTP_2 {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Reads to the end, if that is near.
async fn ends(headers: &HeaderMap, mut body: Body, most: usize) -> bool {
    if body.is_end_stream() {
        return true;
    }
    let is_long = body.size_hint().lower() > most as u64;
    // Who asks before it sends gets its answer without sending.
    if is_long || headers.contains_key(header::EXPECT) {
        return false;
    }
    let read = async {
        let mut seen = 0_usize;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return false };
            seen = seen.saturating_add(frame.data_ref().map_or(0, |data| data.len()));
            if seen > most {
                return false;
            }
        }
        true
    };
    tokio::time::timeout(DISCARD_FOR, read).await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
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
