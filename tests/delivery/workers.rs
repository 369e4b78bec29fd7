//! Several workers on one database.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tests::{Answer, Home, Hub, PATIENCE, Sink, wait_for};

/// How many incidents two hubs share.
const INCIDENTS: usize = 60;

async fn two_hubs() -> (Hub, Hub) {
    let home = Home::new().await.with_local_remotes();
    (home.clone().start().await, home.start().await)
}

#[tokio::test]
async fn two_hubs_on_one_database_run_and_tell_everything_once() {
    let (left, right) = two_hubs().await;
    let sinks = [Sink::start([]).await, Sink::start([]).await];
    left.add_channel("ops", &sinks[0].url()).await;
    left.add_channel("dev", &sinks[1].url()).await;
    for number in 0..INCIDENTS {
        let hub = if number % 2 == 0 { &left } else { &right };
        hub.accept("/alerts/webhook/", &json!({ "name": "DiskFull", "host": format!("db{number}") })).await;
    }
    let runs = wait_for("every run has ended", PATIENCE, async || {
        let runs = left.list("/orchestration/pipelines/?limit=1000").await;
        let ended: Vec<Value> = runs
            .into_iter()
            .filter(|run| !run["parent_run_id"].is_null() && !run["completed_at"].is_null())
            .collect();
        (ended.len() == INCIDENTS).then_some(ended)
    })
    .await;
    for run in runs {
        // One try of each of its three stages.
        assert_eq!((&run["status"], &run["total_attempts"]), (&json!("NOTIFIED"), &json!(3)), "{run}");
    }
    for sink in &sinks {
        let mut times: BTreeMap<String, usize> = BTreeMap::new();
        for request in sink.received() {
            *times.entry(request.key().to_owned()).or_default() += 1;
            assert_eq!(request.json()["attempt"], 1);
        }
        assert_eq!(times.len(), INCIDENTS);
        assert!(times.values().all(|times| *times == 1), "{times:?}");
    }
    let worked = |hub: &Hub| hub.log().lines().iter().any(|line| line.contains("delivered incident"));
    assert!(worked(&left) && worked(&right), "both had a part in it");
}

#[tokio::test]
async fn a_worker_that_comes_back_late_neither_records_nor_sends() {
    let (left, mut right) = two_hubs().await;
    // Only the left one works until it stands still.
    right.kill().await;
    let sink = Sink::start([Answer::Hang]).await;
    left.add_channel("ops", &sink.url()).await;
    let webhook = left.accept("/alerts/webhook/", &json!({ "name": "DiskFull", "host": "db1" })).await;
    let key = sink.wait(1).await[0].key().to_owned();
    left.freeze();
    right.restart().await;
    let run = right.downstream(webhook["trace_id"].as_str().unwrap()).await;
    assert_eq!(run["status"], "NOTIFIED", "{run}");

    left.thaw();
    left.log().wait(&format!("cut delivery {key} off")).await;
    // It goes on to work as ever, and what it was late with stays as the other one left it.
    left.accept("/alerts/webhook/", &json!({ "name": "CpuHigh", "host": "db1" })).await;
    let received = sink.wait(3).await;
    let keys: Vec<&str> = received.iter().map(|request| request.key()).collect();
    assert_eq!(keys[..2], [key.as_str(), key.as_str()]);
    assert_ne!(keys[2], key);
    let shown = left.cli_json(&["delivery", "show", &key, "--json"]).await;
    let tries: Vec<(&Value, &Value)> = shown["tries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tried| (&tried["outcome"], &tried["attempt"]))
        .collect();
    assert_eq!(tries, [(&json!("started"), &json!(1)), (&json!("delivered"), &json!(2))]);
    assert_eq!((&shown["status"], &shown["attempts"]), (&json!("delivered"), &json!(2)));
}
