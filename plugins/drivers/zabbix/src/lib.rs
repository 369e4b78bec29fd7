//! Driver for Zabbix.
//!
//! Zabbix has no payload of its own: a script of a media type turns macros into JSON. Three scripts are
//! known, told apart by their field names:
//!
//! - `script`: macros under their own names in snake case, `event_id`, `event_value`, `trigger_id`;
//! - `keep`: the script of Keep, `id`, `triggerId`, `hostName`, tags as JSON in a string;
//! - `oncall`: the script of Grafana OnCall, `alert_uid`, `title`, `state`, `message`. Others send these
//!   too, so it is read at the driver's own address only.
//!
//! A macro that Zabbix did not resolve (`{EVENT.ID}`, `{$ZABBIX.URL}`, `*UNKNOWN*`) is no value. A message
//! of nothing else is the test button of the media type: nothing.
//!
//! # Status
//! From `{EVENT.VALUE}`, else `{EVENT.STATUS}`, else `{TRIGGER.STATUS}`:
//!
//! | word | meaning here |
//! |---|---|
//! | `1`, `PROBLEM` | firing; acknowledged where `{EVENT.ACK.STATUS}` is `Yes` |
//! | `0`, `OK`, `RESOLVED` | resolved |
//! | none | firing |
//! | anything else | by [`plugin_sdk::words::STATUSES`], for scripts with words of their own |
//!
//! An update of a problem whose `{EVENT.UPDATE.ACTION}` tells of neither an acknowledgement nor a changed
//! severity is nothing: a comment, a suppression, a closing by hand, which the recovery follows. Without
//! that macro an update tells how the problem stands. Discovered hosts (`{EVENT.SOURCE}` 1, 2) are nothing.
//!
//! # Severity
//! From `{EVENT.SEVERITY}`, `{EVENT.NSEVERITY}`, else the trigger's:
//!
//! | word | meaning here |
//! |---|---|
//! | `Disaster` 5, `High` 4 | critical |
//! | `Average` 3, `Warning` 2 | warning |
//! | `Information` 1, `Not classified` 0 | info |
//! | anything else | by [`plugin_sdk::words::SEVERITIES`] |
//!
//! # Identity
//! `event <id>` of the problem, which its recovery and its updates repeat; without it `trigger <id>`.
//! Every Zabbix counts from 1: the host and port of `zabbix_url` stands before, where there is one.
//!
//! # Times
//! `event_timestamp` is exact. `event_date` and `event_time` are the local time of the Zabbix server; the
//! setting `utc_offset` of the driver, `+02:00`, says which, and without it they count as UTC.

#![forbid(unsafe_code)]

mod clock;
#[cfg(target_arch = "wasm32")]
mod component;
mod event;
mod keep;
mod macros;
mod oncall;
mod script;
mod tags;

use plugin_sdk::driver::{Driver, DriverInfo, Incoming, Parsed, Shape};
use plugin_sdk::json::{self, Kind};
use plugin_sdk::{PluginError, plugin_info};

use crate::clock::Clock;

/// The driver.
#[derive(Debug)]
pub struct Zabbix;

impl Driver for Zabbix {
    fn metadata() -> DriverInfo {
        DriverInfo {
            plugin: plugin_info("zabbix", env!("CARGO_PKG_VERSION"), "Zabbix webhooks of media type scripts"),
            signatures: Vec::new(),
            shapes: shapes(),
            delivery_id_header: None,
            sample: Some(include_bytes!("../testdata/script_problem.json").to_vec()),
        }
    }

    fn parse(request: &Incoming, config: &str) -> Result<Parsed, PluginError> {
        let text = match json::body(&request.body)? {
            (Kind::Object, text) => text,
            (kind, _) => return Err(json::wrong_root(kind, "an object made by a media type script")),
        };
        let clock = Clock::new(config, request.received_at)?;
        for read in [script::parse, keep::parse, oncall::parse] {
            if let Some(parsed) = read(text, &clock)? {
                return Ok(parsed);
            }
        }
        Err(PluginError::Unsupported(
            "body has none of `event_id`, `event_value`, `trigger_id`, `triggerId` and `alert_uid`\n\
             hint: let the script of the media type send the macros `{EVENT.ID}`, `{EVENT.VALUE}`, \
             `{EVENT.NAME}`, `{EVENT.SEVERITY}` and `{HOST.NAME}` under names like `event_id`"
                .to_owned(),
        ))
    }
}

/// An event with a trigger or a value; `host_name` or `event_id` alone prove nothing.
fn shapes() -> Vec<Shape> {
    const PRIORITY: i32 = 650;
    vec![
        Shape::object("script_event_trigger", PRIORITY, &["/event_id", "/trigger_id"]),
        Shape::object("script_event_value", PRIORITY, &["/event_id", "/event_value"]),
        Shape::object("script_source_value", PRIORITY, &["/event_source", "/event_value"]),
        Shape::object("script_trigger", PRIORITY, &["/trigger_id", "/trigger_severity"]),
        Shape::object("keep", PRIORITY, &["/id", "/triggerId", "/status"]),
    ]
}

#[cfg(test)]
mod tests {
    use plugin_sdk::driver::Outcome;
    use plugin_sdk::{Alert, AlertStatus, Severity, testkit};

    use super::*;

    fn outcome(body: &str) -> Outcome {
        testkit::parse::<Zabbix>(body.as_bytes()).unwrap().outcome
    }

    fn alert(body: &str) -> Alert {
        testkit::alert_in::<Zabbix>(body)
    }

    #[test]
    fn golden_payloads_are_read_as_reviewed() {
        testkit::driver::<Zabbix>(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata"));
    }

    #[test]
    fn the_sample_gives_an_alert() {
        testkit::sample::<Zabbix>();
    }

    #[test]
    fn fields_that_many_senders_have_do_not_make_a_zabbix_webhook() {
        let shapes = shapes();
        for body in [
            r#"{"host_name":"web-1","severity":"High","status":"PROBLEM","id":"7"}"#,
            r#"{"event_id":"5f0c","event_type":"metric_alert","host_name":"web-1"}"#,
            r#"{"alert_uid":"7","title":"CPU","state":"alerting","message":""}"#,
            r#"{"event":{"event_type":"incident.triggered","resource_type":"incident","data":{}}}"#,
        ] {
            assert_eq!(testkit::matching(&shapes, &[], body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn status_is_what_the_event_says_whatever_its_type() {
        use AlertStatus::{Acknowledged, Firing, Resolved, Unmapped};
        for (fields, expected) in [
            (r#""event_value":"1""#, Firing),
            (r#""event_value":0"#, Resolved),
            (r#""event_value":"0","event_ack_status":"Yes""#, Resolved),
            (r#""event_value":"{EVENT.VALUE}","event_status":"RESOLVED""#, Resolved),
            (r#""event_value":null,"trigger_status":"ok""#, Resolved),
            (r#""event_value":1,"event_update_status":1,"event_ack_status":"Yes""#, Acknowledged),
            (r#""event_value":1,"event_update_status":1,"event_ack_status":"No""#, Firing),
            (r#""event_value":1,"event_update_action":"acknowledged, commented""#, Acknowledged),
            (r#""event_value":1,"event_update_action":"unacknowledged""#, Firing),
            (r#""event_value":1,"event_update_action":"acknowledged","event_ack_status":"No""#, Firing),
            (r#""event_status":"Acknowledged""#, Acknowledged),
            (r#""event_status":"odd""#, Unmapped),
            (r#""host_name":"web-1""#, Firing),
        ] {
            assert_eq!(alert(&format!(r#"{{"event_id":"7",{fields}}}"#)).status, expected, "{fields}");
        }
    }

    #[test]
    fn an_update_counts_where_it_changes_how_the_problem_stands() {
        let update = |action: &str, value: u8| {
            outcome(&format!(
                r#"{{"event_id":"7","event_value":{value},"event_update_status":1,"event_update_action":"{action}"}}"#
            ))
        };
        for action in ["commented", "suppressed", "closed", "{EVENT.UPDATE.MESSAGE} commented"] {
            assert!(matches!(update(action, 1), Outcome::Nothing(_)), "{action}");
            assert!(matches!(update(action, 0), Outcome::Alerts(_)), "{action}");
        }
        for action in
            ["acknowledged", "unacknowledged", "commented and changed severity from High to Disaster"]
        {
            assert!(matches!(update(action, 1), Outcome::Alerts(_)), "{action}");
        }
    }

    #[test]
    fn severities_are_read_as_words_and_as_numbers() {
        use Severity::{Critical, Info, Unmapped, Warning};
        for (fields, expected) in [
            (r#""event_severity":"Disaster""#, Critical),
            (r#""event_nseverity":4"#, Critical),
            (r#""trigger_severity":"3""#, Warning),
            (r#""event_severity":"warning","trigger_severity":5"#, Warning),
            (r#""event_severity":"Not classified""#, Info),
            (r#""event_severity":0"#, Info),
            (r#""event_severity":"Panic","event_nseverity":"5""#, Critical),
            (r#""event_severity":"fatal""#, Critical),
            (r#""event_severity":"6""#, Unmapped),
            (r#""event_severity":"*UNKNOWN*""#, Unmapped),
        ] {
            assert_eq!(alert(&format!(r#"{{"event_id":"7",{fields}}}"#)).severity, expected, "{fields}");
        }
    }

    #[test]
    fn a_problem_is_its_event_at_its_server() {
        for (fields, expected) in [
            (r#""event_id":12,"trigger_id":5,"event_recovery_id":13"#, Some("event 12")),
            (r#""event_id":"{EVENT.ID}","trigger_id":"5""#, Some("trigger 5")),
            (
                r#""event_id":"12","zabbix_url":"https://Zbx.example.net:8443/a?b""#,
                Some("zbx.example.net:8443/event 12"),
            ),
            (r#""event_id":"12","zabbix_url":"{$ZABBIX.URL}""#, Some("event 12")),
            (r#""event_value":"1","event_name":"CPU""#, None),
            (r#""id":"12","triggerId":"5""#, Some("event 12")),
            (r#""alert_uid":"12","state":"ok""#, Some("event 12")),
        ] {
            assert_eq!(alert(&format!("{{{fields}}}")).fingerprint.as_deref(), expected, "{fields}");
        }
    }

    #[test]
    fn local_times_are_moved_by_the_setting_and_never_lie_ahead() {
        let start = |config: &str, date: &str, time: &str| {
            let body = format!(r#"{{"event_id":"7","event_date":"{date}","event_time":"{time}"}}"#);
            let parsed = Zabbix::parse(&testkit::incoming(body.as_bytes()), config).unwrap();
            let warnings = parsed.warnings.len();
            (testkit::alerts_of(Ok(parsed))[0].starts_at, warnings)
        };
        let noon_utc = (Some(testkit::RECEIVED_AT), 1);
        assert_eq!(start("", "2026.06.01", "12:00:00"), noon_utc);
        assert_eq!(start("{}", "01.06.2026", "12:00:00"), noon_utc);
        assert_eq!(start(r#"{"utc_offset":"+02:00"}"#, "2026.06.01", "14:00:00"), noon_utc);
        assert_eq!(start(r#"{"utc_offset":"-0530"}"#, "2026-06-01", "06:30:00"), noon_utc);
        assert_eq!(start("", "2026.06.01", "14:00:00"), (None, 2));
        assert_eq!(start("", "2026.06.01", ""), (None, 1));
        assert_eq!(start("", "{EVENT.DATE}", "{EVENT.TIME}"), (None, 1));
        assert_eq!(start("", "é.é.é", "ab:cd"), (None, 2));
        let wrong = Zabbix::parse(&testkit::incoming(b"{}"), r#"{"utc_offset":"Berlin"}"#);
        assert!(matches!(wrong, Err(PluginError::Config(_))), "{wrong:?}");
    }

    #[test]
    fn tags_are_read_in_every_form() {
        for tags in [
            r#""event_tags":"scope:disk, primary""#,
            r#""event_tags_json":"[{\"tag\":\"scope\",\"value\":\"disk\"},{\"tag\":\"primary\",\"value\":\"\"}]""#,
            r#""event_tags_json":[{"tag":"scope","value":"disk"},{"tag":"primary"}]"#,
            r#""tags":["scope:disk","primary"]"#,
            r#""tags":{"scope":"disk","primary":true}"#,
        ] {
            let labels = alert(&format!(r#"{{"event_id":"7",{tags}}}"#)).labels;
            let value =
                |key: &str| labels.iter().find(|label| label.key == key).map(|label| label.value.as_str());
            assert_eq!((value("scope"), value("primary")), (Some("disk"), Some("true")), "{tags}");
        }
        let many = format!(r#"{{"event_id":"7","event_tags":"{}"}}"#, "a,".repeat(500_000));
        assert_eq!(alert(&many).labels.iter().filter(|label| label.key == "a").count(), 1);
        let far = format!(r#"{{"event_id":"7","event_tags":"a:b{}c:d"}}"#, ",".repeat(300));
        assert!(alert(&far).labels.iter().all(|label| label.key != "c"));
    }

    #[test]
    fn a_body_of_another_kind_is_unsupported() {
        let result = testkit::parse::<Zabbix>(br#"{"host_name":"web-1","title":"Test"}"#);
        assert!(matches!(result, Err(PluginError::Unsupported(_))), "{result:?}");
    }
}
