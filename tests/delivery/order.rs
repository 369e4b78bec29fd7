//! What is told, and in which order.

use serde_json::{Value, json};
use tests::{Answer, Home, PATIENCE, Received, Sink, wait_for};

fn alert(status: &str, severity: &str) -> Value {
    json!({ "name": "DiskFull", "host": "db1", "status": status, "severity": severity })
}

/// The states that a remote was told, repeats of one delivery left out.
fn told(received: &[Received]) -> Vec<(String, String)> {
    let mut told = Vec::new();
    let mut last = "";
    for request in
        received.iter().filter(|request| std::mem::replace(&mut last, request.key()) != request.key())
    {
        let text = |field: &str| request.json()[field].as_str().unwrap().to_owned();
        told.push((text("status"), text("severity")));
    }
    told
}

#[tokio::test]
async fn the_end_of_an_incident_waits_for_an_attempt_at_its_beginning_and_no_channel_waits_for_another() {
    let hub = Home::new().await.with_local_remotes().start().await;
    let (slow, quick) = (Sink::start([Answer::Hang]).await, Sink::start([]).await);
    hub.add_channel("slow", &slow.url()).await;
    hub.add_channel("quick", &quick.url()).await;
    let fired = hub.accept("/alerts/webhook/", &alert("firing", "critical")).await;
    slow.wait(1).await;
    hub.accept("/alerts/webhook/", &alert("resolved", "critical")).await;

    let expected = ["firing", "resolved"].map(|status| (status.to_owned(), "critical".to_owned()));
    assert_eq!(told(&quick.wait(2).await), expected);
    assert_eq!(slow.received().len(), 1, "the quick one is done while the slow one waits");
    // The slow one may have seen the beginning, so the end is told as one; nobody is told of the beginning
    // after it.
    let received = slow.wait(2).await;
    assert_eq!(told(&received), expected);
    assert!(received[1].json()["title"].as_str().unwrap().starts_with("[RESOLVED]"));
    let run = hub.downstream(fired["trace_id"].as_str().unwrap()).await;
    assert_eq!(run["status"], "NOTIFIED", "{run}");
    let [first, second] = run["deliveries"].as_array().unwrap().as_slice() else { panic!("{run}") };
    let stale = if first["channel"] == "slow" { first } else { second };
    assert_eq!((&stale["status"], &stale["superseded_by"]), (&json!("stale"), &json!(received[1].key())));
}

#[tokio::test]
async fn what_waits_for_a_channel_that_is_off_is_told_once_and_as_it_is_when_it_comes_on() {
    let mut hub = Home::new().await.with_local_remotes().start().await;
    // Left alone for minutes, so that what comes next is put off and not begun.
    let busy = Answer::Status(429, vec![("retry-after", "3600".to_owned())]);
    let sink = Sink::start(std::iter::repeat_n(busy, 5)).await;
    hub.add_channel("ops", &sink.url()).await;
    for number in 0..5 {
        hub.accept("/alerts/webhook/", &json!({ "name": "NetDown", "host": format!("db{number}") })).await;
    }
    hub.log().wait("`ops` is left alone").await;
    let accept = async |status: &str| hub.accept("/alerts/webhook/", &alert(status, "critical")).await;
    let deliveries = async || {
        let list = hub.cli_json(&["delivery", "list", "--json"]).await;
        list["deliveries"].as_array().unwrap().clone()
    };
    accept("firing").await;
    wait_for("the firing waits", PATIENCE, async || (deliveries().await.len() == 6).then_some(())).await;
    hub.cli_text(&["channel", "disable", "ops"]).await;
    let over = accept("resolved").await;
    // Another incident has nothing waiting, and nobody is told of it.
    let other = hub.accept("/alerts/webhook/", &json!({ "name": "CpuHigh" })).await;
    assert_eq!(hub.downstream(other["trace_id"].as_str().unwrap()).await["status"], "SKIPPED");
    let [newest, before] = wait_for("the end takes its place", PATIENCE, async || {
        let deliveries = deliveries().await;
        (deliveries.len() == 7).then(|| [deliveries[0].clone(), deliveries[1].clone()])
    })
    .await;
    assert_eq!((&newest["tells"], &newest["status"]), (&json!("resolved"), &json!("pending")));
    assert_eq!((&before["status"], &before["superseded_by"]), (&json!("stale"), &newest["id"]));
    assert_eq!(before["attempts"], 0);
    let warned = hub.cli_text(&["check"]).await;
    assert!(warned.contains("W029") && warned.contains("`ops`, which is off"), "{warned}");

    hub.cli_text(&["channel", "enable", "ops"]).await;
    // A hub that starts tries every channel anew.
    hub.kill().await;
    hub.restart().await;
    let run = hub.downstream(over["trace_id"].as_str().unwrap()).await;
    assert_eq!(run["status"], "NOTIFIED", "{run}");
    let about: Vec<Value> = sink.received().iter().map(Received::json).filter(is_about_disk).collect();
    let [told] = about.as_slice() else { panic!("{about:?}") };
    assert_eq!((&told["status"], &told["tags"]["tells"]), (&json!("resolved"), &json!("firing, resolved")));
    assert_eq!(told["title"], "[FIRED AND RESOLVED] DiskFull on db1");
    let message = told["message"].as_str().unwrap();
    assert!(message.contains("It began ") && message.contains(" and ended "), "{message}");
}

fn is_about_disk(notification: &Value) -> bool {
    notification["incident"]["name"] == "DiskFull"
}

#[tokio::test]
async fn people_are_told_what_changed_and_not_what_is_repeated() {
    let hub = Home::new().await.with_local_remotes().start().await;
    let sink = Sink::start([]).await;
    hub.add_channel("ops", &sink.url()).await;
    let mut traces = Vec::new();
    for (status, severity) in [
        ("firing", "warning"),
        ("firing", "warning"),
        ("firing", "critical"),
        ("firing", "warning"),
        ("resolved", "warning"),
        ("resolved", "warning"),
        ("firing", "warning"),
    ] {
        let webhook = hub.accept("/alerts/webhook/", &alert(status, severity)).await;
        traces.push(webhook["trace_id"].as_str().unwrap().to_owned());
    }
    for (trace, changed) in traces.iter().zip([true, false, true, false, true, false, true]) {
        let runs = hub.list(&format!("/orchestration/pipelines/?trace_id={trace}")).await;
        assert_eq!(runs.len(), 1 + usize::from(changed), "{runs:?}");
        if changed {
            let run = hub.downstream(trace).await;
            assert_eq!(run["status"], "NOTIFIED", "{run}");
        }
    }
    let received = sink.received();
    let statuses: Vec<(String, String)> = told(&received);
    let statuses: Vec<&str> = statuses.iter().map(|(status, _)| status.as_str()).collect();
    assert_eq!(statuses, ["firing", "firing", "resolved", "firing"]);
    for (request, trace) in received.iter().zip([&traces[0], &traces[2], &traces[4], &traces[6]]) {
        let body = request.json();
        assert_eq!(
            (&body["tags"]["trace_id"], &body["incident"]["trace_id"]),
            (&json!(trace), &json!(trace))
        );
        assert_eq!(request.header("webhook-id"), request.key());
    }
}
