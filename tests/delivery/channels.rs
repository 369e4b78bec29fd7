//! Where notifications go, and where they may not.

use serde_json::{Value, json};
use tests::{Home, Sink};

fn alert() -> Value {
    json!({ "name": "DiskFull", "host": "db1", "severity": "critical" })
}

#[tokio::test]
async fn a_private_address_is_refused_without_a_connection_unless_it_is_listed() {
    let hub = Home::new().await.start().await;
    let sink = Sink::start([]).await;
    hub.add_channel("private", &sink.url()).await;
    let port = sink.url().rsplit_once(':').unwrap().1.to_owned();
    hub.add_channel("named", &format!("http://localhost:{port}")).await;
    let webhook = hub.accept("/alerts/webhook/", &alert()).await;
    let run = hub.downstream(webhook["trace_id"].as_str().unwrap()).await;
    assert_eq!(run["status"], "FAILED", "{run}");
    for delivery in run["deliveries"].as_array().unwrap() {
        assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("dead"), &json!(1)), "{delivery}");
        let message = delivery["error_message"].as_str().unwrap();
        assert!(message.contains("SSRF_ALLOWED_HOSTS"), "{message}");
    }
    assert_eq!(sink.connections(), 0);
}

#[tokio::test]
async fn without_a_channel_the_run_says_that_nobody_was_told() {
    let hub = Home::new().await.with_local_remotes().start().await;
    let webhook = hub.accept("/alerts/webhook/", &alert()).await;
    let run = hub.downstream(webhook["trace_id"].as_str().unwrap()).await;
    assert_eq!((&run["status"], &run["error_type"]), (&json!("SKIPPED"), &json!("no_channel")), "{run}");
    let message = run["error_message"].as_str().unwrap();
    assert!(message.contains("hint: `watchbell channel list`"), "{message}");

    let sink = Sink::start([]).await;
    hub.add_channel("ops", &sink.url()).await;
    hub.cli_text(&["channel", "disable", "ops"]).await;
    let webhook = hub.accept("/alerts/webhook/", &json!({ "name": "CpuHigh" })).await;
    let run = hub.downstream(webhook["trace_id"].as_str().unwrap()).await;
    assert_eq!((&run["status"], sink.connections()), (&json!("SKIPPED"), 0), "{run}");
    hub.cli_text(&["channel", "enable", "ops"]).await;
    hub.accept("/alerts/webhook/", &json!({ "name": "NetDown" })).await;
    assert_eq!(sink.wait(1).await.len(), 1, "a channel takes part as soon as it is there");
}

#[tokio::test]
async fn slack_gets_a_message_that_a_person_can_read() {
    let hub = Home::new().await.with_local_remotes().start().await;
    let sink = Sink::start([]).await;
    let setting = format!("webhook_url={}", sink.url());
    hub.cli_text(&["channel", "add", "team", "--notifier", "slack", "--set", &setting]).await;
    let webhook = hub.accept("/alerts/webhook/", &alert()).await;
    let run = hub.downstream(webhook["trace_id"].as_str().unwrap()).await;
    assert_eq!((&run["status"], &run["route"]), (&json!("NOTIFIED"), &json!("catch-all")), "{run}");
    let received = sink.received();
    assert_eq!(received.len(), 1);
    let message = received[0].json();
    assert!(message["text"].as_str().is_some_and(|text| text.contains("DiskFull")), "{message}");
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_when_the_channel_is_added() {
    let home = Home::new().await;
    for (arguments, word) in [
        (["--notifier", "generic", "--set", "url=nowhere"], "`/url`"),
        (["--notifier", "generic", "--set", "colour=red"], "`colour`"),
        (["--notifier", "pigeon", "--set", "url=https://hooks.example.com"], "`pigeon`"),
        (["--notifier", "slack", "--set", "url=https://hooks.example.com"], "`url`"),
    ] {
        let output = home.cli(&[&["channel", "add", "x"], arguments.as_slice()].concat()).await;
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && text.contains(word), "{arguments:?}: {text}");
    }
    let channels = home.cli_json(&["channel", "list", "--json"]).await;
    assert_eq!(channels["channels"], json!([]));
    home.add_channel("ops", "https://hooks.example.com").await;
    let again =
        home.cli(&["channel", "add", "ops", "--notifier", "generic", "--set", "url=https://x.example"]).await;
    assert!(!again.status.success() && String::from_utf8(again.stderr).unwrap().contains("`ops`"));
}
