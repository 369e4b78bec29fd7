//! The script of Grafana OnCall, `alert_uid` being the id of the problem event.

use plugin_sdk::PluginError;
use plugin_sdk::alert::Warnings;
use plugin_sdk::driver::Parsed;
use plugin_sdk::json;
use serde::Deserialize;

use crate::clock::Clock;
use crate::event::Event;
use crate::macros::Macro;

#[derive(Deserialize)]
struct Webhook<'a> {
    #[serde(borrow, default)]
    alert_uid: Macro<'a>,
    #[serde(borrow, default)]
    title: Macro<'a>,
    #[serde(borrow, default)]
    state: Macro<'a>,
    #[serde(borrow, default)]
    message: Macro<'a>,
    #[serde(borrow, default)]
    image_url: Macro<'a>,
    #[serde(borrow, default)]
    link_to_upstream_details: Macro<'a>,
}

/// None: the body is of another script.
pub(crate) fn parse(text: &str, clock: &Clock) -> Result<Option<Parsed>, PluginError> {
    let webhook: Webhook<'_> = json::read(text)?;
    if webhook.alert_uid.is_unresolved() {
        return Ok(Some(Parsed::nothing("a test of the script: no macro has a value")));
    }
    if webhook.alert_uid.as_str().is_empty() {
        return Ok(None);
    }
    let event = Event {
        id: webhook.alert_uid.as_str(),
        name: webhook.title.as_str(),
        statuses: [webhook.state.as_str(), "", ""],
        description: webhook.message.as_str(),
        links: &[
            ("source", webhook.link_to_upstream_details.as_str()),
            ("image", webhook.image_url.as_str()),
        ],
        script: "oncall",
        ..Event::default()
    };
    Ok(Some(event.parsed(clock, Warnings::default())))
}
