//! Driver for PagerDuty.
//!
//! Two payloads:
//!
//! - `v3`: webhook subscriptions; one event per request, in `event`;
//! - `v2`: the webhook extensions before them; a list `messages`.
//!
//! Both tell of incidents in nearly the same words (`incident.rs`). An incident's identity is its `id`,
//! never that of the event, of a note or of a status update.
//!
//! # Status
//! | event | meaning here |
//! |---|---|
//! | `incident.triggered`, `incident.reopened`, `incident.unacknowledged` | firing |
//! | `incident.acknowledged` | acknowledged |
//! | `incident.resolved` | resolved, also where the incident was merged into another |
//! | `incident.priority_updated` | what the incident's own `status` says; the severity may have changed |
//! | `incident.` + `annotated`, `delegated`, `escalated`, `reassigned`, `responder.…`, `status_update_published`, `service_updated`, `conference_bridge.updated`, `custom_field_values.updated`, `workflow.…` | nothing |
//! | `service.…`, `pagey.ping` (the test button) | nothing |
//! | any other event about something else than an incident (`data.type`) | nothing |
//! | any other event about an incident | what the incident's own `status` says, else unmapped |
//!
//! V2 has the verbs `trigger`, `acknowledge`, `unacknowledge`, `resolve`, `assign`, `annotate`,
//! `escalate` and `delegate` behind `incident.`, which mean the same. An incident's own `status` is
//! `triggered`, `acknowledged` or `resolved`.
//!
//! # Severity
//! The first of these that is known, whatever its case: the name of the priority, its first word, the
//! urgency. Names of priorities are the account's own; these are the usual ones.
//!
//! | word | meaning here |
//! |---|---|
//! | `P0`, `P1`, `P2`, `SEV-0`, `SEV-1`, `SEV-2`, `critical`, `high`, `major` | critical |
//! | `P3`, `SEV-3`, `medium`, `moderate`, `minor`, `low` | warning |
//! | `P4`, `P5`, `SEV-4`, `SEV-5`, `info`, `informational` | info |
//! | anything else | unmapped |
//!
//! `low` is mostly an urgency, which says that nobody is woken; somebody still has to look. The whole
//! name of the priority is the label `priority`.
//!
//! # Signature
//! V3 is signed: `X-PagerDuty-Signature: v1=…,v1=…`, hexadecimal HMAC-SHA256 of the body, one for each
//! secret while secrets rotate. `X-Webhook-Id` names the delivery. V2 is not signed.

#![forbid(unsafe_code)]

#[cfg(target_arch = "wasm32")]
mod component;
mod incident;
mod v2;
mod v3;

use plugin_sdk::driver::{
    Driver, DriverInfo, HmacScheme, Incoming, Parsed, Shape, SignatureScheme, hmac_sha256_hex,
};
use plugin_sdk::json::{self, Kind};
use plugin_sdk::{PluginError, plugin_info};

/// The driver.
#[derive(Debug)]
pub struct PagerDuty;

impl Driver for PagerDuty {
    fn metadata() -> DriverInfo {
        DriverInfo {
            plugin: plugin_info(
                "pagerduty",
                env!("CARGO_PKG_VERSION"),
                "PagerDuty webhooks, V3 subscriptions and V2 extensions",
            ),
            signatures: vec![SignatureScheme::Hmac(HmacScheme {
                prefixes: vec!["v1=".to_owned()],
                separator: Some(",".to_owned()),
                ..hmac_sha256_hex("x-pagerduty-signature")
            })],
            shapes: shapes(),
            delivery_id_header: Some("x-webhook-id".to_owned()),
            sample: Some(include_bytes!("../testdata/v3_triggered.json").to_vec()),
        }
    }

    fn parse(request: &Incoming, _config: &str) -> Result<Parsed, PluginError> {
        let text = match json::body(&request.body)? {
            (Kind::Object, text) => text,
            (kind, _) => return Err(json::wrong_root(kind, "a PagerDuty webhook object")),
        };
        match v3::parse(text, request.received_at)? {
            Some(parsed) => Ok(parsed),
            None => v2::parse(text, request.received_at),
        }
    }
}

/// Other senders have an object `event` too, so V3 is recognised by all that is in every event of it.
fn shapes() -> Vec<Shape> {
    vec![
        Shape::object("v3", 700, &["/event/event_type", "/event/resource_type", "/event/data"]),
        Shape::object("v2", 600, &["/messages/0/event", "/messages/0/incident"]),
        Shape::object("v2_type", 590, &["/messages/0/type", "/messages/0/incident"]),
    ]
}

#[cfg(test)]
mod tests {
    use plugin_sdk::Alert;
    use plugin_sdk::testkit;

    use super::*;

    const TRIGGERED: &str = include_str!("../testdata/v3_triggered.json");

    fn alerts(body: &str) -> Vec<Alert> {
        testkit::alerts_in::<PagerDuty>(body)
    }

    #[test]
    fn golden_payloads_are_read_as_reviewed() {
        testkit::driver::<PagerDuty>(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata"));
    }

    #[test]
    fn the_sample_gives_an_alert() {
        testkit::sample::<PagerDuty>();
    }

    #[test]
    fn a_recovery_closes_what_fired_also_across_the_two_versions() {
        let [fired] = alerts(TRIGGERED).try_into().unwrap();
        for body in [
            include_str!("../testdata/v3_acknowledged.json"),
            include_str!("../testdata/v3_resolved.json"),
            include_str!("../testdata/v2_resolve.json"),
        ] {
            let [later] = alerts(body).try_into().unwrap();
            assert_eq!((&later.fingerprint, &later.name), (&fired.fingerprint, &fired.name));
            assert_ne!(later.status, fired.status);
        }
    }

    #[test]
    fn a_null_in_any_field_of_an_event_does_not_lose_the_alert() {
        let value: serde_json::Value = serde_json::from_str(TRIGGERED).unwrap();
        let nulled = |place: &[&str], field: &str| {
            let mut value = value.clone();
            let object = place.iter().fold(&mut value, |value, key| &mut value[*key]);
            object[field] = serde_json::Value::Null;
            assert_eq!(alerts(&value.to_string()).len(), 1, "{place:?} {field}");
        };
        for field in ["id", "event_type", "resource_type", "occurred_at", "agent", "client"] {
            nulled(&["event"], field);
        }
        for field in value["event"]["data"].as_object().unwrap().keys() {
            nulled(&["event", "data"], field);
        }
    }

    #[test]
    fn events_of_other_senders_have_none_of_the_shapes() {
        let shapes = shapes();
        for body in [
            r#"{"event":{"event_id":"a1","title":"Error","level":"error"},"project":"web"}"#,
            r#"{"event":"alert","event_type":"x","messages":["a"]}"#,
            r#"{"messages":[{"role":"user","type":"text"}]}"#,
            r#"{"event_type":"metric_alert_monitor","title":"CPU","id":"7"}"#,
        ] {
            assert_eq!(testkit::matching(&shapes, &[], body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn several_signatures_in_one_header_are_declared() {
        let schemes = PagerDuty::metadata().signatures;
        let [SignatureScheme::Hmac(scheme)] = schemes.as_slice() else { panic!("{schemes:?}") };
        assert_eq!(
            (scheme.header.as_str(), scheme.separator.as_deref()),
            ("x-pagerduty-signature", Some(","))
        );
        assert_eq!((scheme.prefixes.as_slice(), &scheme.timestamp_header), (&["v1=".to_owned()][..], &None));
    }

    #[test]
    fn what_is_no_event_is_named() {
        let message = |body: &str| match testkit::parse::<PagerDuty>(body.as_bytes()) {
            Err(PluginError::InvalidInput(message) | PluginError::Unsupported(message)) => message,
            other => panic!("{other:?}"),
        };
        assert_eq!(message("[]"), "body is a JSON array, expected a PagerDuty webhook object");
        assert_eq!(
            message(r#"{"event":{"title":"a"}}"#),
            "`event` has no `event_type`, which every PagerDuty event has"
        );
        assert!(message(r#"{"event":null}"#).starts_with("body has neither an object `event`"));
    }
}
