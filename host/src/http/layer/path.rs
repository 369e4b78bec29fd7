//! Paths with and without their trailing slash are one.

use axum::extract::Request;
use axum::http::Uri;
use axum::http::uri::PathAndQuery;

/// Takes the trailing slashes off the path before routing.
///
/// Never a redirect: Alertmanager follows one as a GET and loses the alert.
pub(in crate::http) fn without_trailing_slash(mut request: Request) -> Request {
    let path = request.uri().path();
    let trimmed = path.trim_end_matches('/');
    if trimmed.len() == path.len() || path.len() == 1 {
        return request;
    }
    let trimmed = if trimmed.is_empty() { "/" } else { trimmed };
    let target = match request.uri().query() {
        Some(query) => format!("{trimmed}?{query}"),
        None => trimmed.to_owned(),
    };
    let mut parts = request.uri().clone().into_parts();
    if let Ok(target) = target.parse::<PathAndQuery>() {
        parts.path_and_query = Some(target);
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trimmed(uri: &str) -> String {
        let request = Request::builder().uri(uri).body(axum::body::Body::empty()).unwrap();
        without_trailing_slash(request).uri().to_string()
    }

    #[test]
    fn trailing_slashes_go_and_the_query_stays() {
        assert_eq!(trimmed("/alerts/webhook/?strict=1"), "/alerts/webhook?strict=1");
        assert_eq!(trimmed("/alerts///"), "/alerts");
        assert_eq!(trimmed("/"), "/");
        assert_eq!(trimmed("///"), "/");
        assert_eq!(trimmed("/alerts"), "/alerts");
    }
}
