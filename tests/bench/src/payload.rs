//! The webhooks that measurements send.
//!
//! Each is a template: [`ALERT`] and [`INCIDENT`] stand once in every alert, in this order, and are
//! replaced by twelve characters that make the alert, and the incident it belongs to, another one.

use serde_json::{Value, json};

/// Stands for what tells an alert from all others. As long as what replaces it.
pub const ALERT: &str = "@@@ALERT@@@@";
/// Stands for what alerts of one incident share. As long as what replaces it.
pub const INCIDENT: &str = "@@INCIDENT@@";

/// A webhook of Alertmanager, about 700 bytes for one alert.
pub fn alertmanager(alerts: usize) -> String {
    let alert = json!({
        "status": "firing",
        "fingerprint": ALERT,
        "labels": {
            "alertname": "HostOutOfDiskSpace",
            "instance": instance(),
            "job": "node",
            "severity": "warning",
        },
        "annotations": annotations(),
        "startsAt": "2026-06-01T11:52:30.118Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "https://prometheus.example.net/graph?g0.expr=node_filesystem_avail_bytes",
    });
    json!({
        "receiver": "watchbell",
        "status": "firing",
        "alerts": repeat(&alert, alerts),
        "groupLabels": { "alertname": "HostOutOfDiskSpace" },
        "commonLabels": { "alertname": "HostOutOfDiskSpace", "severity": "warning" },
        "commonAnnotations": {},
        "externalURL": "https://alertmanager.example.net",
        "version": "4",
        "groupKey": "{}:{alertname=\"HostOutOfDiskSpace\"}",
        "truncatedAlerts": 0,
    })
    .to_string()
}

/// The same alerts as Prometheus pushes them to an Alertmanager.
pub fn push(alerts: usize) -> String {
    let alert = json!({
        "annotations": annotations(),
        "generatorURL": "https://prometheus.example.net/graph?g0.expr=node_filesystem_avail_bytes",
        "labels": {
            "alert": ALERT,
            "alertname": "HostOutOfDiskSpace",
            "instance": instance(),
            "job": "node",
            "severity": "warning",
        },
        "startsAt": "2026-06-01T11:52:30.118Z",
    });
    repeat(&alert, alerts).to_string()
}

/// A webhook of Grafana's unified alerting.
pub fn grafana(alerts: usize) -> String {
    let alert = json!({
        "status": "firing",
        "fingerprint": ALERT,
        "labels": { "alertname": "Checkouts fail", "instance": instance(), "severity": "warning" },
        "annotations": annotations(),
        "startsAt": "2026-06-01T11:48:10Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "https://grafana.example.net/alerting/grafana/cdq7x1/view?orgId=1",
        "silenceURL": "https://grafana.example.net/alerting/silence/new?alertmanager=grafana",
        "dashboardURL": "https://grafana.example.net/d/shop?orgId=1",
        "panelURL": "https://grafana.example.net/d/shop?orgId=1&viewPanel=4",
        "values": { "A": 8.2, "C": 1 },
        "valueString": "[ var='A' labels={instance=shop-2} value=8.2 ]",
        "orgId": 1,
    });
    json!({
        "receiver": "watchbell",
        "status": "firing",
        "alerts": repeat(&alert, alerts),
        "groupLabels": { "alertname": "Checkouts fail" },
        "commonLabels": { "alertname": "Checkouts fail" },
        "commonAnnotations": {},
        "externalURL": "https://grafana.example.net/",
        "version": "1",
        "groupKey": "{}:{alertname=\"Checkouts fail\"}",
        "truncatedAlerts": 0,
        "orgId": 1,
        "title": "[FIRING:1] Checkouts fail",
        "state": "alerting",
        "message": "**Firing**",
    })
    .to_string()
}

/// A list of alerts as a program of one's own would send it.
pub fn generic(alerts: usize) -> String {
    let alert = json!({
        "fingerprint": ALERT,
        "name": "Fan stopped",
        "status": "firing",
        "severity": "warning",
        "description": "The third fan of the rack does not turn any more.",
        "labels": { "instance": instance(), "rack": "r9" },
        "startsAt": "2026-06-01T11:30:00Z",
    });
    json!({ "source": "inventory", "version": "2", "alerts": repeat(&alert, alerts) }).to_string()
}

/// A template with its places filled in, so that each alert is of its own and opens an incident of its
/// own. Numbers count up from `first`.
pub fn filled(template: &str, first: u64) -> String {
    let mut parts = template.split(ALERT);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for (number, part) in (first..).zip(parts) {
        let id = format!("{number:012x}");
        text.push_str(&id);
        text.push_str(&part.replace(INCIDENT, &id));
    }
    text
}

fn instance() -> String {
    format!("db-{INCIDENT}.example.net:9100")
}

fn annotations() -> Value {
    json!({
        "description": "4.1 % of the disk is left on this machine (/var/lib/postgresql).",
        "summary": "Disk almost full",
    })
}

fn repeat(alert: &Value, count: usize) -> Value {
    Value::Array(vec![alert.clone(); count])
}
