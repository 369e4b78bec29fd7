//! Which headers a plugin may send and which it gets back.

use domain::egress::HttpError;
use http::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, SET_COOKIE, USER_AGENT};

use super::secrets::{Encoding, Filler};

/// `wit/host.wit`: at most this many.
const MAX_SENT: usize = 32;

/// Which step of which trace a request is.
pub(super) const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

/// Who asks, unless the plugin says it.
const OUR_NAME: HeaderValue = HeaderValue::from_static(concat!("watchbell/", env!("CARGO_PKG_VERSION")));

/// The most bytes of all names and values of an answer; far more than honest servers send.
const MAX_RECEIVED_BYTES: usize = 64 * 1024;

/// What only the host may say: where the message goes, where it ends, and what holds for one
/// connection only (RFC 9110, sections 7.2, 7.6.1, 8.6 and 10.1; RFC 9112, section 6), and what it is a
/// part of (W3C Trace Context). `proxy-*` is refused too.
const RESERVED: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The headers of a request, with secrets put in.
pub(super) fn outgoing(
    asked: &[(String, String)],
    credential: Option<&str>,
    filler: &mut Filler<'_>,
) -> Result<HeaderMap, HttpError> {
    if asked.len() > MAX_SENT {
        return Err(HttpError::InvalidRequest(format!(
            "{} headers, at most {MAX_SENT} are allowed",
            asked.len()
        )));
    }
    let mut headers = HeaderMap::with_capacity(asked.len().saturating_add(1));
    for (name, value) in asked {
        let name = allowed_name(name)?;
        let filled = filler.fill(value, Encoding::Raw)?;
        let value = header_value(&name, &filled, filled != *value)?;
        headers.append(name, value);
    }
    if let Some(secret) = credential {
        if headers.contains_key(AUTHORIZATION) {
            let message = "both a credential and an `authorization` header are given; leave out one";
            return Err(HttpError::InvalidRequest(message.to_owned()));
        }
        let bearer = format!("Bearer {}", filler.value(secret)?);
        headers.insert(AUTHORIZATION, header_value(&AUTHORIZATION, &bearer, true)?);
    }
    headers.entry(USER_AGENT).or_insert(OUR_NAME);
    headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
    Ok(headers)
}

/// The headers of an answer, without cookies.
pub(super) fn incoming(headers: &HeaderMap) -> Result<Vec<(String, String)>, HttpError> {
    let size = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len().saturating_add(value.len());
    if headers.iter().map(size).sum::<usize>() > MAX_RECEIVED_BYTES {
        return Err(HttpError::TooLarge);
    }
    let kept = headers.iter().filter(|(name, _)| **name != SET_COOKIE && name.as_str() != "set-cookie2");
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Ok(kept.map(|(name, value)| (name.as_str().to_owned(), text(value))).collect())
}

fn allowed_name(name: &str) -> Result<HeaderName, HttpError> {
    let shown = || name.chars().take(64).flat_map(char::escape_default).collect::<String>();
    let parsed = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| HttpError::InvalidRequest(format!("`{}` is no header name", shown())))?;
    let lower = parsed.as_str();
    if RESERVED.contains(&lower) || lower.starts_with("proxy-") {
        return Err(HttpError::InvalidRequest(format!("header `{lower}` is set by the host; leave it out")));
    }
    Ok(parsed)
}

fn header_value(name: &HeaderName, value: &str, sensitive: bool) -> Result<HeaderValue, HttpError> {
    // Other bytes than visible ASCII, space and tab are read differently by every remote.
    let plain = value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
    let parsed = HeaderValue::from_str(value).ok().filter(|_| plain);
    let mut value = parsed.ok_or_else(|| {
        HttpError::InvalidRequest(format!(
            "the value of header `{name}` has characters outside visible ASCII"
        ))
    })?;
    value.set_sensitive(sensitive);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(asked: &[(&str, &str)]) -> Result<HeaderMap, HttpError> {
        let asked: Vec<_> =
            asked.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        outgoing(&asked, None, &mut Filler::new(&[]))
    }

    #[test]
    fn reserved_names_are_refused_in_any_case() {
        let extra = ["proxy-authorization", "proxy-connection", "Proxy-Anything"];
        for name in RESERVED.iter().copied().chain(extra) {
            for name in [name.to_owned(), name.to_uppercase()] {
                assert!(matches!(send(&[(&name, "x")]), Err(HttpError::InvalidRequest(_))), "{name}");
            }
        }
    }

    #[test]
    fn broken_names_and_values_are_refused() {
        for (name, value) in [
            ("", "x"),
            ("a b", "x"),
            ("a:b", "x"),
            ("a\r\nhost", "x"),
            (":authority", "x"),
            ("x", "a\r\nHost: evil"),
            ("x", "a\0b"),
            ("x", "gr\u{fc}n"),
        ] {
            assert!(
                matches!(send(&[(name, value)]), Err(HttpError::InvalidRequest(_))),
                "{name:?} {value:?}"
            );
        }
    }

    #[test]
    fn thirty_two_headers_pass_and_one_more_does_not() {
        let many: Vec<_> = (0..33).map(|index| (format!("x-{index}"), String::new())).collect();
        assert!(outgoing(&many[..32], None, &mut Filler::new(&[])).is_ok());
        assert!(outgoing(&many, None, &mut Filler::new(&[])).is_err());
    }

    #[test]
    fn cookies_are_not_handed_back() {
        let mut headers = HeaderMap::new();
        headers.insert(SET_COOKIE, HeaderValue::from_static("a=b"));
        headers.insert("x-request-id", HeaderValue::from_static("7"));
        assert_eq!(incoming(&headers).unwrap(), [("x-request-id".to_owned(), "7".to_owned())]);
    }
}
