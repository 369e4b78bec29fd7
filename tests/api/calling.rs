//! `watchbell plugin call|test`: what authors debug and test with.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tests::{Home, Sink};

use crate::driver::Driver;
use crate::kit::{ALLOCATE, Image, Record, component};

/// Memory that the driver below grows past its limit.
const GREEDY: &str = "(drop (memory.grow (i32.const 4096))) unreachable";
const ENDLESS: &str = "(loop $for_ever (br $for_ever)) unreachable";

fn acme() -> Vec<u8> {
    Driver { name: "acme", ..Driver::default() }.build()
}

/// A folder without a secret key, and with these files.
async fn home(files: &[(&str, &[u8])]) -> Home {
    let mut home = Home::new().await;
    home.unset("WATCHBELL_SECRET_KEY");
    for (name, bytes) in files {
        let file = home.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }
    home
}

/// The exit code, the JSON on standard output, and standard error.
async fn call(home: &Home, arguments: &[&str], input: &[u8]) -> (Option<i32>, Value, String) {
    let output = home.cli_on(&[&["plugin", "call"], arguments].concat(), input).await;
    let found = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), found, String::from_utf8(output.stderr).unwrap())
}

/// The exit code, standard output and standard error of `plugin test`.
async fn test(home: &Home, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = home.cli(&[&["plugin", "test"], arguments].concat()).await;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn call_prints_one_line_of_json_and_says_what_it_used() {
    let home = home(&[("build.wasm", &acme())]).await;
    let (code, found, said) = call(&home, &["build.wasm", "parse"], b"{}").await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(found["alerts"][0]["name"], "DiskFull");
    assert_eq!(found["alerts"][0]["starts_at"], 1_700_000_000_000_i64, "as plugins see times");
    assert!(said.contains(" of 50 ms of CPU") && said.contains(" of 65536 KiB of memory"), "{said}");
    let (code, found, _) = call(&home, &["build.wasm", "metadata"], b"").await;
    assert_eq!((code, &found["plugin"]["name"]), (Some(0), &json!("acme")));
    let (_, sample, _) = call(&home, &["build.wasm", "parse", "--example"], b"").await;
    assert_eq!(sample, json!({}));
}

#[tokio::test]
async fn call_hands_over_body_header_time_and_settings() {
    let home = home(&[]).await;
    let body = br#"{"trigger_name": "Disk", "event_id": "1", "event_value": "1", "event_date": "2026.06.01", "event_time": "12:00:00"}"#;
    let arguments = ["zabbix", "parse", "--config", r#"{"utc_offset": "+02:00"}"#];
    let (code, found, said) = call(&home, &arguments, body).await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(found["alerts"][0]["starts_at"], 1_780_308_000_000_i64, "{found}");
    let arguments =
        ["datadog", "parse", "--content-type", "Application/X-WWW-Form-Urlencoded; charset=utf-8"];
    let form = b"alert_id=1&alert_title=CPU&alert_transition=Triggered&alert_type=error";
    let (code, found, said) = call(&home, &arguments, form).await;
    assert_eq!((code, &found["alerts"][0]["name"]), (Some(0), &json!("CPU")), "{said}");
    for (more, text) in [
        (["--config", "[]"], "`--config` is not a JSON object"),
        (["--config", "@missing.json"], "missing.json"),
        (["--header", "x-token"], "must be `name: value`"),
    ] {
        let (code, _, said) = call(&home, &[["zabbix", "parse"], more].concat(), body).await;
        assert!(code == Some(1) && said.contains(text), "{said}");
    }
}

#[tokio::test]
async fn refusals_and_traps_are_json_with_exit_code_1() {
    let greedy = Driver { name: "greedy", ..Driver::parsing(GREEDY) }.build();
    let endless = Driver { name: "endless", ..Driver::parsing(ENDLESS) }.build();
    let limits = b"[driver.endless.limits]\ncpu_ms = 10".as_slice();
    let home = home(&[("greedy.wasm", &greedy), ("endless.wasm", &endless), ("plugins.toml", limits)]).await;
    let (code, found, said) = call(&home, &["grafana", "parse"], b"[").await;
    assert_eq!((code, &found["error"]), (Some(1), &json!("invalid-input")), "{said}");
    assert!(found["message"].is_string(), "{found}");
    assert!(said.contains("error: "), "{said}");
    let (code, found, said) = call(&home, &["greedy.wasm", "parse"], b"{}").await;
    assert_eq!((code, &found["trap"]), (Some(1), &json!("trap.memory")), "{said}");
    assert!(found["message"].as_str().unwrap().contains("parse"), "{found}");
    let (code, found, said) = call(&home, &["endless.wasm", "parse"], b"{}").await;
    assert_eq!((code, &found["trap"]), (Some(1), &json!("trap.cpu")), "{said}");
    assert!(said.contains(" of 10 ms of CPU"), "the limits of plugins.toml hold: {said}");
}

#[tokio::test]
async fn call_names_what_a_kind_has_and_what_is_wrong_with_the_input() {
    let home = home(&[]).await;
    for (arguments, input, text) in [
        (["slack", "parse"], "{}", "hint: a notifier has `metadata`, `validate-config` and `send`"),
        (["grafana", "send"], "{}", "hint: a driver has `metadata` and `parse`"),
        (["local", "send"], "{}", "hint: a provider has `metadata`, `validate-config` and `analyze`"),
        (["slack", "send"], "{}", "give them with `--config"),
        (["local", "analyze"], "{", "the input is not JSON\nhint: "),
        (["local", "analyze"], r#"{"tsak": ""}"#, "no field `tsak`\nhint: it has `alerts`"),
        (["missing.wasm", "parse"], "{}", "`missing.wasm`"),
        (["missing", "parse"], "{}", "no plugin `missing`"),
    ] {
        let (code, found, said) = call(&home, &arguments, input.as_bytes()).await;
        assert_eq!((code, found), (Some(1), Value::Null), "{arguments:?}: {said}");
        assert!(said.contains(text), "{arguments:?}: {said}");
    }
}

#[tokio::test]
async fn send_sends_where_it_is_granted_and_nowhere_else() {
    let sink = Sink::start([]).await;
    let settings = json!({ "url": sink.url() }).to_string();
    let sending = ["generic", "send", "--kind", "notifier", "--config", &settings];
    let home = home(&[]).await;
    let (code, found, said) = call(&home, &sending, b"{}").await;
    assert_eq!(code, Some(1), "a private address is refused: {found} {said}");
    assert!(sink.received().is_empty() && found["message"].is_string(), "{found}");

    let home = home.with_local_remotes();
    let (code, _, said) = call(&home, &sending, br#"{"id": "7", "title": "a test"}"#).await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(sink.wait(1).await[0].json()["title"], "a test");
    let checking = ["generic", "validate-config", "--kind", "notifier", "--config", &settings];
    assert_eq!(call(&home, &checking, b"").await.1, json!([]));
    let (code, example, _) = call(&home, &["slack", "send", "--example"], b"").await;
    assert_eq!((code, &example["attempt"]), (Some(0), &json!(1)));
}

#[tokio::test]
async fn what_call_prints_is_what_cases_expect() {
    let home = home(&[]).await;
    for (folder, case, function) in [
        ("drivers/zabbix", "script_problem", "parse"),
        ("drivers/zabbix", "foreign_object", "parse"),
        ("intelligence/local", "no_snapshot_granted", "analyze"),
        ("intelligence/local", "task_unknown", "analyze"),
    ] {
        let file = |end: &str| std::fs::read(format!("{}/testdata/{case}{end}", plugin(folder))).unwrap();
        let mut expected: Value = serde_json::from_slice(&file(".expected.json")).unwrap();
        let mut input = file(".json");
        let mut config = "{}".to_owned();
        if function != "parse" {
            let whole: Value = serde_json::from_slice(&input).unwrap();
            (input, config) = (whole["request"].to_string().into_bytes(), whole["config"].to_string());
        }
        expected.as_object_mut().unwrap().remove("shape");
        let (kind, name) = folder.split_once('/').unwrap();
        let kind = if kind == "intelligence" { "provider" } else { kind.trim_end_matches('s') };
        let arguments = [name, function, "--kind", kind, "--config", &config];
        let time = ["--received-at", "2026-06-01T12:00:00Z"];
        let (code, found, said) = call(&home, &[&arguments[..], &time].concat(), &input).await;
        assert_eq!(found, expected, "{case}: {said}");
        assert_eq!(code, Some(i32::from(found.get("error").is_some())), "{case}: {said}");
    }
    let config = r#"{"url": "https://example.net", "headers": {"host": "x"}}"#;
    let checking = ["generic", "validate-config", "--kind", "notifier", "--config", config];
    let (code, found, said) = call(&home, &checking, b"").await;
    assert_eq!(
        (code, &found[0][0]),
        (Some(0), &json!("/headers/host")),
        "problems are pairs: {found} {said}"
    );
}

/// Providers that ask a language model, and the header that each has its key in.
const MODELS: [(&str, &str); 7] = [
    ("claude", "x-api-key"),
    ("copilot", "authorization"),
    ("gemini", "x-goog-api-key"),
    ("grok", "authorization"),
    ("mistral", "authorization"),
    ("ollama", "authorization"),
    ("openai", "authorization"),
];

#[tokio::test]
async fn providers_send_their_key_in_a_header_to_what_is_granted_and_nowhere_else() {
    const KEY: &str = "canary-key-81f3a9";
    let sink = Sink::start([]).await;
    let url = sink.url();
    let (origin, _) = url.rsplit_once('/').unwrap();
    let grants: String =
        MODELS.iter().map(|(name, _)| format!("[provider.{name}]\nallow_hosts = [\"{origin}\"]\n")).collect();
    let ungranted = home(&[]).await.with("MODEL_KEY", KEY).with_local_remotes();
    let granted =
        home(&[("plugins.toml", grants.as_bytes())]).await.with("MODEL_KEY", KEY).with_local_remotes();
    let input = br#"{"task": "incident", "incident": {"title": "DiskFull"}}"#;
    for (index, (name, header)) in MODELS.into_iter().enumerate() {
        let config = json!({ "api_key": "env:MODEL_KEY", "base_url": url }).to_string();
        let asking = [name, "analyze", "--config", &config];
        let (code, found, said) = call(&ungranted, &asking, input).await;
        let message = found["message"].as_str().unwrap_or_default().to_owned();
        assert_eq!((code, &found["error"]), (Some(1), &json!("config")), "{found} {said}");
        assert!(
            message.contains(&format!("give `{name}` the line `allow_hosts = [\"{origin}\"]`")),
            "{found}"
        );
        assert_eq!(sink.received().len(), index, "{name} sent something that was not granted");

        let (_, found, said) = call(&granted, &asking, input).await;
        // The sink says `ok`, which is no answer of a model.
        assert_eq!(found["error"], "unavailable", "{found} {said}");
        assert!(!format!("{found}{said}").contains(KEY), "{found} {said}");
        let request = sink.wait(index + 1).await.pop().unwrap();
        assert_eq!(request.header(header).trim_start_matches("Bearer "), KEY, "{name}");
        let elsewhere = request.headers.iter().filter(|(sent, _)| sent != header);
        assert!(elsewhere.into_iter().all(|(_, value)| !value.contains(KEY)), "{name}");
        assert!(
            !request.target.contains(KEY) && !String::from_utf8_lossy(&request.body).contains(KEY),
            "{name}"
        );
        assert!(String::from_utf8_lossy(&request.body).contains("DiskFull"), "{name}");
    }
}

/// A provider whose summary is the snapshot that it asks for, or why there is none.
fn gauge() -> Vec<u8> {
    let mut image = Image::new();
    let task = image.text("incident");
    let tasks = image.record(Record::default().span(task));
    let info = image.plugin_info("gauge").span((0, 0)).span((0, 0)).span((tasks, 1));
    let info = image.record(info);
    let (options, length) = image.text("{}");
    // `result<json, string>`, and `result<analysis, plugin-error>` with the summary eight bytes in.
    let (snapshot, analysis) = (image.put(&[0; 12]).0, image.put(&[0; 96]).0);
    let nothing = image.put(&[0; 8]).0;
    let (params, memory) = ("i32 ".repeat(13), image.wat(ALLOCATE));
    let wat = format!(
        r#"(module
  (import "watchbell:plugin/host-system@0.1.0" "snapshot" (func $snapshot (param i32 i32 i32 i32)))
  {memory}
  (func (export "watchbell:plugin/intelligence@0.1.0#metadata") (result i32) (i32.const {info}))
  (func (export "watchbell:plugin/intelligence@0.1.0#validate-config") (param i32 i32) (result i32)
    (i32.const {nothing}))
  (func (export "watchbell:plugin/intelligence@0.1.0#analyze") (param {params}) (result i32)
    (call $snapshot (i32.const 0) (i32.const {options}) (i32.const {length}) (i32.const {snapshot}))
    (i64.store (i32.const {summary}) (i64.load (i32.const {found})))
    (i32.const {analysis})))"#,
        summary = analysis + 8,
        found = snapshot + 4,
    );
    component("0.1.0", "intelligence-provider", &wat)
}

#[tokio::test]
async fn analyze_sees_the_machine_only_where_it_is_granted() {
    let gauge = gauge();
    let ungranted = home(&[("gauge.wasm", &gauge)]).await;
    let grant = b"[provider.gauge]\nsystem = true".as_slice();
    let granted = home(&[("gauge.wasm", &gauge), ("plugins.toml", grant)]).await;
    for (home, is_granted) in [(ungranted, false), (granted, true)] {
        let (code, found, said) = call(&home, &["gauge.wasm", "analyze"], b"{}").await;
        assert_eq!(code, Some(0), "{said}");
        let summary = found["summary"].as_str().unwrap();
        assert_eq!(summary.contains("\"total_bytes\":"), is_granted, "{summary}");
        assert_eq!(summary.contains("not granted"), !is_granted, "{summary}");
    }
}

#[tokio::test]
async fn test_compares_and_shows_the_difference() {
    let home = home(&[("acme/plugin.wasm", &acme()), ("acme/testdata/firing.json", b"{}")]).await;
    let file = home.path().join("acme/testdata/firing.expected.json");
    let (code, said, error) = test(&home, &["acme"]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("FAILED  firing: nothing is expected of it yet\nhint: `--update`"), "{said}");
    assert!(error.contains("1 of 1 cases failed") && !file.exists(), "{error}");

    let (code, said, _) = test(&home, &["acme", "--update"]).await;
    assert_eq!((code, said.as_str()), (Some(0), "written firing\n1 passed, 0 failed\n"));
    let (code, said, _) = test(&home, &["acme/testdata"]).await;
    assert_eq!((code, said.as_str()), (Some(0), "ok      firing\n1 passed, 0 failed\n"));

    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("DiskFull", "DiskEmpty")).unwrap();
    let (code, said, _) = test(&home, &["acme"]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("-      \"name\": \"DiskEmpty\",\n+      \"name\": \"DiskFull\","), "{said}");
}

#[tokio::test]
async fn test_fails_on_traps_orphans_and_missing_parts() {
    let greedy = Driver { name: "greedy", ..Driver::parsing(GREEDY) }.build();
    let home = home(&[
        ("trapping/plugin.wasm", &greedy),
        ("trapping/a.json", b"{}"),
        ("orphan/gone.expected.json", b"{}"),
        ("empty/readme.md", b""),
        ("alone/a.json", b"{}"),
        ("twice/a.json", b"{}"),
        ("twice/a.form", b""),
    ])
    .await;
    let (code, said, _) = test(&home, &["trapping", "--update"]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("FAILED  a: driver `greedy`"), "{said}");
    assert!(!home.path().join("trapping/a.expected.json").exists(), "a trap is never what is expected");
    for (folder, text) in [
        ("orphan", "`gone.expected.json` has no input beside it"),
        ("empty", "`empty` holds no case"),
        ("missing", "`missing`"),
        ("alone", "there is no `plugin.wasm` in `alone` or above it"),
        ("twice", "two inputs are called `a`"),
    ] {
        let (code, _, error) = test(&home, &[folder]).await;
        assert!(code == Some(1) && error.contains(text), "{error}");
    }
}

/// A folder of the repository.
fn plugin(path: &str) -> String {
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins");
    root.join(path).display().to_string()
}

#[tokio::test]
async fn shipped_plugins_pass_their_own_cases_in_the_sandbox() {
    let home = home(&[]).await;
    for (folder, kind) in [("drivers", "driver"), ("notifiers", "notifier"), ("intelligence", "provider")] {
        let mut tested = 0;
        for entry in std::fs::read_dir(plugin(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let cases = plugin(&format!("{folder}/{name}"));
            let (code, said, error) = test(&home, &[&cases, "--plugin", &name, "--kind", kind]).await;
            assert_eq!(code, Some(0), "{name}: {said}{error}");
            tested += 1;
        }
        assert!(tested > 0, "{folder}");
    }
    let (_, said, _) = test(&home, &[&plugin("drivers/datadog"), "--plugin", "datadog"]).await;
    assert!(said.contains("ok      form_triggered\n"), "forms are cases too: {said}");
}

#[tokio::test]
async fn a_name_that_plugins_of_two_kinds_have_means_the_one_that_has_the_function() {
    let home = home(&[]).await;
    let (_, found, said) = call(&home, &["generic", "parse"], br#"{"name":"Disk"}"#).await;
    assert_eq!(found["alerts"][0]["name"], "Disk", "{said}");
    let (code, example, said) = call(&home, &["generic", "send", "--example"], b"").await;
    assert!(
        code == Some(0) && example["previous_ref"].is_null() && example["id"].is_string(),
        "{example} {said}"
    );
    let (code, _, said) = call(&home, &["generic", "metadata"], b"").await;
    assert!(code == Some(1) && said.contains("several plugins are called `generic`"), "{said}");
}
