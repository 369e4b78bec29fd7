//! A channel's settings: an incoming webhook, or a bot and where it posts.

use plugin_sdk::json::Text;
use plugin_sdk::notifier::{Problem, problem};
use serde::Deserialize;

/// As the host shows and checks them. Secrets arrive as placeholders.
pub(crate) const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "properties": {
    "webhook_url": {
      "type": "string",
      "format": "secret",
      "pattern": "^https?://",
      "title": "Webhook address",
      "description": "The address of an incoming webhook, which begins https://hooks.slack.com/services/. Every notification is a new message."
    },
    "bot_token": {
      "type": "string",
      "format": "secret",
      "title": "Bot token",
      "description": "In place of a webhook: the token of an app with the scope chat:write, which begins xoxb-. One message for each incident, kept up to date."
    },
    "channel": {
      "type": "string",
      "maxLength": 80,
      "title": "Channel",
      "description": "With a bot token: the channel's identifier (C0123456789) or name. The bot must be in it."
    },
    "replies": {
      "type": "boolean",
      "default": true,
      "title": "Replies",
      "description": "With a bot token: whether a change is also told in the message's thread, and in the channel where it fires again."
    },
    "api_url": {
      "type": "string",
      "format": "uri",
      "default": "https://slack.com",
      "title": "Address of the Web API",
      "description": "With a bot token. Slack for governments has https://slack-gov.com."
    }
  },
  "additionalProperties": false
}"#;

const API: &str = "https://slack.com";
const PLACEHOLDER: &str = "secret://";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields<'a> {
    #[serde(borrow, default)]
    webhook_url: Text<'a>,
    #[serde(borrow, default)]
    bot_token: Text<'a>,
    #[serde(borrow, default)]
    channel: Text<'a>,
    #[serde(default)]
    replies: Option<bool>,
    #[serde(borrow, default)]
    api_url: Text<'a>,
}

/// Where messages go.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The address, or rather the placeholder for it.
    Webhook(String),
    Bot(Bot),
}

/// An app that posts and changes its messages.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bot {
    /// The name of the secret.
    pub(crate) token: String,
    pub(crate) channel: String,
    pub(crate) replies: bool,
    /// Without a slash at the end.
    pub(crate) api_url: String,
}

/// Reads the settings; the error is what is wrong with them.
pub(crate) fn read(config: &str) -> Result<Target, Problem> {
    let fields: Fields<'_> = serde_json::from_str(config)
        .map_err(|error| problem("", &format!("settings cannot be read: {error}")))?;
    let (url, token) = (fields.webhook_url.as_str().trim(), fields.bot_token.as_str().trim());
    match (url.is_empty(), token.is_empty()) {
        (true, true) => Err(problem(
            "/webhook_url",
            "`webhook_url` is missing\n\
             hint: create an incoming webhook at Slack and give its address, or give `bot_token` and `channel`",
        )),
        (false, false) => {
            Err(problem("/bot_token", "`webhook_url` and `bot_token` are both given; leave one out"))
        }
        (false, true) if !url.starts_with(PLACEHOLDER) && !url.starts_with("https://") => {
            Err(problem("/webhook_url", "`webhook_url` must begin with `https://`"))
        }
        (false, true) => Ok(Target::Webhook(url.to_owned())),
        (true, false) => bot(&fields, token).map(Target::Bot),
    }
}

fn bot(fields: &Fields<'_>, token: &str) -> Result<Bot, Problem> {
    let Some(token) = token.strip_prefix(PLACEHOLDER) else {
        return Err(problem("/bot_token", "`bot_token` is not kept as a secret; add the channel again"));
    };
    let channel = fields.channel.as_str().trim();
    if channel.is_empty() {
        let message =
            "`channel` is missing\nhint: the channel's identifier is at the end of its details in Slack";
        return Err(problem("/channel", message));
    }
    let api_url = match fields.api_url.as_str().trim().trim_end_matches('/') {
        "" => API,
        url if url.starts_with("https://") || url.starts_with("http://") => url,
        _ => return Err(problem("/api_url", "`api_url` must begin with `https://`")),
    };
    Ok(Bot {
        token: token.to_owned(),
        channel: channel.to_owned(),
        replies: fields.replies.unwrap_or(true),
        api_url: api_url.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(config: &str) -> (String, String) {
        let problem = read(config).unwrap_err();
        (problem.path, problem.message)
    }

    #[test]
    fn either_a_webhook_or_a_bot_is_needed() {
        let webhook = read(r#"{"webhook_url":"secret://webhook_url"}"#).unwrap();
        assert_eq!(webhook, Target::Webhook("secret://webhook_url".to_owned()));
        let Target::Bot(bot) = read(r#"{"bot_token":"secret://bot_token","channel":"C1"}"#).unwrap() else {
            panic!("a bot")
        };
        assert_eq!((bot.token.as_str(), bot.api_url.as_str(), bot.replies), ("bot_token", API, true));
        assert!(wrong("{}").1.starts_with("`webhook_url` is missing"));
        assert!(wrong(r#"{"webhook_url":null}"#).1.starts_with("`webhook_url` is missing"));
        assert_eq!(wrong(r#"{"webhook_url":"secret://a","bot_token":"secret://b"}"#).0, "/bot_token");
    }

    #[test]
    fn settings_that_cannot_work_are_named_before_they_are_saved() {
        assert_eq!(
            wrong(r#"{"webhook_url":"http://hooks.slack.com/x"}"#).1,
            "`webhook_url` must begin with `https://`"
        );
        assert_eq!(wrong(r#"{"bot_token":"secret://bot_token"}"#).0, "/channel");
        assert_eq!(wrong(r#"{"bot_token":"xoxb-1","channel":"C1"}"#).0, "/bot_token");
        assert_eq!(wrong(r#"{"bot_token":"secret://t","channel":"C1","api_url":"slack"}"#).0, "/api_url");
        assert_eq!(wrong("5").0, "");
    }

    #[test]
    fn the_schema_marks_what_is_secret() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
        for name in ["webhook_url", "bot_token"] {
            assert_eq!(schema["properties"][name]["format"], "secret", "{name}");
        }
    }
}
