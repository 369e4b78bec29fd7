//! What each notifier sends to its remote, as that remote would read it.

use serde_json::{Value, json};
use tests::{
    Alertmanager, Answer, Home, Hub, PATIENCE, Received, Sink, SlackSdk, StandardWebhooks, wait_for,
};

fn alert(status: &str) -> Value {
    json!({ "name": "DiskFull", "host": "db1", "status": status, "severity": "critical" })
}

async fn hub() -> Hub {
    Home::new().await.with_local_remotes().start().await
}

/// The scheme, host and port of a sink.
fn origin(sink: &Sink) -> String {
    sink.url().trim_end_matches("/hook").to_owned()
}

async fn add(hub: &Hub, name: &str, notifier: &str, settings: &[String]) {
    let mut arguments = vec!["channel", "add", name, "--notifier", notifier];
    arguments.extend(settings.iter().flat_map(|setting| ["--set", setting.as_str()]));
    hub.cli_text(&arguments).await;
}

/// A life: it fires, a person acknowledges it, it is over. One request at least for each.
async fn live(hub: &Hub, sink: &Sink, requests: [usize; 3]) -> Vec<Received> {
    hub.accept("/alerts/webhook/", &alert("firing")).await;
    sink.wait(requests[0]).await;
    let incident = hub.list("/incidents/").await.remove(0);
    let path = format!("/incidents/{}/acknowledge/", incident["id"].as_str().unwrap());
    assert_eq!(hub.post(&path, r#"{"reason":"on my way"}"#).await.status, 200);
    sink.wait(requests[1]).await;
    hub.accept("/alerts/webhook/", &alert("resolved")).await;
    sink.wait(requests[2]).await
}

#[tokio::test]
async fn slack_has_one_message_for_an_incident_and_a_thread_of_what_became_of_it() {
    let hub = hub().await;
    let sink = Sink::start([]).await;
    let taken = json!({ "ok": true, "channel": "C0123456789", "ts": "1503435956.000247" });
    sink.answer(std::iter::repeat_n(Answer::Json(200, taken), 5));
    let settings = [
        "bot_token=xoxb-planted".to_owned(),
        "channel=C0123456789".to_owned(),
        format!("api_url={}", origin(&sink)),
    ];
    add(&hub, "team", "slack", &settings).await;
    let received = live(&hub, &sink, [1, 3, 5]).await;
    let told: Vec<(&str, Value, Value)> = received
        .iter()
        .map(|request| {
            assert_eq!(request.header("authorization"), "Bearer xoxb-planted");
            let body = request.json();
            (request.target.as_str(), body["ts"].clone(), body["thread_ts"].clone())
        })
        .collect();
    let (post, update, ts) = ("/api/chat.postMessage", "/api/chat.update", json!("1503435956.000247"));
    let change = [(update, ts.clone(), Value::Null), (post, Value::Null, ts.clone())];
    let first = (post, Value::Null, Value::Null);
    assert_eq!(told, [&[first], change.as_slice(), change.as_slice()].concat());
    let Some(slack) = SlackSdk::find() else { return };
    for request in received {
        let message = request.json();
        slack.judge(&message).unwrap_or_else(|error| panic!("{error}\n{message:#}"));
    }
}

#[tokio::test]
async fn slack_takes_the_longest_message_that_there_can_be() {
    let Some(slack) = SlackSdk::find() else { return };
    let hub = hub().await;
    let sink = Sink::start([]).await;
    add(&hub, "team", "slack", &[format!("webhook_url={}", sink.url())]).await;
    let alerts: Vec<Value> = (0..40)
        .map(|number| {
            json!({
                "name": "<é&>".repeat(60), "host": "db1", "severity": "critical", "fingerprint": number.to_string(),
                "description": "<&>".repeat(5_000), "runbook_url": format!("https://wiki.example.net/{}", "a".repeat(1_500)),
            })
        })
        .collect();
    hub.accept("/alerts/webhook/", &json!({ "alerts": alerts })).await;
    let message = sink.wait(1).await.remove(0).json();
    let blocks = slack.judge(&message).unwrap_or_else(|error| panic!("{error}\n{message:#}"));
    assert!((3..=50).contains(&blocks), "{blocks} blocks");
}

#[tokio::test]
async fn the_judge_of_slack_messages_finds_what_slack_would_refuse() {
    let Some(slack) = SlackSdk::find() else { return };
    let section = |text: String| json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } });
    for (blocks, is_right) in [
        (json!([section("disk".to_owned())]), true),
        (json!([section("x".repeat(3_001))]), false),
        (
            json!([{ "type": "header", "text": { "type": "plain_text", "text": "x".repeat(151), "emoji": true } }]),
            false,
        ),
        (json!([{ "type": "section" }]), false),
        (json!([{ "type": "nonsense" }]), false),
        (json!(vec![section("disk".to_owned()); 51]), false),
    ] {
        let judged = slack.judge(&json!({ "blocks": blocks }));
        assert_eq!(judged.is_ok(), is_right, "{blocks}: {judged:?}");
    }
}

#[tokio::test]
async fn pagerduty_meets_one_alert_through_the_life_of_an_incident() {
    let hub = hub().await;
    let sink = Sink::start([]).await;
    sink.answer(std::iter::repeat_n(Answer::Json(202, json!({ "status": "success" })), 3));
    let key = "0123456789abcdef0123456789abcdef";
    add(&hub, "duty", "pagerduty", &[format!("routing_key={key}"), format!("events_url={}", origin(&sink))])
        .await;
    let received = live(&hub, &sink, [1, 2, 3]).await;
    let incident = hub.list("/incidents/").await.remove(0);
    let dedup_key = format!("watchbell-{}", incident["id"].as_str().unwrap());
    for (request, action) in received.iter().zip(["trigger", "acknowledge", "resolve"]) {
        let event = request.json();
        assert_eq!(request.target, "/v2/enqueue");
        assert_eq!(
            (&event["event_action"], &event["dedup_key"]),
            (&json!(action), &json!(dedup_key)),
            "{event}"
        );
        assert_eq!(event["routing_key"], key);
        well_formed(&event);
    }
}

/// What PagerDuty's description of the Events API v2 asks of an event.
fn well_formed(event: &Value) {
    let known =
        ["routing_key", "event_action", "dedup_key", "payload", "client", "client_url", "links", "images"];
    assert!(event.as_object().unwrap().keys().all(|name| known.contains(&name.as_str())), "{event}");
    assert_eq!(event["routing_key"].as_str().unwrap().len(), 32);
    assert!(event["dedup_key"].as_str().unwrap().chars().count() <= 255);
    let payload = event["payload"].as_object().unwrap();
    let known =
        ["summary", "source", "severity", "timestamp", "component", "group", "class", "custom_details"];
    assert!(payload.keys().all(|name| known.contains(&name.as_str())), "{event}");
    let summary = payload["summary"].as_str().unwrap();
    assert!((1..=1_024).contains(&summary.chars().count()), "{event}");
    assert!(!payload["source"].as_str().unwrap().is_empty());
    assert!(
        ["critical", "error", "warning", "info"].contains(&payload["severity"].as_str().unwrap()),
        "{event}"
    );
    assert!(payload["custom_details"].is_object(), "{event}");
    for link in event["links"].as_array().unwrap() {
        assert!(link["href"].as_str().unwrap().starts_with("http") && link["text"].is_string(), "{event}");
    }
    assert!(event.to_string().len() <= 512_000);
}

#[tokio::test]
async fn what_a_sender_writes_into_an_alert_never_becomes_a_secret() {
    let hub = hub().await;
    let sink = Sink::start([Answer::Json(202, json!({ "status": "success" }))]).await;
    let key = "0123456789abcdef0123456789abcdef";
    add(&hub, "duty", "pagerduty", &[format!("routing_key={key}"), format!("events_url={}", origin(&sink))])
        .await;
    let alert = json!({ "name": "secret://routing_key", "description": "give me secret://routing_key" });
    hub.accept("/alerts/webhook/", &alert).await;
    let body = String::from_utf8(sink.wait(1).await.remove(0).body).unwrap();
    assert_eq!(body.matches(key).count(), 1, "{body}");
    let event: Value = serde_json::from_str(&body).unwrap();
    assert!(event["payload"]["summary"].as_str().unwrap().contains("secret://routing_key"), "{body}");
}

#[tokio::test]
async fn a_signed_request_is_what_the_official_library_takes() {
    let Some(library) = StandardWebhooks::find() else { return };
    let hub = hub().await;
    let sink = Sink::start([Answer::Status(503, Vec::new())]).await;
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let settings =
        json!({ "url": sink.url(), "signing_secret": secret, "secret_headers": { "x-api-key": "planted" } });
    let settings = settings.to_string();
    hub.cli_text(&["channel", "add", "ops", "--notifier", "generic", "--config", &settings]).await;
    hub.accept("/alerts/webhook/", &alert("firing")).await;
    let received = sink.wait(2).await;
    for request in &received {
        assert!(library.verifies(secret, &request.headers, &request.body), "{request:?}");
        assert_eq!(request.header("x-api-key"), "planted");
        assert_eq!(request.header("webhook-id"), request.key(), "one identifier for every attempt");
    }
    let request = &received[0];
    assert!(!library.verifies("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX", &request.headers, &request.body));
    assert!(!library.verifies(secret, &request.headers, &[&request.body[..], b" "].concat()));
}

/// A body that another Alertmanager takes, of the incident as it is.
const TO_ALERTMANAGER: &str = r#"
[{
  "labels": {"alertname": {{ incident.name }}, "instance": {{ incident.instance }}, "severity": {{ severity }}},
  "annotations": {"summary": {{ title }}, "incident": {{ incident.id }}},
  "startsAt": {{ incident.opened_at }}
  {% if incident.resolved_at %}
  , "endsAt": {{ incident.resolved_at }}
  {% endif %}
}]
"#;

#[tokio::test]
async fn a_real_alertmanager_takes_what_a_template_makes() {
    let Some(alertmanager) = Alertmanager::start_alone().await else { return };
    let hub = hub().await;
    let settings =
        json!({ "url": alertmanager.url(), "templates": { "payload": TO_ALERTMANAGER } }).to_string();
    hub.cli_text(&["channel", "add", "next", "--notifier", "generic", "--settings", &settings]).await;
    let webhook = hub.accept("/alerts/webhook/", &alert("firing")).await;
    let run = hub.downstream(webhook["trace_id"].as_str().unwrap()).await;
    assert_eq!(run["status"], "NOTIFIED", "{run}");
    let held = alertmanager.alerts().await;
    let [held] = held.as_slice() else { panic!("{held:?}") };
    assert_eq!(
        (&held["labels"]["alertname"], &held["labels"]["instance"]),
        (&json!("DiskFull"), &json!("db1"))
    );
    assert_eq!(held["status"]["state"], "active", "{held}");
    hub.accept("/alerts/webhook/", &alert("resolved")).await;
    wait_for("Alertmanager holds it no longer", PATIENCE, async || {
        alertmanager.alerts().await.is_empty().then_some(())
    })
    .await;
}
