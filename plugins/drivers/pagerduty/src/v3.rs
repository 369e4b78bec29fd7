//! The webhook of a V3 subscription: one event.

use plugin_sdk::PluginError;
use plugin_sdk::alert::Warnings;
use plugin_sdk::driver::{About, Parsed};
use plugin_sdk::json::{self, Maybe, Text};
use plugin_sdk::text::quotable;
use plugin_sdk::words::look_up;
use serde::Deserialize;

use crate::incident::{Incident, Occasion, Reference, STATUSES, UPDATES};

#[derive(Deserialize)]
struct Webhook<'a> {
    #[serde(borrow, default)]
    event: Maybe<Event<'a>>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, default)]
    event_type: Text<'a>,
    #[serde(borrow, default)]
    occurred_at: Text<'a>,
    #[serde(borrow, default)]
    agent: Maybe<Reference<'a>>,
    #[serde(borrow, default)]
    data: Maybe<Incident<'a>>,
}

/// None: the body has no object `event` and is no webhook of V3.
pub(crate) fn parse(text: &str, received_at: i64) -> Result<Option<Parsed>, PluginError> {
    let webhook: Webhook<'_> = json::read(text)?;
    webhook.event.0.map(|event| event.read(received_at)).transpose()
}

impl Event<'_> {
    fn read(&self, received_at: i64) -> Result<Parsed, PluginError> {
        let event = self.event_type.as_str();
        if let Some(reason) = look_up(UPDATES, event) {
            return Ok(Parsed::nothing(reason));
        }
        let status = self.data.0.as_ref().map_or("", |incident| incident.status.as_str());
        if event.is_empty() && status.is_empty() {
            return Err(PluginError::Unsupported(
                "`event` has no `event_type`, which every PagerDuty event has".to_owned(),
            ));
        }
        let Some(incident) = &self.data.0 else {
            return Err(PluginError::InvalidInput(format!(
                "event `{}` has no object `data`, so nothing says which incident it is about",
                quotable(event)
            )));
        };
        // An event that is new to this driver tells by its data whether it is about an incident's state.
        let kind = incident.kind.as_str();
        if look_up(STATUSES, event).is_none() && !matches!(kind, "" | "incident") {
            let (event, kind) = (quotable(event), quotable(kind));
            return Ok(Parsed::nothing(&format!("event `{event}` is about `{kind}`, not about an incident")));
        }
        if incident.is_stateless(event) {
            return Ok(Parsed::nothing(
                "the priority changed, and the body does not say the incident's status",
            ));
        }
        let occasion = Occasion {
            event,
            at: self.occurred_at.as_str(),
            agent: self.agent.0.as_ref().map_or("", Reference::name),
            received_at,
        };
        let mut warnings = Warnings::default();
        let alert = incident.read(&occasion, &mut warnings);
        Ok(Parsed::alerts(vec![alert]).about(&About { version: "v3", ..About::default() }, warnings))
    }
}
