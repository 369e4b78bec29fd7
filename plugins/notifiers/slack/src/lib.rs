//! Notifier for Slack, through an incoming webhook.
//!
//! The webhook's address is the only setting and is a secret: it is the whole of Slack's
//! authentication. This code never sees it, only the placeholder `secret://webhook_url`, which the
//! host replaces on the way out.
//!
//! Slack answers `ok` in plain text to what it took. It gives no message id, so a message can be
//! neither changed nor answered in a thread later.

#![forbid(unsafe_code)]

mod answer;
mod blocks;
#[cfg(target_arch = "wasm32")]
mod component;

use plugin_sdk::http::{Remote, failure, json_request};
use plugin_sdk::json::Text;
use plugin_sdk::notifier::{Notification, Notifier, NotifierInfo, Problem, Receipt, problem};
use plugin_sdk::{PluginError, plugin_info};
use serde::Deserialize;

/// A channel's settings. `webhook_url` is for the host to fill in at the last moment.
const CONFIG_SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "properties": {
    "webhook_url": {
      "type": "string",
      "format": "secret",
      "title": "Webhook address",
      "description": "The address of an incoming webhook, which begins https://hooks.slack.com/services/."
    }
  },
  "required": ["webhook_url"],
  "additionalProperties": false
}"#;

/// The notifier.
#[derive(Debug)]
pub struct Slack;

#[derive(Deserialize)]
struct Config<'a> {
    #[serde(borrow, default)]
    webhook_url: Text<'a>,
}

impl Notifier for Slack {
    fn metadata() -> NotifierInfo {
        NotifierInfo {
            plugin: plugin_info("slack", env!("CARGO_PKG_VERSION"), "Slack messages by an incoming webhook"),
            config_schema: CONFIG_SCHEMA.to_owned(),
            hosts: vec!["https://hooks.slack.com".to_owned(), "https://hooks.slack-gov.com".to_owned()],
            supports_update: false,
        }
    }

    fn validate_config(config: &str) -> Vec<Problem> {
        match webhook_url(config) {
            Ok(_) => Vec::new(),
            Err(message) => vec![problem("/webhook_url", &message)],
        }
    }

    fn send(
        notification: &Notification,
        config: &str,
        remote: &mut dyn Remote,
    ) -> Result<Receipt, PluginError> {
        let url = webhook_url(config).map_err(PluginError::Config)?;
        let request = json_request("POST", &url, blocks::message(notification).to_string().into_bytes());
        let response = remote.send(&request).map_err(failure)?;
        answer::read(&response, remote.now())
    }
}

/// The address, or rather the placeholder for it. The error is for the setting `webhook_url`.
fn webhook_url(config: &str) -> Result<String, String> {
    let config: Config<'_> =
        serde_json::from_str(config).map_err(|error| format!("settings are not a JSON object: {error}"))?;
    let url = config.webhook_url.as_str().trim();
    if url.is_empty() {
        return Err("`webhook_url` is missing\n\
                    hint: create an incoming webhook at Slack and give its address"
            .to_owned());
    }
    if !url.starts_with("secret://") && !url.starts_with("https://") {
        return Err("`webhook_url` must begin with `https://`".to_owned());
    }
    Ok(url.to_owned())
}

#[cfg(test)]
mod tests {
    use plugin_sdk::testkit;

    use super::*;

    #[test]
    fn golden_notifications_are_sent_as_reviewed() {
        testkit::notifier::<Slack>(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata"));
    }

    #[test]
    fn the_schema_marks_the_address_as_a_secret() {
        let schema: serde_json::Value = serde_json::from_str(CONFIG_SCHEMA).unwrap();
        assert_eq!(schema["properties"]["webhook_url"]["format"], "secret");
    }

    #[test]
    fn settings_that_cannot_work_are_named_before_they_are_saved() {
        let message = |config: &str| Slack::validate_config(config).pop().map(|problem| problem.message);
        assert_eq!(message(r#"{"webhook_url":"secret://webhook_url"}"#), None);
        assert!(message("{}").unwrap().starts_with("`webhook_url` is missing"));
        assert!(message(r#"{"webhook_url":null}"#).unwrap().starts_with("`webhook_url` is missing"));
        assert_eq!(
            message(r#"{"webhook_url":"http://hooks.slack.com/x"}"#).unwrap(),
            "`webhook_url` must begin with `https://`"
        );
        assert!(message("[]").is_some());
    }
}
