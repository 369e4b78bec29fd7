//! Notifier for PagerDuty, through the Events API v2.
//!
//! | incident | event |
//! |---|---|
//! | firing | `trigger` |
//! | acknowledged by a person | `acknowledge` |
//! | resolved | `resolve` |
//!
//! The `dedup_key` is made from the incident's identifier, so every attempt and every later change meets
//! the same alert at PagerDuty; a second `trigger` merges into it. That is also why a repeated attempt is
//! harmless.
//!
//! A `payload` of the channel's own template becomes `custom_details`.

#![forbid(unsafe_code)]

mod answer;
#[cfg(target_arch = "wasm32")]
mod component;
mod event;
mod settings;

use plugin_sdk::http::{Remote, failure, json_request};
use plugin_sdk::notifier::{Notification, Notifier, NotifierInfo, Problem, Receipt};
use plugin_sdk::{PluginError, plugin_info};

use crate::settings::Settings;

/// The notifier.
#[derive(Debug)]
pub struct PagerDuty;

impl Notifier for PagerDuty {
    fn metadata() -> NotifierInfo {
        NotifierInfo {
            plugin: plugin_info(
                "pagerduty",
                env!("CARGO_PKG_VERSION"),
                "PagerDuty alerts by the Events API v2",
            ),
            config_schema: settings::SCHEMA.to_owned(),
            hosts: vec![settings::EVENTS_URL.to_owned(), "https://events.eu.pagerduty.com".to_owned()],
            supports_update: false,
        }
    }

    fn validate_config(config: &str) -> Vec<Problem> {
        Settings::read(config).err().into_iter().collect()
    }

    fn send(
        notification: &Notification,
        config: &str,
        remote: &mut dyn Remote,
    ) -> Result<Receipt, PluginError> {
        let settings = Settings::read(config).map_err(|problem| PluginError::Config(problem.message))?;
        let event = event::write(notification, &settings);
        let mut request = json_request("POST", &format!("{}/v2/enqueue", settings.events_url), event.body);
        request.resolve_in_body = true;
        let response = remote.send(&request).map_err(failure)?;
        answer::read(&response, &event.dedup_key, remote.now())
    }
}

#[cfg(test)]
mod tests {
    use plugin_sdk::testkit;

    use super::*;

    #[test]
    fn golden_notifications_are_sent_as_reviewed() {
        testkit::notifier::<PagerDuty>(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata"));
    }
}
