//! Notifier for anything that takes JSON over HTTP.
//!
//! # Body
//! One object; nothing is left out, what is unknown is null or empty:
//!
//! | field | |
//! |---|---|
//! | `id` | idempotency key: the same for every attempt of one delivery, also sent as the headers `Idempotency-Key` and `webhook-id` |
//! | `attempt` | counts from 1 |
//! | `title`, `message` | one line, and several |
//! | `severity` | `critical`, `warning`, `info`, `unmapped` |
//! | `status` | `firing`, `acknowledged`, `resolved`, `unmapped` |
//! | `incident` | `id`, `title`, `name`, `instance`, `status`, `severity`, `opened_at`, `resolved_at`, `trace_id`, `run_id` |
//! | `alerts` | at most 20, the worst first; times are RFC 3339 in UTC |
//! | `alerts_left_out` | how many alerts did not fit into the body |
//! | `recommendations` | `kind`, `priority`, `title`, `description`, `actions` |
//! | `tags`, `links` | objects of texts |
//!
//! A `payload` of the channel's own template is sent in its place, as it is.
//!
//! With `signing_secret` the host signs the body as Standard Webhooks says; the receiver finds
//! `webhook-id`, `webhook-timestamp` and `webhook-signature`.
//!
//! # Answer
//! Any 2xx is success. 408, 425, 429 and 5xx are tried again, 401 and 403 are for an operator, and
//! everything else, redirects included, is final.

#![forbid(unsafe_code)]

mod body;
#[cfg(target_arch = "wasm32")]
mod component;
mod settings;

use plugin_sdk::http::{Remote, Signing, failure, json_request, refusal};
use plugin_sdk::notifier::{Notification, Notifier, NotifierInfo, Problem, Receipt};
use plugin_sdk::{PluginError, label, plugin_info};

use crate::settings::Settings;

/// The notifier.
#[derive(Debug)]
pub struct Generic;

impl Notifier for Generic {
    fn metadata() -> NotifierInfo {
        NotifierInfo {
            plugin: plugin_info("generic", env!("CARGO_PKG_VERSION"), "JSON over HTTP to any address"),
            config_schema: settings::SCHEMA.to_owned(),
            hosts: Vec::new(),
            supports_update: false,
        }
    }

    fn validate_config(config: &str) -> Vec<Problem> {
        match Settings::read(config) {
            Ok(_) => Vec::new(),
            Err(problems) => problems,
        }
    }

    fn send(
        notification: &Notification,
        config: &str,
        remote: &mut dyn Remote,
    ) -> Result<Receipt, PluginError> {
        let settings = Settings::read(config).map_err(|problems| {
            let messages: Vec<String> = problems.into_iter().map(|problem| problem.message).collect();
            PluginError::Config(messages.join("\n"))
        })?;
        let mut request = json_request(&settings.method, &settings.url, body::write(notification)?);
        for (name, value) in settings.headers {
            request.headers.retain(|header| header.key != name);
            request.headers.push(label(&name, &value));
        }
        let [key, id] = settings::KEY_HEADERS;
        request.headers.push(label(key, &notification.id));
        let response = match settings.signing_secret {
            Some(secret) => remote.send_signed(&request, &Signing { secret, id: notification.id.clone() }),
            None => {
                request.headers.push(label(id, &notification.id));
                remote.send(&request)
            }
        };
        let response = response.map_err(failure)?;
        match response.status {
            200..300 => {
                Ok(Receipt { remote_ref: None, detail: format!("{{\"status\":{}}}", response.status) })
            }
            _ => Err(refusal(&response, remote.now())),
        }
    }
}

#[cfg(test)]
mod tests {
    use plugin_sdk::testkit;

    use super::*;

    #[test]
    fn golden_notifications_are_sent_as_reviewed() {
        testkit::notifier::<Generic>(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata"));
    }

    #[test]
    fn the_schema_is_json_and_requires_the_address() {
        let schema: serde_json::Value = serde_json::from_str(settings::SCHEMA).unwrap();
        assert_eq!(schema["required"], serde_json::json!(["url"]));
    }
}
