//! Which driver a body goes to where the path does not say.

use reqwest::Method;
use serde_json::{Value, json};
use tests::Hub;

const AUTO: &str = "/alerts/webhook/";

pub(crate) const GRAFANA: &str = include_str!("../../plugins/drivers/grafana/testdata/unified_firing.json");
pub(crate) const GRAFANA_LEGACY: &str =
    include_str!("../../plugins/drivers/grafana/testdata/legacy_alerting.json");
const ALERTMANAGER: &str = include_str!("../../plugins/drivers/alertmanager/testdata/webhook_firing.json");
const PUSHED: &str = include_str!("../../plugins/drivers/alertmanager/testdata/push_prometheus.json");
pub(crate) const PAGERDUTY: &str = include_str!("../../plugins/drivers/pagerduty/testdata/v3_triggered.json");
pub(crate) const DATADOG: &str =
    include_str!("../../plugins/drivers/datadog/testdata/default_triggered.json");
pub(crate) const NEWRELIC: &str =
    include_str!("../../plugins/drivers/newrelic/testdata/workflow_activated.json");
const OPSGENIE: &str = include_str!("../../plugins/drivers/opsgenie/testdata/create.json");
const ZABBIX: &str = include_str!("../../plugins/drivers/zabbix/testdata/script_problem.json");
pub(crate) const GENERIC: &str = include_str!("../../plugins/drivers/generic/testdata/single_firing.json");

#[tokio::test]
async fn each_body_goes_to_the_driver_that_knows_it_best() {
    let hub = Hub::new().await;
    for (driver, body) in [
        ("grafana", GRAFANA),
        ("grafana", GRAFANA_LEGACY),
        ("alertmanager", ALERTMANAGER),
        ("alertmanager", PUSHED),
        ("pagerduty", PAGERDUTY),
        ("datadog", DATADOG),
        ("newrelic", NEWRELIC),
        ("opsgenie", OPSGENIE),
        ("zabbix", ZABBIX),
        ("generic", GENERIC),
    ] {
        let answer = hub.post(AUTO, body).await.json();
        assert_eq!((&answer["driver"], &answer["outcome"]), (&json!(driver), &json!("parsed")), "{answer}");
        let path = format!("/alerts/?trace_id={}", answer["trace_id"].as_str().unwrap());
        let alerts = hub.list(&path).await;
        assert!(!alerts.is_empty() && alerts.iter().all(|alert| alert["source"] == driver), "{alerts:?}");
    }
    let nobody = hub.post(AUTO, r#"{"unheard":"of"}"#).await.json();
    assert_eq!((&nobody["driver"], &nobody["outcome"]), (&Value::Null, &json!("quarantined")));
}

#[tokio::test]
async fn a_named_driver_wins_over_detection_and_over_what_the_body_claims() {
    let hub = Hub::new().await;
    let body = json!({ "name": "Forged", "source": "alertmanager", "labels": { "source": "grafana" } });
    let answer = hub.accept("/alerts/webhook/generic/", &body).await;
    assert_eq!(answer["driver"], "generic");
    let alerts = hub.list("/alerts/?name=Forged").await;
    assert_eq!(
        (&alerts[0]["source"], &alerts[0]["labels"]["sender_source"]),
        (&json!("generic"), &json!("alertmanager"))
    );
    let answer = hub.post("/alerts/webhook/grafana/", GENERIC).await.json();
    assert_eq!((&answer["driver"], &answer["outcome"]), (&json!("grafana"), &json!("quarantined")));
}

#[tokio::test]
async fn the_run_tells_why_its_driver_was_chosen() {
    let hub = Hub::new().await;
    let why = async |path: &str, body: &str| {
        let answer = hub.post(path, body.to_owned()).await.json();
        let run = hub.get(&format!("/orchestration/pipeline/{}/", answer["run_id"].as_str().unwrap())).await;
        run.json()["request"]["detection"].as_str().unwrap().to_owned()
    };
    assert_eq!(why("/alerts/webhook/generic/", GENERIC).await, "named in the path");
    let fits = why(AUTO, GRAFANA).await;
    assert!(fits.starts_with("fits `grafana/unified_v1` (800), before `alertmanager/"), "{fits}");
    assert_eq!(why(AUTO, r#"{"unheard":"of"}"#).await, "fits no shape");
    assert_eq!(why(AUTO, "not json").await, "no shapes to look at");
    assert_eq!(why(AUTO, "[]").await, "an empty list, whoever sent it");
}

#[tokio::test]
async fn forms_and_json_under_another_name_reach_their_driver() {
    let hub = Hub::new().await;
    let form = "alert_id=5030&alert_title=CPU+high&alert_transition=Triggered&alert_cycle_key=7\
                &alert_scope=host%3Aweb-1&alert_type=error";
    let default = "id=1&last_updated=1780315111000&event_type=query_alert_monitor\
                   &title=%5BTriggered%5D+Disk&date=1780315110000&body=full";
    let is_form = "application/x-www-form-urlencoded";
    for (content_type, driver, body) in [
        (is_form, "datadog", form),
        ("application/x-www-form-urlencoded; charset=utf-8", "datadog", default),
        (is_form, "datadog", DATADOG),
        ("text/plain", "datadog", DATADOG),
        ("text/plain; charset=utf-8", "alertmanager", PUSHED),
        ("text/plain", "grafana", GRAFANA),
        ("application/octet-stream", "pagerduty", PAGERDUTY),
        ("", "newrelic", NEWRELIC),
    ] {
        let request = hub.request(Method::POST, AUTO).header("content-type", content_type);
        let answer = hub.send(request.body(body)).await.json();
        assert_eq!(
            (&answer["driver"], &answer["outcome"]),
            (&json!(driver), &json!("parsed")),
            "{content_type}: {answer}"
        );
    }
    let unnamed = hub.request(Method::POST, AUTO).header("content-type", "text/plain").body(form);
    let answer = hub.send(unnamed).await.json();
    assert_eq!((&answer["driver"], &answer["outcome"]), (&Value::Null, &json!("quarantined")), "{answer}");
}

#[tokio::test]
async fn a_generic_alert_never_touches_the_alerts_of_another_source() {
    let hub = Hub::new().await;
    let labels = json!({ "alertname": "DiskFull", "instance": "db1", "severity": "critical" });
    let pushed = json!([{ "labels": labels, "generatorURL": "http://prometheus.example.net" }]);
    hub.accept(AUTO, &pushed).await;
    let read = async |source: &str| {
        let mut alerts = hub.list(&format!("/alerts/?source={source}")).await;
        assert_eq!(alerts.len(), 1, "{alerts:?}");
        alerts.remove(0)
    };
    let theirs = read("alertmanager").await;
    let mut forged = json!({
        "name": "DiskFull", "fingerprint": theirs["fingerprint"], "labels": labels, "source": "alertmanager",
        "severity": "info", "instance": "db1",
    });
    for status in ["resolved", "firing", "acknowledged", "resolved"] {
        forged["status"] = json!(status);
        assert_eq!(hub.accept("/alerts/webhook/generic/", &forged).await["alerts"], 1);
        assert_eq!(read("alertmanager").await, theirs, "{status}");
    }
    let own = read("generic").await;
    assert_eq!((&own["status"], &own["fingerprint"]), (&json!("resolved"), &theirs["fingerprint"]));
    // One incident is about one thing, whoever reports it; it is over when nobody reports it any more.
    assert_eq!(own["incident_id"], theirs["incident_id"]);
    let incident = hub.get(&format!("/incidents/{}/", theirs["incident_id"].as_str().unwrap())).await.json();
    assert_eq!(
        (&incident["status"], &incident["severity"]),
        (&json!("open"), &json!("critical")),
        "{incident}"
    );
}
