//! What people do to incidents, over HTTP and by command.

use std::collections::BTreeSet;
use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use tests::{Home, Hub, PATIENCE, Sink, wait_for};
use tokio::task::JoinSet;

const GENERIC: &str = "/alerts/webhook/generic/";

fn alert(name: &str, severity: &str, status: &str) -> Value {
    json!({ "name": name, "fingerprint": name, "severity": severity, "status": status, "host": "db1" })
}

/// The only incident of a name.
async fn incident(hub: &Hub, name: &str) -> Value {
    let found = hub.list(&format!("/incidents/?name={name}")).await;
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().unwrap()
}

fn id(thing: &Value) -> &str {
    thing["id"].as_str().unwrap()
}

/// Does something to an incident; it must be taken.
async fn act(hub: &Hub, incident: &str, action: &str, body: &str) -> Value {
    let reply = hub.post(&format!("/incidents/{incident}/{action}/"), body.to_owned()).await;
    assert_eq!(reply.status, 200, "{action}: {}", reply.text());
    reply.json()
}

/// The history of an incident, the oldest first: what, who and why.
async fn history(hub: &Hub, incident: &str) -> Vec<(String, String, Value)> {
    let detail = hub.get(&format!("/incidents/{incident}/")).await.json();
    let lines = detail["history"].as_array().unwrap().iter().rev();
    let text = |line: &Value, field: &str| line[field].as_str().unwrap().to_owned();
    lines.map(|line| (text(line, "event"), text(line, "actor"), line["reason"].clone())).collect()
}

#[tokio::test]
async fn an_incident_goes_through_its_life_and_says_who_did_what_and_why() {
    let hub = Hub::new().await;
    hub.accept(GENERIC, &alert("DiskFull", "warning", "firing")).await;
    let incident = incident(&hub, "DiskFull").await;
    let id = id(&incident);
    let taken = act(&hub, id, "acknowledge", r#"{"reason":" on it "}"#).await;
    assert_eq!((&taken["changed"], &taken["incident"]["status"]), (&json!(true), &json!("acknowledged")));
    assert!(taken["run_id"].is_string() && taken["trace_id"].is_string(), "{taken}");
    let again = act(&hub, id, "acknowledge", "").await;
    assert_eq!((&again["changed"], &again["run_id"]), (&json!(false), &Value::Null));
    let said = hub.log().wait("did `acknowledge` to incident").await;
    assert!(said.contains("key:test did") && said.contains("api_key.id=01"), "{said}");
    act(&hub, id, "unacknowledge", "").await;
    act(&hub, id, "comment", r#"{"reason":"the disk is old"}"#).await;
    act(&hub, id, "resolve", "null").await;
    let closed = act(&hub, id, "close", "{}").await;
    assert_eq!(closed["run_id"], Value::Null, "channels know already that it is over");
    let key = || "key:test".to_owned();
    let line = |event: &str, reason: Value| (event.to_owned(), key(), reason);
    assert_eq!(
        history(&hub, id).await,
        [
            ("created".to_owned(), "driver:generic".to_owned(), Value::Null),
            line("acknowledged", json!("on it")),
            line("unacknowledged", Value::Null),
            line("commented", json!("the disk is old")),
            line("resolved", Value::Null),
            line("closed", Value::Null),
        ]
    );
    let detail = hub.post(&format!("/incidents/{id}/acknowledge/"), "").await.problem(409, "conflict");
    assert!(detail.contains("an incident that is closed cannot be acknowledged"), "{detail}");
    // Only an alert that fires anew opens it again.
    hub.accept(GENERIC, &alert("DiskFull", "critical", "firing")).await;
    assert_eq!(self::incident(&hub, "DiskFull").await["status"], "closed");
    hub.accept(GENERIC, &alert("DiskFull", "critical", "resolved")).await;
    hub.accept(GENERIC, &alert("DiskFull", "critical", "firing")).await;
    assert_eq!(self::incident(&hub, "DiskFull").await["status"], "open");
}

#[tokio::test]
async fn what_is_done_to_an_alert_is_done_to_its_incident() {
    let hub = Hub::new().await;
    hub.accept(GENERIC, &alert("DiskFull", "warning", "firing")).await;
    hub.accept(GENERIC, &alert("NeverFired", "warning", "resolved")).await;
    let find = async |name: &str| hub.list(&format!("/alerts/?name={name}")).await.remove(0);
    let disk = find("DiskFull").await;
    let reply = hub.post(&format!("/alerts/{}/acknowledge", id(&disk)), r#"{"reason":"mine"}"#).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["incident"]["id"], disk["incident_id"]);
    assert_eq!(incident(&hub, "DiskFull").await["status"], "acknowledged");
    // What its sender says of it stays.
    assert_eq!(find("DiskFull").await["status"], "firing");
    let over = find("NeverFired").await;
    let path = format!("/alerts/{}/resolve/", id(&over));
    assert!(hub.post(&path, "").await.problem(409, "conflict").contains("no incident"));
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_and_changes_nothing() {
    let hub = Hub::new().await;
    hub.accept(GENERIC, &alert("DiskFull", "warning", "firing")).await;
    let incident = incident(&hub, "DiskFull").await;
    let id = id(&incident);
    for (path, body, status, kind, why) in [
        (format!("/incidents/{id}/comment/"), "", 400, "invalid-parameter", "reason"),
        (format!("/incidents/{id}/comment/"), r#"{"reason":" "}"#, 400, "invalid-parameter", "reason"),
        (format!("/incidents/{id}/resolve/"), r#"{"because":"x"}"#, 400, "invalid-parameter", "because"),
        (
            format!("/incidents/{id}/resolve/"),
            r#"{"reason":"a\u001b[2J"}"#,
            400,
            "invalid-parameter",
            "control",
        ),
        (format!("/incidents/{id}/resolve/"), r#"["x"]"#, 400, "invalid-parameter", "object"),
        (format!("/incidents/{id}/delete/"), "", 404, "not-found", "`acknowledge`"),
        ("/incidents/01ARZ3NDEKTSV4RRFFQ69G5FAV/close/".to_owned(), "", 404, "not-found", "incident"),
        ("/incidents/nonsense/close/".to_owned(), "", 404, "not-found", "incident"),
        ("/alerts/01ARZ3NDEKTSV4RRFFQ69G5FAV/close/".to_owned(), "", 404, "not-found", "alert"),
    ] {
        let detail = hub.post(&path, body).await.problem(status, kind);
        assert!(detail.contains(why), "{path} {body}: {detail}");
    }
    let long = json!({ "reason": "x".repeat(4001) }).to_string();
    hub.post(&format!("/incidents/{id}/resolve/"), long).await.problem(400, "invalid-parameter");
    // A key that may only send may not act.
    let (_, sender) = hub.create_key(&["--allow", "/alerts/webhook/"]).await;
    let request = hub.anonymous(Method::POST, &format!("/incidents/{id}/close/")).bearer_auth(sender);
    hub.send(request).await.problem(403, "forbidden");
    assert_eq!(history(&hub, id).await.len(), 1);
    assert_eq!(self::incident(&hub, "DiskFull").await, incident);
}

#[tokio::test]
async fn channels_hear_of_what_a_person_did_and_in_which_words() {
    let hub = Home::new().await.with_local_remotes().start().await;
    let sink = Sink::start([]).await;
    hub.add_channel("ops", &sink.url()).await;
    let webhook = hub.accept(GENERIC, &alert("DiskFull", "critical", "firing")).await;
    hub.downstream(webhook["trace_id"].as_str().unwrap()).await;
    let incident = incident(&hub, "DiskFull").await;
    let taken = act(&hub, id(&incident), "acknowledge", r#"{"reason":"looking"}"#).await;
    let text = |value: &Value| value.to_string();
    let heard = text(&sink.wait(2).await[1].json());
    for part in ["[ACKNOWLEDGED] DiskFull on db1", "key:test: looking", taken["trace_id"].as_str().unwrap()] {
        assert!(heard.contains(part), "{part}: {heard}");
    }
    let run =
        hub.get(&format!("/orchestration/pipeline/{}/", taken["run_id"].as_str().unwrap())).await.json();
    let stages: Vec<&Value> = run["stages"].as_array().unwrap().iter().map(|stage| &stage["stage"]).collect();
    assert_eq!(
        (stages, &run["route"]),
        (vec![&json!("notify")], &json!("catch-all")),
        "nothing is looked into"
    );
    assert!(run["reason"].as_str().unwrap().contains("it only tells"), "{run}");
    act(&hub, id(&incident), "comment", r#"{"reason":"nobody hears this"}"#).await;
    act(&hub, id(&incident), "resolve", "").await;
    let heard = text(&sink.wait(3).await[2].json());
    assert!(heard.contains("[RESOLVED] DiskFull on db1") && heard.contains("key:test"), "{heard}");
    // The alert goes on: its repeats are no news, and neither is its end.
    hub.accept(GENERIC, &alert("DiskFull", "critical", "firing")).await;
    hub.accept(GENERIC, &alert("DiskFull", "critical", "resolved")).await;
    // One that fires anew is.
    hub.accept(GENERIC, &alert("DiskFull", "critical", "firing")).await;
    let heard: Vec<String> = sink.wait(4).await.iter().map(|one| text(&one.json())).collect();
    assert!(heard.len() == 4 && heard[3].contains("[CRITICAL] DiskFull on db1"), "{heard:?}");
    assert!(!heard.iter().any(|heard| heard.contains("nobody hears this")));
}

/// Many people and a sender at once: one of the people was the first, and every alert is counted.
#[tokio::test]
async fn people_and_webhooks_at_once_lose_nothing() {
    const MANY: usize = 8;
    let hub = Arc::new(Hub::new().await);
    hub.accept(GENERIC, &alert("DiskFull", "warning", "firing")).await;
    let incident = incident(&hub, "DiskFull").await;
    let (mut people, mut webhooks) = (JoinSet::new(), JoinSet::new());
    for number in 0..MANY {
        let path = format!("/incidents/{}/acknowledge/", id(&incident));
        let hub_of_person = Arc::clone(&hub);
        people.spawn(async move { hub_of_person.post(&path, "").await.json()["changed"] == true });
        let mut body = alert("DiskFull", "warning", "firing");
        body["fingerprint"] = json!(format!("f{number}"));
        let hub_of_sender = Arc::clone(&hub);
        webhooks.spawn(async move { hub_of_sender.accept(GENERIC, &body).await });
    }
    webhooks.join_all().await;
    assert_eq!(people.join_all().await.into_iter().filter(|changed| *changed).count(), 1);
    let after = self::incident(&hub, "DiskFull").await;
    assert_eq!(
        (&after["status"], &after["firing_alerts"]),
        (&json!("acknowledged"), &json!(MANY + 1)),
        "{after}"
    );
    assert_eq!(history(&hub, id(&incident)).await.len(), 2);
}

#[tokio::test]
async fn commands_do_the_same_under_the_name_of_the_user_who_runs_them() {
    let hub = Hub::new().await;
    hub.accept(GENERIC, &alert("DiskFull", "warning", "firing")).await;
    hub.accept(GENERIC, &alert("CpuHigh", "info", "resolved")).await;
    let listed = hub.cli_json(&["incident", "list", "--status", "open", "--json"]).await;
    let [incident] = listed["incidents"].as_array().unwrap().as_slice() else { panic!("{listed}") };
    let id = id(incident);
    let did = hub.cli_json(&["incident", "acknowledge", id, "on call", "--json"]).await;
    assert_eq!((&did["changed"], &did["incident"]["status"]), (&json!(true), &json!("acknowledged")));
    let run = did["run_id"].as_str().unwrap();
    wait_for("the hub takes up what a command started", PATIENCE, async || {
        let run = hub.get(&format!("/orchestration/pipeline/{run}/")).await.json();
        (!run["completed_at"].is_null()).then_some(())
    })
    .await;
    assert!(hub.cli_text(&["incident", "acknowledge", id]).await.contains("already"));
    hub.cli_text(&["incident", "comment", id, "ordered a disk"]).await;
    assert!(hub.cli_text(&["incident", "close", id]).await.contains("tells its channels"));
    let refused = hub.cli(&["incident", "resolve", id]).await;
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("closed cannot be resolved"), "{said}");
    for usage in [
        vec!["incident", "list", "--status", "odd"],
        vec!["incident", "close"],
        vec!["incident", "show", "odd"],
        vec!["incident", "comment", id],
        vec!["delivery", "retry"],
    ] {
        assert_eq!(hub.cli(&usage).await.status.code(), Some(2), "{usage:?}");
    }
    let shown = hub.cli_text(&["incident", "show", id]).await;
    assert!(shown.contains("ordered a disk") && shown.contains("driver:generic"), "{shown}");
    let who: BTreeSet<String> = history(&hub, id).await.into_iter().skip(1).map(|(_, who, _)| who).collect();
    assert!(who.len() == 1 && who.iter().all(|who| who.starts_with("cli:") && who.len() > 4), "{who:?}");
}
