//! How many requests are let in, and of whom.
//!
//! Windows are minutes of UTC, so every measurement may meet the end of one. What is measured begins where
//! time is left in a window, and is measured again with another key if the window turned all the same.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use tests::{Cache, Home, Hub, Kind, PATIENCE, Reply, wait_for};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How many connections send at the same time.
const CONNECTIONS: usize = 64;
/// How many requests each of them sends.
const EACH: usize = 5;
/// How many of all of them are let in.
const LIMIT: usize = 100;
/// A window in seconds, and how much of it must be left when a measurement begins.
const WINDOW_S: u64 = 60;
const NEEDED_S: u64 = 10;

async fn limited(rules: &str) -> Home {
    let home = Home::new().await.with("RATE_LIMIT_ENABLED", "1").with("RATE_LIMITS", rules);
    // A busy machine is no cache that is down.
    home.with("CACHE_TIMEOUT_MS", "10000")
}

fn number(reply: &Reply, header: &str) -> u64 {
    reply.header(header).parse().unwrap_or_else(|_| panic!("{header}: {:?}", reply.headers))
}

fn now_s() -> u64 {
    std::time::UNIX_EPOCH.elapsed().expect("a clock after 1970").as_secs()
}

fn window() -> u64 {
    now_s() / WINDOW_S
}

/// Makes a measurement that lies in one window whole: again, if the window turned meanwhile.
async fn in_one_window<T>(measure: impl AsyncFn() -> T) -> T {
    loop {
        wait_for("a window with time left", Duration::from_secs(2 * WINDOW_S), async || {
            (WINDOW_S - now_s() % WINDOW_S >= NEEDED_S).then_some(())
        })
        .await;
        let before = window();
        let measured = measure().await;
        if window() == before {
            return measured;
        }
    }
}

/// Sends from all connections at once, to the hubs in turn; returns how often there was which status.
async fn rush(hubs: &[&Hub], token: &str) -> BTreeMap<u16, usize> {
    let mut tasks = tokio::task::JoinSet::new();
    for (connection, hub) in (0..CONNECTIONS).zip(hubs.iter().cycle()) {
        let (url, token) = (format!("http://{}/alerts/", hub.address()), token.to_owned());
        tasks.spawn(async move {
            // A client of its own is a connection of its own.
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let mut statuses = Vec::new();
            for _ in 0..EACH {
                statuses.push(client.get(&url).bearer_auth(&token).send().await.unwrap().status().as_u16());
            }
            (connection, statuses)
        });
    }
    let mut counts = BTreeMap::new();
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap().1.into_iter().for_each(|status| *counts.entry(status).or_default() += 1);
    }
    counts
}

/// In one window, a key of its own for each measurement; whatever came before counts for other keys.
async fn check_exactly_the_limit_passes(hubs: &[&Hub]) {
    let counts = in_one_window(async || {
        let (_, token) = hubs[0].create_key(&[]).await;
        rush(hubs, &token).await
    })
    .await;
    let expected = BTreeMap::from([(200, LIMIT), (429, CONNECTIONS * EACH - LIMIT)]);
    assert_eq!(counts, expected);
}

#[tokio::test]
async fn exactly_the_limit_passes_in_a_window() {
    let hub = limited(&format!("/alerts/={LIMIT}")).await.start().await;
    check_exactly_the_limit_passes(&[&hub]).await;
}

/// Two processes that count together: the same keys, so the same database.
async fn check_two_processes(kind: Kind) {
    let Some(cache) = Cache::start(kind).await else { return };
    let first = limited(&format!("/alerts/={LIMIT}")).await.with("CACHE_URL", &cache.url()).start().await;
    let mut home = limited(&format!("/alerts/={LIMIT}")).await.with("CACHE_URL", &cache.url());
    home.set("DATABASE_URL", &format!("sqlite://{}", first.database_files()[0].display()));
    home.set("WATCHBELL_SECRET_KEY", first.setting("WATCHBELL_SECRET_KEY"));
    let second = home.start().await;
    check_exactly_the_limit_passes(&[&first, &second]).await;
    let text = first.get("/metrics").await.text();
    assert!(!text.contains("watchbell_rate_limit_uncounted_total{"), "the cache did not keep up: {text}");
}

#[tokio::test]
async fn exactly_the_limit_passes_across_two_processes_with_redis() {
    check_two_processes(Kind::Redis).await;
}

#[tokio::test]
async fn exactly_the_limit_passes_across_two_processes_with_memcached() {
    check_two_processes(Kind::Memcached).await;
}

#[tokio::test]
async fn an_encrypted_redis_counts_for_who_trusts_it_and_for_nobody_else() {
    let signed = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (signed.cert.pem(), signed.signing_key.serialize_pem());
    let Some(cache) = Cache::start_encrypted(&certificate, &key).await else { return };
    let home = limited("/alerts/=1").await.with("CACHE_URL", &cache.url());
    let file = home.path().join("trusted.pem");
    std::fs::write(&file, &certificate).unwrap();
    let hub = home.with("SSL_CERT_FILE", file.to_str().unwrap()).start().await;
    assert!(is_refused_at_last(&hub).await, "{:?}", hub.log().lines());
    assert_eq!(uncounted(&hub, "error").await, 0, "{:?}", hub.log().lines());

    let strange = limited("/alerts/=1").await.with("CACHE_URL", &cache.url()).start().await;
    for _ in 0..3 {
        assert_eq!(strange.get("/alerts/").await.status, 200, "who is not trusted does not count");
    }
    assert!(uncounted(&strange, "error").await > 0, "{:?}", strange.log().lines());
}

/// One request with a fresh key would have its own count, so the same key asks until it is refused.
async fn is_refused_at_last(hub: &Hub) -> bool {
    in_one_window(async || {
        for _ in 0..3 {
            if hub.get("/alerts/").await.status == 429 {
                return true;
            }
        }
        false
    })
    .await
}

async fn check_a_cache_that_dies(kind: Kind) {
    let Some(mut cache) = Cache::start(kind).await else { return };
    let hub = limited("/alerts/=1").await.with("CACHE_URL", &cache.url()).start().await;
    assert!(is_refused_at_last(&hub).await);
    cache.kill().await;
    // A minute that is used up is remembered without the cache, so these are another caller's.
    let (_, token) = hub.create_key(&[]).await;
    let get = || hub.send(hub.anonymous(Method::GET, "/alerts/").bearer_auth(&token));
    for _ in 0..20 {
        let reply = get().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(!reply.headers.contains_key("ratelimit-limit"), "{:?}", reply.headers);
    }
    let uncounted =
        |text: &str| text.lines().any(|line| line.starts_with("watchbell_rate_limit_uncounted_total{"));
    let text = hub.get("/metrics").await.text();
    assert!(uncounted(&text), "{text}");
    let warnings = hub.log().lines().iter().filter(|line| line.contains("requests pass without")).count();
    assert_eq!(warnings, 1, "once a minute is enough");
    cache.restart().await;
    wait_for("the limit holds again", PATIENCE, async || (get().await.status == 429).then_some(())).await;
    assert!(hub.log().find(0, "answers again").is_some());
}

#[tokio::test]
async fn while_redis_is_down_requests_pass_and_then_limits_hold_again() {
    check_a_cache_that_dies(Kind::Redis).await;
}

#[tokio::test]
async fn while_memcached_is_down_requests_pass_and_then_limits_hold_again() {
    check_a_cache_that_dies(Kind::Memcached).await;
}

/// How often requests passed uncounted for this cause.
async fn uncounted(hub: &Hub, cause: &str) -> u64 {
    let name = format!("watchbell_rate_limit_uncounted_total{{cause=\"{cause}\"}} ");
    let text = hub.get("/metrics").await.text();
    text.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).unwrap_or(0)
}

async fn check_a_cache_that_hangs(kind: Kind) {
    let Some(cache) = Cache::start(kind).await else { return };
    let home = limited("/alerts/=1").await.with("CACHE_URL", &cache.url()).with("CACHE_TIMEOUT_MS", "200");
    let hub = home.start().await;
    cache.hang();
    let requests = 50;
    for _ in 0..requests {
        assert_eq!(hub.get("/alerts/").await.status, 200);
    }
    let waited = uncounted(&hub, "timeout").await;
    let left_alone = uncounted(&hub, "left-alone").await;
    // A connection that was not made in a second is an error, where this takes so long.
    assert_eq!(waited + left_alone + uncounted(&hub, "error").await, requests);
    assert!(waited > 0 && left_alone > 0, "{waited} of {requests} waited, {left_alone} did not");
    cache.go_on();
    let refused = async || (hub.get("/alerts/").await.status == 429).then_some(());
    wait_for("the limit holds again", PATIENCE, refused).await;
}

#[tokio::test]
async fn while_redis_hangs_requests_pass_and_soon_without_waiting() {
    check_a_cache_that_hangs(Kind::Redis).await;
}

#[tokio::test]
async fn while_memcached_hangs_requests_pass_and_soon_without_waiting() {
    check_a_cache_that_hangs(Kind::Memcached).await;
}

#[tokio::test]
async fn a_hub_starts_without_its_cache_and_lets_requests_pass() {
    // Nobody listens on the port that is nobody's.
    let hub = limited("/alerts/=1").await.with("CACHE_URL", "redis://127.0.0.1:1").start().await;
    for _ in 0..5 {
        assert_eq!(hub.get("/alerts/").await.status, 200);
    }
    assert!(hub.log().find(0, "requests pass without").is_some());
}

#[tokio::test]
async fn answers_say_where_the_caller_stands() {
    let hub = limited("/alerts/=2,/alerts/webhook/=1,/intelligence/=1").await.start().await;
    let (one, two, three, webhook, incidents) = in_one_window(async || {
        let (_, token) = hub.create_key(&[]).await;
        let ask = async |path| hub.send(hub.anonymous(Method::GET, path).bearer_auth(&token)).await;
        let webhook = hub.anonymous(Method::POST, "/alerts/webhook/").bearer_auth(&token).body("{}");
        let (one, two) = (ask("/alerts/").await, ask("/alerts/01ARZ3NDEKTSV4RRFFQ69G5FAV/").await);
        (one, two, ask("/alerts").await, hub.send(webhook).await, ask("/incidents/").await)
    })
    .await;
    let stands = |reply: &Reply| (number(reply, "ratelimit-limit"), number(reply, "ratelimit-remaining"));
    assert_eq!((one.status, stands(&one)), (200, (2, 1)));
    assert_eq!((two.status, stands(&two)), (404, (2, 0)));
    three.problem(429, "too-many-requests");
    assert_eq!(stands(&three), (2, 0));
    let (reset, retry) = (number(&three, "ratelimit-reset"), number(&three, "retry-after"));
    assert!(reset == retry && (1..=WINDOW_S).contains(&reset), "{reset} {retry}");
    assert_eq!((webhook.status, stands(&webhook)), (202, (1, 0)));
    assert_eq!(incidents.status, 200);
    assert!(!incidents.headers.contains_key("ratelimit-limit"));
    // What needs no key is not counted.
    for path in ["/alerts/webhook/", "/intelligence/health/", "/healthz", "/readyz"] {
        for _ in 0..5 {
            let reply = hub.send(hub.anonymous(Method::GET, path)).await;
            assert_eq!(reply.status, 200, "{path}");
            assert!(!reply.headers.contains_key("ratelimit-limit"), "{path}");
        }
    }
}

#[tokio::test]
async fn a_request_over_its_limit_is_refused_before_its_body_is_read() {
    let hub = limited("/alerts/=1").await.with("RATE_LIMIT_STATUS", "503").start().await;
    let reply = in_one_window(async || {
        let (_, token) = hub.create_key(&[]).await;
        let post = || hub.anonymous(Method::POST, "/alerts/webhook/").bearer_auth(&token);
        hub.send(post().body("{}")).await;
        // A body that would be refused as too large, had anybody looked at it.
        hub.send(post().header("content-length", "999999999").body(Vec::new())).await
    })
    .await;
    reply.problem(503, "too-many-requests");
    assert!(number(&reply, "retry-after") <= WINDOW_S);
}

/// Without keys, callers are addresses: what the header says counts only from a trusted peer.
async fn statuses(trusted: &str, forwarded: [&[&str]; 3]) -> Vec<u16> {
    let mut home = limited("/alerts/=1").await.with("API_KEY_AUTH_ENABLED", "0");
    if !trusted.is_empty() {
        home.set("TRUSTED_PROXIES", trusted);
    }
    let hub = home.start().await;
    for attempt in 0_u64.. {
        let before = window();
        let mut statuses = Vec::new();
        for values in forwarded {
            let get = hub.anonymous(Method::GET, "/alerts/");
            let add = |request: RequestBuilder, value: &&str| request.header("x-forwarded-for", *value);
            statuses.push(hub.send(values.iter().fold(get, add)).await.status);
        }
        if window() == before {
            return statuses;
        }
        assert!(attempt < 3, "three windows turned in a row");
    }
    unreachable!("the loop ends by itself")
}

#[tokio::test]
async fn a_spoofed_forwarded_address_from_an_untrusted_peer_changes_nothing() {
    let spoofed: [&[&str]; 3] = [&["203.0.113.1"], &["203.0.113.2"], &["203.0.113.3, 10.0.0.1"]];
    assert_eq!(statuses("", spoofed).await, [200, 429, 429]);
    assert_eq!(statuses("10.0.0.0/8", spoofed).await, [200, 429, 429]);
}

#[tokio::test]
async fn clients_behind_a_trusted_proxy_are_counted_apart_by_what_it_saw() {
    let behind: [&[&str]; 3] = [&["203.0.113.1"], &["203.0.113.2"], &["6.6.6.6", "203.0.113.1"]];
    assert_eq!(statuses("127.0.0.0/8", behind).await, [200, 200, 429]);
}

#[tokio::test]
async fn an_address_without_good_keys_is_refused_before_they_are_looked_up() {
    let hub = Home::new().await.with("AUTH_FAILURE_LIMIT", "3").start().await;
    assert_eq!(hub.get("/alerts/").await.status, 200);
    let (statuses, refused, known, fresh) = in_one_window(async || {
        let wrong = || hub.anonymous(Method::GET, "/alerts/").bearer_auth(format!("wbk_{}", "0".repeat(40)));
        let mut statuses = Vec::new();
        for _ in 0..5 {
            statuses.push(hub.send(wrong()).await.status);
        }
        let (_, token) = hub.create_key(&[]).await;
        let fresh = hub.send(hub.anonymous(Method::GET, "/alerts/").bearer_auth(token)).await.status;
        (
            statuses,
            hub.send(hub.anonymous(Method::GET, "/alerts/")).await,
            hub.get("/alerts/").await.status,
            fresh,
        )
    })
    .await;
    assert_eq!(statuses, [401, 401, 401, 429, 429]);
    refused.problem(429, "too-many-requests");
    assert!((1..=WINDOW_S).contains(&number(&refused, "retry-after")));
    assert_eq!(known, 200, "a key that was good here before goes on");
    assert_eq!(fresh, 429, "one that was never seen is not looked up");
    assert_eq!(hub.send(hub.anonymous(Method::GET, "/healthz")).await.status, 200);
}

/// One connection, spoken to by hand.
struct Connection {
    stream: TcpStream,
    seen: Vec<u8>,
}

impl Connection {
    async fn open(hub: &Hub) -> Self {
        Self { stream: TcpStream::connect(hub.address()).await.unwrap(), seen: Vec::new() }
    }

    async fn write(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The head of the next answer.
    async fn head(&mut self) -> String {
        let text = |seen: &[u8]| String::from_utf8_lossy(seen).to_ascii_lowercase();
        let complete = |seen: &[u8]| {
            let text = text(seen);
            let (head, body) = text.split_once("\r\n\r\n")?;
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
            (body.len() >= length.parse().ok()?).then(|| head.to_owned())
        };
        let read = async {
            loop {
                if let Some(head) = complete(&self.seen) {
                    self.seen.clear();
                    return head;
                }
                assert!(
                    self.stream.read_buf(&mut self.seen).await.unwrap() > 0,
                    "closed: {}",
                    text(&self.seen)
                );
            }
        };
        tokio::time::timeout(PATIENCE, read).await.expect("an answer")
    }
}

#[tokio::test]
async fn a_refused_sender_gets_its_answer_and_keeps_its_connection() {
    let hub = Hub::new().await;
    let mut connection = Connection::open(&hub).await;
    for _ in 0..20 {
        // As many clients do: first the head, and the body when that is on its way.
        connection.write("POST /alerts/webhook/ HTTP/1.1\r\nhost: hub\r\ncontent-length: 6000\r\n\r\n").await;
        connection.write(&"x".repeat(6000)).await;
        let head = connection.head().await;
        assert!(head.starts_with("http/1.1 401") && !head.contains("connection: close"), "{head}");
    }
}

#[tokio::test]
async fn a_refused_sender_that_never_ends_is_answered_and_its_connection_closed() {
    let hub = Hub::new().await;
    for (header, body) in
        [("content-length: 6000", "x"), ("expect: 100-continue\r\ncontent-length: 6000", "")]
    {
        let mut connection = Connection::open(&hub).await;
        connection
            .write(&format!("POST /alerts/webhook/ HTTP/1.1\r\nhost: hub\r\n{header}\r\n\r\n{body}"))
            .await;
        let head = connection.head().await;
        assert!(head.starts_with("http/1.1 401") && head.contains("connection: close"), "{header}: {head}");
    }
}

#[tokio::test]
async fn a_limit_holds_however_the_path_is_written() {
    let hub = limited("/alerts/webhook/generic/=2,/alerts/=100").await.start().await;
    let statuses = in_one_window(async || {
        let (_, token) = hub.create_key(&[]).await;
        let mut statuses = Vec::new();
        for path in ["generic", "gener%69c/", "%67eneric", "generi%63", "generic/"] {
            let path = format!("/alerts/webhook/{path}");
            let request = hub.anonymous(Method::POST, &path).bearer_auth(&token).body(r#"{"name":"a"}"#);
            statuses.push(hub.send(request).await.status);
        }
        statuses
    })
    .await;
    assert_eq!(statuses, [202, 202, 429, 429, 429]);
}
