//! Remotes that refuse for good, and what a person can do then.

use reqwest::Method;
use serde_json::{Value, json};
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

    let dead = hub.cli_json(&["delivery", "list", "--status", "dead", "--json"]).await;
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
    let shown = hub.cli_json(&["delivery", "show", &key, "--json"]).await;
    let [retry] = shown["retries"].as_array().unwrap().as_slice() else { panic!("{shown}") };
    assert!(retry["actor"].as_str().unwrap().starts_with("cli:") && retry["attempts"] == 1, "{retry}");
    let said = hub.cli_text(&["why", &key]).await;
    assert!(said.contains("cli:") && said.contains(&format!("had delivery {key} tried again")), "{said}");
    let nobody = hub.cli_json(&["delivery", "retry", "--all", "--channel", "bad", "--json"]).await;
    assert_eq!(nobody, json!({ "due": 0, "stale": 0 }), "the only one of this channel is on its way");
    let later = ["delivery", "retry", "--all", "--since", "2100-01-01T00:00:00Z", "--json"];
    assert_eq!(hub.cli_json(&later).await["due"], 0);
    let all = hub.cli_json(&["delivery", "retry", "--all", "--json"]).await;
    assert_eq!(all, json!({ "due": 3, "stale": 0 }));
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

#[tokio::test]
async fn dead_letters_are_listed_shown_and_sent_again_over_the_api() {
    let hub = hub().await;
    let sink = Sink::start([Answer::Status(400, Vec::new()), Answer::Status(400, Vec::new())]).await;
    hub.add_channel("ops", &sink.url()).await;
    let (_, token) = hub.create_key(&["--manage"]).await;
    let call = async |method: Method, path: &str, body: Value| {
        let request =
            hub.anonymous(method, path).bearer_auth(&token).header("content-type", "application/json");
        hub.send(request.body(if body.is_null() { String::new() } else { body.to_string() })).await
    };
    let webhook = hub.accept("/alerts/webhook/", &json!({ "name": "DiskFull", "host": "db1" })).await;
    let run = hub.downstream(webhook["trace_id"].as_str().unwrap()).await;
    let dead = call(Method::GET, "/manage/deliveries/?status=dead&channel=ops", Value::Null).await.json();
    let [delivery] = dead["deliveries"].as_array().unwrap().as_slice() else { panic!("{dead}") };
    assert_eq!((&delivery["run_id"], &delivery["tells"]), (&run["run_id"], &json!("firing")));
    let path = format!("/manage/deliveries/{}/", delivery["id"].as_str().unwrap());

    let again = call(Method::POST, &format!("{path}retry/"), Value::Null).await;
    assert_eq!((again.status, &again.json()["status"]), (200, &json!("pending")));
    sink.wait(2).await;
    let two_tries = async || {
        let shown = call(Method::GET, &path, Value::Null).await.json();
        (shown["status"] == "dead" && shown["attempts"] == 2).then_some(shown)
    };
    let shown = wait_for("the second attempt is refused too", PATIENCE, two_tries).await;
    let outcomes: Vec<_> = shown["tries"].as_array().unwrap().iter().map(|tried| &tried["outcome"]).collect();
    assert_eq!(outcomes, ["refused", "refused"]);
    assert_eq!(shown["retries"][0]["actor"], "key:test");

    call(Method::POST, "/manage/deliveries/retry/", json!({})).await.problem(400, "invalid-parameter");
    let all = call(Method::POST, "/manage/deliveries/retry/", json!({ "channel": "ops" })).await;
    assert_eq!((all.status, all.json()), (200, json!({ "due": 1, "stale": 0 })));
    let received = sink.wait(3).await;
    assert!(received.iter().all(|request| request.key() == delivery["id"]));
    let run = format!("/orchestration/pipeline/{}/", run["run_id"].as_str().unwrap());
    wait_for("the run is NOTIFIED after all", PATIENCE, async || {
        (hub.get(&run).await.json()["status"] == "NOTIFIED").then_some(())
    })
    .await;
    call(Method::POST, &format!("{path}retry/"), Value::Null).await.problem(409, "conflict");
}

/// A program without debug assertions, such as a release, has no other clock.
#[cfg(debug_assertions)]
#[tokio::test]
async fn what_is_newer_stays_newer_though_the_clock_was_set_back() {
    const AHEAD: &str = "WATCHBELL_CLOCK_AHEAD_S";
    let home = Home::new().await.with_own_program().with_local_remotes().with(AHEAD, "3600");
    let mut hub = home.start().await;
    let sink = Sink::start([Answer::Status(400, Vec::new())]).await;
    hub.add_channel("ops", &sink.url()).await;
    let mut alert = json!({ "name": "DiskFull", "host": "db1" });
    let fired = hub.accept("/alerts/webhook/", &alert).await;
    let fired = hub.downstream(fired["trace_id"].as_str().unwrap()).await;
    assert_eq!(fired["status"], "FAILED", "{fired}");

    hub.terminate();
    assert!(hub.ended().await.success());
    hub.unset(AHEAD);
    hub.restart().await;
    alert["status"] = json!("resolved");
    let over = hub.accept("/alerts/webhook/", &alert).await;
    let over = hub.downstream(over["trace_id"].as_str().unwrap()).await;
    assert_eq!(
        (&over["status"], &over["incident_id"]),
        (&json!("NOTIFIED"), &fired["incident_id"]),
        "{over}"
    );
    // It would tell of a firing after its end.
    let late = hub.cli(&["delivery", "retry", fired["deliveries"][0]["id"].as_str().unwrap()]).await;
    let said = String::from_utf8(late.stderr).unwrap();
    assert!(!late.status.success() && said.contains("is overtaken") && said.contains("hint: "), "{said}");
    assert_eq!(sink.received().len(), 2);
}
