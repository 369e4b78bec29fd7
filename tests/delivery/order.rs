//! What is told, and in which order.

use serde_json::{Value, json};
use tests::{Answer, Home, Received, Sink};

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
async fn the_end_of_an_incident_waits_for_its_beginning_and_no_channel_waits_for_another() {
    let hub = Home::new().await.with_local_remotes().start().await;
    let (slow, quick) = (Sink::start([Answer::Status(503, Vec::new())]).await, Sink::start([]).await);
    hub.add_channel("slow", &slow.url()).await;
    hub.add_channel("quick", &quick.url()).await;
    hub.accept("/alerts/webhook/", &alert("firing", "critical")).await;
    slow.wait(1).await;
    hub.accept("/alerts/webhook/", &alert("resolved", "critical")).await;

    let expected = ["firing", "resolved"].map(|status| (status.to_owned(), "critical".to_owned()));
    assert_eq!(told(&quick.wait(2).await), expected);
    assert_eq!(slow.received().len(), 1, "the quick one is done while the slow one waits");
    let received = slow.wait(3).await;
    assert_eq!(told(&received), expected);
    assert_eq!(received[0].key(), received[1].key());
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
