//! The webhook of a V2 extension: messages, each about an incident.
//!
//! Several messages come together where things happen in quick succession, and there may be several
//! of one incident, in the order in which they happened. Messages that change no state are left out.

use plugin_sdk::PluginError;
use plugin_sdk::alert::Warnings;
use plugin_sdk::driver::{About, Parsed, collect};
use plugin_sdk::json::{self, Items, Maybe, Text};
use plugin_sdk::text::first;
use plugin_sdk::words::look_up;
use serde::Deserialize;

use crate::incident::{Incident, Occasion, Reference, UPDATES};

#[derive(Deserialize)]
struct Webhook<'a> {
    #[serde(borrow, default)]
    messages: Items<Message<'a>>,
}

/// Earlier senders have `type` where V2 has `event`.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    event: Text<'a>,
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    created_on: Text<'a>,
    #[serde(borrow, default)]
    log_entries: Items<LogEntry<'a>>,
    #[serde(borrow, default)]
    incident: Maybe<Incident<'a>>,
}

#[derive(Deserialize)]
struct LogEntry<'a> {
    #[serde(borrow, default)]
    agent: Maybe<Reference<'a>>,
}

pub(crate) fn parse(text: &str, received_at: i64) -> Result<Parsed, PluginError> {
    let Webhook { mut messages } = json::read(text)?;
    if messages.misfit {
        return Err(PluginError::InvalidInput("`messages` is no list".to_owned()));
    }
    if !messages.present {
        return Err(PluginError::Unsupported(
            "body has neither an object `event`, as V3 sends it, nor a list `messages`, as V2 does"
                .to_owned(),
        ));
    }
    let update = messages.items.iter().find_map(|message| look_up(UPDATES, message.event()));
    messages.items.retain(|message| look_up(UPDATES, message.event()).is_none());
    match update {
        Some(reason) if messages.items.is_empty() => return Ok(Parsed::nothing(reason)),
        _ => {}
    }
    let about = About { version: "v2", ..About::default() };
    collect(&messages, &about, Warnings::default(), |message, warnings| {
        let nobody = Incident::default();
        let incident = message.incident.0.as_ref().unwrap_or(&nobody);
        let agent = message.log_entries.items.first().and_then(|entry| entry.agent.0.as_ref());
        let occasion = Occasion {
            event: message.event(),
            at: message.created_on.as_str(),
            agent: agent.map_or("", Reference::name),
            received_at,
        };
        incident.read(&occasion, warnings)
    })
}

impl Message<'_> {
    fn event(&self) -> &str {
        first(&[self.event.as_str(), self.kind.as_str()])
    }
}
