//! Several workers on one database.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tests::{Answer, Engine, Home, Hub, PATIENCE, Sink, on_every_database, wait_for};

on_every_database! {
    two_hubs_on_one_database_run_and_tell_everything_once,
    a_worker_that_comes_back_late_neither_records_nor_sends,
    what_a_killed_hub_had_under_way_is_taken_over,
    what_one_hub_has_no_room_for_another_takes,
}

/// How many incidents two hubs share.
const INCIDENTS: usize = 60;

async fn two_hubs(home: Home) -> (Hub, Hub) {
    let home = home.with_local_remotes();
    (home.clone().start().await, home.start().await)
}

async fn two_hubs_on_one_database_run_and_tell_everything_once(home: Home) {
    let (left, right) = two_hubs(home).await;
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

async fn a_worker_that_comes_back_late_neither_records_nor_sends(home: Home) {
    let (left, mut right) = two_hubs(home).await;
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
    assert_eq!(outcomes(&shown), [("started", 1), ("delivered", 2)]);
    assert_eq!((&shown["status"], &shown["attempts"]), (&json!("delivered"), &json!(2)));
}

async fn what_a_killed_hub_had_under_way_is_taken_over(home: Home) {
    let (mut left, mut right) = two_hubs(home).await;
    right.kill().await;
    let sink = Sink::start([Answer::Hang]).await;
    left.add_channel("ops", &sink.url()).await;
    let webhook = left.accept("/alerts/webhook/", &json!({ "name": "DiskFull", "host": "db1" })).await;
    let key = sink.wait(1).await[0].key().to_owned();
    left.kill().await;
    right.restart().await;
    let run = right.downstream(webhook["trace_id"].as_str().unwrap()).await;
    assert_eq!(run["status"], "NOTIFIED", "{run}");
    let keys: Vec<String> = sink.received().iter().map(|request| request.key().to_owned()).collect();
    assert_eq!(keys, [key.clone(), key.clone()]);
    let shown = right.cli_json(&["delivery", "show", &key, "--json"]).await;
    assert_eq!(outcomes(&shown), [("started", 1), ("delivered", 2)]);
}

async fn what_one_hub_has_no_room_for_another_takes(home: Home) {
    // Signs alone would do on PostgreSQL, and looking alone elsewhere.
    let poll = if home.is_on(Engine::Postgres) { "300000" } else { "500" };
    let home = home.with_local_remotes().with("WATCHBELL_POLL_MS", poll);
    // It takes webhooks and works none off.
    let busy = home.clone().with("WATCHBELL_WORKERS", "0").start().await;
    let idle = home.start().await;
    let sink = Sink::start([]).await;
    busy.add_channel("ops", &sink.url()).await;
    for number in 0..5 {
        busy.accept("/alerts/webhook/", &json!({ "name": "DiskFull", "host": format!("db{number}") })).await;
        sink.wait(number + 1).await;
    }
    assert!(!busy.log().lines().iter().any(|line| line.contains("delivered incident")));
    drop(idle);
}

fn outcomes(delivery: &Value) -> Vec<(&str, u64)> {
    let tries = delivery["tries"].as_array().unwrap();
    tries
        .iter()
        .map(|tried| (tried["outcome"].as_str().unwrap(), tried["attempt"].as_u64().unwrap()))
        .collect()
}
