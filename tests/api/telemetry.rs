//! What can be watched from outside: log lines, traces and metrics.

use std::collections::{BTreeMap, BTreeSet};

use domain::time::Timestamp;
use domain::trace::TraceParent;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Home, Hub, PATIENCE, Received, Sink, wait_for};

/// What a run counts as once its last delivery has ended.
const NOTIFIED: &str = r#"watchbell_runs_total{end="notified"}"#;
const SENDERS: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A hub with one channel, and an alert that went all the way through it.
async fn told(home: Home, sink: &Sink) -> (Hub, Value, Value) {
    let hub = home.with_local_remotes().start().await;
    hub.add_channel("ops", &sink.url()).await;
    let body = json!({ "name": "Watched", "severity": "critical", "labels": { "host": "db-1" } });
    let request = hub.request(Method::POST, "/alerts/webhook/generic/").header("traceparent", SENDERS);
    let accepted = hub.send(request.body(body.to_string())).await.json();
    let run = hub.downstream(accepted["trace_id"].as_str().unwrap()).await;
    (hub, accepted, run)
}

/// The log as objects; every line must be one.
fn lines(hub: &Hub) -> Vec<Value> {
    let parse = |line: &String| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
    hub.log().lines().iter().map(parse).collect()
}

#[tokio::test]
async fn every_line_of_a_webhook_s_story_says_whose_it_is() {
    let sink = Sink::start([]).await;
    let home = Home::new().await.with("WATCHBELL_LOG", "warn,host=trace,store=trace,sandbox=trace");
    let (mut hub, accepted, run) = told(home.with("WATCHBELL_LOG_FORMAT", "json"), &sink).await;
    hub.terminate();
    assert!(hub.ended().await.success());
    let (trace, ingest) = (&accepted["trace_id"], &accepted["run_id"]);
    let delivery = &run["deliveries"][0]["id"];
    let names = [&accepted["run_id"], &run["run_id"], delivery, &run["incident_id"], trace];
    let names = names.map(|name| name.as_str().expect("an identifier"));
    let lines = lines(&hub);
    let about: Vec<&Value> =
        lines.iter().filter(|line| names.iter().any(|name| line.to_string().contains(name))).collect();
    for line in &about {
        assert_eq!(&line["trace_id"], trace, "{line}");
        assert!(line["run_id"] == *ingest || line["run_id"] == run["run_id"], "{line}");
    }
    let seen = |text: &str| about.iter().find(|line| line["message"].as_str().unwrap().contains(text));
    let taken = seen("took a webhook").expect("the webhook has a line");
    assert_eq!(taken["trace.parent"], SENDERS);
    assert!(taken["request.id"].is_string(), "{taken}");
    assert_eq!(seen("delivered incident").expect("the delivery has a line")["delivery.id"], *delivery);
    for line in &lines {
        let time = line["timestamp"].as_str().unwrap();
        assert!(time.ends_with('Z') && time.parse::<Timestamp>().is_ok(), "{line}");
        assert!(
            ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].contains(&line["level"].as_str().unwrap()),
            "{line}"
        );
        assert!(line["target"].is_string() && line["message"].is_string(), "{line}");
    }
}

#[tokio::test]
async fn a_remote_is_told_our_trace_and_not_the_sender_s() {
    let sink = Sink::start([]).await;
    let (hub, accepted, _) = told(Home::new().await, &sink).await;
    let told: TraceParent = sink.wait(1).await[0].header("traceparent").parse().unwrap();
    assert_eq!(told.trace_id.to_string(), accepted["trace_id"]);
    assert!(!told.sampled, "nothing is recorded here");
    let theirs: TraceParent = SENDERS.parse().unwrap();
    assert_ne!(told.trace_id, theirs.trace_id);
    // Two webhooks with one traceparent are two stories.
    let request = hub.request(Method::POST, "/alerts/webhook/generic/").header("traceparent", SENDERS);
    let second = hub.send(request.body(r#"{"name":"Other"}"#)).await.json();
    assert_ne!(second["trace_id"], accepted["trace_id"]);
    let listed = hub.list(&format!("/orchestration/pipelines/?trace_id={}", theirs.trace_id)).await;
    assert!(listed.is_empty(), "{listed:?}");
}

#[tokio::test]
async fn steps_of_a_trace_reach_a_collector() {
    let (remote, collector) = (Sink::start([]).await, Sink::start([]).await);
    let endpoint = collector.url();
    let home = Home::new().await.with("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint);
    let home = home.with("OTEL_EXPORTER_OTLP_HEADERS", "x-collector-key=from%20afar");
    let (mut hub, accepted, _) = told(home, &remote).await;
    let sent: TraceParent = remote.wait(1).await[0].header("traceparent").parse().unwrap();
    assert!(sent.sampled);
    // What waits is sent at the end.
    hub.terminate();
    assert!(hub.ended().await.success());
    let got = collector.received();
    assert!(!got.is_empty(), "{:?}", hub.log().lines());
    for batch in &got {
        assert_eq!(batch.target, "/hook/v1/traces");
        assert_eq!(batch.header("content-type"), "application/x-protobuf");
        assert_eq!(batch.header("x-collector-key"), "from afar");
    }
    let has = |bytes: &[u8]| {
        got.iter().any(|batch: &Received| batch.body.windows(bytes.len()).any(|window| window == bytes))
    };
    let trace = hex::decode(accepted["trace_id"].as_str().unwrap()).unwrap();
    assert!(has(&trace), "the trace");
    assert!(has(&hex::decode(sent.span_id.to_string()).unwrap()), "the step that the remote was told");
    assert!(has(&hex::decode(SENDERS.split('-').nth(1).unwrap()).unwrap()), "the link to the sender's trace");
    for name in ["webhook", "parse", "commit", "run", "check", "analyze", "notify", "attempt", "http"] {
        // A text field of a message: number 5 (name of a span), length, bytes.
        let field = [&[0x2a, u8::try_from(name.len()).unwrap()], name.as_bytes()].concat();
        assert!(has(&field), "no step `{name}`");
    }
}

/// Families of `docs/METRICS.md` with their types.
fn documented() -> BTreeMap<String, String> {
    let text = include_str!("../../docs/METRICS.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let row = |row: &str| {
        let (name, rest) = row.split_once("` | ").expect("a row has columns");
        (name.to_owned(), rest.split(' ').next().unwrap().to_owned())
    };
    rows.map(row).collect()
}

#[tokio::test]
async fn what_is_exposed_is_what_the_reference_says() {
    let sink = Sink::start([]).await;
    let (hub, accepted, _) = told(Home::new().await, &sink).await;
    let repeat = |id: &str| {
        let request = hub.request(Method::POST, "/alerts/webhook/generic/").header("webhook-id", id);
        hub.send(request.body(r#"{"name":"Twice","severity":"odd"}"#))
    };
    repeat("7").await;
    repeat("7").await;
    hub.post("/alerts/webhook/", "not JSON").await;
    hub.post("/alerts/webhook/nobody/", "{}").await.problem(404, "unknown-driver");
    let squeezed = hub.request(Method::POST, "/alerts/webhook/").header("content-encoding", "br");
    hub.send(squeezed.body("x")).await.problem(415, "unknown-encoding");
    hub.send(hub.request(Method::from_bytes(b"MADEUP").unwrap(), "/made/up/path/")).await;
    hub.send(hub.anonymous(Method::GET, "/alerts/")).await.problem(401, "unauthenticated");
    let send = json!({ "channel": "ops", "title": "Backup failed", "message": "It did not end.", "severity": "warning" });
    assert_eq!(hub.post("/notify/send/", send.to_string()).await.status, 200);
    let documented = documented();
    // What is forgotten is old; everything else has happened.
    let mut wanted: BTreeSet<&str> = documented.keys().map(String::as_str).collect();
    wanted.remove("watchbell_forgotten_total");
    // These need something to break or to come, or a provider that costs: see `tests/api/approvals.rs`,
    // `tests/api/dropping.rs`, `tests/api/figures.rs`, `tests/api/providers.rs` and `tests/delivery/templates.rs`.
    // The clock is compared on a server alone.
    wanted.remove("watchbell_clock_skew_seconds");
    for name in [
        "watchbell_egress_refused_total",
        "watchbell_plugin_breaker_open",
        "watchbell_plugin_loads_total",
        "watchbell_plugin_rollbacks_total",
        "watchbell_plugin_wait_seconds",
        "watchbell_provider_breaker_open",
        "watchbell_provider_spared_total",
        "watchbell_provider_tokens_total",
        "watchbell_template_failures_total",
    ] {
        wanted.remove(name);
    }
    // Limits are off in tests that are not about them.
    wanted.remove("watchbell_rate_limited_total");
    wanted.remove("watchbell_rate_limit_uncounted_total");
    let text = wait_for("all metrics are exposed", PATIENCE, async || {
        let text = hub.get("/metrics").await.text();
        let all = wanted.iter().all(|name| text.contains(&format!("# TYPE {name} ")));
        (all && text.contains(NOTIFIED)).then_some(text)
    })
    .await;
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        assert_eq!(documented.get(name).map(String::as_str), Some(kind), "{name}");
    }
    for line in [
        r#"watchbell_webhooks_total{driver="generic",outcome="parsed"}"#,
        r#"watchbell_webhooks_total{driver="generic",outcome="duplicate"} 1"#,
        r#"watchbell_webhooks_total{driver="none",outcome="quarantined"} 1"#,
        r#"watchbell_webhooks_refused_total{cause="unknown_driver"} 1"#,
        r#"watchbell_webhooks_refused_total{cause="unknown-encoding"} 1"#,
        r#"watchbell_plugin_calls_total{kind="driver",plugin="generic",end="ok"}"#,
        r#"watchbell_plugin_calls_total{kind="notifier",plugin="generic",end="ok"}"#,
        r#"watchbell_egress_calls_total{kind="notifier",plugin="generic",outcome="2xx"}"#,
        r#"watchbell_delivery_attempts_total{notifier="generic",outcome="delivered"}"#,
        r#"watchbell_http_requests_total{method="other",route="unmatched",status="404"} 1"#,
        r#"watchbell_unmapped_words_total{driver="generic",field="severity"}"#,
    ] {
        assert!(text.contains(line), "no `{line}` in\n{text}");
    }
    for never in [
        accepted["run_id"].as_str().unwrap(),
        accepted["trace_id"].as_str().unwrap(),
        "made/up",
        "MADEUP",
        "db-1",
    ] {
        assert!(!text.contains(never), "`{never}` is a label");
    }
}
