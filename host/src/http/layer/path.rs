//! Paths that mean the same are one: with and without their trailing slash, with letters written as such or
//! percent-encoded.

use axum::extract::Request;
use axum::http::Uri;
use axum::http::uri::PathAndQuery;

/// Gives the path its one form before anybody looks at it.
///
/// Never a redirect: Alertmanager follows one as a GET and loses the alert. What need not be encoded is decoded
/// here, for limits and keys go by the path as it stands, and handlers by what it means: a driver's limit must
/// hold however its name is written.
///
/// # Source
/// RFC 3986, section 6.2.2.2.
pub(in crate::http) fn in_one_form(mut request: Request) -> Request {
    let path = request.uri().path();
    let decoded = path.contains('%').then(|| unreserved_decoded(path));
    let path = decoded.as_deref().unwrap_or(path);
    let trimmed = path.trim_end_matches('/');
    if decoded.is_none() && (trimmed.len() == path.len() || path.len() == 1) {
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

/// The path with letters, digits and `-._~` as such; everything else stays encoded, a slash above all.
fn unreserved_decoded(path: &str) -> String {
    let mut parts = path.split('%');
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..2).filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let byte = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        match byte.filter(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(byte)) {
            Some(byte) => {
                decoded.push(char::from(byte));
                decoded.push_str(part.get(2..).unwrap_or_default());
            }
            None => {
                decoded.push('%');
                decoded.push_str(part);
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formed(uri: &str) -> String {
        let request = Request::builder().uri(uri).body(axum::body::Body::empty()).unwrap();
        in_one_form(request).uri().to_string()
    }

    #[test]
    fn trailing_slashes_go_and_the_query_stays() {
        assert_eq!(formed("/alerts/webhook/?strict=1"), "/alerts/webhook?strict=1");
        assert_eq!(formed("/alerts///"), "/alerts");
        assert_eq!(formed("/"), "/");
        assert_eq!(formed("///"), "/");
        assert_eq!(formed("/alerts"), "/alerts");
    }

    #[test]
    fn what_need_not_be_encoded_is_not_and_the_rest_stays() {
        assert_eq!(formed("/alerts/webhook/gr%61f%41na/?a=%61"), "/alerts/webhook/grafAna?a=%61");
        assert_eq!(formed("/%6Danage/%2e%2E/k"), "/manage/../k");
        for same in
            ["/a%2Fb", "/a%2f", "/a%25", "/a%2561", "/a%ff", "/a%", "/a%6", "/a%+1", "/a%zz", "/a%3Fb"]
        {
            assert_eq!(formed(same), same);
        }
    }

    #[test]
    fn decoding_happens_once() {
        assert_eq!(formed("/%2561lerts"), "/%2561lerts");
    }
}
