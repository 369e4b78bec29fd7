//! Where the witness is known to be wrong or to guess, and we differ on purpose.
//!
//! A rule looks at one difference and at the body: it holds for what it names and for nothing else, so
//! that a mistake of ours does not hide behind it.

use domain::alert::{ParsedAlert, ReportedSeverity, ReportedStatus};
use domain::time::Timestamp;
use serde_json::Value;

use crate::body::{any_scalar, count_fields, has, mentions, says, tells_time, text};
use crate::compare::{Difference, Field, What};
use crate::hub::Made;
use crate::witness::{Alert, Time, Witness};

/// What alerts are called that have no name.
const UNNAMED: &str = "unnamed alert";
/// Fields in which senders say how bad something is.
const SEVERITIES: [&str; 8] = [
    "severity",
    "priority",
    "urgency",
    "level",
    "alert_type",
    "alert_priority",
    "trigger_severity",
    "event_severity",
];
/// Words of our identities that are no part of the sender's.
const MARKS: [&str; 8] = ["org", "monitor", "group", "title", "rule", "event", "trigger", "tiny"];
/// What in a body that the witness's driver refused shows that it is this driver's all the same.
const EVIDENCE: [(&str, &str); 5] = [
    ("alertmanager", "/alerts/0/labels/alertname"),
    ("newrelic", "/issueUrl"),
    ("opsgenie", "/alert/message"),
    ("pagerduty", "/event/data/status"),
    ("zabbix", "/triggerId"),
];

/// The reason of the first rule that holds; none where we are wrong.
pub(crate) fn reason(difference: &Difference<'_>) -> Option<&'static str> {
    let body = &difference.witness.payload;
    let driver = difference.driver.as_str();
    match &difference.what {
        What::Detection(ours) => detection(difference, ours.as_deref()),
        What::NoDriver => (driver == "cluster").then_some("cluster-agents-have-no-driver"),
        What::Outcome(made) => outcome(difference, made),
        What::Count(_) | What::Shared(_) => None,
        What::Field(field, ours, theirs) => {
            let pair = Pair { difference, ours, theirs };
            match field {
                Field::Name => pair.name(),
                Field::Status => pair.status(),
                Field::Severity => pair.severity(),
                Field::Fingerprint => pair.fingerprint(),
                Field::StartsAt => pair.starts_at(),
                Field::EndsAt => pair.ends_at(),
            }
        }
        What::Split(_, ours) => split(driver, ours),
        What::Merged(theirs, ours) => {
            let monitor = ours.fingerprint.as_deref().is_some_and(|own| own.contains("monitor "));
            (driver == "datadog" && monitor && theirs.iter().any(|id| says(body, id)))
                .then_some("datadog-events-of-a-monitor-and-group-are-one-alert")
        }
    }
}

/// The name of the rule whose condition holds first.
macro_rules! first {
    ($($condition:expr => $name:literal,)+) => {
        $(if $condition { return Some($name); })+
        return None
    };
}

/// A driver that the witness takes for another: what the body shows, and which is right.
struct Mistaken {
    theirs: &'static str,
    right: &'static str,
    shows: fn(&Value) -> bool,
    name: &'static str,
}

const MISTAKEN: [Mistaken; 9] = [
    Mistaken {
        theirs: "alertmanager",
        right: "grafana",
        shows: |body| {
            let own = ["/orgId", "/alerts/0/silenceURL", "/alerts/0/valueString"];
            has(body, "/alerts") && own.iter().any(|key| has(body, key))
        },
        name: "grafana-unified-is-grafana",
    },
    Mistaken {
        theirs: "grafana",
        right: "datadog",
        shows: |body| has(body, "/alert_transition") || mentions(body, "datadoghq."),
        name: "datadog-is-not-grafana",
    },
    Mistaken {
        theirs: "grafana",
        right: "newrelic",
        shows: |body| has(body, "/issueUrl"),
        name: "newrelic-is-not-grafana",
    },
    Mistaken {
        theirs: "grafana",
        right: "generic",
        shows: |body| {
            let own = ["/evalMatches", "/ruleId", "/alerts", "/alert_transition", "/issueUrl"];
            own.iter().all(|key| !has(body, key)) && !mentions(body, "datadoghq.")
        },
        name: "title-state-or-org-id-alone-is-not-grafana",
    },
    Mistaken {
        theirs: "grafana",
        right: "generic",
        shows: |body| has(body, "/alerts/0/ruleGroup") && !has(body, "/alerts/0/startsAt"),
        name: "rule-definition-is-no-webhook-of-grafana",
    },
    Mistaken {
        theirs: "",
        right: "generic",
        shows: |body| has(body, "/alertname"),
        name: "alertname-is-a-name",
    },
    Mistaken {
        theirs: "generic",
        right: "alertmanager",
        shows: |body| has(body, "/alerts/0/labels/alertname") && !has(body, "/alerts/0/name"),
        name: "alertname-label-is-alertmanager",
    },
    Mistaken {
        theirs: "generic",
        right: "newrelic",
        shows: |body| has(body, "/issueUrl"),
        name: "issue-url-is-newrelic",
    },
    Mistaken {
        theirs: "generic",
        right: "zabbix",
        shows: |body| has(body, "/triggerId"),
        name: "trigger-id-is-zabbix",
    },
];

/// Which driver the witness should have found, where it is known that it did not find it.
fn mistaken(witness: &Witness) -> Option<&'static Mistaken> {
    let theirs = witness.detected.as_deref().unwrap_or_default();
    MISTAKEN.iter().find(|known| known.theirs == theirs && (known.shows)(&witness.payload))
}

/// What the witness is known to be wrong about, where we are wrong with it: the name of the rule.
pub(crate) fn shared_mistake(witness: &Witness) -> Option<&'static str> {
    mistaken(witness).map(|known| known.name)
}

/// Whether a recovery is none: somebody only took the alert.
pub(crate) fn is_no_recovery(ours: &ParsedAlert) -> bool {
    ours.status == ReportedStatus::Resolved && ours.raw_status.to_ascii_lowercase().contains("acknowledg")
}

fn detection(difference: &Difference<'_>, ours: Option<&str>) -> Option<&'static str> {
    let witness = difference.witness;
    let body = &witness.payload;
    let cluster = witness.detected.as_deref() == Some("cluster") && text(body, "/source") == "cluster";
    let empty = body.pointer("/alerts").and_then(Value::as_array).is_some_and(Vec::is_empty);
    if let Some(known) = mistaken(witness).filter(|known| ours == Some(known.right)) {
        return Some(known.name);
    }
    first! {
        cluster => "cluster-agents-have-no-driver",
        ours.is_none() && empty => "empty-list-of-nobody-loses-no-alert",
        ours.is_none() && names_are_made_up(difference) => "nothing-names-an-alert",
    }
}

fn outcome(difference: &Difference<'_>, made: &Made) -> Option<&'static str> {
    let witness = difference.witness;
    let body = &witness.payload;
    let driver = difference.driver.as_str();
    let evidence = || EVIDENCE.iter().any(|(name, pointer)| *name == driver && has(body, pointer));
    let is_empty = |pointer| body.pointer(pointer).and_then(Value::as_array).is_some_and(Vec::is_empty);
    let theirs_is_empty = witness.alerts.as_ref().is_some_and(Vec::is_empty);
    let all_named =
        |alerts: &[(ParsedAlert, String)]| alerts.iter().all(|(alert, _)| says(body, &alert.name));
    first! {
        matches!(made, Made::Refused(_)) && names_are_made_up(difference) => "nothing-names-an-alert",
        matches!(made, Made::Nothing(_)) && driver == "grafana" && text(body, "/state") == "pending"
            => "pending-does-not-fire",
        matches!(made, Made::Alerts(alerts) if all_named(alerts)) && witness.alerts.is_none() && evidence()
            => "a-body-that-names-its-alert-is-read",
        matches!(made, Made::Alerts(alerts) if all_named(alerts))
            && theirs_is_empty
            && !has(body, "/alerts")
            => "an-alert-is-not-lost",
        matches!(made, Made::Refused(_)) && theirs_is_empty && !has(body, "/alerts")
            && !text(body, "/title").is_empty()
            => "what-may-be-an-alert-goes-to-quarantine",
        matches!(made, Made::Nothing(_)) && witness.alerts.is_none()
            && (is_empty("/alerts") || is_empty("/messages"))
            => "an-empty-list-is-nothing",
    }
}

/// Whether no alert of the witness has a name that the body holds.
fn names_are_made_up(difference: &Difference<'_>) -> bool {
    let witness = difference.witness;
    let alerts = witness.alerts.as_deref().unwrap_or_default();
    !alerts.is_empty() && alerts.iter().all(|alert| !says(&witness.payload, &alert.name))
}

fn split(driver: &str, ours: &[ParsedAlert]) -> Option<&'static str> {
    let source = |alert: &ParsedAlert| alert.labels.get("sender_source").cloned();
    let first = ours.first()?;
    first! {
        driver == "generic" && ours.iter().any(|alert| source(alert) != source(first))
            => "who-sent-a-generic-alert-tells-it-apart",
        driver == "opsgenie" && ours.iter().all(|alert| alert.fingerprint.is_some())
            => "opsgenie-identity-is-the-alias",
    }
}

/// The same alert here and at the witness.
struct Pair<'a> {
    difference: &'a Difference<'a>,
    ours: &'a ParsedAlert,
    theirs: &'a Alert,
}

impl Pair<'_> {
    fn body(&self) -> &Value {
        &self.difference.witness.payload
    }

    fn is_driver(&self, name: &str) -> bool {
        self.difference.driver == name
    }

    fn name(&self) -> Option<&'static str> {
        let (ours, theirs, body) = (self.ours.name.as_str(), self.theirs.name.as_str(), self.body());
        let made_up = !says(body, theirs);
        let incident = body.pointer("/messages/0/incident").unwrap_or_default();
        first! {
            ours == UNNAMED && made_up => "no-name-was-sent",
            made_up && says(body, ours) => "a-name-was-sent",
            self.is_driver("datadog") && theirs.starts_with('[') && theirs.trim_end().ends_with(ours)
                => "datadog-title-without-its-state",
            self.is_driver("pagerduty")
                && text(incident, "/title") == ours
                && text(incident, "/trigger_summary_data/subject") == theirs
                => "pagerduty-title-goes-first",
        }
    }

    fn status(&self) -> Option<&'static str> {
        let (status, raw, body) = (self.ours.status, self.ours.raw_status.as_str(), self.body());
        let theirs = self.theirs.status.as_str();
        let sent = |name: &str| count_fields(body, &[name]) > 0;
        first! {
            status == ReportedStatus::Acknowledged && theirs == "resolved" && raw.contains("ack")
                => "acknowledged-is-its-own-state",
            status == ReportedStatus::Unmapped && theirs == "firing" && raw.is_empty() && !sent("status")
                => "no-status-was-sent",
            status == ReportedStatus::Unmapped && theirs == "firing" && raw == "unknown"
                => "status-word-unmapped",
            self.is_driver("generic") && !sent("status") && sent("state") && says(body, raw)
                => "state-is-read-where-no-status-is",
        }
    }

    fn severity(&self) -> Option<&'static str> {
        let (severity, raw, body) = (self.ours.severity, self.ours.raw_severity.as_str(), self.body());
        let unmapped = severity == ReportedSeverity::Unmapped;
        let theirs = self.theirs.severity.as_str();
        let alerts = self.difference.witness.alerts.as_ref().map_or(1, Vec::len);
        let unsaid = raw.is_empty() && count_fields(body, &SEVERITIES) < alerts;
        let known = ["critical", "warning", "info"];
        first! {
            unmapped && theirs == "warning" && unsaid => "no-severity-was-sent",
            unmapped && unsaid && self.is_driver("grafana") && has(body, "/evalMatches")
                => "grafana-legacy-state-is-no-severity",
            unmapped && unsaid && self.is_driver("pagerduty") => "pagerduty-urgency-is-not-guessed",
            unmapped && theirs == "warning" && !raw.is_empty() && !known.contains(&raw) && says(body, raw)
                => "severity-word-unmapped",
            self.is_driver("datadog") && raw == "success" && severity == ReportedSeverity::Info
                => "datadog-success-is-info",
            mentions(body, raw) && priority(raw) == Some(severity) => "priorities-mean-the-same-from-every-sender",
            self.is_driver("generic") && severity.as_str() == raw && text(body, "/labels/severity") == raw
                => "severity-label-counts",
        }
    }

    fn fingerprint(&self) -> Option<&'static str> {
        let (theirs, body) = (self.theirs.fingerprint.as_str(), self.body());
        let own = self.ours.fingerprint.as_deref()?;
        let parts = || own.split([' ', '/']).filter(|part| !part.is_empty() && !MARKS.contains(part));
        let sent = parts().all(|part| mentions(body, part));
        first! {
            self.is_driver("datadog") && sent && (own.contains("monitor ") || self.theirs.is_derived())
                => "datadog-groups-have-their-own-identity",
            self.is_driver("zabbix") && sent
                && ["event ", "trigger "].iter().any(|kind| own.ends_with(&format!("{kind}{theirs}")))
                => "zabbix-events-and-triggers-are-counted-apart",
            self.is_driver("opsgenie") && text(body, "/alert/alias") == own => "opsgenie-identity-is-the-alias",
            self.theirs.is_derived() && sent => "an-identity-was-sent",
        }
    }

    fn starts_at(&self) -> Option<&'static str> {
        let (ours, body) = (self.ours.starts_at, self.body());
        let ended = |time| self.ours.status == ReportedStatus::Resolved && self.ours.ends_at == Some(time);
        match (ours, self.theirs.starts_at) {
            (Some(time), Time::At(theirs)) if is_cut(time, theirs) => Some("times-are-milliseconds"),
            (Some(time), Time::Receipt) if tells_time(body, time) => Some("a-time-was-sent"),
            (Some(time), Time::At(_)) if says_when_created(body, time) => {
                Some("pagerduty-incident-starts-when-it-was-created")
            }
            (None, Time::At(theirs)) if ended(theirs) => Some("recovery-tells-the-end"),
            _ => None,
        }
    }

    fn ends_at(&self) -> Option<&'static str> {
        let (ours, body) = (self.ours.ends_at, self.body());
        let holds = matches!(self.ours.status, ReportedStatus::Firing | ReportedStatus::Acknowledged);
        let over = self.ours.status == ReportedStatus::Resolved;
        match (ours, self.theirs.ends_at) {
            (None, Time::Zero) if any_scalar(body, &|text| text.starts_with("0001-01-01")) => {
                Some("zero-end-means-not-ended")
            }
            (None, Time::At(_)) if holds => Some("what-fires-has-not-ended"),
            (Some(time), Time::None) if over && tells_time(body, time) => Some("recovery-tells-the-end"),
            (Some(time), Time::At(theirs)) if is_cut(time, theirs) => Some("times-are-milliseconds"),
            _ => None,
        }
    }
}

/// What `P0` to `P5` mean, whoever sends them.
fn priority(word: &str) -> Option<ReportedSeverity> {
    match word.to_ascii_uppercase().as_str() {
        "P0" | "P1" | "P2" => Some(ReportedSeverity::Critical),
        "P3" => Some(ReportedSeverity::Warning),
        "P4" | "P5" => Some(ReportedSeverity::Info),
        _ => None,
    }
}

/// Whether a time is another without what is below a millisecond.
fn is_cut(time: Timestamp, whole: Timestamp) -> bool {
    time != whole && time == Timestamp::from_millis(whole.as_millis())
}

fn says_when_created(body: &Value, time: Timestamp) -> bool {
    text(body, "/event/data/created_at").parse::<Timestamp>().is_ok_and(|created| created == time)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::compare;

    fn ours(change: Value) -> ParsedAlert {
        let mut alert = json!({
            "fingerprint": "f1", "name": "DiskFull", "status": "firing", "raw_status": "firing",
            "severity": "critical", "raw_severity": "critical", "description": "", "starts_at": null,
            "ends_at": null, "labels": {}, "annotations": {}, "links": {}, "extra": {},
        });
        alert.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        serde_json::from_value(alert).unwrap()
    }

    fn witness(payload: Value, ends_at: Time) -> Witness {
        let theirs = Alert {
            name: "DiskFull".to_owned(),
            status: "firing".to_owned(),
            severity: "critical".to_owned(),
            fingerprint: "f1".to_owned(),
            starts_at: Time::Receipt,
            ends_at,
        };
        Witness {
            file: String::new(),
            driver: Some("alertmanager".to_owned()),
            payload,
            detected: Some("alertmanager".to_owned()),
            alerts: Some(vec![theirs]),
        }
    }

    /// The rules that explain what differs; `None` for a mistake of ours.
    fn reasons(witness: &Witness, change: Value) -> Vec<Option<&'static str>> {
        let made = Made::Alerts(vec![(ours(change), String::new())]);
        compare::made(witness, "alertmanager", &made).iter().map(reason).collect()
    }

    fn body() -> Value {
        json!({ "alerts": [{ "severity": "critical", "name": "DiskFull", "endsAt": "0001-01-01T00:00:00Z" }] })
    }

    #[test]
    fn the_same_alert_differs_in_nothing() {
        assert_eq!(reasons(&witness(body(), Time::None), json!({})), []);
    }

    #[test]
    fn mistakes_have_no_rule() {
        for change in [
            json!({ "severity": "unmapped" }),
            json!({ "severity": "unmapped", "raw_severity": "" }),
            json!({ "severity": "warning" }),
            json!({ "status": "resolved" }),
            json!({ "status": "unmapped", "raw_status": "" }),
            json!({ "name": "DiskEmpty" }),
            json!({ "fingerprint": null }),
            json!({ "fingerprint": "f2" }),
            json!({ "starts_at": "2026-06-01T12:00:00Z" }),
            json!({ "ends_at": "2026-06-01T12:00:00Z" }),
        ] {
            let found = reasons(&witness(body(), Time::None), change.clone());
            // A status that was not sent is the one of these that this body cannot tell from a mistake.
            let expected = if change["status"] == "unmapped" { Some("no-status-was-sent") } else { None };
            assert_eq!(found, [expected], "{change}");
        }
    }

    #[test]
    fn zero_end_is_explained_only_where_the_body_has_one() {
        let rule = Some("zero-end-means-not-ended");
        assert_eq!(reasons(&witness(body(), Time::Zero), json!({})), [rule]);
        assert_eq!(reasons(&witness(json!({}), Time::Zero), json!({})), [None]);
    }

    #[test]
    fn mistakes_of_the_witness_are_not_ours_to_make() {
        let body = json!({ "orgId": 1, "alerts": [{ "name": "DiskFull", "severity": "critical" }] });
        let witness = witness(body, Time::None);
        assert_eq!(shared_mistake(&witness), Some("grafana-unified-is-grafana"));
        let mut resolved = witness;
        resolved.alerts.as_mut().unwrap()[0].status = "resolved".to_owned();
        let change = json!({ "status": "resolved", "raw_status": "incident.acknowledged" });
        assert_eq!(reasons(&resolved, change), [None]);
    }

    #[test]
    fn an_empty_push_is_nothing_and_a_refusal_is_none() {
        let mut witness = witness(json!({ "alerts": [] }), Time::None);
        let reasons = |witness: &Witness, made: Made| -> Vec<Option<&'static str>> {
            compare::made(witness, "alertmanager", &made).iter().map(reason).collect()
        };
        let rule = Some("an-empty-list-is-nothing");
        for (theirs, nothing, refused) in [(Some(vec![]), vec![], vec![None]), (None, vec![rule], vec![])] {
            witness.alerts = theirs;
            assert_eq!(reasons(&witness, Made::Nothing(String::new())), nothing, "{witness:?}");
            assert_eq!(reasons(&witness, Made::Refused(String::new())), refused, "{witness:?}");
        }
        witness.payload = json!({ "alerts": "none" });
        assert_eq!(reasons(&witness, Made::Nothing(String::new())), [None]);
    }

    #[test]
    fn a_driver_that_is_missing_is_wrong_but_for_those_of_the_cluster() {
        let witness = witness(body(), Time::None);
        let reason = |driver: &str| {
            reason(&Difference { witness: &witness, driver: driver.to_owned(), what: What::NoDriver })
        };
        assert_eq!(reason("cluster"), Some("cluster-agents-have-no-driver"));
        assert_eq!(reason("grafana"), None);
    }

    #[test]
    fn a_body_that_names_its_alert_must_be_recognised() {
        let witness = witness(body(), Time::None);
        let lost = Difference { witness: &witness, driver: "any".to_owned(), what: What::Detection(None) };
        assert_eq!(reason(&lost), None);
    }
}
