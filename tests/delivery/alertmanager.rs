//! The main job, end to end: a real Alertmanager, the real hub, a recording remote.

#![forbid(unsafe_code)]

use serde_json::{Value, json};
use tests::{Alertmanager, Home, Hub, PATIENCE, Sink, wait_for};

/// The runs of webhooks that Alertmanager sent, the newest first.
async fn webhooks(hub: &Hub) -> Vec<Value> {
    let runs = hub.list("/orchestration/pipelines/?source=alertmanager&limit=1000").await;
    runs.into_iter().filter(|run| run["parent_run_id"].is_null()).collect()
}

async fn wait_for_state(hub: &Hub, status: &str) -> (Value, Value) {
    wait_for(&format!("the alert is {status}"), PATIENCE, async || {
        let alerts = hub.list("/alerts/?name=DiskFull").await;
        let [alert] = alerts.as_slice() else { return None };
        let id = alert["incident_id"].as_str()?;
        let incident = hub.get(&format!("/incidents/{id}/")).await.json();
        (alert["status"] == status).then(|| (alert.clone(), incident))
    })
    .await
}

#[tokio::test]
async fn an_alert_of_alertmanager_is_told_once_when_it_fires_and_once_when_it_is_over() {
    let hub = Home::new().await.with_local_remotes().start().await;
    let sink = Sink::start([]).await;
    hub.add_channel("sink", &sink.url()).await;
    let Some(alertmanager) = Alertmanager::start(&hub).await else { return };
    let labels = json!({ "alertname": "DiskFull", "instance": "db1:9100", "severity": "critical" });

    alertmanager.fire(&labels).await;
    let (alert, incident) = wait_for_state(&hub, "firing").await;
    assert_eq!((&alert["source"], &alert["severity"]), (&json!("alertmanager"), &json!("critical")));
    assert!(alert["ended_at"].is_null() && alert["labels"]["instance"] == "db1:9100", "{alert}");
    assert_eq!((&incident["status"], &incident["severity"]), (&json!("open"), &json!("critical")));
    let firing = sink.wait(1).await;

    // Alertmanager says it again every second; three more times nobody is told.
    let heard = webhooks(&hub).await.len();
    wait_for("Alertmanager has repeated itself", PATIENCE, async || {
        (webhooks(&hub).await.len() >= heard + 3).then_some(())
    })
    .await;
    assert_eq!(sink.received().len(), 1);

    alertmanager.resolve(&labels).await;
    let (alert, incident) = wait_for_state(&hub, "resolved").await;
    assert!(alert["ended_at"].is_string(), "{alert}");
    assert_eq!((&incident["status"], &incident["firing_alerts"]), (&json!("resolved"), &json!(0)));
    let received = sink.wait(2).await;
    let told: Vec<Value> = received.iter().map(|request| request.json()["status"].clone()).collect();
    assert_eq!(told, ["firing", "resolved"]);
    assert_ne!(received[0].key(), received[1].key());
    assert_eq!(firing[0].key(), received[0].key());

    let webhooks = webhooks(&hub).await;
    assert!(
        webhooks.iter().all(|run| run["outcome"] == "parsed" && run["status"] == "INGESTED"),
        "{webhooks:?}"
    );
    for request in &received {
        let tags = &request.json()["tags"];
        let run = hub.downstream(tags["trace_id"].as_str().unwrap()).await;
        assert_eq!((&run["status"], &run["run_id"]), (&json!("NOTIFIED"), &tags["run_id"]), "{run}");
        let cause = webhooks.iter().find(|webhook| webhook["run_id"] == run["parent_run_id"]);
        assert_eq!(cause.map(|webhook| &webhook["trace_id"]), Some(&run["trace_id"]), "{run}");
    }
    let runs = hub.list("/orchestration/pipelines/?limit=1000").await;
    let downstream = runs.iter().filter(|run| !run["parent_run_id"].is_null()).count();
    assert_eq!((downstream, sink.received().len()), (2, 2), "nothing but the two changes");
}
