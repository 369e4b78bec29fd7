//! Driver for Grafana.
//!
//! Two payloads, told apart by whether there is a list `alerts`:
//!
//! - `unified`: the webhook contact point of unified alerting, Grafana 9 and later. The name is the
//!   label `alertname`, the severity the label `severity` by [`plugin_sdk::words::SEVERITIES`]
//!   (Grafana has none of its own), the identity Grafana's fingerprint of the labels.
//! - `legacy`: the webhook channel of dashboard alerting, before Grafana 9.
//!
//! # Signature
//! Grafana signs on request: hexadecimal HMAC-SHA256 of the body in `X-Grafana-Alerting-Signature`,
//! or in `X-Grafana-Signature` as older texts have it. A contact point may name another header, and
//! one with a time that is then signed too, as `{timestamp}:{body}`. Grafana has no name of its own
//! for that; `[driver.grafana.signature]` in `plugins.toml` takes both names over, and a time that is
//! named there is required. Without it a time is looked for in `X-Grafana-Alerting-Timestamp`.

#![forbid(unsafe_code)]

#[cfg(target_arch = "wasm32")]
mod component;
mod legacy;
mod unified;

use plugin_sdk::driver::{
    Driver, DriverInfo, HmacScheme, Incoming, Parsed, Shape, SignatureScheme, hmac_sha256_hex,
};
use plugin_sdk::json::{self, Kind};
use plugin_sdk::{PluginError, plugin_info};

/// The driver.
#[derive(Debug)]
pub struct Grafana;

impl Driver for Grafana {
    fn metadata() -> DriverInfo {
        DriverInfo {
            plugin: plugin_info(
                "grafana",
                env!("CARGO_PKG_VERSION"),
                "Grafana webhooks of unified and of dashboard alerting",
            ),
            signatures: signatures(),
            shapes: shapes(),
            delivery_id_header: None,
            sample: Some(include_bytes!("../testdata/unified_firing.json").to_vec()),
        }
    }

    fn parse(request: &Incoming, _config: &str) -> Result<Parsed, PluginError> {
        let text = match json::body(&request.body)? {
            (Kind::Object, text) => text,
            (kind, _) => return Err(json::wrong_root(kind, "a Grafana webhook object")),
        };
        match unified::parse(text, request.received_at)? {
            Some(parsed) => Ok(parsed),
            None => legacy::parse(text),
        }
    }
}

fn signatures() -> Vec<SignatureScheme> {
    ["x-grafana-alerting-signature", "x-grafana-signature"]
        .into_iter()
        .flat_map(|header| {
            let plain = hmac_sha256_hex(header);
            let timed = HmacScheme {
                timestamp_header: Some("x-grafana-alerting-timestamp".to_owned()),
                signed_template: "{timestamp}:{body}".to_owned(),
                ..plain.clone()
            };
            [timed, plain]
        })
        .map(SignatureScheme::Hmac)
        .collect()
}

/// A unified webhook has all that an Alertmanager webhook has, so these rank above Alertmanager's.
/// `title`, `state` or `orgId` alone prove nothing: other senders use them too.
fn shapes() -> Vec<Shape> {
    vec![
        Shape::object("unified_v1", 800, &["/alerts", "/orgId", "/status"]).with_value("/version", "1"),
        Shape::object("unified", 700, &["/alerts", "/orgId", "/state"]),
        Shape::object("unified_links", 700, &["/alerts/0/silenceURL", "/alerts/0/labels"]),
        Shape::object("unified_values", 700, &["/alerts/0/valueString", "/alerts/0/labels"]),
        Shape::object("legacy_rule", 700, &["/ruleId", "/ruleName", "/state"]).without(&["/alerts"]),
        Shape::object("legacy_matches", 690, &["/evalMatches", "/ruleName"]).without(&["/alerts"]),
    ]
}

#[cfg(test)]
mod tests {
    use plugin_sdk::testkit;

    use super::*;

    #[test]
    fn golden_payloads_are_read_as_reviewed() {
        testkit::driver::<Grafana>(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata"));
    }

    #[test]
    fn the_sample_gives_an_alert() {
        testkit::sample::<Grafana>();
    }

    #[test]
    fn title_state_and_org_do_not_make_a_grafana_webhook() {
        let shapes = shapes();
        for body in [
            r#"{"title":"CPU high","org":{"id":"1"},"alert_id":"7","alert_transition":"Triggered"}"#,
            r#"{"title":"CPU high","state":"ACTIVATED","orgId":1,"issueUrl":"https://example.net"}"#,
            r#"{"title":"CPU high","state":"alerting","message":"over 90 %"}"#,
        ] {
            assert_eq!(testkit::matching(&shapes, &[], body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn that_alerts_were_left_out_is_the_first_of_at_most_20_warnings() {
        let odd = r#"{"labels":{"alertname":"A"},"startsAt":"soon"}"#;
        let body = format!(r#"{{"alerts":[{}],"truncatedAlerts":7}}"#, [odd; 30].join(","));
        let parsed = testkit::parse::<Grafana>(body.as_bytes()).unwrap();
        assert_eq!(parsed.warnings.len(), 20);
        assert!(parsed.warnings[0].starts_with("Grafana left 7 alerts"), "{}", parsed.warnings[0]);
    }

    #[test]
    fn one_rule_number_of_two_grafanas_makes_two_alerts() {
        let fingerprint = |address: &str| {
            let body =
                format!(r#"{{"orgId":1,"ruleId":41,"ruleName":"CPU","state":"ok","ruleUrl":"{address}"}}"#);
            testkit::alert_in::<Grafana>(&body).fingerprint.unwrap()
        };
        assert_eq!(fingerprint("https://me@A.example.net:3000/d/web?x"), "a.example.net:3000/org 1 rule 41");
        assert_eq!(fingerprint("http://b.example.net?x"), "b.example.net/org 1 rule 41");
        assert_eq!(fingerprint("/d/web"), "org 1 rule 41");
        assert_eq!(fingerprint(""), "org 1 rule 41");
    }

    #[test]
    fn both_headers_are_declared_with_and_without_a_time() {
        let schemes: Vec<(String, bool)> = signatures()
            .into_iter()
            .map(|scheme| match scheme {
                SignatureScheme::Hmac(hmac) => (hmac.header, hmac.timestamp_header.is_some()),
                SignatureScheme::StandardWebhooks => panic!("Grafana has no such scheme"),
            })
            .collect();
        let declared = |header: &str, timed| schemes.contains(&(header.to_owned(), timed));
        for timed in [true, false] {
            assert!(declared("x-grafana-alerting-signature", timed));
            assert!(declared("x-grafana-signature", timed));
        }
    }

    #[test]
    fn a_body_of_another_kind_is_unsupported() {
        let result = testkit::parse::<Grafana>(br#"{"orgId":1,"state":"alerting","title":"Test"}"#);
        assert!(matches!(result, Err(PluginError::Unsupported(_))), "{result:?}");
    }
}
