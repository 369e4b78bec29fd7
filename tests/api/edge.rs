//! Connections that only want to keep the hub waiting: they end in time, and honest callers notice nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;
use tests::{Home, Hub, PATIENCE, wait_for};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

/// What all deadlines of these hubs are set to.
const DEADLINE_S: &str = "3";
/// How much more memory the hub may use under attack.
const MEMORY_BYTES: u64 = 64 * 1024 * 1024;
/// How often a dripping connection sends a byte.
const DRIP: Duration = Duration::from_millis(200);
/// The beginning of every connection over HTTP/2, and settings that change nothing.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// How a connection keeps the hub waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Silent,
    Head,
    Preface,
    Body,
    Reader,
    Idle,
}

fn hub_settings(home: Home, connections: &str) -> Home {
    let names = ["HEAD", "READ", "WRITE", "IDLE"].map(|name| format!("WATCHBELL_{name}_TIMEOUT_S"));
    let home = names.iter().fold(home, |home, name| home.with(name, DEADLINE_S));
    home.with("WATCHBELL_CONNECTIONS", connections).with("WATCHBELL_LOG", "warn,host::app=info")
}

/// Connects with a small receive buffer, so that who does not read holds the other side up soon.
async fn connect(address: &str) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4096)?;
    socket.connect(address.parse().unwrap()).await
}

/// Holds a connection for as long as the hub lets it; returns what the hub said.
async fn attack(address: String, token: String, kind: Kind) -> std::io::Result<Vec<u8>> {
    let mut stream = connect(&address).await?;
    let authority = format!("host: x\r\nauthorization: Bearer {token}\r\n");
    let begin = match kind {
        Kind::Silent => String::new(),
        Kind::Head => "POST /alerts/webhook/ HTTP/1.1\r\nx-drip: ".to_owned(),
        Kind::Preface => "PRI * HT".to_owned(),
        Kind::Body => format!("POST /alerts/webhook/ HTTP/1.1\r\n{authority}content-length: 100000\r\n\r\n"),
        Kind::Reader => format!("GET /metrics HTTP/1.1\r\n{authority}\r\n").repeat(1000),
        Kind::Idle => "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
    };
    let (mut reading, mut writing) = stream.split();
    let mut answer = Vec::new();
    let drips = matches!(kind, Kind::Head | Kind::Body);
    let reads = kind != Kind::Reader;
    let send = async {
        writing.write_all(begin.as_bytes()).await?;
        let mut drip = interval(DRIP);
        drip.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            drip.tick().await;
            // A reader that does not read sees in writing that the connection is gone.
            if drips || !reads {
                writing.write_all(b"x").await?;
            }
        }
    };
    let receive = async {
        if !reads {
            std::future::pending::<()>().await;
        }
        reading.read_to_end(&mut answer).await
    };
    let _closed: std::io::Result<usize> = tokio::select! {
        sent = send => sent,
        received = receive => received,
    };
    Ok(answer)
}

/// An honest sender while `attacked` holds: a new connection for each webhook, and another try where one
/// broke, `tries` in all, as every sender makes. Returns how long each took.
async fn honest(hub: &Hub, attacked: &AtomicBool, least: usize, tries: usize) -> Vec<Duration> {
    let client = reqwest::Client::builder()
        .pool_max_idle_per_host(0)
        .retry(reqwest::retry::never())
        .no_proxy()
        .timeout(PATIENCE)
        .build()
        .unwrap();
    let mut took = Vec::new();
    while attacked.load(Ordering::Relaxed) || took.len() < least {
        let begin = Instant::now();
        let mut left = tries;
        let response = loop {
            let request = client.post(format!("http://{}/alerts/webhook/generic/", hub.address()));
            let body = format!(r#"{{"name":"Honest","instance":"{}"}}"#, took.len());
            left -= 1;
            match request.bearer_auth(hub.token()).body(body).send().await {
                Ok(response) => break response,
                Err(error) => assert!(left > 0, "webhook {}: {error:?}", took.len()),
            }
        };
        assert_eq!(response.status(), 202, "webhook {}", took.len());
        let answer: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        assert_eq!(answer["outcome"], "parsed", "webhook {}", took.len());
        took.push(begin.elapsed());
    }
    took.sort_unstable();
    took
}

#[expect(clippy::print_stderr, reason = "figures for who reads the output of a test")]
fn report(what: &str, took: &[Duration], grown: u64) {
    let at = |share: usize| took.get((took.len() * share / 1000).min(took.len() - 1)).unwrap();
    eprintln!(
        "{what}: {} honest webhooks, median {:?}, 99 of 100 within {:?}, all within {:?}; memory +{} KiB",
        took.len(),
        at(500),
        at(990),
        took.last().unwrap(),
        grown / 1024
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_connections_end_in_time_and_honest_senders_notice_nothing() {
    let hub = hub_settings(Home::new().await, "4096").start().await;
    let kinds = [
        (Kind::Silent, 300),
        (Kind::Head, 800),
        (Kind::Preface, 100),
        (Kind::Body, 400),
        (Kind::Reader, 100),
        (Kind::Idle, 300),
    ];
    let before = hub.memory();
    let (attacked, begin) = (AtomicBool::new(true), Instant::now());
    let mut attackers = JoinSet::new();
    for (kind, count) in kinds {
        for _ in 0..count {
            let (address, token) = (hub.address().to_owned(), hub.token().to_owned());
            attackers.spawn(async move { (kind, attack(address, token, kind).await) });
        }
    }
    let all_gone = async {
        let (mut last, mut told) = (HashMap::new(), 0);
        while let Some(ended) = tokio::time::timeout(PATIENCE, attackers.join_next()).await.expect("all end")
        {
            let (kind, answer) = ended.unwrap();
            let answer = answer.unwrap_or_else(|error| panic!("{kind:?} got no connection: {error}"));
            let answer = String::from_utf8_lossy(&answer);
            let expected = match kind {
                Kind::Head | Kind::Body => "HTTP/1.1 408 ",
                Kind::Idle => "HTTP/1.1 200 ",
                // Nothing was asked that could be answered in the words of HTTP/1.1.
                Kind::Silent | Kind::Preface | Kind::Reader => "",
            };
            // What comes after the hub has closed may cost a dripping connection its answer.
            assert!(answer.is_empty() || answer.starts_with(expected), "{kind:?}: {answer}");
            told += usize::from(matches!(kind, Kind::Head | Kind::Body) && !answer.is_empty());
            last.insert(kind, begin.elapsed());
        }
        attacked.store(false, Ordering::Relaxed);
        assert!(told > 600, "only {told} of 1200 were told that they are too slow: {last:?}");
        last
    };
    let (last, took) = tokio::join!(all_gone, honest(&hub, &attacked, 100, 1));
    let grown = hub.memory_peak().saturating_sub(before);
    report(&format!("slow connections, the last of each kind gone after {last:?}"), &took, grown);
    assert!(grown < MEMORY_BYTES, "{} KiB", grown / 1024);
    assert!(hub.log().find(0, "panicked").is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_all_places_are_taken_who_keeps_the_hub_waiting_has_to_go() {
    // Deadlines far away: only losing their places ends these connections.
    let home = Home::new().await.with("WATCHBELL_CONNECTIONS", "64").with("WATCHBELL_HEAD_TIMEOUT_S", "60");
    let hub = home.with("WATCHBELL_IDLE_TIMEOUT_S", "600").start().await;
    let (attacked, ended) = (AtomicBool::new(true), Arc::new(AtomicUsize::new(0)));
    let mut attackers = JoinSet::new();
    for place in 0..256 {
        let kind = [Kind::Silent, Kind::Head, Kind::Idle][place % 3];
        let (address, token, ended) = (hub.address().to_owned(), hub.token().to_owned(), Arc::clone(&ended));
        attackers.spawn(async move {
            loop {
                let _closed = attack(address.clone(), token.clone(), kind).await;
                ended.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let enough = async {
        wait_for("every place was given to another one", PATIENCE, async || {
            (ended.load(Ordering::Relaxed) > 512).then_some(())
        })
        .await;
        attacked.store(false, Ordering::Relaxed);
    };
    // A connection that took long for its first bytes may have to go too: which one is honest shows only
    // later.
    let ((), took) = tokio::join!(enough, honest(&hub, &attacked, 20, 5));
    attackers.abort_all();
    report("all places taken", &took, 0);
    assert!(hub.log().find(0, "WATCHBELL_CONNECTIONS").is_some(), "the operator is told what to raise");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn out_of_files_the_hub_says_so_once_goes_on_and_recovers() {
    // Deadlines far away: connections end because the hub needs room.
    let home = Home::new().await.with("WATCHBELL_HEAD_TIMEOUT_S", "60").with_open_files(96);
    let hub = home.with("WATCHBELL_IDLE_TIMEOUT_S", "600").start().await;
    assert!(hub.log().find(0, "this process may open 96 files").is_some(), "{:?}", hub.log().lines());
    let attacked = AtomicBool::new(true);
    let mut attackers = JoinSet::new();
    for place in 0..150 {
        let kind = [Kind::Silent, Kind::Head, Kind::Idle][place % 3];
        let (address, token) = (hub.address().to_owned(), hub.token().to_owned());
        attackers.spawn(async move {
            loop {
                let _closed = attack(address.clone(), token.clone(), kind).await;
            }
        });
    }
    let told = async {
        let told = "no connection can be taken";
        wait_for("the hub is out of files", PATIENCE, async || hub.log().find(0, told)).await;
        attacked.store(false, Ordering::Relaxed);
    };
    let ((), took) = tokio::join!(told, honest(&hub, &attacked, 5, 5));
    report("out of files", &took, 0);
    attackers.shutdown().await;
    wait_for("it is over", PATIENCE, async || {
        hub.accept("/alerts/webhook/", &serde_json::json!({ "name": "After" })).await;
        // One connection for each of them, as it is a new one that shows that there is room.
        TcpStream::connect(hub.address()).await.unwrap();
        hub.log().find(0, "connections are taken again")
    })
    .await;
    let said = |text: &str| hub.log().lines().iter().filter(|line| line.contains(text)).count();
    assert_eq!((said("no connection can be taken"), said("taken again")), (1, 1), "{:?}", hub.log().lines());
    assert!(hub.log().find(0, "panicked").is_none());
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The head of `POST /alerts/webhook/` with this key, compressed as little as can be.
fn head(token: &str) -> Vec<u8> {
    let literal = |start: &[u8], value: &str| {
        let length = u8::try_from(value.len()).unwrap();
        assert!(length < 127, "a longer one is written otherwise");
        [start, &[length], value.as_bytes()].concat()
    };
    [
        vec![0x83, 0x86],
        literal(&[0x04], "/alerts/webhook/"),
        literal(&[0x01], "x"),
        literal(&[0x0f, 0x08], &format!("Bearer {token}")),
    ]
    .concat()
}

/// Writes what `next` makes until the hub closes, and reads along; returns how much was written. Ends with
/// nothing when the hub took all of it.
async fn flood(address: &str, frames: usize, mut next: impl FnMut(usize) -> Vec<u8>) -> Option<usize> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(PREFACE).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let send = async {
        for number in 0..frames {
            if writing.write_all(&next(number)).await.is_err() {
                return Some(number);
            }
        }
        None
    };
    let mut sink = tokio::io::sink();
    let drain = async {
        let _closed = tokio::io::copy(&mut reading, &mut sink).await;
    };
    tokio::select! {
        written = send => written,
        () = drain => Some(0),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_over_http2_end_their_connection_alone() {
    let hub = hub_settings(Home::new().await, "1024").start().await;
    let before = hub.memory();
    let (attacked, address) = (AtomicBool::new(true), hub.address());
    let head = head(hub.token());
    let id = |number: usize| u32::try_from(number * 2 + 1).unwrap();
    let floods = async {
        // Requests that are taken back at once (CVE-2023-44487).
        let resets = flood(address, 100_000, |number| {
            [frame(1, 4, id(number), &head), frame(3, 0, id(number), &[0, 0, 0, 8])].concat()
        });
        // A head that goes on for ever, in frames that hold something, and in some that do not.
        let full = flood(address, 100_000, |number| match number {
            0 => frame(1, 0, 1, &head),
            _ => frame(9, 0, 1, &[0x40, 1, b'a', 1, b'b'].repeat(1000)),
        });
        let empty = flood(address, 1_000_000, |number| match number {
            0 => frame(1, 0, 1, &head),
            _ => frame(9, 0, 1, &[]),
        });
        // A hundred thousand requests at once whose bodies never come.
        let streams = flood(address, 100_000, |number| frame(1, 4, id(number), &head));
        let ended = tokio::join!(resets, full, empty, streams);
        attacked.store(false, Ordering::Relaxed);
        ended
    };
    let ((resets, full, empty, streams), took) = tokio::join!(floods, honest(&hub, &attacked, 100, 1));
    let grown = hub.memory_peak().saturating_sub(before);
    report("floods over HTTP/2", &took, grown);
    for (name, written) in
        [("resets", resets), ("a full head", full), ("an empty head", empty), ("streams", streams)]
    {
        assert!(written.is_some(), "{name}: the hub took all of it");
    }
    assert!(grown < MEMORY_BYTES, "{} KiB", grown / 1024);
    assert!(hub.log().find(0, "panicked").is_none());
}

#[tokio::test]
async fn who_lets_answers_over_http2_wait_loses_the_connection() {
    let hub = hub_settings(Home::new().await, "1024").start().await;
    let stream = TcpStream::connect(hub.address()).await.unwrap();
    let handshake = h2::client::Builder::new().initial_window_size(0).handshake::<_, &[u8]>(stream).await;
    let (mut sender, connection) = handshake.unwrap();
    let connection = tokio::spawn(connection);
    let request = |path: &str| {
        let url = format!("http://{}{path}", hub.address());
        let request = reqwest::Client::new().get(url).bearer_auth(hub.token()).build().unwrap();
        let mut made = http::Request::get(request.url().as_str()).body(()).unwrap();
        *made.headers_mut() = request.headers().clone();
        made
    };
    let (answer, _) = sender.send_request(request("/metrics"), true).unwrap();
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 200, "the head needs no room");
    // Nothing of the body is ever asked for; the connection answers pings all the while.
    tokio::time::timeout(PATIENCE, connection).await.expect("the hub closes").unwrap().ok();
}

#[tokio::test]
async fn both_versions_of_http_are_spoken_without_encryption() {
    let hub = Hub::new().await;
    let builder = || reqwest::Client::builder().no_proxy().retry(reqwest::retry::never());
    let clients = [builder().http1_only().build(), builder().http2_prior_knowledge().build()];
    let mut versions = Vec::new();
    for client in clients {
        let client = client.unwrap();
        let url = format!("http://{}/alerts/webhook/", hub.address());
        let request = client.request(Method::POST, url).bearer_auth(hub.token());
        let response = request.body(r#"{"name":"Version"}"#).send().await.unwrap();
        assert_eq!(response.status(), 202);
        versions.push(response.version());
    }
    assert_eq!(versions, [reqwest::Version::HTTP_11, reqwest::Version::HTTP_2]);
}
