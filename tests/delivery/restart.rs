//! Deliveries that outlive the process.

use serde_json::json;
use tests::{Answer, Home, PATIENCE, Sink, wait_for};

#[tokio::test]
async fn a_delivery_that_waits_for_its_next_attempt_is_made_after_a_crash() {
    let mut hub = Home::new().await.with_local_remotes().start().await;
    let sink = Sink::start([Answer::Status(503, Vec::new())]).await;
    hub.add_channel("ops", &sink.url()).await;
    let webhook = hub.accept("/alerts/webhook/", &json!({ "name": "DiskFull", "host": "db1" })).await;
    wait_for("the failed attempt is recorded", PATIENCE, async || {
        let list = hub.cli_json(&["delivery", "list", "--json"]).await;
        (list["deliveries"][0]["error_type"] == "unavailable").then_some(())
    })
    .await;
    hub.kill().await;
    hub.restart().await;
    let run = hub.downstream(webhook["trace_id"].as_str().unwrap()).await;
    assert_eq!(run["status"], "NOTIFIED", "{run}");
    let received = sink.received();
    assert_eq!((received.len(), received[0].key()), (2, received[1].key()));
    assert_eq!(received[1].json()["attempt"], 2);
}

#[tokio::test]
async fn an_attempt_under_way_ends_before_the_hub_stops() {
    let mut hub = Home::new().await.with_local_remotes().with("WATCHBELL_STOP_TIMEOUT_S", "60").start().await;
    let sink = Sink::start([Answer::Hang]).await;
    hub.add_channel("ops", &sink.url()).await;
    hub.accept("/alerts/webhook/", &json!({ "name": "DiskFull", "host": "db1" })).await;
    let first = sink.wait(1).await[0].key().to_owned();
    hub.terminate();
    assert_eq!(hub.ended().await.code(), Some(0));
    // Its end is on record, so it is due again without waiting for anybody's lease.
    hub.restart().await;
    let received = sink.wait(2).await;
    assert_eq!(received[1].key(), first);
}
