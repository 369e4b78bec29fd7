//! What Slack's answer to an incoming webhook means.

use plugin_sdk::PluginError;
use plugin_sdk::http::{Response, refusal};
use plugin_sdk::notifier::Receipt;
use plugin_sdk::text::cut;

/// Slack's words for trouble with the webhook itself: an operator must make a new one.
const AUTH: [&str; 6] =
    ["invalid_token", "no_service", "no_service_id", "no_team", "team_disabled", "action_prohibited"];

/// Slack's words for what it will not take, now or later, and what to do.
const REJECTED: [(&str, &str); 8] = [
    ("channel_is_archived", "unarchive the channel or choose another"),
    ("channel_not_found", "make a webhook for a channel that exists"),
    ("user_not_found", "make a webhook for a member who exists"),
    ("posting_to_general_channel_denied", "let the app post to the general channel or choose another"),
    ("invalid_payload", "this is a defect of the notifier; report it"),
    ("invalid_blocks", "this is a defect of the notifier; report it"),
    ("no_text", "this is a defect of the notifier; report it"),
    ("too_many_attachments", "this is a defect of the notifier; report it"),
];

/// A receipt for `ok`; anything else is an error that says whether another attempt makes sense.
pub(crate) fn read(response: &Response, now: i64) -> Result<Receipt, PluginError> {
    let body = String::from_utf8_lossy(&response.body);
    let word = body.trim();
    if (200..300).contains(&response.status) {
        if word == "ok" {
            return Ok(Receipt { remote_ref: None, detail: String::new() });
        }
        // Something between here and Slack answered, or Slack is not well.
        return Err(PluginError::Unavailable(format!(
            "answer {} without the word `ok`, which Slack says when it took a message",
            response.status
        )));
    }
    if response.status == 429 || response.status >= 500 {
        return Err(refusal(response, now));
    }
    if AUTH.contains(&word) {
        return Err(PluginError::Auth(format!(
            "Slack answered `{word}`: the webhook is no longer valid\n\
             hint: create a new incoming webhook and set `webhook_url`"
        )));
    }
    if let Some((_, hint)) = REJECTED.iter().find(|(known, _)| *known == word) {
        return Err(PluginError::Rejected(format!("Slack answered `{word}`\nhint: {hint}")));
    }
    match refusal(response, now) {
        PluginError::Rejected(message) if is_word(word) => {
            Err(PluginError::Rejected(format!("{message}: `{}`", cut(word, 64))))
        }
        other => Err(other),
    }
}

/// Whether the body is one of Slack's words and not, say, a page of a proxy.
fn is_word(body: &str) -> bool {
    !body.is_empty() && body.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}
