//! Histories of webhooks in, plans out.

use ulid::Ulid;

use super::*;
use crate::alert::{ParsedAlert, ReportedSeverity, ReportedStatus, Severity};
use crate::id::TraceId;
use crate::time::Timestamp;

struct Hub {
    known: Known,
    next: u128,
    clock: i64,
}

/// `name/instance/fingerprint status severity`.
fn alert(text: &str) -> ParsedAlert {
    let mut words = text.split_whitespace();
    let mut who = words.next().unwrap().split('/');
    let name = who.next().unwrap().to_owned();
    let instance = who.next().unwrap_or_default();
    let fingerprint = who.next().map(str::to_owned).or(Some(format!("{name}{instance}")));
    let status: ReportedStatus = words.next().unwrap().parse().unwrap();
    let severity: ReportedSeverity = words.next().unwrap_or("warning").parse().unwrap();
    let labels = (!instance.is_empty()).then(|| ("instance".to_owned(), instance.to_owned()));
    ParsedAlert {
        fingerprint,
        name,
        status,
        raw_status: status.to_string(),
        severity,
        raw_severity: severity.to_string(),
        description: String::new(),
        starts_at: None,
        ends_at: None,
        labels: labels.into_iter().collect(),
        annotations: Default::default(),
        links: Default::default(),
        extra: Value::Null,
    }
}

impl Hub {
    fn new() -> Self {
        Self { known: Known::default(), next: 0, clock: 0 }
    }

    fn webhook(&mut self, alerts: &[&str]) -> Webhook {
        self.clock += 1000;
        let mut mint = || {
            self.next += 1;
            Ulid(self.next)
        };
        let (run, trace) = (RunId::mint(&mut mint), TraceId::mint(&mut mint));
        let alerts = alerts.iter().map(|text| alert(text)).collect();
        Webhook::new(run, trace, "alertmanager".parse().unwrap(), Timestamp::from_micros(self.clock), alerts)
    }

    fn take(&mut self, webhook: &Webhook) -> IngestPlan {
        let next = &mut self.next;
        let mut mint = || {
            *next += 1;
            Ulid(*next)
        };
        plan(webhook, &mut self.known, &mut mint)
    }

    /// Sends one webhook; gives the reasons of each downstream run with the state it tells.
    fn send(&mut self, alerts: &[&str]) -> Vec<String> {
        let webhook = self.webhook(alerts);
        self.take(&webhook).runs.iter().map(tell).collect()
    }

    fn open(&self) -> usize {
        self.known.incidents.values().filter(|incident| incident.status.is_open()).count()
    }
}

fn tell(run: &NewRun) -> String {
    let reasons: Vec<&str> = run.moment.reasons.iter().map(|reason| reason.as_str()).collect();
    format!("{} {} {}", reasons.join("+"), run.moment.status, run.moment.severity)
}

#[test]
fn firing_opens_and_resolved_resolves_and_repeats_are_quiet() {
    let mut hub = Hub::new();
    assert_eq!(hub.send(&["Disk/db1 firing"]), ["created firing warning"]);
    assert!(hub.send(&["Disk/db1 firing"]).is_empty());
    assert_eq!(hub.send(&["Disk/db1 resolved"]), ["status resolved warning"]);
    assert!(hub.send(&["Disk/db1 resolved"]).is_empty());
    assert_eq!(hub.open(), 0);
}

#[test]
fn steady_repeat_keeps_no_history_but_the_time() {
    let mut hub = Hub::new();
    hub.send(&["Disk/db1 firing"]);
    let webhook = hub.webhook(&["Disk/db1 firing"]);
    let plan = hub.take(&webhook);
    assert_eq!(plan.alerts[0].event, None);
    assert_eq!(plan.alerts[0].alert.received_at, webhook.received_at);
    assert!(plan.incidents.is_empty());
}

#[test]
fn resolved_first_heard_of_tells_nobody() {
    let mut hub = Hub::new();
    let webhook = hub.webhook(&["Disk/db1 resolved"]);
    let plan = hub.take(&webhook);
    assert_eq!(plan.alerts[0].alert.incident_id, None);
    assert!(plan.alerts[0].alert.ended_at.is_some());
    assert!(plan.runs.is_empty() && plan.incidents.is_empty());
}

#[test]
fn alerts_of_one_name_and_instance_share_an_incident_that_ends_with_the_last() {
    let mut hub = Hub::new();
    assert_eq!(hub.send(&["Disk/db1/a firing", "Disk/db1/b firing"]), ["created firing warning"]);
    assert!(hub.send(&["Disk/db1/c firing"]).is_empty());
    assert!(hub.send(&["Disk/db1/a resolved", "Disk/db1/b resolved"]).is_empty());
    assert_eq!(hub.send(&["Disk/db1/c resolved"]), ["status resolved warning"]);
}

#[test]
fn other_instances_names_and_unplaced_alerts_stay_apart() {
    let mut hub = Hub::new();
    hub.send(&["Disk/db1 firing", "Disk/db2 firing", "Cpu/db1 firing", "Disk//x firing", "Disk//y firing"]);
    assert_eq!(hub.open(), 5);
}

#[test]
fn severity_only_rises() {
    let mut hub = Hub::new();
    hub.send(&["Disk/db1 firing info"]);
    assert_eq!(hub.send(&["Disk/db1 firing critical"]), ["severity firing critical"]);
    assert!(hub.send(&["Disk/db1 firing warning"]).is_empty());
    assert_eq!(hub.known.incidents.values().next().unwrap().severity, Severity::Critical);
}

#[test]
fn refire_reopens_its_own_incident() {
    let mut hub = Hub::new();
    hub.send(&["Disk/db1 firing critical"]);
    hub.send(&["Disk/db1 resolved"]);
    assert_eq!(hub.send(&["Disk/db1 firing info"]), ["reopened firing info"]);
    assert_eq!(hub.known.incidents.len(), 1);
}

#[test]
fn refire_joins_an_incident_that_a_sibling_opened() {
    let mut hub = Hub::new();
    hub.send(&["Disk/db1/a firing"]);
    hub.send(&["Disk/db1/a resolved"]);
    // Another alert of the same name and instance opens a second incident ...
    assert_eq!(hub.send(&["Disk/db1/b firing"]), ["created firing warning"]);
    // ... and the first alert joins it and does not reopen its old one.
    assert!(hub.send(&["Disk/db1/a firing"]).is_empty());
    assert_eq!(hub.open(), 1);
}

#[test]
fn acknowledgement_by_the_sender_is_no_resolution() {
    let mut hub = Hub::new();
    hub.send(&["Disk/db1/a firing", "Disk/db1/b firing"]);
    assert!(hub.send(&["Disk/db1/a acknowledged"]).is_empty());
    assert_eq!(hub.send(&["Disk/db1/b acknowledged"]), ["status acknowledged warning"]);
    assert_eq!(hub.send(&["Disk/db1/a resolved", "Disk/db1/b resolved"]), ["status resolved warning"]);
}

#[test]
fn fired_and_resolved_in_one_webhook_is_told_once_as_resolved() {
    let mut hub = Hub::new();
    assert_eq!(hub.send(&["Disk/db1 firing", "Disk/db1 resolved"]), ["created resolved warning"]);
    assert_eq!(hub.open(), 0);
}

#[test]
fn one_payload_of_many_incidents_makes_one_run_each() {
    let mut hub = Hub::new();
    assert_eq!(
        hub.send(&["A/x firing", "B/x firing", "A/x/3 firing", "B/x/4 firing critical"]),
        ["created firing warning", "created+severity firing critical"]
    );
}

#[test]
fn unknown_words_fire_as_warnings_and_are_kept() {
    let mut hub = Hub::new();
    let webhook = hub.webhook(&["Disk/db1 unmapped unmapped"]);
    let plan = hub.take(&webhook);
    assert_eq!(plan.alerts[0].alert.status, AlertStatus::Firing);
    assert_eq!(plan.alerts[0].alert.severity, Severity::Warning);
    assert_eq!(plan.alerts[0].alert.raw_severity, "unmapped");
}

#[test]
fn replayed_request_that_is_older_only_adds_history() {
    let mut hub = Hub::new();
    let mut old = hub.webhook(&["Disk/db1 resolved"]);
    hub.send(&["Disk/db1 firing"]);
    old.replayed = true;
    let plan = hub.take(&old);
    assert_eq!(plan.alerts[0].event, Some(AlertEvent::Late));
    assert!(plan.runs.is_empty());
    assert_eq!(hub.open(), 1);
}

#[test]
fn clock_set_back_loses_no_live_alert() {
    let mut hub = Hub::new();
    hub.clock = 10_000_000;
    hub.send(&["Disk/db1 firing"]);
    hub.clock = 0;
    assert_eq!(hub.send(&["Disk/db1 resolved"]), ["status resolved warning"]);
}

#[test]
fn changed_words_are_in_the_history_and_tell_nobody() {
    let mut hub = Hub::new();
    hub.send(&["Disk/db1 firing critical"]);
    let webhook = hub.webhook(&["Disk/db1 firing warning"]);
    let plan = hub.take(&webhook);
    assert_eq!(plan.alerts[0].event, Some(AlertEvent::Updated));
    assert_eq!(plan.alerts[0].changed["severity"], json!(["critical", "warning"]));
    assert!(plan.runs.is_empty());
}

#[test]
fn counts_never_drift_over_random_histories() {
    // A small linear congruential generator: the histories are the same on every machine.
    let mut state = 42u64;
    let mut draw = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut hub = Hub::new();
    for _ in 0..5000 {
        let text: Vec<String> = (0..=draw(3))
            .map(|_| {
                let status = ["firing", "acknowledged", "resolved", "unmapped"][draw(4) as usize];
                let severity = ["critical", "warning", "info"][draw(3) as usize];
                format!("N{}/i{}/f{} {status} {severity}", draw(2), draw(3), draw(4))
            })
            .collect();
        hub.send(&text.iter().map(String::as_str).collect::<Vec<_>>());
        for incident in hub.known.incidents.values() {
            let of = |status| {
                let held = |alert: &&Alert| alert.incident_id == Some(incident.id) && alert.status == status;
                hub.known.alerts.values().filter(held).count() as u32
            };
            assert_eq!(
                (incident.firing, incident.acknowledged),
                (of(AlertStatus::Firing), of(AlertStatus::Acknowledged))
            );
            assert_eq!(
                incident.status.is_open(),
                incident.firing + incident.acknowledged > 0,
                "{incident:?}"
            );
        }
        let mut open: Vec<&String> = hub
            .known
            .incidents
            .values()
            .filter(|incident| incident.status.is_open())
            .map(|incident| &incident.key)
            .collect();
        let all = open.len();
        open.sort();
        open.dedup();
        assert_eq!(open.len(), all, "two open incidents share a key");
    }
}

/// Reports ports of one machine; gives the reasons of each downstream run.
fn send_ports(hub: &mut Hub, status: &str, ports: &str) -> Vec<String> {
    let mut webhook = hub.webhook(&[&format!("ports/web-03 {status}")]);
    let alert = &mut webhook.alerts[0].alert;
    alert.labels.insert("checker".to_owned(), "listening_ports".to_owned());
    alert.annotations.insert("metrics".to_owned(), format!("{{\"unexpected_ports\":[{ports}]}}"));
    hub.take(&webhook).runs.iter().map(tell).collect()
}

#[test]
fn other_ports_are_told_though_nothing_got_worse_and_another_order_is_not() {
    let mut hub = Hub::new();
    assert_eq!(send_ports(&mut hub, "firing", "22"), ["created firing warning"]);
    assert!(send_ports(&mut hub, "firing", "22").is_empty());
    assert_eq!(send_ports(&mut hub, "firing", "8080,22"), ["context firing warning"]);
    assert!(send_ports(&mut hub, "firing", "22,8080").is_empty());
    assert_eq!(send_ports(&mut hub, "firing critical", "22"), ["severity+context firing critical"]);
    assert_eq!(send_ports(&mut hub, "resolved", ""), ["status resolved critical"]);
    assert!(send_ports(&mut hub, "resolved", "23").is_empty());
}
