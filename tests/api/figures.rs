//! What is told of each call of a plugin: metrics and log lines.

use std::fmt::Write as _;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tests::{Home, Hub, Sink};

use crate::driver::Driver;
use crate::notifier::Notifier;

/// Stands in every body, and in no line and no label.
const PAYLOAD: &str = "hunter2-of-the-sender";

/// Ends as the first byte of the body says.
fn many_ends() -> Driver {
    let case = |letter: char, body: &str| {
        format!(
            "(if (i32.eq (i32.load8_u (local.get $body)) (i32.const {})) (then {body}))",
            u32::from(letter)
        )
    };
    let parse = [
        case('p', "unreachable"),
        case('l', "(loop $for_ever (br $for_ever))"),
        case('m', "(if (i32.eq (i32.const -1) (memory.grow (i32.const 2000))) (then unreachable))"),
        case('s', "(call $down (i32.const 1))"),
        case('f', "(drop (i32.div_u (i32.const 1) (local.get $i)))"),
        case('b', "(return (i32.const -8))"),
        case('o', "(i32.store offset=12 (i32.const $PARSED) (i32.const 0))"),
        // Says so itself, with the body as its words.
        case(
            'e',
            "(i32.store8 (i32.const $PARSED) (i32.const 1))
             (i32.store8 offset=4 (i32.const $PARSED) (i32.const 0))
             (i32.store offset=8 (i32.const $PARSED) (local.get $body))
             (i32.store offset=12 (i32.const $PARSED) (local.get $length))",
        ),
        case(
            'g',
            "(loop $again
               (call $log (i32.const 2) (i32.const 1024) (i32.const 8))
               (local.set $i (i32.add (local.get $i) (i32.const 1)))
               (br_if $again (i32.lt_u (local.get $i) (i32.const 150))))",
        ),
        "(i32.const $PARSED)".to_owned(),
    ];
    Driver { name: "moody", ..Driver::parsing(parse.concat()) }.with(
        "(func $down (param i32)
           (call $down (i32.add (local.get 0) (i32.const 1)))
           (drop (i32.load8_u (i32.and (local.get 0) (i32.const 255)))))",
    )
}

/// The value of a line of `/metrics` that begins so.
fn value(metrics: &str, line: &str) -> f64 {
    let found = metrics.lines().find_map(|found| found.strip_prefix(line));
    let found = found.unwrap_or_else(|| panic!("no `{line}` in\n{metrics}"));
    found.trim().parse().unwrap()
}

/// A hub with these components in its `plugins.toml`.
async fn hub(components: &[(&str, &str, Vec<u8>)], manifest: &str) -> Hub {
    let home = Home::new().await.with_local_remotes();
    let folder = home.path().join("components");
    std::fs::create_dir(&folder).unwrap();
    let mut manifest = manifest.to_owned();
    // They take long to compile, and nobody asks them.
    for provider in ["claude", "copilot", "gemini", "grok", "mistral", "ollama", "openai"] {
        let _ = write!(manifest, "\n[provider.{provider}]\nenabled = false\n");
    }
    for (kind, name, component) in components {
        std::fs::write(folder.join(format!("{name}.wasm")), component).unwrap();
        let more = if *kind == "notifier" { "allow_hosts = [\"https://granted.example\"]\n" } else { "" };
        let digest = hex::encode(Sha256::digest(component));
        let _ = write!(
            manifest,
            "\n[{kind}.{name}]\nfile = \"components/{name}.wasm\"\nsha256 = \"{digest}\"\n{more}"
        );
    }
    std::fs::write(home.path().join("plugins.toml"), manifest).unwrap();
    let home =
        home.with("WATCHBELL_LOG", "info,host::plugins::services=debug").with("WATCHBELL_LOG_FORMAT", "json");
    home.start().await
}

#[tokio::test]
async fn every_end_of_a_call_is_counted_and_a_stop_leaves_one_line() {
    let component = many_ends().build();
    let limits = "[driver.moody.limits]\ninput_bytes = 4000\nwall_ms = 60000\n";
    let hub = hub(&[("driver", "moody", component.clone())], limits).await;
    let ends = [
        ("a", "ok"),
        ("g", "ok"),
        ("e", "invalid_input"),
        ("p", "trap.panic"),
        ("l", "trap.cpu"),
        ("m", "trap.memory"),
        ("s", "trap.stack"),
        ("f", "trap.fault"),
        ("b", "trap.boundary"),
        ("o", "trap.output"),
    ];
    // So many that the others are not yet a reason to leave the plugin alone.
    for _ in 0..10 {
        hub.post("/alerts/webhook/moody/", format!("a {PAYLOAD}")).await;
    }
    for (letter, _) in ends {
        hub.post("/alerts/webhook/moody/", format!("{letter} {PAYLOAD}")).await;
    }
    hub.post("/alerts/webhook/moody/", format!("a {PAYLOAD}{}", " ".repeat(5000))).await;

    let metrics = hub.get("/metrics").await.text();
    let counted = |end: &str| {
        value(
            &metrics,
            &format!("watchbell_plugin_calls_total{{kind=\"driver\",plugin=\"moody\",end=\"{end}\"}}"),
        )
    };
    for (_, end) in ends.iter().filter(|(_, end)| *end != "ok").chain([&("", "trap.input")]) {
        assert!((counted(end) - 1.0).abs() < 0.5, "{end}");
    }
    assert!((counted("ok") - 12.0).abs() < 0.5);
    let of_moody = |name: &str, more: &str| {
        value(&metrics, &format!("watchbell_plugin_{name}{{kind=\"driver\",plugin=\"moody\"{more}}}"))
    };
    for histogram in ["cpu_seconds_count", "wall_seconds_count", "memory_bytes_count"] {
        assert!(of_moody(histogram, "") > 10.5, "{histogram}");
    }
    // Fifty milliseconds of one call alone, and what the limit let another one have.
    assert!(of_moody("cpu_seconds_sum", "") >= 0.05);
    assert!(of_moody("memory_bytes_sum", "") >= 11.0 * 65_536.0);
    assert!(of_moody("boundary_bytes_total", ",direction=\"in\"") >= 5000.0);
    assert!(of_moody("boundary_bytes_total", ",direction=\"out\"") >= 10.0);
    assert!((of_moody("log_lines_total", ",outcome=\"taken\"") - 100.0).abs() < 0.5);
    assert!((of_moody("log_lines_total", ",outcome=\"dropped\"") - 50.0).abs() < 0.5);
    // The loops took the long form, which waits for its slot.
    assert!(of_moody("wait_seconds_count", "") > 0.5);

    let log = hub.log().lines();
    let lines: Vec<Value> = log.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let about = |end: &str| -> Vec<&Value> {
        // Another one, of who asked, says what became of the webhook.
        lines.iter().filter(|line| line["error.type"] == end && line["plugin.digest"].is_string()).collect()
    };
    let digest = hex::encode(Sha256::digest(&component));
    for (_, end) in ends.iter().filter(|(_, end)| end.starts_with("trap.")) {
        let told = about(end);
        assert_eq!(told.len(), 1, "{end}: {told:?}");
        let line = told[0];
        assert_eq!((&line["level"], &line["plugin.kind"]), (&json!("WARN"), &json!("driver")), "{line}");
        assert_eq!(line["plugin.digest"], digest[..12]);
        assert_eq!(line["plugin.function"], "parse");
        for figure in ["cpu_ms", "wall_ms", "memory_bytes"] {
            assert!(line[figure].as_f64().is_some_and(|figure| figure > 0.0), "{figure}: {line}");
        }
        assert!(line["run_id"].is_string() && line["trace_id"].is_string(), "{line}");
    }
    let quiet = lines.iter().filter(|line| line["level"] == "DEBUG" && line["plugin.name"] == "moody");
    assert_eq!(
        quiet.filter(|line| line["outcome"].is_string()).count(),
        13,
        "twelve that ended well, one error"
    );
    assert!(!log.iter().any(|line| line.contains(PAYLOAD)), "{log:?}");
    assert!(!metrics.contains(PAYLOAD));
}

#[tokio::test]
async fn what_a_plugin_sends_and_is_refused_is_counted_by_kind_name_and_reason() {
    let sink = Sink::start([]).await;
    let notifier = Notifier::default().build();
    let hub = hub(&[("notifier", "subject", notifier)], "").await;
    hub.add_channel("ops", &sink.url()).await;
    hub.cli_text(&["channel", "add", "elsewhere", "--notifier", "subject"]).await;
    let order = |channel: &str| {
        let order = json!({ "channel": channel, "title": "t", "message": "m", "severity": "warning" });
        hub.post("/notify/send/", order.to_string())
    };
    assert_eq!(order("ops").await.status, 200);
    // Its one request goes elsewhere than it is granted.
    order("elsewhere").await;
    let metrics = hub.get("/metrics").await.text();
    let sent = sink.received()[0].body.len();
    let generic = r#"kind="notifier",plugin="generic""#;
    let found = value(&metrics, &format!(r#"watchbell_egress_bytes_total{{{generic},direction="sent"}}"#));
    assert!((found - sent as f64).abs() < 0.5, "{found} of {sent}");
    value(&metrics, &format!(r#"watchbell_egress_bytes_total{{{generic},direction="received"}}"#));
    assert!(value(&metrics, &format!(r#"watchbell_egress_calls_total{{{generic},outcome="2xx"}}"#)) > 0.5);
    let subject = r#"kind="notifier",plugin="subject""#;
    let refused = value(&metrics, &format!(r#"watchbell_egress_refused_total{{{subject},reason="origin"}}"#));
    assert!((refused - 1.0).abs() < 0.5, "{refused}");
    assert!(
        value(&metrics, &format!(r#"watchbell_egress_calls_total{{{subject},outcome="egress_denied"}}"#))
            > 0.5
    );
}
