//! Starting, stopping, and what the hub refuses to start with.

use rustix::process::Signal;
use serde_json::json;
use tests::{Home, Hub, PATIENCE, wait_for};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Starts the server on files or settings that it must refuse; returns what it says.
async fn refusal(home: &Home) -> String {
    let output = home.cli(&["serve"]).await;
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn terminate_lets_requests_in_flight_end_and_then_stops_cleanly() {
    let mut hub = Hub::new().await;
    assert_eq!(hub.get("/alerts/").await.status, 200, "the key is used");
    let body = json!({ "name": "InFlight" }).to_string();
    let (first, second) = body.split_at(5);
    let mut stream = TcpStream::connect(hub.address()).await.unwrap();
    let head = format!(
        "POST /alerts/webhook/ HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n{first}",
        hub.token(),
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // An answer on another connection: by then the hub has read the head of this request.
    assert_eq!(hub.get("/healthz").await.status, 200);
    hub.terminate();
    wait_for("the hub takes no new connections", PATIENCE, async || {
        TcpStream::connect(hub.address()).await.err()
    })
    .await;
    stream.write_all(second.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    assert_eq!(hub.ended().await.code(), Some(0));
    assert!(hub.log().find(0, "stopped").is_some());

    hub.restart().await;
    assert_eq!(hub.list("/alerts/?name=InFlight").await.len(), 1);
    let keys = hub.cli_json(&["key", "list", "--json"]).await;
    assert!(keys["keys"][0]["last_used_at"].is_string(), "times of use are written at stop: {keys}");
}

#[tokio::test]
async fn idle_connections_do_not_hold_the_stop_up() {
    let mut hub = Hub::new().await;
    let _idle = TcpStream::connect(hub.address()).await.unwrap();
    assert_eq!(hub.get("/healthz").await.status, 200, "this connection is kept alive, too");
    hub.terminate();
    assert_eq!(hub.ended().await.code(), Some(0));
    assert!(hub.log().find(0, "WARN").is_none(), "{:?}", hub.log().lines().last());
}

#[tokio::test]
async fn a_second_signal_stops_at_once_whatever_is_under_way() {
    for (first, second) in [(Signal::TERM, Signal::INT), (Signal::INT, Signal::TERM)] {
        // Longer than a test waits.
        let home = Home::new().await.with("WATCHBELL_STOP_TIMEOUT_S", "300");
        let mut hub = home.with("WATCHBELL_READ_TIMEOUT_S", "300").start().await;
        let mut stream = TcpStream::connect(hub.address()).await.unwrap();
        let head = format!(
            "POST /alerts/webhook/ HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: 9\r\n\r\n{{",
            hub.token()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(hub.get("/healthz").await.status, 200, "by then the head was read");
        hub.signal(first);
        wait_for("the hub waits for what is under way", PATIENCE, async || hub.log().find(0, "stopping"))
            .await;
        wait_for("the hub takes no new connections", PATIENCE, async || {
            TcpStream::connect(hub.address()).await.err()
        })
        .await;
        assert!(hub.log().find(0, "stopped").is_none(), "a request is under way");
        hub.signal(second);
        assert_eq!(hub.ended().await.code(), Some(0));
        assert!(hub.log().find(0, "stopped at once").is_some(), "{:?}", hub.log().lines());
        hub.restart().await;
    }
}

#[tokio::test]
async fn another_secret_key_is_refused_and_the_right_one_still_works() {
    let mut hub = Hub::new().await;
    hub.accept("/alerts/webhook/", &json!({ "name": "Kept" })).await;
    hub.terminate();
    hub.ended().await;

    let right = hub.setting("WATCHBELL_SECRET_KEY").to_owned();
    let wrong = hub.fresh_secret_key().await;
    hub.set("WATCHBELL_SECRET_KEY", &wrong);
    let text = refusal(&hub).await;
    assert!(text.contains("`WATCHBELL_SECRET_KEY`") && text.contains("hint: "), "{text}");
    assert!(!text.contains(&wrong) && !text.contains(&right), "{text}");

    hub.set("WATCHBELL_SECRET_KEY", &right);
    hub.restart().await;
    assert_eq!(hub.list("/alerts/?name=Kept").await.len(), 1);
}

#[tokio::test]
async fn without_a_usable_secret_key_the_hub_says_how_to_make_one() {
    let mut home = Home::new().await;
    home.unset("WATCHBELL_SECRET_KEY");
    let text = refusal(&home).await;
    assert!(text.contains("WATCHBELL_SECRET_KEY") && text.contains("watchbell secrets generate"), "{text}");
    home.set("WATCHBELL_SECRET_KEY", "canary-too-short");
    let text = refusal(&home).await;
    assert!(text.contains("WATCHBELL_SECRET_KEY") && !text.contains("canary"), "{text}");
    assert!(home.database_files().is_empty(), "nothing is made before the settings are right");
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let hub = Hub::new().await;
    let other = Home::new().await.with("WATCHBELL_BIND", hub.address());
    let text = refusal(&other).await;
    assert!(text.contains("`WATCHBELL_BIND`") && text.contains(hub.address()), "{text}");
}
