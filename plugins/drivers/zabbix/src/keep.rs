//! The script of Keep.

use plugin_sdk::PluginError;
use plugin_sdk::alert::Warnings;
use plugin_sdk::driver::Parsed;
use plugin_sdk::json;
use plugin_sdk::text::first;
use serde::Deserialize;

use crate::clock::Clock;
use crate::event::Event;
use crate::macros::Macro;

/// Versions of the script differ in how they write the names of a host.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Webhook<'a> {
    #[serde(borrow, default)]
    id: Macro<'a>,
    #[serde(borrow, default)]
    trigger_id: Macro<'a>,
    #[serde(borrow, default)]
    name: Macro<'a>,
    #[serde(borrow, default)]
    value: Macro<'a>,
    #[serde(borrow, default)]
    status: Macro<'a>,
    #[serde(borrow, default)]
    severity: Macro<'a>,
    #[serde(borrow, default, rename = "event_ack")]
    event_ack: Macro<'a>,
    #[serde(borrow, default, rename = "update_action")]
    update_action: Macro<'a>,
    #[serde(borrow, default)]
    last_received: Macro<'a>,
    #[serde(borrow, default)]
    message: Macro<'a>,
    #[serde(borrow, default)]
    description: Macro<'a>,
    #[serde(borrow, default)]
    service: Macro<'a>,
    #[serde(borrow, default)]
    tags: Macro<'a>,
    #[serde(borrow, default)]
    host_name: Macro<'a>,
    #[serde(borrow, default, rename = "host_name")]
    host_name_in_snake_case: Macro<'a>,
    #[serde(borrow, default)]
    host_ip: Macro<'a>,
    #[serde(borrow, default, rename = "host_ip")]
    host_ip_in_snake_case: Macro<'a>,
    #[serde(borrow, default)]
    url: Macro<'a>,
}

/// None: the body is of another script.
pub(crate) fn parse(text: &str, clock: &Clock) -> Result<Option<Parsed>, PluginError> {
    let webhook: Webhook<'_> = json::read(text)?;
    if webhook.trigger_id.is_unresolved() && webhook.id.is_unresolved() {
        return Ok(Some(Parsed::nothing("a test of the script: no macro has a value")));
    }
    if webhook.trigger_id.as_str().is_empty() {
        return Ok(None);
    }
    let mut warnings = Warnings::default();
    // When the message was made: of a recovery that is its end, of a problem it may be long after its start.
    let end = clock.local(webhook.last_received.as_str(), "", &mut warnings);
    let event = Event {
        id: webhook.id.as_str(),
        trigger_id: webhook.trigger_id.as_str(),
        name: webhook.name.as_str(),
        statuses: [webhook.value.as_str(), webhook.status.as_str(), ""],
        severities: [webhook.severity.as_str(), "", "", ""],
        acknowledged: webhook.event_ack.as_str(),
        action: webhook.update_action.as_str(),
        description: first(&[webhook.description.as_str(), webhook.message.as_str()]),
        end,
        tags: webhook.tags.as_str(),
        labels: &[
            ("host_name", first(&[webhook.host_name.as_str(), webhook.host_name_in_snake_case.as_str()])),
            ("host_ip", first(&[webhook.host_ip.as_str(), webhook.host_ip_in_snake_case.as_str()])),
            ("service", webhook.service.as_str()),
        ],
        url: webhook.url.as_str(),
        script: "keep",
        ..Event::default()
    };
    Ok(Some(event.parsed(clock, warnings)))
}
