//! Remotes that misbehave in every way there is: what the hub makes of each, and what others notice.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tests::{Answer, Home, Hub, PATIENCE, Sink, wait_for};

/// What a remote is asked to wait at most: the longest pause of the schedule.
const LONGEST_PAUSE: Duration = Duration::from_secs(5400);

/// A chunk of 64 bytes.
const PIECE: &str = "40\r\nhuge huge huge huge huge huge huge huge huge huge huge huge huge\r\n";

/// Between the first attempt and the second, where the remote says nothing about it.
const FIRST_PAUSE: (Duration, Duration) = (Duration::from_millis(2500), Duration::from_secs(5));

/// What becomes of a delivery after its first attempt.
#[derive(Debug, Clone, Copy)]
enum End {
    /// It has arrived.
    Delivered,
    /// Nobody tries again: what went wrong, in one word.
    Dead(&'static str),
    /// It is due again after the usual pause.
    Again(&'static str),
    /// It is due again after this long, to the second.
    After(Duration),
}

use End::{After, Again, Dead, Delivered};

fn alert(number: usize) -> Value {
    json!({ "name": "DiskFull", "host": format!("db{number}") })
}

fn raw(text: &str) -> Answer {
    Answer::Raw(text.to_owned())
}

fn busy(retry_after: &str) -> Answer {
    Answer::Status(429, vec![("retry-after", retry_after.to_owned())])
}

fn redirect(status: u16, location: &str) -> Answer {
    Answer::Status(status, vec![("location", location.to_owned())])
}

/// Everything that comes over a connection without TLS; `elsewhere` is another origin.
fn misbehaviour(elsewhere: &str) -> Vec<(&'static str, Answer, End)> {
    let lost = Again("unavailable");
    let moved = |status| Answer::Status(status, vec![("location", elsewhere.to_owned())]);
    let big_headers = format!("x-long: {}\r\n", "x".repeat(8_000)).repeat(10);
    vec![
        ("hang", Answer::Hang, lost),
        ("drip", Answer::Drip, lost),
        ("drip-head", Answer::DripHead, lost),
        ("reset", Answer::Reset, lost),
        ("torn-head", Answer::Torn("HTTP/1.1 200 OK\r\ncontent-le"), lost),
        ("torn-body", Answer::Torn("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"), lost),
        ("closed", raw(""), lost),
        ("closed-head", raw("HTTP/1.1 200 OK\r\ncontent-le"), lost),
        ("closed-body", raw("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"), lost),
        ("closed-chunk", raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n64\r\nhalf"), lost),
        ("not-http", raw("SSH-2.0-OpenSSH_9.9\r\n"), lost),
        ("two-lengths", raw("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok!"), lost),
        ("error", Answer::Status(500, Vec::new()), lost),
        (
            "interim",
            raw("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"),
            Delivered,
        ),
        (
            "interim-flood",
            Answer::Flood("", "HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\n"),
            Dead("rejected"),
        ),
        (
            "header-flood",
            Answer::Flood("HTTP/1.1 200 OK\r\n", "x-long: oooooooooooooooooooooooooooooo\r\n"),
            Dead("rejected"),
        ),
        ("big-headers", raw(&format!("HTTP/1.1 200 OK\r\n{big_headers}\r\n")), Dead("rejected")),
        ("huge", Answer::Huge, Dead("rejected")),
        (
            "huge-chunked",
            Answer::Flood("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", PIECE),
            Dead("rejected"),
        ),
        ("huge-unnamed", Answer::Flood("HTTP/1.0 200 OK\r\n\r\n", "huge"), Dead("rejected")),
        ("moved-301", redirect(301, "/other"), Dead("config")),
        ("moved-302", redirect(302, "/other"), Dead("config")),
        ("moved-303", redirect(303, "/other"), Dead("config")),
        ("loop-307", redirect(307, "/hook"), Dead("config")),
        ("loop-308", redirect(308, "/hook"), Dead("config")),
        ("away-302", moved(302), Dead("config")),
        ("away-307", moved(307), Dead("config")),
        ("away-308", moved(308), Dead("config")),
        ("nowhere-307", redirect(307, "http://"), lost),
        ("busy", Answer::Status(429, Vec::new()), Again("rate_limited")),
        ("busy-zero", busy("0"), Again("rate_limited")),
        ("busy-seconds", busy("600"), After(Duration::from_secs(600))),
        ("busy-fraction", busy("600.25"), After(Duration::from_secs(601))),
        ("busy-long", busy("999999999"), After(LONGEST_PAUSE)),
        ("busy-far", busy("Fri, 31 Dec 2100 23:59:59 GMT"), After(LONGEST_PAUSE)),
        ("busy-past", busy("Sun, 06 Nov 1994 08:49:37 GMT"), Again("rate_limited")),
        ("busy-negative", busy("-1"), Again("rate_limited")),
        ("busy-nonsense", busy("soon"), Again("rate_limited")),
    ]
}

/// A key for management, and what is asked with it.
struct Desk<'a> {
    hub: &'a Hub,
    token: String,
}

impl<'a> Desk<'a> {
    async fn of(hub: &'a Hub) -> Self {
        let (_, token) = hub.create_key(&["--manage"]).await;
        Self { hub, token }
    }

    async fn read(&self, path: &str) -> Value {
        let reply = self.hub.send(self.hub.anonymous(Method::GET, path).bearer_auth(&self.token)).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        reply.json()
    }

    /// Deliveries to a channel with their attempts, the newest first.
    async fn deliveries(&self, channel: &str) -> Vec<Value> {
        let list = self.read(&format!("/manage/deliveries/?channel={channel}")).await;
        let mut found = Vec::new();
        for delivery in list["deliveries"].as_array().unwrap() {
            found.push(self.read(&format!("/manage/deliveries/{}/", delivery["id"].as_str().unwrap())).await);
        }
        found
    }

    /// The only delivery to a channel, once its first attempt has ended.
    async fn tried(&self, channel: &str) -> Value {
        wait_for(&format!("`{channel}` is tried"), PATIENCE, async || {
            let delivery = self.deliveries(channel).await.pop()?;
            (!delivery["tries"][0]["completed_at"].is_null()).then_some(delivery)
        })
        .await
    }
}

/// A time of the API as that long after the epoch.
fn time(value: &Value) -> Duration {
    let text = value.as_str().unwrap_or_else(|| panic!("{value}"));
    let micros = text.parse::<domain::time::Timestamp>().unwrap().as_micros();
    Duration::from_micros(micros.try_into().unwrap())
}

/// Compares what became of a delivery with what should.
#[track_caller]
fn check(name: &str, delivery: &Value, end: End) {
    let first = &delivery["tries"][0];
    let error = match end {
        Delivered => Value::Null,
        Dead(word) | Again(word) => json!(word),
        After(_) => json!("rate_limited"),
    };
    assert_eq!(first["error_type"], error, "{name}: {delivery}");
    let status = delivery["status"].as_str().unwrap();
    match end {
        Delivered => assert_eq!(status, "delivered", "{name}: {delivery}"),
        Dead(_) => {
            assert_eq!(status, "dead", "{name}: {delivery}");
            assert_eq!(delivery["tries"].as_array().unwrap().len(), 1, "{name}: {delivery}");
        }
        After(pause) => {
            assert_eq!(status, "pending", "{name}: {delivery}");
            assert_eq!(time(&delivery["due_at"]) - time(&first["completed_at"]), pause, "{name}: {delivery}");
        }
        Again(_) => {
            // It may be under way again.
            assert!(matches!(status, "pending" | "sending"), "{name}: {delivery}");
            let next = match delivery["tries"].get(1) {
                Some(second) => second["started_at"].clone(),
                None => delivery["due_at"].clone(),
            };
            let pause = time(&next) - time(&first["completed_at"]);
            assert!(pause >= FIRST_PAUSE.0, "{name}: {pause:?}: {delivery}");
            let is_due = delivery["tries"].get(1).is_some() || pause <= FIRST_PAUSE.1;
            assert!(is_due, "{name}: {pause:?}: {delivery}");
        }
    }
}

#[tokio::test]
async fn whatever_a_remote_does_it_is_classified() {
    let hub = Home::new().await.with_local_remotes().start().await;
    let elsewhere = Sink::start([]).await;
    let mut sinks = BTreeMap::new();
    let cases = misbehaviour(&elsewhere.url());
    for (name, answer, _) in &cases {
        let sink = Sink::start(std::iter::repeat_n(answer.clone(), 1000)).await;
        hub.add_channel(name, &sink.url()).await;
        sinks.insert(*name, sink);
    }
    let memory = hub.memory_peak();
    hub.accept("/alerts/webhook/", &alert(0)).await;
    let desk = Desk::of(&hub).await;
    for (name, _, end) in &cases {
        check(name, &desk.tried(name).await, *end);
    }
    assert_eq!(elsewhere.connections(), 0, "no redirect leads away");
    for name in ["moved-301", "moved-302", "moved-303"] {
        assert_eq!(sinks[name].received().len(), 1, "{name}: nothing is made a GET");
    }
    for name in ["loop-307", "loop-308"] {
        assert_eq!(sinks[name].received().len(), 4, "{name}: three redirects and no more");
    }
    let grown = hub.memory_peak().saturating_sub(memory);
    assert!(grown < 256 << 20, "{} MiB for answers of a GiB", grown >> 20);
}

#[tokio::test]
async fn a_date_to_wait_for_is_waited_for() {
    let hub = Home::new().await.with_local_remotes().start().await;
    let (date, text) = in_a_quarter_of_an_hour();
    let sink = Sink::start(std::iter::repeat_n(busy(&text), 1000)).await;
    hub.add_channel("busy", &sink.url()).await;
    hub.accept("/alerts/webhook/", &alert(0)).await;
    let delivery = Desk::of(&hub).await.tried("busy").await;
    let first = &delivery["tries"][0];
    assert_eq!(first["error_type"], "rate_limited", "{delivery}");
    let took = time(&first["completed_at"]) - time(&first["started_at"]);
    let due = time(&delivery["due_at"]);
    let second = Duration::from_secs(1);
    assert!(due + second >= date && due <= date + took + second, "{text}: {delivery}");
}

/// A time to come, since the epoch and as HTTP writes it (RFC 9110, section 5.6.7).
fn in_a_quarter_of_an_hour() -> (Duration, String) {
    let arguments = ["-u", "-d", "+900 seconds", "+%s %a, %d %b %Y %H:%M:%S GMT"];
    let output = std::process::Command::new("date").args(arguments).env("LC_ALL", "C").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (seconds, date) = text.trim().split_once(' ').unwrap();
    (Duration::from_secs(seconds.parse().unwrap()), date.to_owned())
}

#[tokio::test]
async fn remotes_that_keep_the_hub_busy_keep_nobody_else_waiting() {
    let hub = Home::new().await.with_local_remotes().start().await;
    let bad = [
        ("hang", Answer::Hang),
        ("drip", Answer::Drip),
        ("drip-head", Answer::DripHead),
        ("huge", Answer::Huge),
    ];
    let mut sinks = Vec::new();
    for (name, answer) in bad {
        let sink = Sink::start(std::iter::repeat_n(answer, 1000)).await;
        hub.add_channel(name, &sink.url()).await;
        sinks.push(sink);
    }
    let names = ["good-1", "good-2", "good-3"];
    let mut good = Vec::new();
    for name in names {
        let sink = Sink::start([]).await;
        hub.add_channel(name, &sink.url()).await;
        good.push(sink);
    }
    hub.accept("/alerts/webhook/", &alert(0)).await;
    for sink in sinks.iter().chain(&good) {
        sink.wait(1).await;
    }
    for number in 1..=20 {
        hub.accept("/alerts/webhook/", &alert(number)).await;
    }
    for sink in &good {
        sink.wait(21).await;
    }
    let desk = Desk::of(&hub).await;
    let hanging = desk.tried("hang").await["tries"][0].clone();
    let held = time(&hanging["completed_at"]) - time(&hanging["started_at"]);
    for name in names {
        let deliveries = wait_for(&format!("`{name}` took everything"), PATIENCE, async || {
            let deliveries = desk.deliveries(name).await;
            deliveries.iter().all(|delivery| delivery["status"] == "delivered").then_some(deliveries)
        })
        .await;
        assert_eq!(deliveries.len(), 21, "{name}");
        // At the first, nobody knew yet which remotes are there; it is the last of the list.
        for delivery in &deliveries[..20] {
            assert_eq!(delivery["tries"].as_array().unwrap().len(), 1, "{delivery}");
            // Who had waited for a hanging remote would have waited for all of its time.
            let lag = time(&delivery["tries"][0]["started_at"]) - time(&delivery["created_at"]);
            assert!(lag < held, "{lag:?}, and the hanging one was held for {held:?}: {delivery}");
        }
    }
}

#[tokio::test]
async fn proxies_of_the_environment_are_not_asked() {
    let (proxy, sink) = (Sink::start([]).await, Sink::start([]).await);
    let mut home = Home::new().await.with_local_remotes();
    let address = proxy.url();
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        home.set(name, &address);
    }
    let hub = home.start().await;
    hub.add_channel("good", &sink.url()).await;
    hub.accept("/alerts/webhook/", &alert(0)).await;
    sink.wait(1).await;
    assert_eq!(proxy.connections(), 0);
}
