//! What must never be seen: planted secrets are looked for in everything the hub writes.

use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use reqwest::{Method, RequestBuilder};
use rustix::process::Signal;
use serde_json::json;
use tests::{Answer, Home, Hub, Sink};

const WEBHOOK_SECRET: &str = "canary-webhook-secret-7d1f";
const OLD_WEBHOOK_SECRET: &str = "canary-old-webhook-secret-33e0";
const PAYLOAD: &str = "canary-payload-5b20";
const COOKIE: &str = "canary-cookie-90ce";
const QUERY: &str = "canary-query-6f02";
const HEADER: &str = "canary-header-e19b";
const URL_SECRET: &str = "canary-url-path-41aa";
const AUTHORIZATION: &str = "canary-authorization-c3d7";
const CHANNEL_HEADER: &str = "canary-channel-header-2bb8";
const SLACK: &str = "canary-slack-path-d514";
const COLLECTOR_KEY: &str = "canary-collector-key-77fa";
const COLLECTOR_PATH: &str = "canary-collector-path-0c4d";
const UNREADABLE: &str = "canary-unreadable-08f2";
const PLUGIN_SETTING: &str = "canary-plugin-setting-5e88";
const CACHE_PASSWORD: &str = "canary-cache-password-1d3c";
const WRONG_BEARER: &str = "canary-wrong-bearer-2f61";
const WRONG_KEY: &str = "canary-wrong-key-9a3e";
const WRONG_PASSWORD: &str = "canary-wrong-password-b87c";

/// Marks the start of what is compressed with Zstandard (RFC 8878, section 3.1.1).
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The same for gzip with the only method there is (RFC 1952, section 2.3.1).
const GZIP: [u8; 3] = [0x1f, 0x8b, 0x08];
/// How much of what is compressed is looked at, in bytes.
const UNPACKED: u64 = 1 << 20;
/// What the operator said of plugins; the hub reads it and writes it nowhere.
const MANIFEST: &str = "plugins.toml";

/// A secret as it may be spelled.
fn disguises(secret: &str) -> Vec<Vec<u8>> {
    let percent = |byte: u8| format!("%{byte:02x}");
    let escape = |byte: u8| format!("\\u{:04x}", byte);
    let mut forms = vec![
        secret.to_owned(),
        hex::encode(secret),
        hex::encode_upper(secret),
        secret.bytes().map(percent).collect(),
        secret.bytes().map(percent).collect::<String>().to_uppercase(),
        secret.bytes().map(escape).collect(),
        secret.chars().rev().collect(),
        // As a list of numbers, which is how Rust shows bytes.
        secret.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", "),
    ];
    // In the middle of something that is encoded as a whole: the first and the last letters depend on it.
    for before in 0..3 {
        let text = format!("{}{secret}", &"~~~"[..before]);
        for encoded in [STANDARD_NO_PAD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
            forms.push(encoded[(before * 8).div_ceil(6)..encoded.len() - 2].to_owned());
        }
    }
    forms.into_iter().map(String::into_bytes).collect()
}

/// Looks for secrets in all their disguises, in one pass.
pub(crate) struct Finder {
    secrets: Vec<String>,
    /// Which secret each form is of.
    owners: Vec<usize>,
    forms: AhoCorasick,
    packed: AhoCorasick,
}

impl Finder {
    pub(crate) fn new(secrets: &[&str]) -> Self {
        let forms: Vec<(usize, Vec<u8>)> = secrets
            .iter()
            .enumerate()
            .flat_map(|(owner, secret)| disguises(secret).into_iter().map(move |form| (owner, form)))
            .collect();
        Self {
            secrets: secrets.iter().map(|secret| (*secret).to_owned()).collect(),
            owners: forms.iter().map(|(owner, _)| *owner).collect(),
            forms: AhoCorasick::new(forms.iter().map(|(_, form)| form)).unwrap(),
            packed: AhoCorasick::new([ZSTD.as_slice(), &GZIP]).unwrap(),
        }
    }

    /// The first secret that is in these bytes: as it is, in a disguise, or compressed.
    fn find(&self, bytes: &[u8]) -> Option<&str> {
        let plain =
            |bytes: &[u8]| self.forms.find(bytes).map(|found| self.owners[found.pattern().as_usize()]);
        let unpack = |at: usize| {
            let (packed, mut plain) = (&bytes[at..], Vec::new());
            // What is behind it, or broken, ends it; what came before counts.
            let _ = match packed.starts_with(&ZSTD) {
                true => zstd::Decoder::new(packed).ok()?.take(UNPACKED).read_to_end(&mut plain),
                false => GzDecoder::new(packed).take(UNPACKED).read_to_end(&mut plain),
            };
            Some(plain)
        };
        let starts = self.packed.find_iter(bytes).map(|found| found.start());
        let owner = plain(bytes).or_else(|| starts.filter_map(unpack).find_map(|unpacked| plain(&unpacked)));
        owner.map(|owner| self.secrets[owner].as_str())
    }
}

/// All files of a folder and below.
fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, found),
            false => found.push(path),
        }
    }
}

#[test]
fn a_secret_is_found_in_every_disguise() {
    let secret = "canary/a+b=c d";
    let finder = Finder::new(&["another", secret]);
    let has = |bytes: &[u8]| finder.find(bytes) == Some(secret);
    for form in disguises(secret) {
        assert!(has(&[b"some ".as_slice(), &form, b" more"].concat()));
    }
    for before in ["", "x", "xy", "xyz"] {
        let text = format!("{before}{secret} and more");
        assert!(has(STANDARD_NO_PAD.encode(&text).as_bytes()), "{before}");
        assert!(has(URL_SAFE_NO_PAD.encode(&text).as_bytes()), "{before}");
        let packed = zstd::encode_all(text.repeat(40).as_bytes(), 3).unwrap();
        assert!(has(&[b"head".as_slice(), &packed, b"tail"].concat()), "{before}");
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(text.repeat(40).as_bytes()).unwrap();
        let packed = gzip.finish().unwrap();
        assert!(has(&[b"head".as_slice(), &packed, b"tail"].concat()), "{before}");
        // Broken off, as a page of a database may end in the middle of it.
        assert!(has(&packed[..packed.len() - 9]), "{before}");
    }
    assert!(!has(b"canary/a+b=c"));
}

/// Requests with secrets that must be refused; what is answered.
async fn refused(hub: &Hub) -> Vec<String> {
    let webhook = || hub.anonymous(Method::POST, "/alerts/webhook/generic/").body("{}");
    let signed =
        hub.request(Method::POST, "/alerts/webhook/grafana/").header("x-grafana-alerting-signature", HEADER);
    let requests: Vec<(u16, RequestBuilder)> = vec![
        (401, webhook().bearer_auth(WRONG_BEARER)),
        (401, webhook().header("x-api-key", WRONG_KEY)),
        (401, webhook().basic_auth("sender", Some(WRONG_PASSWORD))),
        (403, signed.body(format!(r#"{{"orgId":"{PAYLOAD}"}}"#))),
        (404, hub.request(Method::POST, "/alerts/webhook/nobody/").header("cookie", COOKIE).body(PAYLOAD)),
        (422, hub.request(Method::POST, "/alerts/webhook/?strict=1").body(UNREADABLE)),
        (400, hub.request(Method::GET, &format!("/alerts/?cursor={QUERY}"))),
    ];
    let mut answers = Vec::new();
    for (status, request) in requests {
        let reply = hub.send(request).await;
        assert_eq!(reply.status, status, "{}", reply.text());
        answers.push(reply.text());
    }
    answers
}

/// A hub with a secret in every setting that takes one, a key for management, and its old secret key.
async fn planted(sink: &Sink) -> (Hub, String, String) {
    let home = Home::new().await.with_local_remotes();
    let old_key = home.fresh_secret_key().await;
    let settings = |kind: &str| format!("[{kind}.settings]\ntoken = \"{PLUGIN_SETTING}\"\n");
    let manifest = ["driver.generic", "notifier.generic", "notifier.slack"].map(settings).concat();
    let provider = format!("[provider.openai.settings]\napi_key = \"{PLUGIN_SETTING}\"\n");
    std::fs::write(home.path().join(MANIFEST), manifest + &provider).unwrap();
    let hub = home
        .with("WATCHBELL_LOG", "trace")
        .with("RATE_LIMIT_ENABLED", "1")
        .with("CACHE_URL", &format!("redis://:{CACHE_PASSWORD}@127.0.0.1:1/0"))
        .with("WATCHBELL_LOG_FORMAT", "json")
        .with("WATCHBELL_SECRET_KEY_PREVIOUS", &old_key)
        .with("WEBHOOK_SECRET_GRAFANA", WEBHOOK_SECRET)
        .with("WEBHOOK_SECRET_GRAFANA_PREVIOUS", OLD_WEBHOOK_SECRET)
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("{}/{COLLECTOR_PATH}", sink.url()))
        .with("OTEL_EXPORTER_OTLP_HEADERS", &format!("x-key={COLLECTOR_KEY}"))
        .start()
        .await;
    let (_, manage) = hub.create_key(&["--manage"]).await;
    let url = sink.url();
    let plain = json!({
        "url": format!("{url}/{URL_SECRET}"),
        "authorization": format!("Bearer {AUTHORIZATION}"),
        "secret_headers": { "x-token": CHANNEL_HEADER },
    });
    let slack = json!({ "webhook_url": format!("{url}/{SLACK}") });
    for (name, notifier, settings) in [("plain", "generic", plain), ("slack", "slack", slack)] {
        let arguments = ["channel", "add", name, "--notifier", notifier, "--config", &settings.to_string()];
        hub.cli_text(&arguments).await;
    }
    (hub, manage, old_key)
}

/// What can be read of a hub, by API and by command.
async fn readable(hub: &Hub, manage: &str, run_id: &str) -> Vec<String> {
    let mut shown = Vec::new();
    let run = format!("/orchestration/pipeline/{run_id}/");
    for path in [
        &run,
        "/orchestration/pipelines/",
        "/alerts/",
        "/incidents/",
        "/metrics",
        "/openapi.json",
        "/readyz",
        "/manage/quarantine/",
    ] {
        let reply = hub.send(hub.anonymous(Method::GET, path).bearer_auth(manage)).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        shown.push(reply.text());
    }
    for arguments in [
        &["channel", "list", "--json"][..],
        &["key", "list", "--json"],
        &["delivery", "list", "--json"],
        &["quarantine", "list", "--json"],
        &["plugin", "list"],
        &["check", "--json"],
        &["config", "sample"],
    ] {
        let output = hub.cli(arguments).await;
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        shown.push(String::from_utf8([output.stdout, output.stderr].concat()).unwrap());
    }
    // An operator sees their own addresses, without names and passwords in them.
    shown.push(hub.cli_text(&["config", "show"]).await.replace(COLLECTOR_PATH, ""));
    shown
}

#[tokio::test]
async fn secrets_and_payloads_are_nowhere_to_be_seen() {
    let sink = Sink::start([Answer::Status(500, Vec::new()), Answer::Status(404, Vec::new())]).await;
    let (mut hub, manage, old_key) = planted(&sink).await;
    let body = json!({ "name": "Canary", "unknown_field": PAYLOAD });
    let request = hub.request(Method::POST, &format!("/alerts/webhook/generic/?token={QUERY}"));
    let request = request.header("cookie", COOKIE).header("x-secret", HEADER);
    let accepted = hub.send(request.body(body.to_string())).await.json();
    let mut shown = refused(&hub).await;
    let channels = || {
        let received = sink.received();
        received.into_iter().filter(|request| !request.target.contains(COLLECTOR_PATH)).collect::<Vec<_>>()
    };
    let received =
        tests::wait_for("both channels were tried, one of them twice", tests::PATIENCE, async || {
            let received = channels();
            (received.len() >= 3).then_some(received)
        })
        .await;
    let sent = format!("{received:?}");
    for secret in [URL_SECRET, SLACK, AUTHORIZATION, CHANNEL_HEADER] {
        assert!(sent.contains(secret), "the remote gets `{secret}`");
    }

    shown.extend(readable(&hub, &manage, accepted["run_id"].as_str().unwrap()).await);

    let (key, token) = (hub.setting("WATCHBELL_SECRET_KEY").to_owned(), hub.token().to_owned());
    let finder = Finder::new(&[
        WEBHOOK_SECRET,
        OLD_WEBHOOK_SECRET,
        PAYLOAD,
        COOKIE,
        QUERY,
        HEADER,
        URL_SECRET,
        AUTHORIZATION,
        CHANNEL_HEADER,
        SLACK,
        COLLECTOR_KEY,
        COLLECTOR_PATH,
        UNREADABLE,
        PLUGIN_SETTING,
        CACHE_PASSWORD,
        WRONG_BEARER,
        WRONG_KEY,
        WRONG_PASSWORD,
        &token,
        &manage,
        &key,
        &old_key,
    ]);
    check_clean(&mut hub, &finder, &shown).await;
}

/// Looks for secrets in all that a hub leaves: its files while it runs and after, its log at the finest, and
/// what it has shown.
pub(crate) async fn check_clean(hub: &mut Hub, finder: &Finder, shown: &[String]) {
    let clean = |what: &str, bytes: &[u8]| {
        if let Some(secret) = finder.find(bytes) {
            panic!("`{secret}` is in {what}");
        }
    };
    clean("the arguments", &std::fs::read(hub.process_file("cmdline")).unwrap());
    // Database, log of the database, compiled plugins: while it runs, and what is left of them after.
    for stopped in [false, true] {
        if stopped {
            hub.terminate();
            assert!(hub.ended().await.success());
        }
        assert!(!hub.database_files().is_empty());
        let mut found = Vec::new();
        files(hub.path(), &mut found);
        found.retain(|file| !file.ends_with(MANIFEST));
        for file in found {
            // A file may go meanwhile, such as one that is written and then renamed.
            if let Ok(bytes) = std::fs::read(&file) {
                clean(&file.display().to_string(), &bytes);
            }
        }
    }
    for text in shown {
        clean(text, text.as_bytes());
    }
    let lines = hub.log().lines();
    assert!(lines.iter().any(|line| line.contains(r#""level":"TRACE""#)), "the log is at its finest");
    for line in &lines {
        clean(line, line.as_bytes());
    }
}

#[tokio::test]
async fn the_password_of_an_address_is_not_shown() {
    for (name, url) in [
        ("DATABASE_URL", "postgres://user:canary-password-1f@127.0.0.1:1/db"),
        ("DATABASE_URL", "sqlite:///nowhere/at/all.sqlite3?password=canary-password-1f"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://user:canary-password-1f@127.0.0.1"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "canary-password-1f"),
    ] {
        check_refusal(Home::new().await.with(name, url), name).await;
    }
}

/// The hub does not start, and does not say what it must not.
async fn check_refusal(home: Home, what: &str) {
    let output = home.with("WATCHBELL_LOG", "trace").cli(&["serve"]).await;
    assert!(!output.status.success(), "{what}");
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(Finder::new(&["canary-password-1f"]).find(text.as_bytes()), None, "{text}");
}

#[tokio::test]
async fn a_file_that_is_not_understood_is_not_shown() {
    for (name, text) in [
        (MANIFEST, "[driver.generic.settings]\ntoken = \"canary-password-1f\" x\n"),
        (MANIFEST, "[driver.generic.settings]\ntoken = \"canary-password-1f\n"),
        (MANIFEST, "[driver.generic.settings]\ntoken = canary-password-1f\n"),
        (MANIFEST, "[driver.generic]\nsettings = \"canary-password-1f\"\n"),
        (MANIFEST, "[driver.generic]\nenabled = \"canary-password-1f\"\n"),
        (MANIFEST, "driver = [\"canary-password-1f\"]\n"),
        (".env", "WEBHOOK_SECRET_GRAFANA='canary-password-1f\n"),
        (".env", "WEBHOOK_SECRET_GRAFANA canary-password-1f\n"),
    ] {
        let home = Home::new().await;
        std::fs::write(home.path().join(name), text).unwrap();
        check_refusal(home, text).await;
    }
}

#[tokio::test]
async fn a_hub_that_crashes_leaves_no_image_of_its_memory() {
    let mut hub = Hub::new().await;
    let limits = std::fs::read_to_string(hub.process_file("limits")).unwrap();
    let limit = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    assert_eq!(limit.split_whitespace().take(2).collect::<Vec<_>>(), ["0", "0"], "{limits}");
    hub.signal(Signal::ABORT);
    let ended = hub.ended().await;
    assert_eq!(ended.signal(), Some(Signal::ABORT.as_raw()));
    assert!(!ended.core_dumped());
}

#[tokio::test]
async fn errors_of_settings_do_not_show_the_setting() {
    let home = Home::new().await;
    let output = home
        .cli(&[
            "channel",
            "add",
            "x",
            "--notifier",
            "slack",
            "--set",
            "webhook_url=ftp://canary-bad-address/secret",
        ])
        .await;
    assert!(!output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("webhook_url") || text.contains("address"), "{text}");
    assert!(!text.contains("canary"), "{text}");
}
