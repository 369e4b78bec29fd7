//! Driver for Prometheus Alertmanager and for what speaks its language.
//!
//! Two payloads, told apart by their root:
//!
//! - an object is the body of Alertmanager's webhook receiver (`webhook`);
//! - an array is what Prometheus, vmalert, Thanos and Loki push to an Alertmanager's
//!   `/api/v2/alerts` (`push`). A firing alert's `endsAt` is `expires_at_ms` in its `extra`.
//!
//! Both agree on what an alert is. The name is the label `alertname`; the severity is the label
//! `severity` by [`plugin_sdk::words::SEVERITIES`] and unmapped where the label is missing; the
//! description is the first of the annotations `description`, `message` and `summary`. Alertmanager
//! signs nothing: protect its URL by an API key.

#![forbid(unsafe_code)]

#[cfg(target_arch = "wasm32")]
mod component;
mod fields;
mod push;
mod webhook;

use plugin_sdk::driver::{Driver, DriverInfo, Incoming, Parsed, Shape};
use plugin_sdk::json::{self, Kind};
use plugin_sdk::{PluginError, plugin_info};

/// The driver.
#[derive(Debug)]
pub struct Alertmanager;

impl Driver for Alertmanager {
    fn metadata() -> DriverInfo {
        DriverInfo {
            plugin: plugin_info(
                "alertmanager",
                env!("CARGO_PKG_VERSION"),
                "Prometheus Alertmanager webhooks and alerts pushed by Prometheus or vmalert",
            ),
            signatures: Vec::new(),
            shapes: shapes(),
            delivery_id_header: None,
            sample: Some(include_bytes!("../testdata/webhook_firing.json").to_vec()),
        }
    }

    fn parse(request: &Incoming, _config: &str) -> Result<Parsed, PluginError> {
        match json::body(&request.body)? {
            (Kind::Object, text) => webhook::parse(text, request.received_at),
            (Kind::Array, text) => push::parse(text, request.received_at),
            (Kind::Other, _) => {
                Err(json::wrong_root(Kind::Other, "a webhook object or an array of pushed alerts"))
            }
        }
    }
}

/// Grafana sends the same fields and more, so all of these must rank below Grafana's own shapes.
fn shapes() -> Vec<Shape> {
    vec![
        Shape::object("webhook_v4", 600, &["/alerts", "/status", "/groupKey", "/receiver"])
            .with_value("/version", "4"),
        Shape::object("webhook_group_key", 400, &["/alerts", "/status", "/groupKey"]),
        Shape::object("webhook_receiver", 400, &["/alerts", "/status", "/receiver"]),
        Shape::object("webhook_common_labels", 400, &["/alerts", "/status", "/commonLabels"]),
        // Written by hand or by a relay: a list of such alerts without what Alertmanager puts around it.
        Shape::object("alerts_alone", 300, &["/alerts/0/labels/alertname"])
            .without(&["/alerts/0/name", "/alerts/0/title"]),
        Shape::array("push_v2", 500, &["/0/labels/alertname"]),
        // A rule may drop `alertname`; then only the way Go writes times and addresses is left.
        Shape::array("push_v2_unnamed", 300, &["/0/labels", "/0/generatorURL"]),
    ]
}

#[cfg(test)]
mod tests {
    use plugin_sdk::driver::Outcome;
    use plugin_sdk::testkit;

    use super::*;

    #[test]
    fn golden_payloads_are_read_as_reviewed() {
        testkit::driver::<Alertmanager>(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata"));
    }

    #[test]
    fn the_sample_gives_an_alert() {
        testkit::sample::<Alertmanager>();
    }

    #[test]
    fn a_null_in_any_field_of_an_alert_does_not_lose_the_alert() {
        let body = include_str!("../testdata/webhook_firing.json");
        for field in ["status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint"]
        {
            let mut value: serde_json::Value = serde_json::from_str(body).unwrap();
            value["alerts"][0][field] = serde_json::Value::Null;
            let parsed = testkit::parse::<Alertmanager>(value.to_string().as_bytes()).unwrap();
            assert!(matches!(parsed.outcome, Outcome::Alerts(alerts) if alerts.len() == 1), "{field}");
        }
    }

    #[test]
    fn what_is_no_json_is_named() {
        let message = |body: &[u8]| match testkit::parse::<Alertmanager>(body) {
            Err(PluginError::InvalidInput(message)) => message,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            message(b""),
            "body is no JSON object or array, expected a webhook object or an array of pushed alerts"
        );
        assert_eq!(message(b"{\"a\":\"\xff\"}"), "body is not UTF-8: the first wrong byte is at offset 6");
        assert!(message(b"{\"alerts\":[").starts_with("body is not readable JSON: EOF while parsing"));
    }

    #[test]
    fn more_alerts_than_the_contract_allows_are_refused_and_not_cut() {
        let body = format!("[{}]", vec![r#"{"labels":{"alertname":"A"}}"#; 2_001].join(","));
        let Err(PluginError::InvalidInput(message)) = testkit::parse::<Alertmanager>(body.as_bytes()) else {
            panic!("accepted");
        };
        assert!(
            message.starts_with("body holds 2001 alerts, at most 2000 are taken at once\nhint: "),
            "{message}"
        );
    }

    #[test]
    fn that_alerts_were_left_out_is_the_first_of_at_most_20_warnings() {
        let odd = r#"{"labels":{"alertname":"A"},"startsAt":"soon"}"#;
        let body = format!(r#"{{"alerts":[{}],"truncatedAlerts":7}}"#, [odd; 30].join(","));
        let parsed = testkit::parse::<Alertmanager>(body.as_bytes()).unwrap();
        assert_eq!(parsed.warnings.len(), 20);
        assert!(parsed.warnings[0].starts_with("Alertmanager left 7 alerts"), "{}", parsed.warnings[0]);
    }

    #[test]
    fn deep_nesting_is_read_without_recursion() {
        let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
        let body = format!(r#"{{"alerts":[{{"labels":{{"alertname":"A","x":{deep}}}}}],"more":{deep}}}"#);
        assert!(testkit::parse::<Alertmanager>(body.as_bytes()).is_ok());
    }
}
