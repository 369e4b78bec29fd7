//! Driver for OpsGenie and for the alerts of Jira Service Management, which speak its language.
//!
//! One payload (`action.rs`): what happened, in `action`, and the alert that it happened to.
//!
//! # Status
//! | `action` | meaning here |
//! |---|---|
//! | `Create`, `UnAcknowledge` | firing |
//! | `Acknowledge` | acknowledged |
//! | `Close`, `Delete` | resolved |
//! | `AddNote`, `AddTags`, `RemoveTags`, `AddDetails`, `RemoveDetails`, `AddRecipient`, `AddResponder`, `AddTeam`, `AssignOwnership`, `TakeOwnership`, `Escalate`, `EscalateNext`, `Snooze`, `SnoozeEnded`, `UpdatePriority`, `UpdateMessage`, `UpdateDescription` | nothing |
//! | any other word: a custom action | nothing: it is named by the team, for a step of its own |
//! | none | unmapped |
//!
//! A body never says in what state the alert is, only what happened: after `UpdatePriority` the alert
//! may be open or acknowledged, so the new severity waits for the next change of state.
//!
//! # Severity
//! `alert.priority`, by [`plugin_sdk::words::SEVERITIES`], which follows the names that OpsGenie gives them:
//!
//! | `priority` | meaning here |
//! |---|---|
//! | `P1` (critical), `P2` (high) | critical |
//! | `P3` (moderate, the default) | warning |
//! | `P4` (low), `P5` (informational) | info |
//! | anything else | unmapped |
//!
//! # Identity
//! `alert.alias`, the key by which OpsGenie itself joins reports; it stays the same when the alert is
//! created again. Without one `alert.alertId`, then `alert.tinyId` as `tiny/<id>`.
//!
//! # Labels
//! A tag `key:value` becomes the label `key`; a tag without a colon is a label `true`. The alert's own
//! `source` becomes `sender_source`, for the source of an alert is the driver's name.
//!
//! OpsGenie signs nothing: protect its URL by an API key.

#![forbid(unsafe_code)]

mod action;
#[cfg(target_arch = "wasm32")]
mod component;

use plugin_sdk::driver::{Driver, DriverInfo, Incoming, Parsed, Shape};
use plugin_sdk::json::{self, Kind};
use plugin_sdk::{PluginError, plugin_info};

/// The driver.
#[derive(Debug)]
pub struct OpsGenie;

impl Driver for OpsGenie {
    fn metadata() -> DriverInfo {
        DriverInfo {
            plugin: plugin_info(
                "opsgenie",
                env!("CARGO_PKG_VERSION"),
                "Alert actions of OpsGenie and Jira Service Management",
            ),
            signatures: Vec::new(),
            shapes: shapes(),
            delivery_id_header: None,
            sample: Some(include_bytes!("../testdata/create.json").to_vec()),
        }
    }

    fn parse(request: &Incoming, _config: &str) -> Result<Parsed, PluginError> {
        match json::body(&request.body)? {
            (Kind::Object, text) => action::parse(text, request.received_at),
            (kind, _) => Err(json::wrong_root(kind, "an OpsGenie webhook object")),
        }
    }
}

/// Other senders have `action` and `alert` too, so one of OpsGenie's own ids is asked for.
fn shapes() -> Vec<Shape> {
    vec![
        Shape::object("alert_id", 700, &["/action", "/alert/alertId"]),
        Shape::object("tiny_id", 690, &["/action", "/alert/tinyId"]),
        Shape::object("integration", 680, &["/action", "/alert", "/integrationId", "/integrationName"]),
    ]
}

#[cfg(test)]
mod tests {
    use plugin_sdk::Alert;
    use plugin_sdk::testkit;

    use super::*;

    const CREATE: &str = include_str!("../testdata/create.json");

    fn alert(body: &str) -> Alert {
        testkit::alert_in::<OpsGenie>(body)
    }

    #[test]
    fn golden_payloads_are_read_as_reviewed() {
        testkit::driver::<OpsGenie>(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata"));
    }

    #[test]
    fn the_sample_gives_an_alert() {
        testkit::sample::<OpsGenie>();
    }

    #[test]
    fn what_follows_a_creation_has_its_identity() {
        let created = alert(CREATE);
        for body in [
            include_str!("../testdata/acknowledge.json"),
            include_str!("../testdata/close.json"),
            include_str!("../testdata/delete.json"),
        ] {
            let later = alert(body);
            assert_eq!((&later.fingerprint, &later.name), (&created.fingerprint, &created.name));
            assert_ne!(later.status, created.status);
        }
    }

    #[test]
    fn the_identity_is_the_alias_or_else_an_id_of_opsgenie() {
        let fingerprint = |fields: &str| {
            let body = format!(r#"{{"action":"Create","alert":{{"message":"a",{fields}}}}}"#);
            alert(&body).fingerprint
        };
        let is = |fields: &str, expected: &str| assert_eq!(fingerprint(fields).as_deref(), Some(expected));
        is(r#""alias":"disk/db-1","alertId":"70413a06","tinyId":"23""#, "disk/db-1");
        is(r#""alias":"","alertId":"70413a06","tinyId":"23""#, "70413a06");
        is(r#""alias":null,"tinyId":23"#, "tiny/23");
        assert_eq!(fingerprint(r#""entity":"db-1""#), None);
    }

    #[test]
    fn a_null_in_any_field_of_an_alert_does_not_lose_the_alert() {
        let value: serde_json::Value = serde_json::from_str(CREATE).unwrap();
        for field in value["alert"].as_object().unwrap().keys() {
            let mut value = value.clone();
            value["alert"][field] = serde_json::Value::Null;
            assert_eq!(alert(&value.to_string()).raw_status, "Create", "{field}");
        }
        let mut value = value.clone();
        value["action"] = serde_json::Value::Null;
        assert_eq!(alert(&value.to_string()).raw_status, "");
    }

    #[test]
    fn an_action_and_an_alert_alone_do_not_make_an_opsgenie_webhook() {
        let shapes = shapes();
        for body in [
            r#"{"action":"created","alert":{"number":7,"rule":{"id":"x"}},"repository":{}}"#,
            r#"{"action":"triggered","data":{},"installation":{}}"#,
            r#"{"integrationId":"i","integrationName":"n"}"#,
            r#"{"alert":"CPU","alertId":"7","title":"x"}"#,
        ] {
            assert_eq!(testkit::matching(&shapes, &[], body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn what_is_no_alert_action_is_named() {
        let message = |body: &str| match testkit::parse::<OpsGenie>(body.as_bytes()) {
            Err(PluginError::InvalidInput(message) | PluginError::Unsupported(message)) => message,
            other => panic!("{other:?}"),
        };
        assert_eq!(message("7"), "body is no JSON object or array, expected an OpsGenie webhook object");
        let no_alert = "body has no object `alert`, which every OpsGenie webhook has";
        assert_eq!(message(r#"{"action":"Create","alert":[]}"#), no_alert);
    }
}
