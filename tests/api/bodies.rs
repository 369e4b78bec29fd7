//! Whatever a caller sends: each body has its answer, none is a 5xx, none is half-written.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tests::{Home, Hub};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::bombs::gzip;

const AUTO: &str = "/alerts/webhook/";
const GENERIC: &str = "/alerts/webhook/generic/";
const ALERTMANAGER: &str = "/alerts/webhook/alertmanager/";
const GRAFANA: &str = "/alerts/webhook/grafana/";

fn nested(depth: usize) -> String {
    format!(r#"{{"name":"Deep","labels":{}1{}}}"#, r#"{"a":"#.repeat(depth), "}".repeat(depth))
}

/// A webhook of Alertmanager with one alert in which nothing is filled in.
fn nulls() -> String {
    json!({
        "version": "4", "groupKey": null, "status": null, "receiver": null, "groupLabels": null,
        "commonLabels": null, "commonAnnotations": null, "externalURL": null, "truncatedAlerts": null,
        "alerts": [{
            "status": null, "labels": null, "annotations": null, "startsAt": null, "endsAt": null,
            "generatorURL": null, "fingerprint": null,
        }],
    })
    .to_string()
}

/// Path, body, and the outcome of the answer 202.
fn cases() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let long_list = format!("[{}]", "1,".repeat(50_000) + "1");
    let text = |path, body: &str, outcome| (path, body.as_bytes().to_vec(), outcome);
    vec![
        text(AUTO, "hello", "quarantined"),
        text(AUTO, "", "quarantined"),
        text(AUTO, "{}", "quarantined"),
        text(AUTO, " [ ] ", "ignored"),
        text(AUTO, "null", "quarantined"),
        text(AUTO, "42", "quarantined"),
        text(AUTO, r#""text""#, "quarantined"),
        text(AUTO, r#"{"name":"Cut","#, "quarantined"),
        text(AUTO, r#"{"name":"Twice"}{"name":"Twice"}"#, "quarantined"),
        text(AUTO, &"[".repeat(100_000), "quarantined"),
        text(AUTO, "name=Form&status=firing", "quarantined"),
        text(GENERIC, "hello", "quarantined"),
        text(GENERIC, "", "quarantined"),
        text(GENERIC, "{}", "quarantined"),
        text(GENERIC, "[]", "ignored"),
        text(GENERIC, r#"{"alerts":[]}"#, "ignored"),
        text(GENERIC, r#"{"alerts":{}}"#, "quarantined"),
        text(GENERIC, r#"{"name":null,"status":null}"#, "quarantined"),
        text(GENERIC, "name=Form&status=firing", "quarantined"),
        text(GENERIC, &long_list, "quarantined"),
        text(ALERTMANAGER, "[]", "ignored"),
        text(ALERTMANAGER, "{}", "quarantined"),
        text(ALERTMANAGER, r#"{"name":"Foreign"}"#, "quarantined"),
        text(GRAFANA, "{}", "quarantined"),
        text(GRAFANA, "[1,2]", "quarantined"),
        (AUTO, b"{\"name\":\"\xff\xfe\"}".to_vec(), "quarantined"),
        (GENERIC, b"{\"name\":\"\xc3\x28\"}".to_vec(), "quarantined"),
        (GENERIC, b"{\"name\":\"a\0b\"}".to_vec(), "quarantined"),
        (AUTO, vec![0; 1000], "quarantined"),
    ]
}

#[tokio::test]
async fn what_nobody_can_read_is_kept_with_the_reason_and_changes_nothing_else() {
    let hub = Hub::new().await;
    let mut run_ids = Vec::new();
    for (path, body, outcome) in cases() {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let reply = hub.post(path, body).await;
        assert_eq!(reply.status, 202, "{path} {shown}: {}", reply.text());
        let answer = reply.json();
        assert_eq!(answer["outcome"], outcome, "{path} {shown}: {answer}");
        assert_eq!((&answer["status"], &answer["alerts"]), (&json!("accepted"), &json!(0)));
        assert!(
            answer["reason"].as_str().is_some_and(|reason| !reason.is_empty()),
            "{path} {shown}: {answer}"
        );
        run_ids.push(answer["run_id"].clone());
    }
    let runs = hub.list("/orchestration/pipelines/?limit=1000").await;
    assert_eq!(runs.len(), run_ids.len(), "one run for each and no other");
    for run in &runs {
        assert!(run_ids.contains(&run["run_id"]) && !run["outcome"].is_null(), "{run}");
        assert!(run["reason"].is_string(), "{run}");
    }
    assert_eq!(hub.list("/alerts/?limit=1000").await, Vec::<Value>::new());
    assert_eq!(hub.list("/incidents/?limit=1000").await, Vec::<Value>::new());
}

#[tokio::test]
async fn odd_bodies_that_are_alerts_all_the_same_are_read() {
    let hub = Hub::new().await;
    let shown = [
        (ALERTMANAGER, nulls()),
        (GENERIC, nested(100)),
        (AUTO, nested(100_000)),
        (AUTO, r#"{"name":"Null","status":null,"severity":null,"labels":null,"host":null}"#.to_owned()),
        (
            AUTO,
            r#"{"name":"Nul\u0000byte","description":"a\u0000b","labels":{"k\u0000":"v\u0000"}}"#.to_owned(),
        ),
        (
            AUTO,
            r#"{"name":"Number","severity":1e400,"status":-0,"labels":{"n":123456789012345678901234567890}}"#
                .to_owned(),
        ),
        (AUTO, r#"{"name":"One","name":"Two"}"#.to_owned()),
        (AUTO, format!(r#"{{"name":"{}"}}"#, "x".repeat(100_000))),
        (AUTO, format!("\u{feff}{}", r#"{"name":"Mark"}"#)),
    ];
    for (path, body) in shown {
        let reply = hub.post(path, body.clone()).await;
        assert_eq!(reply.status, 202, "{path} {:.80}: {}", body, reply.text());
        let answer = reply.json();
        // What the host cannot keep it quarantines; what it says it parsed must be there.
        let count = answer["alerts"].as_u64().unwrap();
        assert_eq!(count > 0, answer["outcome"] == "parsed", "{path} {:.80}: {answer}", body);
        let path = format!("/alerts/?trace_id={}", answer["trace_id"].as_str().unwrap());
        assert_eq!(hub.list(&path).await.len() as u64, count, "{:.80}", body);
    }
    let all = hub.list("/alerts/?limit=1000").await;
    assert!(all.iter().any(|alert| alert["name"] == "Null" && alert["status"] == "firing"), "{all:?}");
    for alert in &all {
        assert!(alert["name"].as_str().is_some_and(|name| !name.is_empty() && name.len() <= 1024), "{alert}");
    }
}

#[tokio::test]
async fn strict_callers_are_told_and_the_body_is_kept_all_the_same() {
    let hub = Hub::new().await;
    let detail = hub.post("/alerts/webhook/?strict=1", "hello").await.problem(422, "quarantined");
    let runs = hub.list("/orchestration/pipelines/?limit=10").await;
    let [run] = runs.as_slice() else { panic!("{runs:?}") };
    assert!(detail.contains(run["run_id"].as_str().unwrap()), "{detail}");
    let ignored = hub.post("/alerts/webhook/generic/?strict=1", "[]").await;
    assert_eq!((ignored.status, &ignored.json()["outcome"]), (202, &json!("ignored")));
    let parsed = hub.post("/alerts/webhook/?a=b&strict=1", r#"{"name":"Fine"}"#).await;
    assert_eq!((parsed.status, &parsed.json()["outcome"]), (202, &json!("parsed")));
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_leaves_nothing() {
    let hub = Hub::new().await;
    let body = json!({ "name": "Large", "description": "x".repeat(3 * 1024 * 1024) }).to_string();
    let detail = hub.post(AUTO, body).await.problem(413, "too-large");
    assert!(detail.contains("2621440"), "{detail}");
    let answer = chunked(&hub, 3 * 1024 * 1024).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let broken = broken_off(&hub).await;
    assert!(broken.is_empty() || broken.starts_with("HTTP/1.1 400 "), "{broken}");
    assert_eq!(hub.list("/orchestration/pipelines/?limit=10").await, Vec::<Value>::new());
    // Just below it everything is as always.
    let body = json!({ "name": "Fits", "description": "x".repeat(2_600_000) }).to_string();
    let answer = hub.post(AUTO, body).await;
    assert_eq!((answer.status, &answer.json()["outcome"]), (202, &json!("parsed")));
}

/// Sends a body without a declared length, as slowly as a network does, so that some of it is still to
/// be written when the hub has had enough; returns the head of the answer.
async fn chunked(hub: &Hub, length: usize) -> String {
    let mut stream = TcpStream::connect(hub.address()).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let head = format!(
        "POST {AUTO} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ntransfer-encoding: chunked\r\n\r\n",
        hub.token()
    );
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let send = async {
        writing.write_all(head.as_bytes()).await?;
        let mut pace = tokio::time::interval(Duration::from_millis(5));
        for _ in 0..length / 0x10000 {
            pace.tick().await;
            writing.write_all(chunk.as_bytes()).await?;
        }
        writing.write_all(b"0\r\n\r\n").await
    };
    let mut answer = vec![0; 1024];
    let (sent, read) = tokio::join!(send, reading.read(&mut answer));
    sent.expect("the hub reads on beyond its limit");
    String::from_utf8_lossy(&answer[..read.unwrap()]).into_owned()
}

/// Declares more than it sends and hangs up; returns what came back.
async fn broken_off(hub: &Hub) -> String {
    let mut stream = TcpStream::connect(hub.address()).await.unwrap();
    let head = format!(
        "POST {AUTO} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: 100\r\n\r\n{{\"name\":",
        hub.token()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn any_content_type_is_taken_and_the_body_decides() {
    let hub = Hub::new().await;
    for content_type in ["application/json; charset=utf-8", "text/plain", "application/octet-stream", "x"] {
        let request = hub.request(Method::POST, GENERIC).header("content-type", content_type);
        let reply = hub.send(request.body(r#"{"name":"Typed"}"#)).await;
        assert_eq!((reply.status, &reply.json()["outcome"]), (202, &json!("parsed")), "{content_type}");
    }
    let form = hub.request(Method::POST, AUTO).header("content-type", "application/x-www-form-urlencoded");
    let reply = hub.send(form.body("name=Form&status=firing")).await;
    assert_eq!((reply.status, &reply.json()["outcome"]), (202, &json!("quarantined")));
    // What `curl -d` sends without being told a type.
    let form = hub.request(Method::POST, AUTO).header("content-type", "application/x-www-form-urlencoded");
    let reply = hub.send(form.body(r#"{"name":"Typed"}"#)).await;
    assert_eq!((reply.status, &reply.json()["outcome"]), (202, &json!("parsed")));
}

#[tokio::test]
async fn a_body_as_large_as_the_limit_is_read() {
    let hub = Hub::new().await;
    let frame = r#"{"name":"Large","padding":""}"#;
    let body = frame.replace(r#""""#, &format!(r#""{}""#, "x".repeat(2_621_440 - frame.len())));
    assert_eq!(body.len(), 2_621_440);
    let reply = hub.post(GENERIC, body).await;
    assert_eq!((reply.status, &reply.json()["outcome"]), (202, &json!("parsed")), "{}", reply.text());
}

#[tokio::test]
async fn what_a_driver_finds_odd_is_kept_with_the_run() {
    let hub = Hub::new().await;
    let body = json!({ "name": "Odd", "labels": { "note": "x".repeat(6000) } });
    let answer = hub.accept(GENERIC, &body).await;
    assert_eq!(answer["outcome"], "parsed");
    let run =
        hub.get(&format!("/orchestration/pipeline/{}/", answer["run_id"].as_str().unwrap())).await.json();
    let reason = run["run"]["reason"].as_str().or(run["reason"].as_str()).unwrap_or_default();
    assert!(reason.contains("note"), "{run}");
}

#[tokio::test]
async fn what_holds_for_bodies_of_webhooks_holds_for_those_of_management() {
    let home = Home::new().await.with("WATCHBELL_BODY_LIMIT_BYTES", "2000");
    let hub = home.start().await;
    let (_, token) = hub.create_key(&["--manage"]).await;
    let send = async |encoding: &str, body: Vec<u8>| {
        let request = hub.anonymous(Method::POST, "/manage/keys/").bearer_auth(&token);
        hub.send(request.header("content-encoding", encoding).body(body)).await
    };
    let large = format!(r#"{{"name":"{}"}}"#, "x".repeat(2000));
    let detail = send("identity", large.clone().into_bytes()).await.problem(413, "too-large");
    assert_eq!(detail, "the body is over 2000 bytes");
    assert_eq!(send("gzip", gzip(br#"{"name":"small"}"#)).await.status, 201);
    send("gzip", gzip(large.as_bytes())).await.problem(413, "too-large");
    send("br", b"x".to_vec()).await.problem(415, "unknown-encoding");
    let detail = send("gzip", b"x".to_vec()).await.problem(400, "invalid-parameter");
    assert!(detail.contains("gzip"), "{detail}");
}
