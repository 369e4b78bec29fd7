//! The same thing sent twice.

use reqwest::Method;
use serde_json::{Value, json};
use tests::Hub;

const PATH: &str = "/alerts/webhook/generic/";

async fn deliver(hub: &Hub, id: &str, body: &Value) -> Value {
    let request = hub.request(Method::POST, PATH).header("webhook-id", id);
    let reply = hub.send(request.body(body.to_string())).await;
    assert_eq!(reply.status, 202, "{}", reply.text());
    reply.json()
}

#[tokio::test]
async fn a_repeated_delivery_is_answered_with_the_first_run_and_does_nothing_more() {
    let hub = Hub::new().await;
    let body = json!({ "name": "Once", "fingerprint": "once" });
    let first = deliver(&hub, "msg_1", &body).await;
    // The identifier decides, not the body.
    let second = deliver(&hub, "msg_1", &json!({ "name": "Other" })).await;
    for field in ["run_id", "trace_id", "driver", "outcome", "alerts"] {
        assert_eq!(second[field], first[field], "{field}");
    }
    assert!(hub.list("/alerts/?name=Other").await.is_empty());
    let other = deliver(&hub, "msg_2", &body).await;
    assert_ne!(other["run_id"], first["run_id"]);
    let alerts = hub.list("/alerts/?name=Once").await;
    assert_eq!(alerts.len(), 1, "another delivery of the same alert changes nothing: {alerts:?}");
}

#[tokio::test]
async fn of_many_repeats_at_once_one_is_stored() {
    let hub = Hub::new().await;
    let body = json!({ "name": "Storm", "host": "db1" });
    let send = || deliver(&hub, "msg_storm", &body);
    let (a, b, c, d, e, f) = tokio::join!(send(), send(), send(), send(), send(), send());
    for answer in [&b, &c, &d, &e, &f] {
        assert_eq!(answer["run_id"], a["run_id"]);
    }
    let runs = hub.list("/orchestration/pipelines/?limit=10").await;
    let received = runs.iter().filter(|run| run["parent_run_id"].is_null()).count();
    assert_eq!(received, 1, "{runs:?}");
}

#[tokio::test]
async fn delivery_that_nobody_could_read_can_be_sent_again_corrected() {
    let hub = Hub::new().await;
    let send = |body: &'static str| {
        hub.request(Method::POST, "/alerts/webhook/generic/?strict=1").header("webhook-id", "m1").body(body)
    };
    hub.send(send("{}")).await.problem(422, "quarantined");
    let corrected = hub.send(send(r#"{"name":"Corrected"}"#)).await;
    assert_eq!((corrected.status, &corrected.json()["outcome"]), (202, &json!("parsed")));
    let again = hub.send(send(r#"{"name":"Corrected"}"#)).await;
    assert_eq!(again.json()["run_id"], corrected.json()["run_id"]);
}
