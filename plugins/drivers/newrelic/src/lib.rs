//! Driver for New Relic.
//!
//! Two payloads, told apart by their field names:
//!
//! - `workflow`: the webhook destination of workflows, one issue per request. People edit its template,
//!   so every field goes by several names here.
//! - `legacy`: the webhook channel of alert policies, one incident per request, as JSON or as a form with
//!   the JSON in the field `payload`. Many workflow templates imitate it.
//!
//! # Status
//! From `state` or `status` of a workflow, `current_state` of a legacy webhook:
//!
//! | word | meaning here |
//! |---|---|
//! | `CREATED`, `ACTIVATED`, `open` | firing |
//! | `ACKNOWLEDGED` | acknowledged |
//! | `CLOSED` | resolved |
//! | `test` (legacy) | nothing: somebody tried the channel |
//! | none | firing |
//! | anything else | by [`plugin_sdk::words::STATUSES`], for templates with words of their own |
//!
//! The state of an issue that somebody acknowledged may still be `ACTIVATED`; then `trigger` or
//! `triggerEvent` speaks of an acknowledgement, or the template sends `acknowledgedAt` or
//! `issueAcknowledgedAt`, and the alert is acknowledged. What else triggered a message (an incident
//! joined, the priority moved) does not matter: the state says what holds.
//!
//! # Severity
//! From `priority` or `severity`, by [`plugin_sdk::words::SEVERITIES`]:
//!
//! | word | meaning here |
//! |---|---|
//! | `CRITICAL`, `HIGH` | critical |
//! | `MEDIUM`, `WARNING`, `WARN` | warning |
//! | `LOW`, `INFO` | info |
//!
//! # Identity
//! The first of `id`, `issueId` and `incident_id`, else the issue that the address of the issue names.
//! Without any the host derives it.
//!
//! # Signature
//! New Relic signs nothing itself. A relay before the hub may: hexadecimal HMAC-SHA256 of the body in
//! `X-NewRelic-Signature`, with or without `sha256=`.

#![forbid(unsafe_code)]

#[cfg(target_arch = "wasm32")]
mod component;
mod issue;
mod legacy;
mod list;
mod workflow;

use plugin_sdk::driver::{
    Driver, DriverInfo, HmacScheme, Incoming, Parsed, Shape, SignatureScheme, hmac_sha256_hex,
};
use plugin_sdk::json::{self, Kind};
use plugin_sdk::{PluginError, plugin_info};

/// The driver.
#[derive(Debug)]
pub struct NewRelic;

impl Driver for NewRelic {
    fn metadata() -> DriverInfo {
        DriverInfo {
            plugin: plugin_info(
                "newrelic",
                env!("CARGO_PKG_VERSION"),
                "New Relic webhooks of workflows and of legacy notification channels",
            ),
            signatures: vec![SignatureScheme::Hmac(HmacScheme {
                prefixes: vec!["sha256=".to_owned(), String::new()],
                ..hmac_sha256_hex("x-newrelic-signature")
            })],
            shapes: shapes(),
            delivery_id_header: None,
            sample: Some(include_bytes!("../testdata/workflow_activated.json").to_vec()),
        }
    }

    fn parse(request: &Incoming, _config: &str) -> Result<Parsed, PluginError> {
        match json::body(&request.body)? {
            (Kind::Object, text) => object(text, request.received_at),
            (Kind::Other, _) => match form_payload(&request.body) {
                Some(text) => object(&text, request.received_at),
                None => Err(json::wrong_root(Kind::Other, "a New Relic webhook object")),
            },
            (kind, _) => Err(json::wrong_root(kind, "a New Relic webhook object")),
        }
    }
}

fn object(text: &str, received_at: i64) -> Result<Parsed, PluginError> {
    if let Some(parsed) = legacy::parse(text, received_at)? {
        return Ok(parsed);
    }
    workflow::parse(text, received_at)?.ok_or_else(|| {
        PluginError::Unsupported(
            "body has neither `current_state` or `incident_id`, as legacy channels send them, nor an issue, \
             as workflows do\n\
             hint: let the template of the workflow send `id`, `title`, `state` and `priority`"
                .to_owned(),
        )
    })
}

/// The JSON that a legacy channel sends as a form.
fn form_payload(body: &[u8]) -> Option<String> {
    let mut fields = form_urlencoded::parse(body);
    fields.find(|(key, _)| key == "payload").map(|(_, value)| value.into_owned())
}

/// `title`, `state`, `priority` and `id` prove nothing: they take a field that only New Relic has.
///
/// There is no shape for the form: any form may have a field `payload`. It is read at the driver's own
/// address.
fn shapes() -> Vec<Shape> {
    const PRIORITY: i32 = 650;
    vec![
        Shape::object("workflow", PRIORITY, &["/issueUrl", "/state"]),
        Shape::object("workflow_conditions", PRIORITY, &["/issueUrl", "/alertConditionNames"]),
        Shape::object("workflow_accumulations", PRIORITY, &["/issueUrl", "/accumulations"]),
        Shape::object("workflow_issue", PRIORITY, &["/issueId", "/accumulations"]),
        Shape::object("workflow_names", PRIORITY, &["/id", "/alertPolicyNames", "/alertConditionNames"]),
        Shape::object("legacy_incident", PRIORITY, &["/current_state", "/incident_id"]),
        Shape::object("legacy_condition", PRIORITY, &["/current_state", "/condition_id"]),
        Shape::object("legacy_account", PRIORITY, &["/current_state", "/account_id"]),
    ]
}

#[cfg(test)]
mod tests {
    use plugin_sdk::{Alert, AlertStatus, testkit};

    use super::*;

    fn alert(body: &str) -> Alert {
        testkit::alert_in::<NewRelic>(body)
    }

    #[test]
    fn golden_payloads_are_read_as_reviewed() {
        testkit::driver::<NewRelic>(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata"));
    }

    #[test]
    fn the_sample_gives_an_alert() {
        testkit::sample::<NewRelic>();
    }

    #[test]
    fn there_are_no_more_shapes_than_the_contract_allows() {
        assert!(shapes().len() <= 8);
    }

    #[test]
    fn fields_that_many_senders_have_do_not_make_a_new_relic_webhook() {
        let shapes = shapes();
        for body in [
            r#"{"title":"CPU high","state":"ACTIVATED","priority":"HIGH","id":"7","incident_id":4}"#,
            r#"{"orgId":1,"state":"alerting","title":"[FIRING:1]","alerts":[{"labels":{}}]}"#,
            r#"{"issueUrl":"https://example.net/issue/1","title":"a bug"}"#,
            r#"{"current_state":"down","name":"web-1"}"#,
        ] {
            assert_eq!(testkit::matching(&shapes, &[], body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn a_form_is_read_as_the_json_in_it() {
        let body = r#"payload=%7B%22current_state%22%3A%22closed%22%2C%22incident_id%22%3A7%7D&x=1"#;
        let ended = alert(body);
        assert_eq!(ended.fingerprint.as_deref(), Some("7"));
        assert_eq!(ended.status, AlertStatus::Resolved);
        for body in [&b"payload=no"[..], b"payload=", b"other=%7B%7D", b"", b"%ff"] {
            let result = testkit::parse::<NewRelic>(body);
            assert!(matches!(result, Err(PluginError::InvalidInput(_))), "{result:?}");
        }
    }

    #[test]
    fn an_issue_is_the_same_under_each_of_its_names() {
        for fields in [
            r#""id":"I-7""#,
            r#""id":null,"issueId":"I-7""#,
            r#""incident_id":"I-7","title":"a""#,
            r#""issueUrl":"https://radar-api.service.newrelic.com/accounts/1/issues/I-7?notifier=WEBHOOK""#,
            r#""current_state":"open","incident_id":"I-7""#,
            r#""current_state":"open","incident_id":0,"incident_url":"https://example.net/incidents/I-7/""#,
        ] {
            let body = format!(r#"{{"state":"ACTIVATED",{fields}}}"#);
            assert_eq!(alert(&body).fingerprint.as_deref(), Some("I-7"), "{fields}");
        }
        assert_eq!(alert(r#"{"title":"a","state":"ACTIVATED"}"#).fingerprint, None);
    }

    #[test]
    fn an_acknowledgement_counts_while_the_issue_is_open() {
        use AlertStatus::{Acknowledged, Firing, Resolved, Unmapped};
        for (fields, expected) in [
            (r#""state":"ACTIVATED","trigger":"ACKNOWLEDGED""#, Acknowledged),
            (r#""state":"ACTIVATED","triggerEvent":"Issue acknowledged""#, Acknowledged),
            (
                r#""state":"ACTIVATED","trigger":"INCIDENT_ADDED","acknowledgedAt":1704708000000"#,
                Acknowledged,
            ),
            (r#""state":"acknowledged""#, Acknowledged),
            (r#""trigger":"ACKNOWLEDGED""#, Acknowledged),
            (r#""state":"ACTIVATED","trigger":"UNACKNOWLEDGED","acknowledgedAt":1704708000000"#, Firing),
            (r#""state":"ACTIVATED","acknowledgedAt":null"#, Firing),
            (r#""state":"ACTIVATED","trigger":"INCIDENT_CLOSED""#, Firing),
            (r#""state":"CREATED""#, Firing),
            (r#""title":"a""#, Firing),
            (r#""state":"CLOSED","trigger":"ACKNOWLEDGED""#, Resolved),
            (r#""status":"RESOLVED""#, Resolved),
            (r#""state":"paused","trigger":"ACKNOWLEDGED""#, Unmapped),
        ] {
            assert_eq!(alert(&format!(r#"{{"id":"I-7",{fields}}}"#)).status, expected, "{fields}");
        }
    }

    #[test]
    fn an_incident_begins_as_long_before_its_message_as_it_lasts() {
        let start = |fields: &str| {
            alert(&format!(r#"{{"incident_id":7,"timestamp":1704708000000,{fields}}}"#)).starts_at
        };
        assert_eq!(start(r#""current_state":"closed","duration":600000"#), Some(1_704_707_400_000));
        assert_eq!(start(r#""current_state":"open""#), Some(1_704_708_000_000));
        assert_eq!(start(r#""current_state":"closed""#), Some(1_704_708_000_000));
        assert_eq!(start(r#""current_state":"closed","duration":-5"#), Some(1_704_708_000_000));
        assert_eq!(
            start(r#""current_state":"open","duration":9223372036854775807"#),
            Some(1_704_708_000_000)
        );
    }

    #[test]
    fn a_long_list_of_names_is_read_as_far_as_anybody_reads() {
        let names = vec![r#""web""#; 100_000].join(",");
        let body = format!(r#"{{"id":"I-7","title":"a","impactedEntities":[{names}]}}"#);
        let annotations = alert(&body).annotations;
        assert_eq!(annotations[0].value.matches("web").count(), 64);
    }

    #[test]
    fn a_body_of_another_kind_is_unsupported() {
        let result = testkit::parse::<NewRelic>(br#"{"orgId":1,"ruleName":"CPU","title":"Test"}"#);
        assert!(matches!(result, Err(PluginError::Unsupported(_))), "{result:?}");
    }
}
