//! `watchbell why`, `watchbell trace` and the same over HTTP: every decision is told in plain words.

use serde_json::{Value, json};
use tests::{Answer, Home, Hub, Sink};

const GENERIC: &str = "/alerts/webhook/generic/";

/// All that was said, a line for each step.
fn said(explanation: &Value) -> String {
    let line =
        |step: &Value| format!("{}: {}\n", step["what"].as_str().unwrap(), step["text"].as_str().unwrap());
    explanation["steps"].as_array().unwrap().iter().map(line).collect()
}

async fn why(hub: &Hub, id: &Value) -> Value {
    let explanation = hub.get(&format!("/orchestration/why/{}/", id.as_str().unwrap())).await;
    assert_eq!(explanation.status, 200, "{}", explanation.text());
    let by_command = hub.cli_json(&["why", id.as_str().unwrap(), "--json"]).await;
    assert_eq!(explanation.json(), by_command, "both doors say the same");
    by_command
}

#[track_caller]
fn assert_says(explanation: &Value, wanted: &[&str]) {
    let said = said(explanation);
    for wanted in wanted {
        assert!(said.contains(wanted), "nothing says `{wanted}` in:\n{said}");
    }
}

#[tokio::test]
async fn who_was_told_is_told_with_every_decision_on_the_way() {
    let hub = Home::new().await.with_local_remotes().start().await;
    let sink = Sink::start([Answer::Status(500, Vec::new())]).await;
    hub.add_channel("ops", &sink.url()).await;
    let alert = json!({ "name": "DiskFull", "host": "db1", "severity": "critical" });
    let webhook = hub.accept(GENERIC, &alert).await;
    let run = hub.downstream(webhook["trace_id"].as_str().unwrap()).await;
    assert_eq!(run["status"], "NOTIFIED", "{run}");

    let alert_id = &hub.list("/alerts/").await[0]["id"];
    for id in [&run["run_id"], &run["incident_id"], &webhook["run_id"], &webhook["trace_id"], alert_id] {
        let explanation = why(&hub, id).await;
        assert_eq!(
            (&explanation["told"], &explanation["verdict"], &explanation["more"]),
            (&json!("everybody"), &json!("told: `ops`"), &json!(false)),
            "{explanation}"
        );
        assert_says(
            &explanation,
            &[
                "request: a webhook of ",
                "driver: `generic` was to read it: ",
                "signature: not checked: `generic` had no secret",
                "outcome: alerts read of it: 1",
                "fingerprint: alert `DiskFull` is known by source, name and the labels `host`",
                "whose machine or service is `db1` (label `host`)",
                "incident: incident `DiskFull on db1`",
                "was worth it because of: created",
                "route: route `catch-all` was the first that matched: ",
                "stage: stage check succeeded",
                "stage: stage analyze ",
                "stage: stage notify succeeded",
                "to channel `ops` delivered at",
                "attempt: try 1 at `ops`",
                "it did not arrive and is tried again: ",
                "attempt: try 2 at `ops`",
                "ended NOTIFIED",
            ],
        );
        let whats: Vec<&str> = explanation["steps"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| step["what"].as_str().unwrap())
            .collect();
        assert_eq!((whats[0], *whats.last().unwrap()), ("request", "end"), "in the order of time");
    }
    let text = hub.cli_text(&["trace", webhook["trace_id"].as_str().unwrap()]).await;
    assert!(text.contains("told: `ops`") && text.contains("  request      a webhook of "), "{text}");
}

#[tokio::test]
async fn why_nobody_was_told_is_told_too() {
    let hub = Home::new().await.with_local_remotes().start().await;
    let alert = json!({ "name": "DiskFull", "host": "db1", "severity": "critical" });
    let first = hub.accept(GENERIC, &alert).await;
    let run = hub.downstream(first["trace_id"].as_str().unwrap()).await;
    let explanation = why(&hub, &run["run_id"]).await;
    assert_eq!(explanation["told"], "nobody");
    let verdict = explanation["verdict"].as_str().unwrap();
    assert!(verdict.starts_with("nobody: no enabled channel") && verdict.contains("hint: "), "{verdict}");

    let repeat = hub.accept(GENERIC, &alert).await;
    let explanation = why(&hub, &repeat["trace_id"]).await;
    assert_says(&explanation, &["told of again without a change", "material: no incident was made by it"]);
    let verdict = explanation["verdict"].as_str().unwrap();
    assert!(verdict.starts_with("nobody: nothing changed that is worth telling"), "{verdict}");

    let unread = hub.accept("/alerts/webhook/", &json!({ "colour": "red" })).await;
    assert_eq!(unread["outcome"], "quarantined", "{unread}");
    let explanation = why(&hub, &unread["run_id"]).await;
    assert_says(&explanation, &["kept in quarantine: ", "hint: `watchbell quarantine show"]);
    assert!(explanation["verdict"].as_str().unwrap().starts_with("nobody: no alert could be read"));

    let resolved = json!({ "name": "Over", "host": "db9", "status": "resolved" });
    let resolved = hub.accept(GENERIC, &resolved).await;
    let explanation = why(&hub, &resolved["trace_id"]).await;
    assert_says(&explanation, &["it was over when it was first heard of, so it belongs to no incident"]);
}

#[tokio::test]
async fn what_a_person_put_away_is_the_reason_that_nobody_hears_of_its_alerts() {
    let hub = Home::new().await.start().await;
    let alert = json!({ "name": "DiskFull", "host": "db1", "severity": "warning" });
    hub.accept(GENERIC, &alert).await;
    let first = hub.list("/alerts/").await[0].clone();
    let path = format!("/incidents/{}/close/", first["incident_id"].as_str().unwrap());
    assert_eq!(hub.post(&path, r#"{"reason":"noise"}"#).await.status, 200);
    let worse = json!({ "name": "DiskFull", "host": "db1", "severity": "critical" });
    let worse = hub.accept(GENERIC, &worse).await;
    let explanation = why(&hub, &worse["trace_id"]).await;
    let verdict = explanation["verdict"].as_str().unwrap();
    assert!(verdict.starts_with("nobody: a person has closed incident "), "{verdict}");
    assert!(verdict.ends_with("before an alert of it ends and fires anew"), "{verdict}");
    assert_says(&why(&hub, &first["id"]).await, &["closed: closed, warning, by key:test: noise"]);
}

#[tokio::test]
async fn what_has_no_such_identifier_is_said_in_one_line() {
    let hub = Home::new().await.start().await;
    for (path, word) in [
        ("/orchestration/why/nothing/", "run, incident, alert, delivery or trace `nothing`"),
        ("/orchestration/why/01JZ8Q4T6N8F5X2V9B3C7D1E0G/", "`01JZ8Q4T6N8F5X2V9B3C7D1E0G`"),
        ("/orchestration/trace/0198d0a1b2c3d4e5f60718293a4b5c6d/", "`0198d0a1b2c3d4e5f60718293a4b5c6d`"),
    ] {
        let detail = hub.get(path).await.problem(404, "not-found");
        assert!(detail.contains(word), "{detail}");
    }
    let output = hub.cli(&["why", "nothing"]).await;
    assert_eq!(output.status.code(), Some(1));
}
