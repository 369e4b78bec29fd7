//! Scripts that send macros under their own names in snake case.

use plugin_sdk::PluginError;
use plugin_sdk::alert::Warnings;
use plugin_sdk::driver::Parsed;
use plugin_sdk::json;
use plugin_sdk::text::first;
use serde::Deserialize;

use crate::clock::Clock;
use crate::event::Event;
use crate::macros::Macro;

#[derive(Deserialize)]
struct Webhook<'a> {
    #[serde(borrow, default)]
    event_id: Macro<'a>,
    #[serde(borrow, default)]
    event_name: Macro<'a>,
    #[serde(borrow, default)]
    event_source: Macro<'a>,
    #[serde(borrow, default)]
    event_value: Macro<'a>,
    #[serde(borrow, default)]
    event_status: Macro<'a>,
    #[serde(borrow, default)]
    event_severity: Macro<'a>,
    #[serde(borrow, default)]
    event_nseverity: Macro<'a>,
    #[serde(borrow, default)]
    event_ack_status: Macro<'a>,
    #[serde(borrow, default)]
    event_update_status: Macro<'a>,
    #[serde(borrow, default)]
    event_update_action: Macro<'a>,
    #[serde(borrow, default)]
    event_update_message: Macro<'a>,
    #[serde(borrow, default)]
    event_date: Macro<'a>,
    #[serde(borrow, default)]
    event_time: Macro<'a>,
    #[serde(borrow, default)]
    event_timestamp: Macro<'a>,
    #[serde(borrow, default)]
    event_recovery_date: Macro<'a>,
    #[serde(borrow, default)]
    event_recovery_time: Macro<'a>,
    #[serde(borrow, default)]
    event_recovery_timestamp: Macro<'a>,
    #[serde(borrow, default)]
    event_message: Macro<'a>,
    #[serde(borrow, default)]
    event_opdata: Macro<'a>,
    #[serde(borrow, default)]
    event_tags: Macro<'a>,
    #[serde(borrow, default)]
    event_tags_json: Macro<'a>,
    #[serde(borrow, default)]
    tags: Macro<'a>,
    #[serde(borrow, default)]
    trigger_id: Macro<'a>,
    #[serde(borrow, default)]
    trigger_name: Macro<'a>,
    #[serde(borrow, default)]
    trigger_severity: Macro<'a>,
    #[serde(borrow, default)]
    trigger_nseverity: Macro<'a>,
    #[serde(borrow, default)]
    trigger_status: Macro<'a>,
    #[serde(borrow, default)]
    trigger_description: Macro<'a>,
    #[serde(borrow, default)]
    trigger_url: Macro<'a>,
    #[serde(borrow, default)]
    host_name: Macro<'a>,
    #[serde(borrow, default)]
    host_ip: Macro<'a>,
    #[serde(borrow, default)]
    host_group: Macro<'a>,
    #[serde(borrow, default)]
    item_name: Macro<'a>,
    #[serde(borrow, default)]
    item_value: Macro<'a>,
    #[serde(borrow, default)]
    alert_message: Macro<'a>,
    #[serde(borrow, default)]
    zabbix_url: Macro<'a>,
    #[serde(borrow, default)]
    runbook_url: Macro<'a>,
}

/// None: the body is of another script.
pub(crate) fn parse(text: &str, clock: &Clock) -> Result<Option<Parsed>, PluginError> {
    let webhook: Webhook<'_> = json::read(text)?;
    Ok(webhook.parsed(clock))
}

impl Webhook<'_> {
    fn parsed(&self, clock: &Clock) -> Option<Parsed> {
        let mut warnings = Warnings::default();
        let item = match (self.item_name.as_str(), self.item_value.as_str()) {
            ("", _) | (_, "") => String::new(),
            (name, value) => format!("{name}: {value}"),
        };
        let event = Event {
            start: self.start(clock, &mut warnings),
            end: self.end(clock, &mut warnings),
            description: first(&[
                self.alert_message.as_str(),
                self.event_message.as_str(),
                self.trigger_description.as_str(),
                &item,
            ]),
            labels: &[
                ("host_name", self.host_name.as_str()),
                ("host_ip", self.host_ip.as_str()),
                ("host_group", self.host_group.as_str()),
                ("item_name", self.item_name.as_str()),
            ],
            annotations: &[
                ("item_value", self.item_value.as_str()),
                ("operational_data", self.event_opdata.as_str()),
                ("update_message", self.event_update_message.as_str()),
            ],
            links: &[("trigger", self.trigger_url.as_str()), ("runbook", self.runbook_url.as_str())],
            ..self.event()
        };
        if !event.is_blank() {
            return Some(event.parsed(clock, warnings));
        }
        let wanted = [&self.event_id, &self.trigger_id, &self.event_value, &self.event_status];
        wanted
            .iter()
            .any(|field| field.is_unresolved())
            .then(|| Parsed::nothing("a test of the media type: no macro has a value"))
    }

    /// What says which problem it is and how it stands.
    fn event(&self) -> Event<'_> {
        Event {
            id: self.event_id.as_str(),
            trigger_id: self.trigger_id.as_str(),
            name: first(&[self.trigger_name.as_str(), self.event_name.as_str()]),
            source: self.event_source.as_str(),
            statuses: [&self.event_value, &self.event_status, &self.trigger_status].map(Macro::as_str),
            severities: [
                &self.event_severity,
                &self.event_nseverity,
                &self.trigger_severity,
                &self.trigger_nseverity,
            ]
            .map(Macro::as_str),
            acknowledged: self.event_ack_status.as_str(),
            // Zabbix says 0 of what is no update.
            action: if self.event_update_status.as_str() == "0" {
                ""
            } else {
                self.event_update_action.as_str()
            },
            tags: first(&[self.event_tags_json.as_str(), self.event_tags.as_str(), self.tags.as_str()]),
            url: self.zabbix_url.as_str(),
            script: "script",
            ..Event::default()
        }
    }

    fn start(&self, clock: &Clock, warnings: &mut Warnings) -> String {
        match self.event_timestamp.as_str() {
            "" => clock.local(self.event_date.as_str(), self.event_time.as_str(), warnings),
            exact => exact.to_owned(),
        }
    }

    fn end(&self, clock: &Clock, warnings: &mut Warnings) -> String {
        match self.event_recovery_timestamp.as_str() {
            "" => clock.local(self.event_recovery_date.as_str(), self.event_recovery_time.as_str(), warnings),
            exact => exact.to_owned(),
        }
    }
}
