//! Text that wants to be more than text: whatever senders and operators put into a field stays in that
//! field, in the database, in answers, in notifications and in the log.

use std::collections::{BTreeMap, BTreeSet};

use domain::text::{disturbs, turns_text};
use reqwest::Method;
use serde_json::{Map, Value, json};
use store::Store;
use tests::{Answer, Home, Hub, Received, Sink};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::driver::{Alert, Driver};

const GENERIC: &str = "/alerts/webhook/generic/";
/// How many alerts one webhook has.
const BATCH: usize = 100;
/// What a forged line of a log begins with.
const FORGED: &str = "2000-01-01T00:00:00.000000Z";

/// What some reader of a text takes for an order. Short: with what stands around it, it is one word of a
/// sender, of which 64 bytes are kept.
const SEEDS: [&str; 34] = [
    // Databases.
    "'; DROP TABLE alert; --",
    "' OR '1'='1",
    "1; DELETE FROM channel WHERE ''=''",
    "\" UNION SELECT token FROM api_key --",
    "x'); UPDATE route SET enabled = 0; --",
    "%' ESCAPE '!' OR name LIKE '_",
    "$1 ?1 :name @p",
    // Pages and templates.
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "javascript:alert(1)//",
    "{{7*7}} {% raw %} ${7*7} #{7*7} <%= 7*7 %>",
    "&lt;b&gt; &#x3c; &quot;",
    "<!channel> <@U1> <http://evil.example|safe>",
    "]]><!DOCTYPE x SYSTEM 'file:///etc/passwd'>",
    // JSON.
    "\",\"forged\":\"1",
    "\"}],\"forged\":[{\"x\":\"",
    "\\\" \\u0022 \\",
    // Headers and lines.
    "\r\nx-injected: 1\r\n\r\n<html>",
    "\nset-cookie: injected=1",
    "\r\n2000-01-01T00:00:00.000000Z ERROR forged",
    "\n{\"level\":\"ERROR\",\"forged\":1}",
    "\u{85}\u{2028}2000-01-01T00:00:00.000000Z INFO forged\u{2029}",
    // Terminals.
    "\u{1b}[2J\u{1b}[31mred\u{1b}]0;title\u{7}",
    "\u{9b}31m\u{8}\u{8}\u{7f}",
    "a\0b\u{1}\u{1f}",
    // Formats, paths, shells.
    "%s%n%x%p {} {0} {name:?}",
    "../../../../etc/passwd",
    "/etc/passwd\0.wasm",
    "$(touch /tmp/x) `id` | cat ; true && false",
    "${jndi:ldap://127.0.0.1/a}",
    // Letters that are not what they seem.
    "gpj.\u{202e}exe \u{2066}x\u{2069}",
    "\u{fffd}\u{feff}\u{200b}\u{ad}",
    "e\u{301}\u{300}\u{302} \u{1f468}\u{200d}\u{1f469} \u{10ffff}",
    "null undefined NaN -0 1e999",
];

/// Where a seed stands within a text.
const CONTEXTS: [(&str, &str); 30] = [
    ("a", "z"),
    ("'", "'"),
    ("\"", "\""),
    ("`", "`"),
    ("(", ")"),
    ("[", "]"),
    ("{", "}"),
    ("{{", "}}"),
    ("<", ">"),
    ("<!--", "-->"),
    ("</td>", "<td>"),
    ("\\", "\\"),
    ("%", "%"),
    ("a=", "&b=1"),
    ("a: ", "; b"),
    ("a,", ",b"),
    ("--", "--"),
    ("/*", "*/"),
    ("#", "#"),
    ("$", "$"),
    ("!", "!"),
    ("\\x", "\\n"),
    ("é", "ß"),
    ("שלום ", " ديسك"),
    ("日本", "語"),
    ("a\tb ", "\tc"),
    ("0", "9"),
    ("-", ""),
    ("~", "~"),
    ("|", "|"),
];

/// Every seed in the first of these contexts.
fn payloads(contexts: usize) -> Vec<String> {
    let within = |seed: &str, (before, after): &(&str, &str)| format!("{before}{seed}{after}");
    let seeds = |context| SEEDS.iter().map(move |seed| within(seed, context));
    CONTEXTS.iter().take(contexts).flat_map(seeds).collect()
}

/// What a name becomes: one line, its own letters.
fn name(text: &str) -> String {
    let kept = text.trim().chars().filter(|c| !turns_text(*c));
    let line: String = kept.map(|c| if c.is_control() { ' ' } else { c }).collect();
    line.trim().to_owned()
}

/// What a text of several lines becomes.
fn lines(text: &str) -> String {
    let stays = |c: char| matches!(c, '\n' | '\t') || !disturbs(c);
    text.replace("\r\n", "\n").chars().map(|c| if stays(c) { c } else { '\u{fffd}' }).collect()
}

/// An alert with this text in every field that takes one, and what is to be read of it.
fn alert(number: usize, text: &str, firing: bool) -> (Value, Value) {
    let (key, fingerprint) = (format!("k{text}"), format!("{number} {text}"));
    let sent = json!({
        "name": text, "description": text, "fingerprint": fingerprint, "source": text,
        "severity": text, "status": if firing { "firing" } else { "resolved" },
        "instance": text, "labels": { &key: text }, "annotations": { &key: text },
        "url": format!("https://example.com/?{}", name(text)),
    });
    let shown = json!({
        "name": name(text), "description": lines(text), "fingerprint": name(&fingerprint),
        "raw_severity": name(text),
        "labels": { name(&key): lines(text), "instance": lines(text), "sender_source": lines(text) },
        "annotations": { name(&key): lines(text) },
        "links": { "source": format!("https://example.com/?{}", name(text)) },
    });
    (sent, shown)
}

/// Those fields of an alert that `shown` has.
fn same_fields(alert: &Value, shown: &Value) -> Value {
    let fields = shown.as_object().unwrap().keys().map(|field| (field.clone(), alert[field].clone()));
    Value::Object(fields.collect::<Map<_, _>>())
}

/// What no sender may change: channels with their sealed settings, routes, keys.
async fn guarded(hub: &Hub) -> (String, BTreeMap<&'static str, u64>) {
    let url = format!("sqlite://{}", hub.database_files()[0].display());
    let store = Store::open(&url, store::Options::default()).await.unwrap();
    let mut rows = Vec::new();
    for channel in store.channels().await.unwrap() {
        rows.push(format!("{channel:?} {:?}", store.channel_settings(channel.id).await.unwrap()));
    }
    let routes = store.routes().await.unwrap();
    assert!(routes.broken.is_empty(), "{:?}", routes.broken);
    rows.extend(routes.routes.iter().map(|kept| format!("{:?}", kept.route)));
    rows.extend(store.data_keys().await.unwrap().iter().map(|key| format!("{} {:?}", key.id, key.wrapped)));
    // When a key was last used changes by itself.
    let keys = store.api_keys().await.unwrap();
    rows.extend(
        keys.iter().map(|key| format!("{} {} {} {:?}", key.id, key.name, key.manage, key.revoked_at)),
    );
    assert_eq!(store.damage().await.unwrap(), Vec::<String>::new());
    let counts = store.stats().await.unwrap().tables.iter().map(|table| (table.table, table.rows)).collect();
    store.close().await;
    (rows.join("\n"), counts)
}

/// Names of headers that the hub answers with.
const ANSWERED: [&str; 17] = [
    "allow",
    "cache-control",
    "connection",
    "content-length",
    "content-security-policy",
    "content-type",
    "cross-origin-opener-policy",
    "date",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "referrer-policy",
    "retry-after",
    "www-authenticate",
    "x-content-type-options",
    "x-frame-options",
    "x-request-id",
];

/// A problem or JSON, with headers of the hub's own alone.
fn check_answer(reply: &tests::Reply, text: &str) {
    assert!((200..500).contains(&reply.status), "{text:?}: {} {}", reply.status, reply.text());
    let body = reply.text();
    assert!(!body.contains(|c: char| c.is_control() && c != '\n'), "{text:?}: {body:?}");
    let json: Value = reply.json();
    assert!(json.get("forged").is_none(), "{text:?}: {body}");
    for name in reply.headers.keys() {
        assert!(ANSWERED.contains(&name.as_str()), "{text:?}: `{name}`");
    }
}

/// Headers with this text, as bytes: clients refuse to send most of them.
fn raw_request(hub: &Hub, number: usize, text: &str) -> Vec<u8> {
    let mut request = format!(
        "POST {GENERIC}?token=x HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nconnection: close\r\n",
        hub.token()
    );
    // Two webhooks with one of these would be one.
    request.push_str(&format!("webhook-id: {number}{text}\r\n"));
    for header in ["user-agent", "x-forwarded-for", "traceparent", "x-request-id", "referer", "cookie"] {
        request.push_str(&format!("{header}: {text}\r\n"));
    }
    let body = r#"{"name":"Headers","fingerprint":"headers","status":"resolved"}"#;
    request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    request.into_bytes()
}

/// Sends it; returns whether it was taken.
async fn send_headers(hub: &Hub, number: usize, text: &str) -> bool {
    let mut stream = TcpStream::connect(hub.address()).await.unwrap();
    // What is refused early may close while the rest is written.
    let _closed = stream.write_all(&raw_request(hub, number, text)).await;
    let mut answer = Vec::new();
    let _reset = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    let (head, rest) = answer.split_once("\r\n\r\n").unwrap_or((answer.as_str(), ""));
    let mut head = head.split("\r\n");
    let status = head.next().unwrap();
    for line in head {
        let (name, value) = line.split_once(": ").unwrap();
        assert!(ANSWERED.contains(&name), "{text:?}: {line}");
        assert!(!value.contains(char::is_control), "{text:?}: {line}");
    }
    // What was not read of a refused request may cost its sender the answer.
    let is_refused =
        status.starts_with("HTTP/1.1 400 ") || (status.is_empty() && text.contains(char::is_control));
    assert!(is_refused || status.starts_with("HTTP/1.1 202 "), "{text:?}: {answer}");
    // A text with an empty line in it ends the head, and what follows is a body without a length.
    assert!(!rest.contains("HTTP/1.1") || text.contains("\r\n\r\n"), "{text:?}: {answer}");
    status.starts_with("HTTP/1.1 202 ")
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Asks with the text in every path and query that takes one. Nothing of it is found, and nothing breaks.
async fn check_questions(hub: &Hub, manage: &str, text: &str) {
    // In a path a `+` is itself.
    let (query, path) = (encoded(text), encoded(text).replace('+', "%20"));
    let get = |path: String| hub.send(hub.anonymous(Method::GET, &path).bearer_auth(manage));
    for list in ["alerts", "incidents", "orchestration/pipelines"] {
        for field in ["name", "fingerprint", "instance", "source", "status", "trace_id", "limit", "cursor"] {
            let reply = get(format!("/{list}/?{field}={query}")).await;
            check_answer(&reply, text);
            assert_ne!(reply.status, 404, "{list} {field}: {}", reply.text());
        }
    }
    for path in [
        format!("/alerts/{path}/"),
        format!("/incidents/{path}/"),
        format!("/orchestration/pipeline/{path}/"),
        format!("/manage/quarantine/{path}/"),
        format!("/{path}"),
    ] {
        let reply = get(path).await;
        check_answer(&reply, text);
        assert!(matches!(reply.status, 400 | 404), "{}", reply.text());
    }
    let driver = format!("/alerts/webhook/{path}/");
    let reply = hub.post(&driver, "{}").await;
    check_answer(&reply, text);
    assert!(matches!(reply.status, 400 | 404), "{}", reply.text());
    let strict = hub.post(&format!("/alerts/webhook/?strict=1&x={query}"), text.to_owned()).await;
    check_answer(&strict, text);
    assert_eq!(strict.status, 422, "{}", strict.text());
}

/// Makes a key of this name, unless it cannot be one.
async fn check_key_name(hub: &Hub, manage: &str, text: &str) {
    let wish = json!({ "name": text, "allowed_endpoints": ["/nowhere/"] });
    let request = hub.anonymous(Method::POST, "/manage/keys/").bearer_auth(manage);
    let reply = hub.send(request.header("content-type", "application/json").body(wish.to_string())).await;
    check_answer(&reply, text);
    match text.trim().contains(char::is_control) {
        true => assert!(reply.problem(400, "invalid-parameter").contains("one line")),
        false => assert_eq!(reply.json()["key"]["name"], text.trim(), "{}", reply.text()),
    }
    // As a path that it may call.
    let wish = json!({ "name": "x", "allowed_endpoints": [text] });
    let request = hub.anonymous(Method::POST, "/manage/keys/").bearer_auth(manage);
    let reply = hub.send(request.header("content-type", "application/json").body(wish.to_string())).await;
    check_answer(&reply, text);
    reply.problem(400, "invalid-parameter");
}

/// A hub whose operator had odd ideas too: names of files, of a channel, and a driver that reads what it
/// must not.
async fn odd_hub(format: &str, sink: &Sink) -> (Hub, String) {
    let home = Home::new().await.with_local_remotes().with("WATCHBELL_LOG_FORMAT", format);
    let folder = home.path().join("plugins.d");
    std::fs::create_dir(&folder).unwrap();
    for seed in SEEDS.iter().filter(|seed| !seed.contains(['\0', '/'])) {
        std::fs::write(folder.join(format!("{seed}.wasm")), "no component").unwrap();
    }
    let evil = format!("Disk\n{FORGED} ERROR forged\u{1b}[31m\u{202e}");
    let alert = Alert { name: evil.into_bytes(), ..Driver::default().alert };
    let driver = Driver { name: "acme", alert, sample: None, ..Driver::default() };
    std::fs::write(folder.join("acme.wasm"), driver.build()).unwrap();
    let hub = home.with("WATCHBELL_LOG", "debug,host=trace,store=trace,sandbox=trace").start().await;
    hub.add_channel("'; DROP TABLE channel; -- forged=1 \u{202e}<b>\u{2028}x", &sink.url()).await;
    let slack = format!("webhook_url={}", sink.url());
    hub.cli_text(&["channel", "add", "slack", "--notifier", "slack", "--set", &slack]).await;
    let (_, manage) = hub.create_key(&["--manage"]).await;
    (hub, manage)
}

/// One line an event, and none that somebody else wrote.
fn check_log(format: &str, log: &[String], webhooks: usize) {
    let taken = log.iter().filter(|line| line.contains("took a webhook of")).count();
    assert_eq!(taken, webhooks, "one line a webhook");
    for line in log {
        assert!(!line.starts_with(FORGED), "{line}");
        if format == "json" {
            let line: Map<String, Value> = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line:?}"));
            assert!(line["timestamp"].as_str().unwrap().starts_with("20"), "{line:?}");
            assert_ne!(line["timestamp"], FORGED);
            assert!(!line.contains_key("forged"), "{line:?}");
        } else {
            assert!(!line.contains(|c| disturbs(c) || matches!(c, '\u{2028}' | '\u{2029}')), "{line:?}");
            // In every line a time and a level, so that none is the rest of another.
            let mut words = line.split_whitespace();
            let time = words.next().unwrap_or_default();
            assert!(time.ends_with('Z') && time.parse::<domain::time::Timestamp>().is_ok(), "{line:?}");
            let level = words.next().unwrap_or_default();
            assert!(["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].contains(&level), "{line:?}");
        }
    }
}

/// All texts of a message to Slack in which it looks for orders.
fn read_by_slack<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| read_by_slack(item, found)),
        Value::Object(fields) if fields.get("type").is_some_and(|kind| kind == "plain_text") => {}
        Value::Object(fields) => fields.values().for_each(|field| read_by_slack(field, found)),
        _ => {}
    }
}

/// Notifications carry the texts as data, whichever they were.
fn check_notifications(received: &[Received], firing: &BTreeMap<String, Value>) {
    let mut told = BTreeSet::new();
    for request in received {
        assert!(request.headers.iter().all(|(name, _)| name != "x-injected" && name != "set-cookie"));
        assert_eq!(request.target, "/hook");
        let body = request.json();
        let Some(alerts) = body["alerts"].as_array() else {
            let mut found = Vec::new();
            read_by_slack(&body, &mut found);
            for text in found {
                // The one order that is the notifier's own: a time in the reader's zone.
                let text = text.replacen("\n<!date^", "\n", 1);
                assert!(!text.contains("<!") && !text.contains("<@") && !text.contains("|safe>"), "{text}");
            }
            continue;
        };
        assert!(body.get("forged").is_none(), "{body}");
        for alert in alerts {
            let fingerprint = alert["fingerprint"].as_str().unwrap();
            let shown = &firing[fingerprint];
            assert_eq!(&same_fields(alert, shown), shown);
            told.insert(fingerprint.to_owned());
        }
    }
    assert_eq!(told, firing.keys().cloned().collect());
}

/// Sends alerts with these texts and reads them back; returns what fires and is told of by its fingerprint,
/// and how many webhooks it took.
///
/// Those of the first context go all the way through; what is over when it is first heard of makes no
/// incident.
async fn check_bodies(hub: &Hub, texts: &[String]) -> (BTreeMap<String, Value>, usize) {
    let (mut expected, mut firing, mut webhooks) = (BTreeMap::new(), BTreeMap::new(), 0);
    let numbered: Vec<_> = texts.iter().enumerate().collect();
    for batch in numbered.chunks(BATCH) {
        let alerts = batch.iter().map(|(number, text)| {
            let is_firing = *number < SEEDS.len();
            let (sent, shown) = alert(*number, text, is_firing);
            let fingerprint = shown["fingerprint"].as_str().unwrap().to_owned();
            if is_firing {
                firing.insert(fingerprint.clone(), shown.clone());
            }
            expected.insert(fingerprint, shown);
            sent
        });
        let body = json!({ "alerts": alerts.collect::<Vec<_>>() });
        assert_eq!(hub.accept(GENERIC, &body).await["alerts"], batch.len());
        webhooks += 1;
    }
    assert_eq!(expected.len(), texts.len(), "each is an alert of its own");
    for alert in hub.list("/alerts/?limit=200").await {
        let shown = expected.remove(alert["fingerprint"].as_str().unwrap()).expect("listed once");
        assert_eq!(same_fields(&alert, &shown), shown);
    }
    assert!(expected.is_empty(), "not listed: {expected:?}");
    // A text finds itself and nothing else.
    for shown in firing.values() {
        for field in ["name", "fingerprint"] {
            let wanted = shown[field].as_str().unwrap();
            let found = hub.list(&format!("/alerts/?{field}={}", encoded(wanted))).await;
            assert_eq!(found.len(), 1, "{field} {wanted:?}: {found:?}");
        }
    }
    (firing, webhooks)
}

/// The whole of it, with so many contexts of each seed.
async fn check(format: &str, contexts: usize) {
    let sink = Sink::start([Answer::Status(500, Vec::new())]).await;
    let (mut hub, manage) = odd_hub(format, &sink).await;
    let (rows, counts) = guarded(&hub).await;
    let texts = payloads(contexts);
    let (firing, mut webhooks) = check_bodies(&hub, &texts).await;
    for (number, text) in texts.iter().enumerate() {
        webhooks += usize::from(send_headers(&hub, number, text).await);
    }
    for text in &texts[..SEEDS.len()] {
        check_questions(&hub, &manage, text).await;
        webhooks += 1;
    }
    let odd = hub.accept("/alerts/webhook/acme/", &json!({})).await;
    assert_eq!(odd["outcome"], "quarantined", "{odd}");
    webhooks += 1;

    // Two channels, and one of them was told again.
    let received = sink.wait(2 * firing.len() + 1).await;
    check_notifications(&received, &firing);

    let after = guarded(&hub).await;
    assert_eq!(after.0, rows, "channels, routes or keys have changed");
    for table in ["api_key", "channel", "data_key", "route"] {
        assert_eq!(after.1[table], counts[table], "{table}");
    }
    // All webhooks with odd headers tell of one alert.
    assert_eq!((after.1["alert"], after.1["inbox"]), (texts.len() as u64 + 1, webhooks as u64));
    for text in &texts[..SEEDS.len()] {
        check_key_name(&hub, &manage, text).await;
    }
    hub.terminate();
    assert!(hub.ended().await.success());
    check_log(format, &hub.log().lines(), webhooks);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_texts_that_want_to_be_orders_stay_texts() {
    check("text", CONTEXTS.len()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_text_becomes_a_field_or_a_line_of_a_log_of_json() {
    check("json", 3).await;
}

/// What a command that must fail says: nothing that drives a terminal.
async fn check_complaint(home: &Home, arguments: &[&str]) {
    let output = home.cli(arguments).await;
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(!output.status.success(), "{arguments:?}: {said:?}");
    assert!(!said.contains(|c| disturbs(c) && c != '\n'), "{arguments:?}: {said:?}");
}

#[tokio::test]
async fn what_an_operator_misspells_is_told_without_power_over_the_terminal() {
    let home = Home::new().await;
    let manifest = home.path().join("plugins.toml");
    for seed in SEEDS.iter().filter(|seed| !seed.contains('\0') && seed.contains(char::is_control)) {
        std::fs::write(&manifest, format!("[driver.{}]\n", json!(seed))).unwrap();
        check_complaint(&home, &["check"]).await;
        std::fs::remove_file(&manifest).unwrap();
        let url = "https://hooks.example.com/x";
        let settings = json!({ "url": url, "headers": { "x-a": seed } }).to_string();
        let odd_setting = json!({ "url": url, *seed: "x" }).to_string();
        for arguments in [
            &["channel", "add", seed, "--notifier", "generic", "--set", "url=https://hooks.example.com/x"][..],
            &["channel", "add", "x", "--notifier", seed],
            &["channel", "add", "x", "--notifier", "generic", "--config", &settings],
            &["channel", "add", "x", "--notifier", "generic", "--config", &odd_setting],
            &["key", "create", "--name", &format!("a{seed}z")],
            &["plugin", "call", seed, "parse"],
            &["delivery", "retry", seed],
        ] {
            check_complaint(&home, arguments).await;
        }
    }
}
