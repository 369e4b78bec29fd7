//! Bodies that are made to be large, deep or endless: each has its answer, and the hub keeps its size.

use std::io::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;
use tests::{Home, Hub, PATIENCE, Reply, wait_for};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const AUTO: &str = "/alerts/webhook/";
const GENERIC: &str = "/alerts/webhook/generic/";
const LIMIT: usize = 2_621_440;
/// How much more memory the hub may use while it takes one of them.
const MEMORY_BYTES: u64 = 8 * LIMIT as u64;

pub(crate) fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn zstd(body: &[u8]) -> Vec<u8> {
    zstd::encode_all(body, 3).unwrap()
}

async fn encoded(hub: &Hub, path: &str, encoding: &str, body: Vec<u8>) -> Reply {
    let request = hub.request(Method::POST, path).header("content-encoding", encoding);
    hub.send(request.body(body)).await
}

async fn runs(hub: &Hub) -> Vec<Value> {
    hub.list("/orchestration/pipelines/?limit=1000").await
}

/// Sends this head and then `chunk` again and again until the hub answers; returns the head of the answer.
async fn endless(hub: &Hub, fields: &str, chunk: &[u8]) -> String {
    let mut stream = TcpStream::connect(hub.address()).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let token = hub.token();
    let head =
        format!("POST {AUTO} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n{fields}\r\n\r\n");
    writing.write_all(head.as_bytes()).await.unwrap();
    let send = async { while writing.write_all(chunk).await.is_ok() {} };
    let mut answer = vec![0; 1024];
    let receive = async {
        let length = reading.read(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer[..length]).into_owned()
    };
    let mut receive = std::pin::pin!(receive);
    tokio::select! {
        answer = &mut receive => answer,
        // The hub had enough of it; the answer came before.
        () = send => receive.await,
    }
}

#[tokio::test]
async fn what_never_ends_or_grows_a_thousandfold_is_refused_and_leaves_nothing() {
    let hub = Hub::new().await;
    let before = hub.memory();
    let declared = endless(&hub, "content-length: 1073741824", &[b'x'; 65536]).await;
    assert!(declared.starts_with("HTTP/1.1 413 "), "{declared}");
    let chunk = [b"10000\r\n".as_slice(), &[b'x'; 65536], b"\r\n"].concat();
    let chunked = endless(&hub, "transfer-encoding: chunked", &chunk).await;
    assert!(chunked.starts_with("HTTP/1.1 413 "), "{chunked}");
    // A thousand bytes in one.
    let zeros = vec![b' '; 64 * 1024 * 1024];
    for (encoding, body) in [("gzip", gzip(&zeros)), ("zstd", zstd(&zeros))] {
        assert!(zeros.len() / body.len() > 1000, "{encoding}: {}", body.len());
        let detail = encoded(&hub, AUTO, encoding, body).await.problem(413, "too-large");
        assert!(detail.contains("when it is decoded") && detail.contains("2621440"), "{detail}");
    }
    let over = vec![b' '; LIMIT + 1];
    encoded(&hub, AUTO, "gzip", gzip(&over)).await.problem(413, "too-large");
    for encoding in ["br", "deflate", "x-foo", "gzip, gzip", "gzip, br"] {
        let reply = encoded(&hub, GENERIC, encoding, b"x".to_vec()).await;
        let detail = reply.problem(415, "unknown-encoding");
        assert!(detail.contains("gzip, zstd, identity"), "{detail}");
        assert_eq!(reply.header("accept-encoding"), "gzip, zstd, identity");
    }
    assert_eq!(runs(&hub).await, Vec::<Value>::new());
    let grown = hub.memory_peak().saturating_sub(before);
    assert!(grown < MEMORY_BYTES, "{} KiB", grown / 1024);
}

/// Bodies that fit and are hard to read, with the outcome of each.
fn hard() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let object = |members: Vec<String>| format!(r#"{{"name":"Hard",{}}}"#, members.join(",")).into_bytes();
    let boundary = "--b\r\ncontent-type: multipart/mixed; boundary=b\r\n\r\n".repeat(40_000);
    vec![
        ("a million open lists", vec![b'['; 1_000_000], "quarantined"),
        ("a million lists", [vec![b'['; 1_000_000], vec![b']'; 1_000_000]].concat(), "quarantined"),
        (
            "half a million keys",
            object((0..200_000).map(|key| format!(r#""{key:x}":1"#)).collect()),
            "parsed",
        ),
        ("the same key again and again", object(vec![r#""k":1"#.to_owned(); 400_000]), "parsed"),
        (
            "a number of two million digits",
            object(vec![format!(r#""value":{}"#, "9".repeat(2_000_000))]),
            "any",
        ),
        ("no UTF-8", b"{\"name\":\"\xff\xfe\xfd\"}".repeat(100_000), "quarantined"),
        ("a byte order mark", b"\xef\xbb\xbf{\"name\":\"Mark\"}".to_vec(), "parsed"),
        ("a mark of another encoding", b"\xff\xfe{\0\"\0n\0".to_vec(), "quarantined"),
        ("parts within parts", boundary.into_bytes(), "quarantined"),
    ]
}

#[tokio::test]
async fn bodies_that_are_hard_to_read_are_read_or_kept_with_the_reason() {
    let hub = Hub::new().await;
    let mut count = 0;
    for (name, body, outcome) in hard() {
        for path in [AUTO, GENERIC] {
            let before = hub.memory();
            let reply = hub.post(path, body.clone()).await;
            assert_eq!(reply.status, 202, "{name}: {}", reply.text());
            let answer = reply.json();
            assert!(outcome == "any" || answer["outcome"] == outcome, "{path} {name}: {answer}");
            count += 1;
            let grown = hub.memory_peak().saturating_sub(before);
            // What a driver may use of the sandbox's memory comes on top.
            assert!(grown < MEMORY_BYTES + 64 * 1024 * 1024, "{path} {name}: {} KiB", grown / 1024);
        }
        let packed = gzip(&body);
        let answer = encoded(&hub, GENERIC, "gzip", packed).await;
        assert_eq!(answer.status, 202, "{name}: {}", answer.text());
        count += 1;
    }
    // Four times as much as is taken, whatever it is.
    let number = format!(r#"{{"value":{}}}"#, "9".repeat(10_000_000));
    hub.post(AUTO, number).await.problem(413, "too-large");
    let kept = runs(&hub).await;
    let kept = kept.iter().filter(|run| run["parent_run_id"].is_null()).count();
    assert_eq!(kept, count, "one run for each that was taken");
    assert_eq!(hub.get("/healthz").await.status, 200);
    assert!(hub.log().find(0, "panicked").is_none());
}

#[tokio::test]
async fn a_compressed_webhook_is_read_and_kept_as_what_it_means() {
    let hub = Hub::new().await;
    let exact = format!(r#"{{"name":"Exact","padding":"{}"}}"#, "x".repeat(LIMIT - 29));
    assert_eq!(exact.len(), LIMIT);
    for (encoding, body) in [
        ("gzip", gzip(br#"{"name":"Gzip"}"#)),
        ("x-gzip", gzip(br#"{"name":"Old"}"#)),
        ("GZIP", gzip(br#"{"name":"Loud"}"#)),
        ("zstd", zstd(br#"{"name":"Zstd"}"#)),
        ("identity", br#"{"name":"Identity"}"#.to_vec()),
        ("zstd", zstd(exact.as_bytes())),
    ] {
        let reply = encoded(&hub, AUTO, encoding, body).await;
        assert_eq!((reply.status, &reply.json()["outcome"]), (202, &json!("parsed")), "{encoding}");
        let run_id = reply.json()["run_id"].as_str().unwrap().to_owned();
        // The command line reads what is kept without a key of its own.
        let text = hub.cli_text(&["replay", &run_id, "--json"]).await;
        let replayed: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(replayed["replayed"]["reading"]["outcome"], "parsed", "{text}");
    }
    for name in ["Gzip", "Old", "Loud", "Zstd", "Identity", "Exact"] {
        assert_eq!(hub.list(&format!("/alerts/?name={name}")).await.len(), 1, "{name}");
    }
}

#[tokio::test]
async fn what_cannot_be_decoded_is_kept_as_it_came() {
    let hub = Hub::new().await;
    let whole = gzip(br#"{"name":"Cut"}"#);
    let cases = [
        ("gzip", br#"{"name":"Plain"}"#.to_vec()),
        ("gzip", whole[..whole.len() - 4].to_vec()),
        ("gzip", Vec::new()),
        ("zstd", whole.clone()),
    ];
    let mut run_ids = Vec::new();
    for (encoding, body) in cases {
        for path in [AUTO, GENERIC] {
            let reply = encoded(&hub, path, encoding, body.clone()).await;
            assert_eq!(reply.status, 202, "{}", reply.text());
            let answer = reply.json();
            assert_eq!(answer["outcome"], "quarantined", "{answer}");
            assert!(answer["reason"].as_str().unwrap().contains(encoding), "{answer}");
            run_ids.push(answer["run_id"].as_str().unwrap().to_owned());
        }
    }
    let list = hub.cli_json(&["quarantine", "list", "--json"]).await.to_string();
    assert!(list.contains("undecodable"), "{list}");
    // Who sent it says that it was plain all along.
    hub.cli_text(&["quarantine", "reparse", &run_ids[1]]).await;
    assert_eq!(hub.list("/alerts/?name=Plain").await.len(), 1);
    let strict = encoded(&hub, "/alerts/webhook/?strict=1", "gzip", b"x".to_vec()).await;
    strict.problem(422, "quarantined");
}

#[tokio::test]
async fn signatures_are_over_the_bytes_that_were_sent() {
    let hub = Home::new().await.with("WEBHOOK_SECRET_GENERIC", "s3cr3t").start().await;
    let plain = br#"{"name":"Signed"}"#;
    let packed = gzip(plain);
    let broken = packed[..packed.len() - 4].to_vec();
    let mac = |bytes: &[u8]| {
        let mac = Hmac::<Sha256>::new_from_slice(b"s3cr3t").unwrap().chain_update(bytes);
        hex::encode(mac.finalize().into_bytes())
    };
    let cases = [
        (packed.clone(), mac(&packed), 202, "parsed"),
        (packed.clone(), mac(plain), 403, ""),
        (packed.clone(), String::new(), 403, ""),
        (broken.clone(), mac(&broken), 202, "quarantined"),
        (broken.clone(), mac(&packed), 403, ""),
    ];
    for (body, signature, status, outcome) in cases {
        let request = hub.request(Method::POST, GENERIC).header("content-encoding", "gzip");
        let reply = hub.send(request.header("x-webhook-signature", signature).body(body)).await;
        assert_eq!(reply.status, status, "{}", reply.text());
        if status == 202 {
            assert_eq!(reply.json()["outcome"], outcome);
        }
    }
    // Where the path names nobody, what it means decides who must have signed it.
    encoded(&hub, AUTO, "gzip", packed).await.problem(403, "signature");
    let kept = runs(&hub).await;
    let kept = kept.iter().filter(|run| run["parent_run_id"].is_null()).count();
    assert_eq!(kept, 2, "what was refused left nothing");
}

/// Sends a body of `length` bytes but for the last of them; it stays under way while the stream is there.
async fn almost(hub: &Hub, length: usize) -> TcpStream {
    let mut stream = TcpStream::connect(hub.address()).await.unwrap();
    let token = hub.token();
    let head = format!(
        "POST {AUTO} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b' '; length - 1]).await.unwrap();
    stream
}

#[tokio::test]
async fn bodies_that_never_end_take_a_bounded_room_and_who_needs_more_is_told_to_come_again() {
    const LARGE: usize = 10 * 1024 * 1024;
    let home = Home::new().await.with("WATCHBELL_BODY_LIMIT_BYTES", &LARGE.to_string());
    let home = home.with("WATCHBELL_BODY_BUDGET_MIB", "64").with("WATCHBELL_READ_TIMEOUT_S", "300");
    let hub = home.start().await;
    let mut held = Vec::new();
    for _ in 0..6 {
        held.push(almost(&hub, LARGE).await);
    }
    let large = format!(r#"{{"name":"Large","pad":"{}"}}"#, "x".repeat(5 * 1024 * 1024));
    let refused = wait_for("the room is taken", PATIENCE, async || {
        let reply = hub.post(GENERIC, large.clone()).await;
        (reply.status != 202).then_some(reply)
    })
    .await;
    refused.problem(503, "busy");
    assert_eq!(refused.header("retry-after"), "2");
    assert!(hub.log().find(0, "WATCHBELL_BODY_BUDGET_MIB").is_some());
    // What is small finds room.
    hub.accept(GENERIC, &json!({ "name": "Small" })).await;
    drop(held);
    wait_for("the room is free again", PATIENCE, async || {
        (hub.post(GENERIC, large.clone()).await.status == 202).then_some(())
    })
    .await;
    let metrics = hub.get("/metrics").await;
    assert!(metrics.text().contains(r#"watchbell_webhooks_refused_total{cause="busy"}"#));
}
