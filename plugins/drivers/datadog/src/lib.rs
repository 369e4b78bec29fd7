//! Driver for Datadog.
//!
//! The body of a Datadog webhook is what its owner wrote, with variables filled in. It arrives as a
//! JSON object or, with "encode as form", as a form whose fields have the same names. Without a
//! template Datadog sends `id`, `last_updated`, `event_type`, `title`, `date`, `org` and `body`; then
//! state, priority, group and monitor are read from the title and from the links in the body. A value
//! that is only a variable without content (`$ALERT_SCOPE`) counts as missing, and so does `null`.
//!
//! | what | fields, the first that says something wins | Datadog's variable |
//! |---|---|---|
//! | name | `alert_title`, `title`, `event_title`, `monitor_name`, less the words in brackets before it | `$ALERT_TITLE`, `$EVENT_TITLE` |
//! | status | `alert_transition`, title, `alert_status`, `alert_type` by the table below | `$ALERT_TRANSITION`, … |
//! | severity | `alert_priority`, `severity`, `priority`, title, `alert_type`, status by the table below | `$ALERT_PRIORITY`, … |
//! | description | `event_msg`, `body`, `text_only_msg`, `message`, `description`, `alert_status` | `$EVENT_MSG`, … |
//! | monitor | `alert_id`, `monitor_id`, the monitor's link in the description | `$ALERT_ID` |
//! | group | `alert_scope`, `scopes`, `scope`, the monitor's link, title | `$ALERT_SCOPE` |
//! | cycle | `alert_cycle_key`, `cycle_key` | `$ALERT_CYCLE_KEY` |
//! | aggregation | `aggreg_key`, `aggregation_key` | `$AGGREG_KEY` |
//! | host | `hostname`, `host`, `host_name`, `host.name` | `$HOSTNAME` |
//! | time | `date`, `last_updated`: the start of what fires, the end of what is resolved | `$DATE`, `$LAST_UPDATED` |
//! | labels | the group's tags, then `tags` as a list or as text with commas; the first of a key counts | `$TAGS` |
//! | links | `url` or `link` (as `source`), the monitor's link, `snapshot`, `runbook_url` or `runbook` | `$LINK`, `$SNAPSHOT` |
//!
//! # Words
//!
//! | Datadog's word | status | severity, where no priority is set |
//! |---|---|---|
//! | `Triggered`, `Re-Triggered` | firing | critical |
//! | `Warn`, `Re-Warn` | firing | warning |
//! | `No Data`, `Re-No Data` | firing | warning |
//! | `Renotify` | firing | unmapped |
//! | `Recovered`, `Warn Recovered`, `No Data Recovered` | resolved | info |
//! | type `error`, `warning` | firing | critical, warning |
//! | type `success` | resolved | info |
//! | type `info` | not said | info |
//! | `alert`, `firing`; `ok`, `resolved`; `acknowledged`, which only templates say | firing; resolved; acknowledged | critical for `alert` |
//! | `P1`, `P2`; `P3`; `P4`, `P5` | | critical; warning; info |
//! | `critical`, `high`; `medium`, `normal`; `low` | | critical; warning; info |
//!
//! A message that says no state at all counts as firing, with a warning: its template could not report
//! a recovery either. A priority is the owner's own judgement and therefore wins over the type; `normal`
//! and `low` in `priority`, which every event has by default, count only where nothing else does. Events
//! of the types `user_update`, `recommendation` and `snapshot` are notes and mean nothing.
//!
//! # Identity
//! Monitor and group, as `monitor 1234 group host:web-1`; the tags of the group are sorted. Without a
//! group the cycle key, then the aggregation key, then monitor and host, then the monitor alone; without
//! a monitor the title, with the group or host. `org <id>` stands before it where the body names the
//! organisation. The event's `id` is new in every message and identifies nothing. A test message (`[TEST]`
//! in the title) has an identity of its own, so that it never touches the monitor's alert.
//!
//! Datadog signs nothing and names no delivery: protect its URL by an API key or by HTTP Basic.

#![forbid(unsafe_code)]

#[cfg(target_arch = "wasm32")]
mod component;
mod form;
mod link;
mod tags;
mod title;
mod webhook;
mod words;

use plugin_sdk::driver::{Driver, DriverInfo, Incoming, Parsed, Root, Shape};
use plugin_sdk::json::{self, Kind};
use plugin_sdk::{PluginError, plugin_info};

/// The driver.
#[derive(Debug)]
pub struct Datadog;

impl Driver for Datadog {
    fn metadata() -> DriverInfo {
        DriverInfo {
            plugin: plugin_info(
                "datadog",
                env!("CARGO_PKG_VERSION"),
                "Datadog webhooks, with or without a template of their own, as JSON or form",
            ),
            signatures: Vec::new(),
            shapes: shapes(),
            delivery_id_header: None,
            sample: Some(include_bytes!("../testdata/template_triggered.json").to_vec()),
        }
    }

    fn parse(request: &Incoming, _config: &str) -> Result<Parsed, PluginError> {
        // What begins as JSON is JSON, whatever it is called: `curl -d` calls everything a form.
        match json::body(&request.body)? {
            (Kind::Object, text) => webhook::parse(text, request.received_at),
            (Kind::Other, text) if request.content_type == form::CONTENT_TYPE => {
                webhook::parse(&form::to_json(text)?, request.received_at)
            }
            (kind, _) => Err(json::wrong_root(kind, "a Datadog webhook: a JSON object or a form")),
        }
    }
}

/// What Datadog's variables are usually called, and the default body. `title` or `org` alone prove
/// nothing: other senders use them too.
fn shapes() -> Vec<Shape> {
    const TEMPLATE: i32 = 650;
    const DEFAULT: i32 = 620;
    let form = |name, priority, required: &[&str]| Shape {
        root: Root::Form,
        ..Shape::object(name, priority, required)
    };
    vec![
        Shape::object("transition", TEMPLATE, &["/alert_transition"]),
        Shape::object("alert_title", TEMPLATE, &["/alert_id", "/alert_title"]),
        Shape::object("alert_type", TEMPLATE, &["/alert_id", "/alert_type"]),
        Shape::object("default_org", DEFAULT, &["/last_updated", "/event_type", "/title", "/org/id"]),
        Shape::object("default_body", DEFAULT, &["/last_updated", "/event_type", "/title", "/date", "/body"]),
        form("form_transition", TEMPLATE, &["/alert_transition"]),
        form("form_alert", TEMPLATE, &["/alert_id", "/alert_title"]),
        form("form_default", DEFAULT, &["/last_updated", "/event_type", "/title"]),
    ]
}

#[cfg(test)]
mod tests;
