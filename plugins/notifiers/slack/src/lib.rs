//! Notifier for Slack, through an incoming webhook or a bot.
//!
//! **Webhook.** Its address is the only setting and the whole of Slack's authentication. Slack answers
//! `ok` in plain text to what it took and gives no message id, so every notification is a new message.
//!
//! **Bot.** A token and a channel. The first notification of an incident is posted with
//! `chat.postMessage`; the next ones change that message with `chat.update` and, since a change makes no
//! sound, say so in its thread as well: in the channel too where the incident fires again. A message
//! that is gone or can no longer be changed is posted anew.
//!
//! This code sees neither the address nor the token, only placeholders.
//!
//! A `payload` of the channel's own template stands in for the blocks; if Slack does not take it, the
//! notifier's own message goes out and says so.

#![forbid(unsafe_code)]

mod answer;
mod api;
mod blocks;
#[cfg(target_arch = "wasm32")]
mod component;
mod payload;
mod settings;

use plugin_sdk::http::{Remote, failure, json_request};
use plugin_sdk::log::{Level, log};
use plugin_sdk::notifier::{Notification, Notifier, NotifierInfo, Problem, Receipt};
use plugin_sdk::{PluginError, plugin_info};
use serde_json::Value;

use crate::settings::Target;

/// The notifier.
#[derive(Debug)]
pub struct Slack;

impl Notifier for Slack {
    fn metadata() -> NotifierInfo {
        let summary = "Slack messages by an incoming webhook or a bot";
        NotifierInfo {
            plugin: plugin_info("slack", env!("CARGO_PKG_VERSION"), summary),
            config_schema: settings::SCHEMA.to_owned(),
            hosts: ["https://hooks.slack.com", "https://hooks.slack-gov.com", "https://slack.com"]
                .map(ToOwned::to_owned)
                .to_vec(),
            supports_update: true,
        }
    }

    fn validate_config(config: &str) -> Vec<Problem> {
        settings::read(config).err().into_iter().collect()
    }

    fn send(
        notification: &Notification,
        config: &str,
        remote: &mut dyn Remote,
    ) -> Result<Receipt, PluginError> {
        let target = settings::read(config).map_err(|problem| PluginError::Config(problem.message))?;
        let mut deliver = |message: Value| match &target {
            Target::Webhook(url) => webhook(url, &message, remote),
            Target::Bot(bot) => api::deliver(bot, notification, &message, remote),
        };
        let Some(own) = &notification.payload else { return deliver(blocks::message(notification)) };
        let refused = match payload::message(notification, own) {
            Ok(message) => match deliver(message) {
                Err(PluginError::Rejected(refusal)) => refusal,
                other => return other,
            },
            Err(unusable) => unusable,
        };
        let why = refused.lines().next().unwrap_or_default();
        log(Level::Warn, &format!("the channel's `payload` was not used: {why}"));
        deliver(blocks::with_note(
            blocks::message(notification),
            &format!("Its own template was not used: {why}"),
        ))
    }
}

fn webhook(url: &str, message: &Value, remote: &mut dyn Remote) -> Result<Receipt, PluginError> {
    let request = json_request("POST", url, message.to_string().into_bytes());
    let response = remote.send(&request).map_err(failure)?;
    answer::read(&response, remote.now())
}

#[cfg(test)]
mod tests {
    use plugin_sdk::testkit;

    use super::*;

    #[test]
    fn golden_notifications_are_sent_as_reviewed() {
        testkit::notifier::<Slack>(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata"));
    }
}
