//! Slack's Web API: one message for each incident, changed as the incident changes.

use plugin_sdk::http::{Remote, Response, failure, json_request, refusal};
use plugin_sdk::json::Text;
use plugin_sdk::notifier::{Notification, Receipt};
use plugin_sdk::text::cut;
use plugin_sdk::{AlertStatus, PluginError};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::blocks;
use crate::settings::Bot;

/// The longest reference that is kept, in bytes.
const MAX_REF: usize = 512;

/// Where Slack keeps a message: the canonical identifier of its channel and its time stamp.
struct Place {
    channel: String,
    ts: String,
}

impl Place {
    /// From what an earlier delivery left; none where it was another channel's.
    fn parse(text: &str, channel: &str) -> Option<Self> {
        let (found, ts) = text.split_once('/')?;
        // A name says nothing about the identifier behind it.
        let is_id = |name: &str| {
            name.len() > 8
                && name.starts_with(['C', 'G', 'D'])
                && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        };
        let same = !is_id(channel) || found == channel;
        (same && !found.is_empty() && !ts.is_empty())
            .then(|| Self { channel: found.to_owned(), ts: ts.to_owned() })
    }

    fn reference(&self) -> Option<String> {
        let text = format!("{}/{}", self.channel, self.ts);
        (text.len() <= MAX_REF).then_some(text)
    }
}

/// Slack's words for trouble with the token: an operator must act.
const AUTH: [&str; 10] = [
    "invalid_auth",
    "not_authed",
    "account_inactive",
    "token_revoked",
    "token_expired",
    "missing_scope",
    "no_permission",
    "not_allowed_token_type",
    "org_login_required",
    "team_access_not_granted",
];

/// Slack's words for trouble with the channel, and what to do.
const CHANNEL: [(&str, &str); 5] = [
    ("channel_not_found", "give the channel's identifier, and invite the bot to it"),
    ("not_in_channel", "invite the bot to the channel"),
    ("is_archived", "unarchive the channel or choose another"),
    ("restricted_action", "let apps post in the channel or choose another"),
    ("user_not_found", "give the identifier of a member who exists"),
];

/// Slack's words for trouble of its own.
const UNWELL: [&str; 5] =
    ["internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"];

/// Slack's words for a message that cannot be changed any more.
const GONE: [&str; 4] =
    ["message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found"];

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(default)]
    ok: bool,
    #[serde(borrow, default)]
    error: Text<'a>,
    #[serde(borrow, default)]
    needed: Text<'a>,
    #[serde(borrow, default)]
    channel: Text<'a>,
    #[serde(borrow, default)]
    ts: Text<'a>,
}

enum Failure {
    Gone,
    Error(PluginError),
}

/// Changes the message that an earlier delivery left, or posts one.
///
/// An update may be repeated, a reply may not: so the update goes first.
pub(crate) fn deliver(
    bot: &Bot,
    notification: &Notification,
    message: &Value,
    remote: &mut dyn Remote,
) -> Result<Receipt, PluginError> {
    let earlier = notification.previous_ref.as_deref().and_then(|text| Place::parse(text, &bot.channel));
    if let Some(place) = earlier {
        let change = with(message, [("channel", &place.channel), ("ts", &place.ts)]);
        match call(bot, "chat.update", &change, remote) {
            Ok(_) if !bot.replies => return Ok(receipt(&place, "updated")),
            Ok(_) => match call(bot, "chat.postMessage", &reply(notification, &place), remote) {
                Ok(_) | Err(Failure::Gone) => return Ok(receipt(&place, "updated")),
                Err(Failure::Error(error)) => return Err(error),
            },
            Err(Failure::Gone) => {}
            Err(Failure::Error(error)) => return Err(error),
        }
    }
    let post = with(message, [("channel", &bot.channel)]);
    match call(bot, "chat.postMessage", &post, remote) {
        Ok(place) => Ok(receipt(&place, "posted")),
        Err(Failure::Error(error)) => Err(error),
        Err(Failure::Gone) => Err(PluginError::Rejected("Slack says that a new message is gone".to_owned())),
    }
}

/// The message with where it belongs.
fn with<const N: usize>(message: &Value, fields: [(&str, &str); N]) -> Value {
    let mut message = message.as_object().cloned().unwrap_or_default();
    message.extend(fields.map(|(name, value)| (name.to_owned(), json!(value))));
    Value::Object(message)
}

fn receipt(place: &Place, done: &str) -> Receipt {
    Receipt { remote_ref: place.reference(), detail: json!({ "message": done }).to_string() }
}

/// What the thread is told of a change.
fn reply(notification: &Notification, place: &Place) -> Value {
    json!({
        "channel": place.channel,
        "thread_ts": place.ts,
        "text": blocks::summary(notification),
        "reply_broadcast": !matches!(notification.status, AlertStatus::Acknowledged | AlertStatus::Resolved),
        "unfurl_links": false,
        "unfurl_media": false,
    })
}

fn call(bot: &Bot, method: &str, message: &Value, remote: &mut dyn Remote) -> Result<Place, Failure> {
    let url = format!("{}/api/{method}", bot.api_url);
    let mut request = json_request("POST", &url, message.to_string().into_bytes());
    request.credential = Some(bot.token.clone());
    let response = remote.send(&request).map_err(|error| Failure::Error(failure(error)))?;
    read(&response, remote.now())
}

/// Slack answers 200 to nearly everything; only `ok` says that it took the message.
fn read(response: &Response, now: i64) -> Result<Place, Failure> {
    let error = |error| Err(Failure::Error(error));
    if response.status == 429 || response.status >= 500 {
        return error(refusal(response, now));
    }
    let text = String::from_utf8_lossy(&response.body);
    let Ok(answer) = serde_json::from_str::<Answer<'_>>(&text) else {
        return match (200..300).contains(&response.status) {
            // Something between here and Slack answered, or Slack is not well.
            true => error(PluginError::Unavailable(format!(
                "answer {} that is not Slack's JSON",
                response.status
            ))),
            false => error(refusal(response, now)),
        };
    };
    if answer.ok {
        return Ok(Place { channel: answer.channel.as_str().to_owned(), ts: answer.ts.as_str().to_owned() });
    }
    let word = answer.error.as_str();
    if GONE.contains(&word) {
        return Err(Failure::Gone);
    }
    error(meaning(word, answer.needed.as_str(), response, now))
}

fn meaning(word: &str, needed: &str, response: &Response, now: i64) -> PluginError {
    if AUTH.contains(&word) {
        let hint = match needed {
            "" => "give the token of an app that is installed and has the scope `chat:write`".to_owned(),
            scope => format!("give the app the scope `{}` and install it again", cut(scope, 128)),
        };
        return PluginError::Auth(format!("Slack answered `{word}`\nhint: {hint}"));
    }
    if let Some((_, hint)) = CHANNEL.iter().find(|(known, _)| *known == word) {
        return PluginError::Config(format!("Slack answered `{word}`\nhint: {hint}"));
    }
    if UNWELL.contains(&word) {
        return PluginError::Unavailable(format!("Slack answered `{word}`"));
    }
    match word {
        "ratelimited" | "rate_limited" => {
            PluginError::RateLimited(plugin_sdk::http::retry_after(response, now))
        }
        "" => refusal(response, now),
        _ => PluginError::Rejected(format!("Slack answered `{}`", plugin_sdk::text::quotable(word))),
    }
}
