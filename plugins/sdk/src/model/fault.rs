//! What a remote says when it does not answer, and what that means for another attempt.
//!
//! Bodies of errors may repeat a part of what was sent, the key among it. Only fields that are known are
//! taken, cut, and rid of what looks like a key.

use super::Service;
use crate::PluginError;
use crate::http::{Response, header, retry_after};
use crate::json::{Items, Kind, Pairs, body};
use crate::text::{clip, one_line};

/// How much of a remote's message is shown.
const MAX_MESSAGE_BYTES: usize = 300;

/// Longest wait that a remote may ask for, in seconds.
const MAX_WAIT_S: u32 = 86_400;

/// Words for a credit or quota that is used up: waiting does not bring it back.
const SPENT: &[&str] = &[
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_error",
    "billing_not_active",
    "credit balance",
    "spend limit",
    "spend_limit",
    "spending limit",
];

/// Words for a key that is not accepted, from remotes that say so with another status than 401.
const KEY: &[&str] =
    &["invalid_api_key", "api_key_invalid", "authentication_error", "incorrect api key", "api key not valid"];

/// Words for a prompt that is too long for the model.
const TOO_LONG: &[&str] = &[
    "context_length_exceeded",
    "exceed_context_size_error",
    "model_context_window_exceeded",
    "maximum context length",
    "context window",
    "prompt is too long",
    "too many tokens",
    "tokens_limit_reached",
    "input token count",
    "request_too_large",
];

/// Words for a model that is not there.
const NO_MODEL: &[&str] = &["model_not_found", "unknown_model", "invalid_model", "not_found_error"];

/// Words for trouble on the remote's side, in answers whose status does not say so.
const PASSING: &[&str] = &["server_error", "overloaded_error", "api_error", "unavailable", "timeout_error"];

/// What the body of an answer says about an error.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Fault {
    /// For people; whatever the remote wrote.
    message: String,
    /// Types, codes and reasons in lower case, one a line.
    words: String,
    /// The parameter that it is about.
    param: String,
    /// How long the body asks to wait, in seconds.
    wait_s: Option<u32>,
    is_error: bool,
}

impl Fault {
    /// Reads `{"error": {…}}`, `{"error": "…"}`, `{"message": …}`, `{"detail": …}`, or a list of one of
    /// them. Anything else says nothing.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let Ok((kind, text)) = body(bytes) else { return Self::default() };
        match kind {
            Kind::Object => Self::of(&serde_json::from_str(text).unwrap_or_default()),
            Kind::Array => {
                let list: Items<Pairs<'_>> = serde_json::from_str(text).unwrap_or_default();
                list.items.first().map(Self::of).unwrap_or_default()
            }
            Kind::Other => Self::default(),
        }
    }

    fn of(root: &Pairs<'_>) -> Self {
        let error = root.get("error");
        let inner: Pairs<'_> = match error.starts_with('{') {
            true => serde_json::from_str(error).unwrap_or_default(),
            false => Pairs::default(),
        };
        let detail = root.get("detail");
        let details = if detail.starts_with('[') { detail } else { inner.get("details") };
        let lone: Option<Pairs<'_>> =
            details.starts_with('{').then(|| serde_json::from_str(details).ok()).flatten();
        let details: Items<Pairs<'_>> = serde_json::from_str(details).unwrap_or_default();
        let mut fault = Self {
            is_error: !error.is_empty() && error != "{}",
            param: inner.first_of(&["param"]).to_owned(),
            ..Self::default()
        };
        let candidates = [
            inner.get("message"),
            if error.starts_with('{') { "" } else { error },
            root.get("message"),
            if detail.starts_with('[') { "" } else { detail },
            details.items.first().map_or("", |first| first.get("msg")),
        ];
        fault.message = crate::text::first(&candidates).to_owned();
        for pairs in [&inner, root].into_iter().chain(&lone).chain(details.items.iter().take(8)) {
            for name in ["type", "code", "status", "reason", "error_code"] {
                fault.words.push_str(&pairs.get(name).to_lowercase());
                fault.words.push('\n');
            }
            if fault.param.is_empty() {
                fault.param = pairs.first_of(&["param", "loc"]).to_owned();
            }
            fault.wait_s = fault.wait_s.or_else(|| seconds(pairs.get("retryDelay").strip_suffix('s')?));
        }
        fault
    }

    /// Whether the body of an answer with a status of success is one of an error all the same.
    pub(super) fn is_error(&self) -> bool {
        self.is_error
    }

    /// Whether the answer refuses the request for what it calls `word`, and not for its length or key.
    pub(super) fn refuses(&self, response: &Response, word: &str) -> bool {
        matches!(response.status, 400 | 404 | 422)
            && !self.says(TOO_LONG)
            && !self.says(KEY)
            && (self.param.contains(word) || self.message.contains(word))
    }

    fn says(&self, words: &[&str]) -> bool {
        let message = self.message.to_lowercase();
        words.iter().any(|word| self.words.contains(word) || message.contains(word))
    }

    /// What the answer means for another attempt, in words without a key.
    pub(super) fn explain(&self, service: &Service, response: &Response, now: i64) -> PluginError {
        let (name, status) = (service.name, response.status);
        let message = without_keys(&self.message);
        let colon = if message.is_empty() { "" } else { ": " };
        let said = |what: &str| format!("{name} answered {status}{what}{colon}{message}");
        if self.says(SPENT) || status == 402 {
            let text = said(", the quota or credit is used up");
            return PluginError::Rejected(format!(
                "{text}\nhint: see the account at {name}, or another provider"
            ));
        }
        if self.says(KEY) || status == 401 {
            let text = said(", the key is not accepted");
            return PluginError::Auth(format!("{text}\nhint: set `api_key` to a key of {name}"));
        }
        if status == 413 || (matches!(status, 200..300 | 400 | 422) && self.says(TOO_LONG)) {
            let text = said(", the report is too long for the model");
            return PluginError::Rejected(format!("{text}\nhint: set `model` to one with a larger context"));
        }
        match (header(response, "x-should-retry"), status) {
            (_, 403) => PluginError::Auth(format!(
                "{}\nhint: see what the key of {name} may do",
                said(", the key may not do this")
            )),
            (Some("false"), _) => PluginError::Rejected(said("")),
            (_, 429) => PluginError::RateLimited(self.wait(response, now)),
            (Some("true"), _) | (_, 408 | 409 | 425 | 500..) => PluginError::Unavailable(said("")),
            (_, 200..300) if self.says(&["rate_limit"]) => PluginError::RateLimited(self.wait_s),
            (_, 200..300) if self.says(PASSING) => PluginError::Unavailable(said(" with an error")),
            (_, 200..300) => PluginError::Rejected(said(" with an error")),
            (_, 404) => PluginError::Rejected(format!("{}\nhint: {}", said(""), service.no_model)),
            _ if self.says(NO_MODEL) => {
                PluginError::Rejected(format!("{}\nhint: {}", said(""), service.no_model))
            }
            _ => PluginError::Rejected(said("")),
        }
    }

    /// How long to wait, by the headers or the body.
    fn wait(&self, response: &Response, now: i64) -> Option<u32> {
        let milliseconds =
            header(response, "retry-after-ms").and_then(|text| text.trim().parse::<u64>().ok());
        let from_ms = milliseconds.map(|ms| u32::try_from(ms.div_ceil(1_000)).unwrap_or(MAX_WAIT_S));
        let wait = from_ms.or_else(|| retry_after(response, now)).or(self.wait_s);
        wait.map(|seconds| seconds.min(MAX_WAIT_S))
    }
}

/// Seconds, fractions rounded up.
fn seconds(text: &str) -> Option<u32> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let more = fraction.bytes().any(|byte| matches!(byte, b'1'..=b'9'));
    Some(whole.parse::<u32>().ok()?.saturating_add(u32::from(more)))
}

/// A message on one line, short, and with `[…]` in place of what may be a key.
fn without_keys(message: &str) -> String {
    let message = clip(message, 4 * MAX_MESSAGE_BYTES);
    let words = one_line(&message).split(' ').map(without_key).collect::<Vec<_>>().join(" ");
    clip(&words, MAX_MESSAGE_BYTES).into_owned()
}

/// How keys of the usual remotes begin.
const KEY_STARTS: [&str; 9] =
    ["sk-", "xai-", "AIza", "ghp_", "gho_", "ghs_", "ghu_", "github_pat_", "secret://"];

fn without_key(word: &str) -> &str {
    let bare = word.trim_start_matches(|character: char| !character.is_ascii_alphanumeric());
    let is_masked = bare.contains("***") || bare.contains("...") || bare.contains('…');
    // Keys are long runs of letters and digits; names of models and times have short ones.
    let is_run = |part: &str| {
        part.len() >= 20
            && part.bytes().any(|byte| byte.is_ascii_digit())
            && part.bytes().any(|byte| byte.is_ascii_alphabetic())
    };
    let has_run = bare.split(|character: char| !character.is_ascii_alphanumeric()).any(is_run);
    let looks_like_key =
        KEY_STARTS.iter().any(|start| bare.contains(start)) || (is_masked && bare.len() > 8) || has_run;
    if looks_like_key { "[…]" } else { word }
}
