//! HTTP requests, and what their answers mean for another attempt.

pub use crate::bindings::notifier::watchbell::plugin::host_http::{HttpError, Request, Response, Signing};

use crate::time::http_date;
use crate::{PluginError, label};

/// Longest wait that a remote may ask for, in seconds. The host's own schedule takes over beyond it.
const MAX_RETRY_AFTER_S: u32 = 86_400;

/// What a plugin can reach outside itself; the host in a component, a recording in a test.
pub trait Remote {
    /// Sends a request and waits for the answer.
    ///
    /// # Errors
    /// Why there is no answer; [`failure`] says what that means for another attempt.
    fn send(&mut self, request: &Request) -> Result<Response, HttpError>;

    /// As [`Remote::send`], signed by the host with a key that the plugin never sees.
    ///
    /// # Errors
    /// As for [`Remote::send`].
    fn send_signed(&mut self, request: &Request, signing: &Signing) -> Result<Response, HttpError>;

    /// Now, in Unix milliseconds.
    fn now(&mut self) -> i64;
}

/// The host itself. Only inside a component.
#[derive(Debug)]
pub struct HostRemote;

impl Remote for HostRemote {
    fn send(&mut self, request: &Request) -> Result<Response, HttpError> {
        crate::bindings::notifier::watchbell::plugin::host_http::send(request)
    }

    fn send_signed(&mut self, request: &Request, signing: &Signing) -> Result<Response, HttpError> {
        crate::bindings::notifier::watchbell::plugin::host_http::send_signed(request, signing)
    }

    fn now(&mut self) -> i64 {
        crate::bindings::notifier::watchbell::plugin::host_clock::now()
    }
}

/// A request with a JSON body.
pub fn json_request(method: &str, url: &str, body: Vec<u8>) -> Request {
    Request {
        method: method.to_owned(),
        url: url.to_owned(),
        headers: vec![label("content-type", "application/json; charset=utf-8")],
        body,
        resolve_in_body: false,
        credential: None,
        timeout_ms: None,
    }
}

/// JSON text with the same meaning in which nothing is a placeholder any more.
///
/// For what others wrote, in a body whose placeholders the host replaces: a sender who writes
/// `secret://token` into an alert must not be shown the token.
pub fn inert(json: &str) -> String {
    json.replace("secret://", "secret:\\/\\/")
}

/// The value of a header, whose name is in lower case.
pub fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers.iter().find(|header| header.key == name).map(|header| header.value.as_str())
}

/// How long the remote asks to wait, in seconds: a number, fractions rounded up, or a date.
///
/// # Source
/// RFC 9110, section 10.2.3.
pub fn retry_after(response: &Response, now: i64) -> Option<u32> {
    let value = header(response, "retry-after")?.trim();
    let seconds = match value.split_once('.').unwrap_or((value, "")) {
        (whole, fraction) if whole.bytes().all(|byte| byte.is_ascii_digit()) => {
            let more = fraction.bytes().any(|byte| byte.is_ascii_digit() && byte != b'0');
            // What is too long for a number is long enough.
            let whole =
                if whole.is_empty() { None } else { Some(whole.parse().unwrap_or(MAX_RETRY_AFTER_S)) };
            whole?.saturating_add(u32::from(more))
        }
        _ => u32::try_from(http_date(value)?.saturating_sub(now).max(0) / 1_000).unwrap_or(MAX_RETRY_AFTER_S),
    };
    Some(seconds.min(MAX_RETRY_AFTER_S))
}

/// What an answer that is no success means, by its status alone.
///
/// 401 and 403 are for an operator; 408, 425, 429 and 5xx pass, a 503 when it says; a redirect that the
/// host did not follow and every other 4xx stay as they are.
pub fn refusal(response: &Response, now: i64) -> PluginError {
    let status = response.status;
    match status {
        401 | 403 => PluginError::Auth(format!("remote answered {status}: the credentials are not accepted")),
        429 => PluginError::RateLimited(retry_after(response, now)),
        503 if retry_after(response, now).is_some() => PluginError::RateLimited(retry_after(response, now)),
        408 | 425 | 500.. => PluginError::Unavailable(format!("remote answered {status}")),
        _ => PluginError::Rejected(format!("remote answered {status}")),
    }
}

/// What it means that there is no answer.
///
/// An answer that is too long, or a budget used up, would end the next attempt the same way, and the
/// remote may have taken the message already: neither is tried again.
pub fn failure(error: HttpError) -> PluginError {
    match error {
        HttpError::Denied(reason) | HttpError::InvalidRequest(reason) => PluginError::Config(reason),
        HttpError::Unreachable(reason) => PluginError::Unavailable(reason),
        HttpError::Timeout => PluginError::Unavailable("remote did not answer in time".to_owned()),
        HttpError::TooLarge => PluginError::Rejected(
            "remote answered with more than is read; it may have taken the message\n\
             hint: see there whether it arrived; it is not sent again"
                .to_owned(),
        ),
        HttpError::BudgetExceeded(reason) => PluginError::Rejected(format!(
            "{reason}; the remote may have taken the message\n\
             hint: see there whether it arrived; it is not sent again"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, retry_after: &str) -> Response {
        Response { status, headers: vec![label("retry-after", retry_after)], body: Vec::new() }
    }

    #[test]
    fn a_wait_is_read_as_seconds_or_as_a_date() {
        let now = 784_111_777_000 - 90_000;
        assert_eq!(retry_after(&answer(429, "30"), now), Some(30));
        assert_eq!(retry_after(&answer(429, "0.65"), now), Some(1));
        assert_eq!(retry_after(&answer(429, "Sun, 06 Nov 1994 08:49:37 GMT"), now), Some(90));
        assert_eq!(retry_after(&answer(429, "Sun, 06 Nov 1994 08:49:37 GMT"), now + 200_000), Some(0));
        for long in ["999999999", "99999999999999999999", "Sun, 06 Nov 2190 08:49:37 GMT"] {
            assert_eq!(retry_after(&answer(429, long), now), Some(86_400), "{long}");
        }
        assert_eq!(retry_after(&answer(429, "soon"), now), None);
        assert_eq!(retry_after(&answer(429, ""), now), None);
    }

    #[test]
    fn a_placeholder_that_others_wrote_is_inert_and_says_the_same() {
        let written = serde_json::json!({ "text": "secret://token secret:///", "secret://": "\\/" });
        let text = inert(&written.to_string());
        assert!(!text.contains("secret://"), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), written);
    }

    #[test]
    fn what_may_have_arrived_and_would_fail_alike_is_not_tried_again() {
        for error in [HttpError::TooLarge, HttpError::BudgetExceeded("8 requests are used up".to_owned())] {
            let PluginError::Rejected(message) = failure(error) else { panic!("tried again") };
            assert!(message.contains("may have taken the message\nhint: "), "{message}");
        }
        for error in [HttpError::Timeout, HttpError::Unreachable("no route".to_owned())] {
            assert!(matches!(failure(error), PluginError::Unavailable(_)));
        }
    }

    #[test]
    fn the_status_decides_whether_another_attempt_makes_sense() {
        let case = |status| refusal(&answer(status, "7"), 0);
        assert!(matches!(case(401), PluginError::Auth(_)));
        assert!(matches!(case(403), PluginError::Auth(_)));
        assert!(matches!(case(429), PluginError::RateLimited(Some(7))));
        assert!(matches!(case(503), PluginError::RateLimited(Some(7))));
        assert!(matches!(refusal(&answer(503, "soon"), 0), PluginError::Unavailable(_)));
        for status in [408, 425, 500, 502, 504, 599] {
            assert!(matches!(case(status), PluginError::Unavailable(_)), "{status}");
        }
        for status in [301, 302, 400, 404, 410, 413, 422] {
            assert!(matches!(case(status), PluginError::Rejected(_)), "{status}");
        }
    }
}
