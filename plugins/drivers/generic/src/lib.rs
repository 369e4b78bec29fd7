//! Driver for senders that have no driver of their own: scripts, cron jobs, small tools.
//!
//! The body is one alert, an array of alerts, or an object with a list `alerts`. An alert:
//!
//! | what | fields, the first that says something wins | when none does |
//! |---|---|---|
//! | name | `name`, `alert_name`, `title`, `alertname`, label `alertname` | see below |
//! | status | `status`, `state` by [`plugin_sdk::words::STATUSES`] | firing |
//! | severity | `severity`, `priority`, `level`, label `severity` by [`plugin_sdk::words::SEVERITIES`] | unmapped |
//! | description | `description`, `message`, `text`, `summary` | empty |
//! | fingerprint | `fingerprint` as it is; `alert_id`, `id` with a scope, see below | made by the host from name and labels |
//! | start | `started_at`, `starts_at`, `startsAt`, `timestamp`, `time` | time of receipt |
//! | end, once resolved | `ended_at`, `ends_at`, `endsAt`, `resolved_at` | none |
//! | labels | `labels` and `tags`, each an object or a list of `key:value` | |
//! | instance | `instance_id`, `instance`, `hostname`, `host` become labels where `labels` has none of the name | those around the list, if the alert says no place |
//! | annotations | `annotations` | |
//! | links | `url` or `link` (as `source`), `runbook_url`, `dashboard_url` | |
//!
//! For status and severity a known word in a later field wins over an unknown one in an earlier;
//! the word passed over is a warning. Times are RFC 3339 or Unix time in seconds or milliseconds.
//!
//! # Identity
//! A report ends the alert that has its fingerprint. Ids of two tools are easily the same, so `alert_id`
//! and `id` become `<scope>/<id>`. The scope is `source`, the alert's or else the one around the list;
//! without a source, the first of the labels `instance_id`, `instance`, `hostname`, `host` and
//! `host_name`; with neither, the id stands alone. Firing and resolving reports must therefore agree in
//! these. A sender that takes care of this itself sends `fingerprint`.
//!
//! # Around a list
//! `source`, `version`, `group_key`, `receiver` and `external_url` describe the whole. `status` or
//! `state`, `severity`, `priority` or `level`, and `instance_id`, `instance`, `hostname` and `host`, count for
//! those alerts that carry none of their own.
//! `source` becomes the label `sender_source`, cut to 255 bytes: the source of an alert is the driver's
//! name, which a sender cannot choose.
//!
//! A single body without a name is refused, for nothing says that it is an alert. In a list an alert
//! without a name is kept under a stand-in name.
//!
//! # Signature
//! `X-Webhook-Signature`, hexadecimal HMAC-SHA256 of the body with or without `sha256=` before it,
//! or Standard Webhooks. `webhook-id` names the delivery.

#![forbid(unsafe_code)]

mod alert;
#[cfg(target_arch = "wasm32")]
mod component;

use plugin_sdk::alert::Warnings;
use plugin_sdk::driver::{
    About, Driver, DriverInfo, HmacScheme, Incoming, Parsed, Shape, SignatureScheme, collect, hmac_sha256_hex,
};
use plugin_sdk::json::{self, Items, Kind, Text};
use plugin_sdk::{PluginError, plugin_info};
use serde::Deserialize;

use crate::alert::{AlertFields, Around, places};

/// The driver.
#[derive(Debug)]
pub struct Generic;

impl Driver for Generic {
    fn metadata() -> DriverInfo {
        DriverInfo {
            plugin: plugin_info(
                "generic",
                env!("CARGO_PKG_VERSION"),
                "Plain JSON alerts of scripts and tools without a driver of their own",
            ),
            signatures: vec![
                SignatureScheme::Hmac(HmacScheme {
                    prefixes: vec!["sha256=".to_owned(), String::new()],
                    ..hmac_sha256_hex("x-webhook-signature")
                }),
                SignatureScheme::StandardWebhooks,
            ],
            shapes: shapes(),
            delivery_id_header: Some("webhook-id".to_owned()),
            sample: Some(include_bytes!("../testdata/single_firing.json").to_vec()),
        }
    }

    fn parse(request: &Incoming, _config: &str) -> Result<Parsed, PluginError> {
        match json::body(&request.body)? {
            (Kind::Object, text) => object(text, request.received_at),
            (Kind::Array, text) => {
                list(&json::read(text)?, &Around::default(), &About::default(), request.received_at)
            }
            (Kind::Other, _) => Err(json::wrong_root(Kind::Other, "an alert or a list of alerts")),
        }
    }
}

/// Anything more specific wins over these. A list is recognised by the two most usual names of its
/// first alert; others reach the driver by its own URL.
fn shapes() -> Vec<Shape> {
    const PRIORITY: i32 = 10;
    vec![
        Shape::object("single_name", PRIORITY, &["/name"]),
        Shape::object("single_alert_name", PRIORITY, &["/alert_name"]),
        Shape::object("single_title", PRIORITY, &["/title"]),
        Shape::object("single_alertname", PRIORITY, &["/alertname"]),
        Shape::object("list_name", PRIORITY, &["/alerts/0/name"]),
        Shape::object("list_title", PRIORITY, &["/alerts/0/title"]),
        Shape::array("array_name", PRIORITY, &["/0/name"]),
        Shape::array("array_title", PRIORITY, &["/0/title"]),
    ]
}

/// What stands around a list of alerts.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    source: Text<'a>,
    #[serde(borrow, default)]
    version: Text<'a>,
    #[serde(borrow, default)]
    group_key: Text<'a>,
    #[serde(borrow, default)]
    receiver: Text<'a>,
    #[serde(borrow, default)]
    external_url: Text<'a>,
    #[serde(borrow, default)]
    status: Text<'a>,
    #[serde(borrow, default)]
    state: Text<'a>,
    #[serde(borrow, default)]
    severity: Text<'a>,
    #[serde(borrow, default)]
    priority: Text<'a>,
    #[serde(borrow, default)]
    level: Text<'a>,
    #[serde(borrow, default)]
    instance_id: Text<'a>,
    #[serde(borrow, default)]
    instance: Text<'a>,
    #[serde(borrow, default)]
    hostname: Text<'a>,
    #[serde(borrow, default)]
    host: Text<'a>,
    #[serde(borrow, default)]
    alerts: Items<AlertFields<'a>>,
}

fn object(text: &str, received_at: i64) -> Result<Parsed, PluginError> {
    let envelope: Envelope<'_> = json::read(text)?;
    let about = About {
        group_key: envelope.group_key.as_str(),
        receiver: envelope.receiver.as_str(),
        external_url: envelope.external_url.as_str(),
        version: envelope.version.as_str(),
    };
    if envelope.alerts.seen == 0 && envelope.alerts.skipped == 0 {
        return single(text, &envelope, &about, received_at);
    }
    let around = Around {
        source: envelope.source.as_str(),
        statuses: [&envelope.status, &envelope.state].map(Text::as_str),
        severities: [&envelope.severity, &envelope.priority, &envelope.level].map(Text::as_str),
        places: places([&envelope.instance_id, &envelope.instance, &envelope.hostname, &envelope.host]),
    };
    list(&envelope.alerts, &around, &about, received_at)
}

fn list(
    alerts: &Items<AlertFields<'_>>,
    around: &Around<'_>,
    about: &About<'_>,
    received_at: i64,
) -> Result<Parsed, PluginError> {
    collect(alerts, about, Warnings::default(), |fields, warnings| fields.read(around, received_at, warnings))
}

fn single(
    text: &str,
    envelope: &Envelope<'_>,
    about: &About<'_>,
    received_at: i64,
) -> Result<Parsed, PluginError> {
    let fields: AlertFields<'_> = json::read(text)?;
    if !fields.name().is_empty() {
        let mut warnings = Warnings::default();
        let alert = fields.read(&Around::default(), received_at, &mut warnings);
        return Ok(Parsed::alerts(vec![alert]).about(about, warnings));
    }
    if envelope.alerts.misfit {
        return Err(PluginError::InvalidInput("`alerts` is no list".to_owned()));
    }
    if envelope.alerts.present {
        return Ok(Parsed::nothing("the list of alerts is empty").about(about, Warnings::default()));
    }
    Err(PluginError::InvalidInput(
        "body has no name\n\
         hint: send `name`, `alert_name`, `title` or `alertname`, or a list `alerts` of objects with one of them"
            .to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use plugin_sdk::testkit;

    use super::*;

    #[test]
    fn golden_payloads_are_read_as_reviewed() {
        testkit::driver::<Generic>(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata"));
    }

    #[test]
    fn the_sample_gives_an_alert() {
        testkit::sample::<Generic>();
    }

    #[test]
    fn there_are_no_more_shapes_than_the_contract_allows() {
        assert!(shapes().len() <= 8);
    }

    #[test]
    fn an_id_is_told_apart_by_source_or_instance_and_a_fingerprint_stays() {
        let fingerprint = |fields: &str| {
            let body = format!(r#"{{"name":"a",{fields}}}"#);
            testkit::alert_in::<Generic>(&body).fingerprint
        };
        let is = |fields: &str, expected: &str| assert_eq!(fingerprint(fields).as_deref(), Some(expected));
        is(r#""id":1,"source":"backup","host":"db-1""#, "backup/1");
        is(r#""id":1,"host":"db-1""#, "db-1/1");
        is(r#""alert_id":"x","id":1,"labels":{"host":"h","instance_id":"i-7"}"#, "i-7/x");
        is(r#""id":1,"tags":["host_name:mail"]"#, "mail/1");
        is(r#""id":1"#, "1");
        is(r#""fingerprint":"f","id":1,"source":"backup""#, "f");
        assert_eq!(fingerprint(r#""source":"backup""#), None);
    }

    #[test]
    fn a_sender_cannot_choose_its_source() {
        let body = r#"{"name":"a","source":"alertmanager","labels":{"sender_source":"forged"}}"#;
        let alert = testkit::alert_in::<Generic>(body);
        assert_eq!(alert.labels, [plugin_sdk::label("sender_source", "alertmanager")]);
    }
}
