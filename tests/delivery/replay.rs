//! Remotes that refuse for good, and what a person can do then.

use serde_json::json;
use tests::{Answer, Home, Hub, PATIENCE, Sink, wait_for};

async fn hub() -> Hub {
    Home::new().await.with_local_remotes().start().await
}

#[tokio::test]
async fn a_refusal_is_final_until_a_person_replays_it() {
    let hub = hub().await;
    let elsewhere = Sink::start([]).await;
    let redirect = Answer::Status(302, vec![("location", elsewhere.url())]);
    let mut sinks = Vec::new();
    for (name, answer) in [
        ("bad", Answer::Status(400, Vec::new())),
        ("locked", Answer::Status(401, Vec::new())),
        ("gone", Answer::Status(410, Vec::new())),
        ("moved", redirect),
    ] {
        let sink = Sink::start([answer]).await;
        hub.add_channel(name, &sink.url()).await;
        sinks.push((name, sink));
    }
    let webhook = hub.accept("/alerts/webhook/", &json!({ "name": "DiskFull", "host": "db1" })).await;
    let run = hub.downstream(webhook["trace_id"].as_str().unwrap()).await;
    assert_eq!(run["status"], "FAILED", "{run}");
    assert_eq!(elsewhere.connections(), 0, "no redirect leads to a place that was not granted");

    let dead = hub.cli_json(&["delivery", "list", "--dead", "--json"]).await;
    let dead = dead["deliveries"].as_array().unwrap();
    assert_eq!(dead.len(), sinks.len());
    for (name, sink) in &sinks {
        let delivery = dead.iter().find(|delivery| delivery["channel"] == *name).unwrap();
        assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("dead"), &json!(1)), "{delivery}");
        assert!(delivery["error_type"].is_string() && delivery["error_message"].is_string(), "{delivery}");
        assert_eq!(sink.received().len(), 1, "{name}");
    }

    let (_, first) = &sinks[0];
    let key = first.received()[0].key().to_owned();
    hub.cli_text(&["delivery", "retry", &key]).await;
    first.wait(2).await;
    hub.cli_text(&["delivery", "retry", "--all"]).await;
    for (name, sink) in &sinks {
        let received = sink.wait(2).await;
        assert_eq!((received.len(), received[0].key()), (2, received[1].key()), "{name}");
    }
    let path = format!("/orchestration/pipeline/{}/", run["run_id"].as_str().unwrap());
    wait_for("the run is NOTIFIED after all", PATIENCE, async || {
        (hub.get(&path).await.json()["status"] == "NOTIFIED").then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_was_delivered_is_not_replayed() {
    let hub = hub().await;
    let sink = Sink::start([]).await;
    hub.add_channel("ops", &sink.url()).await;
    let webhook = hub.accept("/alerts/webhook/", &json!({ "name": "DiskFull" })).await;
    hub.downstream(webhook["trace_id"].as_str().unwrap()).await;
    let received = sink.received();
    assert_eq!(received.len(), 1);
    let again = hub.cli(&["delivery", "retry", received[0].key()]).await;
    assert!(!again.status.success());
    let unknown = hub.cli(&["delivery", "retry", "01ARZ3NDEKTSV4RRFFQ69G5FAV"]).await;
    assert!(!unknown.status.success());
    assert_eq!(hub.cli_text(&["delivery", "retry", "--all"]).await.trim(), "0 deliveries are due again");
    assert_eq!(sink.received().len(), 1);
}
