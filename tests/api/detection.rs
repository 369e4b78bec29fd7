//! Which driver a body goes to where the path does not say.

use serde_json::{Value, json};
use tests::Hub;

const AUTO: &str = "/alerts/webhook/";

pub(crate) const GRAFANA: &str = include_str!("../../plugins/drivers/grafana/testdata/unified_firing.json");
const GRAFANA_LEGACY: &str = include_str!("../../plugins/drivers/grafana/testdata/legacy_alerting.json");
const ALERTMANAGER: &str = include_str!("../../plugins/drivers/alertmanager/testdata/webhook_firing.json");
const PUSHED: &str = include_str!("../../plugins/drivers/alertmanager/testdata/push_prometheus.json");
const PAGERDUTY: &str = include_str!("../../plugins/drivers/pagerduty/testdata/v3_triggered.json");
const DATADOG: &str = include_str!("../../plugins/drivers/datadog/testdata/default_triggered.json");
const NEWRELIC: &str = include_str!("../../plugins/drivers/newrelic/testdata/workflow_activated.json");
const OPSGENIE: &str = include_str!("../../plugins/drivers/opsgenie/testdata/create.json");
const ZABBIX: &str = include_str!("../../plugins/drivers/zabbix/testdata/script_problem.json");
const GENERIC: &str = include_str!("../../plugins/drivers/generic/testdata/single_firing.json");

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
