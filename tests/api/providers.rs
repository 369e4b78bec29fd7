//! Providers: chosen and set up while the hub runs, and what an incident's analysis does with one that has
//! a remote.

use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tests::{Answer, Home, Hub, Reply, Sink, wait_for};

use crate::echo::{INPUT_TOKENS, OUTPUT_TOKENS, echo};

const KEY: &str = "sk-hunter2-Kq";
const GENERIC: &str = "/alerts/webhook/generic/";

struct World {
    hub: Hub,
    token: String,
    /// The provider's remote.
    remote: Sink,
    /// The channel's.
    people: Sink,
}

/// A home whose `plugins.toml` has the provider; `grant` is what it may reach.
async fn home(remote: &Sink, grant: &str) -> Home {
    let home = Home::new().await.with_local_remotes();
    let component = echo(&remote.url());
    let sha256 = hex::encode(Sha256::digest(&component));
    let file = home.path().join("echo.wasm");
    std::fs::write(&file, component).unwrap();
    let manifest = format!(
        "[provider.local]\nsystem = true\n[provider.echo]\nfile = '{}'\nsha256 = '{sha256}'\nallow_hosts = [{grant}]",
        file.display()
    );
    std::fs::write(home.path().join("plugins.toml"), manifest).unwrap();
    home
}

fn origin(sink: &Sink) -> String {
    format!("'{}'", sink.url().trim_end_matches("/hook"))
}

impl World {
    async fn new(settings: &[(&str, &str)]) -> Self {
        let (remote, people) = (Sink::start([]).await, Sink::start([]).await);
        let mut home = home(&remote, &origin(&remote)).await;
        for (name, value) in settings {
            home.set(name, value);
        }
        let hub = home.start().await;
        hub.add_channel("ops", &people.url()).await;
        let (_, token) = hub.create_key(&["--manage"]).await;
        let world = Self { hub, token, remote, people };
        world.ask(Method::PUT, "/manage/providers/echo/", &json!({ "settings": { "api_key": KEY } })).await;
        let activated = world.ask(Method::POST, "/manage/providers/echo/activate/", &Value::Null).await;
        assert_eq!(activated.status, 200, "{}", activated.text());
        world
    }

    async fn ask(&self, method: Method, path: &str, body: &Value) -> Reply {
        let request = self.hub.anonymous(method, path).bearer_auth(&self.token);
        self.hub.send(request.body(body.to_string())).await
    }

    /// The run of an alert, once it has ended.
    async fn run(&self, alert: &Value) -> Value {
        let accepted = self.hub.accept(GENERIC, alert).await;
        self.hub.downstream(accepted["trace_id"].as_str().unwrap()).await
    }

    async fn outputs(&self, run: &Value) -> Value {
        let path = format!("/manage/runs/{}/outputs/", run["run_id"].as_str().unwrap());
        self.ask(Method::GET, &path, &Value::Null).await.json()
    }

    async fn metric(&self, line: &str) -> bool {
        self.hub.get("/metrics").await.text().contains(line)
    }
}

fn stage(run: &Value) -> &Value {
    run["stages"].as_array().unwrap().iter().find(|stage| stage["stage"] == "analyze").unwrap()
}

fn alert(name: &str) -> Value {
    json!({ "name": name, "host": "db1.corp.example", "severity": "critical" })
}

#[tokio::test]
async fn remote_is_told_placeholders_and_what_it_got_is_kept_word_for_word() {
    let world = World::new(&[]).await;
    let name = "Disk of ops@example.com at 10.0.0.7 on db1.corp.example password=hunter2";
    let run = world.run(&alert(name)).await;
    assert_eq!(
        (&run["status"], &run["intelligence_fallback_used"]),
        (&json!("NOTIFIED"), &json!(false)),
        "{run}"
    );
    let received = world.remote.wait(1).await;
    let body = String::from_utf8(received[0].body.clone()).unwrap();
    for hidden in ["ops@", "10.0.0.7", "db1", "hunter2"] {
        assert!(!body.contains(hidden), "{hidden} left: {body}");
    }
    assert!(body.contains("Disk of [email-1] at [address-1] on [host-1] password=[redacted]"), "{body}");
    assert_eq!(received[0].header("authorization"), format!("Bearer {KEY}"));

    let outputs = world.outputs(&run).await["analyze"].clone();
    let [sent] = outputs["sent"].as_array().unwrap().as_slice() else { panic!("{outputs}") };
    assert_eq!(
        (sent["body"].as_str(), sent["address"].as_str()),
        (Some(body.as_str()), Some(world.remote.url().as_str()))
    );
    assert_eq!(outputs["analysis"]["usage"]["input_tokens"], INPUT_TOKENS);
    let summary = stage(&run)["summary"].as_str().unwrap();
    assert!(
        summary.contains("by `echo`, model echo-1, prompt 2026-11, 100 tokens in and 20 out"),
        "{summary}"
    );
    assert!(
        summary.contains("ops@example.com at 10.0.0.7 on db1.corp.example"),
        "values are put back: {summary}"
    );
    let incident = run["incident_id"].as_str().unwrap();
    let why = world.hub.cli_text(&["why", incident]).await;
    assert!(why.contains("model echo-1, prompt 2026-11"), "{why}");
    assert!(world.metric("watchbell_provider_tokens_total{provider=\"echo\",direction=\"input\"} 100").await);
    assert!(!world.hub.log().lines().join("\n").contains(KEY) && !outputs.to_string().contains(KEY));
}

#[tokio::test]
async fn what_may_leave_is_a_setting_and_secrets_never_do() {
    let world = World::new(&[("INTELLIGENCE_REDACT", "none")]).await;
    world.run(&alert("Disk of ops@example.com at 10.0.0.7 password=hunter2")).await;
    let body = String::from_utf8(world.remote.wait(1).await[0].body.clone()).unwrap();
    assert!(body.contains("Disk of ops@example.com at 10.0.0.7 password=[redacted]"), "{body}");
}

/// The notes of which one stands in a page without the provider's own words.
const NOTES: [&str; 2] =
    ["The analysis is not available; this is what local rules say.", "Analysis is not available."];

/// Incidents about which the remote is asked, and does this each time.
async fn told_in_spite_of(world: &World, answers: Vec<(&str, Answer, &str)>) {
    for (name, answer, error_type) in answers {
        world.remote.answer([answer]);
        let run = world.run(&alert(name)).await;
        assert_eq!(run["intelligence_fallback_used"], true, "{run}");
        assert_eq!(
            (&run["status"], &stage(&run)["error_type"]),
            (&json!("NOTIFIED"), &json!(error_type)),
            "{run}"
        );
        let outputs = world.outputs(&run).await;
        assert_eq!(
            outputs["analyze"]["sent"].as_array().unwrap().len(),
            1,
            "it left all the same: {outputs}"
        );
    }
    for message in world.people.wait(2).await {
        let text = message.json()["message"].as_str().unwrap().to_owned();
        assert!(NOTES.iter().any(|note| text.contains(note)), "{text}");
    }
}

#[tokio::test]
async fn page_goes_out_with_a_note_where_the_remote_is_slow() {
    let world = World::new(&[("ANALYZE_BUDGET_S", "1")]).await;
    let answers = vec![("Hanging", Answer::Hang, "timeout"), ("Dripping", Answer::Drip, "timeout")];
    told_in_spite_of(&world, answers).await;
}

#[tokio::test]
async fn page_goes_out_with_a_note_where_the_remote_breaks() {
    let world = World::new(&[]).await;
    let answers = vec![("Broken", Answer::Reset, "unavailable"), ("Huge", Answer::Huge, "unavailable")];
    told_in_spite_of(&world, answers).await;
}

#[tokio::test]
async fn provider_that_fails_is_left_alone_and_pages_do_not_wait_for_it() {
    let world = World::new(&[]).await;
    world.remote.answer(vec![Answer::Reset; 50]);
    // How long it is left alone is drawn, so that it may be tried in between.
    let mut left_alone = 0;
    for number in 0..50 {
        let run = world.run(&alert(&format!("Failing{number}"))).await;
        let kind = stage(&run)["error_type"].as_str().unwrap().to_owned();
        assert_eq!(run["status"], "NOTIFIED", "{run}");
        if kind == "left_alone" {
            left_alone += 1;
            assert!(number >= 5, "after a few failures only");
            break;
        }
        assert_eq!(kind, "unavailable", "{run}");
    }
    assert_eq!(left_alone, 1);
    assert!(world.metric("watchbell_provider_breaker_open{provider=\"echo\"} 1").await);
    assert!(world.metric("watchbell_provider_spared_total{provider=\"echo\",cause=\"left_alone\"} 1").await);
}

#[tokio::test]
async fn answer_about_the_same_state_is_used_again_for_a_while() {
    let world = World::new(&[]).await;
    // What this machine's checks say changes while tests run, and is a part of the state.
    world.hub.cli_text(&["route", "edit", "catch-all", "--stages", "analyze,notify"]).await;
    let over = json!({ "name": "DiskFull", "host": "db1.corp.example", "severity": "critical", "status": "resolved" });
    let first = world.run(&alert("DiskFull")).await;
    world.run(&over).await;
    let again = world.run(&alert("DiskFull")).await;
    let summary = stage(&again)["summary"].as_str().unwrap();
    assert!(
        summary.contains(&format!("as run {} was told at", first["run_id"].as_str().unwrap())),
        "{summary}"
    );
    assert_eq!(again["intelligence_fallback_used"], false);
    assert_eq!(world.remote.received().len(), 1);
    let outputs = world.outputs(&again).await;
    assert_eq!(
        (&outputs["analyze"]["sent"], &outputs["analyze"]["reused"]["run_id"]),
        (&json!([]), &first["run_id"])
    );
    world.run(&alert("AnotherState")).await;
    assert_eq!(world.remote.received().len(), 2);
}

#[tokio::test]
async fn tokens_of_a_day_are_shared_outlive_a_restart_and_then_local_answers() {
    let most = (INPUT_TOKENS + OUTPUT_TOKENS + 1).to_string();
    let mut world = World::new(&[("INTELLIGENCE_DAILY_TOKENS", &most)]).await;
    for name in ["One", "Two"] {
        let run = world.run(&alert(name)).await;
        assert_eq!(run["intelligence_fallback_used"], false, "{run}");
    }
    world.hub.kill().await;
    world.hub.restart().await;
    let run = world.run(&alert("Three")).await;
    let stage = stage(&run);
    assert_eq!((&stage["error_type"], &run["status"]), (&json!("token_budget"), &json!("NOTIFIED")), "{run}");
    assert!(stage["error_message"].as_str().unwrap().contains("240 of 121 tokens"), "{stage}");
    assert_eq!(world.remote.received().len(), 2);
    let asked = world.ask(Method::GET, "/intelligence/recommendations/?provider=echo", &Value::Null).await;
    asked.problem(503, "provider-unavailable");
}

#[tokio::test]
async fn provider_is_chosen_and_set_up_while_hubs_run() {
    let world = World::new(&[]).await;
    let other = Home::clone(&world.hub).start().await;
    let active = async |hub: &Hub| hub.get("/intelligence/providers/").await.json()["active"].clone();
    assert_eq!((active(&world.hub).await, active(&other).await), (json!("echo"), json!("echo")));
    let said = world.hub.cli_text(&["provider", "activate", "local"]).await;
    assert_eq!(said.trim(), "provider `local` analyses incidents");
    for hub in [&world.hub, &other] {
        wait_for("the hub knows of the change", tests::PATIENCE, async || {
            (active(hub).await == "local").then_some(())
        })
        .await;
    }
    let listed = world.ask(Method::GET, "/manage/providers/", &Value::Null).await.json();
    let actives =
        listed["providers"].as_array().unwrap().iter().filter(|provider| provider["active"] == true);
    assert_eq!((actives.count(), &listed["active"]), (1, &json!("local")), "{listed}");
    assert!(!listed.to_string().contains(KEY), "{listed}");

    world.hub.cli_text(&["provider", "set", "echo", "--set", "model=b"]).await;
    let shown = world.hub.cli_json(&["provider", "show", "echo", "--json"]).await;
    let kept = json!({ "api_key": "[redacted]", "model": "b" });
    assert_eq!(shown["provider"]["settings"], kept, "what is not named stays");
}

#[tokio::test]
async fn settings_are_checked_sealed_and_never_shown() {
    let world = World::new(&[]).await;
    let set = async |settings: Value| {
        world.ask(Method::PUT, "/manage/providers/echo/", &json!({ "settings": settings })).await
    };
    for (settings, told) in [
        (json!({ "model": "a" }), "`api_key` is missing"),
        (json!({ "api_key": KEY, "colour": 1 }), "`colour`"),
        (json!({ "api_key": "env:PATH" }), "`api_key` is a reference"),
        (json!({ "api_key": KEY, "model": "x secret://api_key" }), "`model` is a reference"),
    ] {
        let detail = set(settings).await.problem(400, "invalid-parameter");
        assert!(detail.contains(told) && !detail.contains(KEY), "{detail}");
    }
    world
        .ask(Method::PUT, "/manage/providers/nobody/", &json!({ "settings": {} }))
        .await
        .problem(404, "unknown-provider");
    let empty = world.ask(Method::PUT, "/manage/providers/echo/", &json!({})).await;
    assert!(empty.problem(400, "invalid-parameter").contains("`settings` is missing"));
    let elsewhere = Sink::start([]).await;
    let shown = set(json!({ "api_key": KEY, "base_url": elsewhere.url() })).await.json();
    let origins = shown["provider"]["origins"].as_array().unwrap();
    assert!(origins.contains(&json!(elsewhere.url().trim_end_matches("/hook"))), "{shown}");
    assert_eq!(shown["provider"]["settings"]["api_key"], "[redacted]");
    assert!(world.hub.log().find(0, "it may reach").is_some());
    let database: Vec<u8> =
        world.hub.database_files().iter().flat_map(|file| std::fs::read(file).unwrap()).collect();
    assert!(!database.windows(KEY.len()).any(|bytes| bytes == KEY.as_bytes()));

    let trial = world.ask(Method::POST, "/manage/providers/echo/test/", &Value::Null).await.json();
    assert_eq!((&trial["ok"], &trial["analysis"]["model"]), (&json!(true), &json!("echo-1")), "{trial}");
    world.remote.answer([Answer::Reset]);
    let trial = world.ask(Method::POST, "/manage/providers/echo/test/", &Value::Null).await.json();
    assert_eq!((&trial["ok"], &trial["error_type"]), (&json!(false), &json!("unavailable")), "{trial}");

    let reset = world.ask(Method::DELETE, "/manage/providers/echo/", &Value::Null).await.json();
    assert_eq!((&reset["provider"]["settings"], &reset["provider"]["active"]), (&json!({}), &json!(false)));
    let detail = world.ask(Method::POST, "/manage/providers/echo/activate/", &Value::Null).await;
    assert!(detail.problem(409, "not-set-up").contains("`api_key` is missing"));
}

#[tokio::test]
async fn without_a_grant_nothing_is_set_up_and_the_line_to_add_is_named() {
    let remote = Sink::start([]).await;
    let hub = home(&remote, "").await.start().await;
    let output = hub.cli(&["provider", "set", "echo", "--set", "api_key=x"]).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.code() == Some(1)
            && said.contains("allow_hosts = [")
            && said.contains("[provider.echo]"),
        "{said}"
    );
    let file = hub.path().join("key");
    std::fs::write(&file, KEY).unwrap();
    let key = format!("file:{}", file.display());
    let setting = format!("base_url={}", remote.url());
    let set = ["provider", "set", "echo", "--set", &setting, "--set", &format!("api_key={key}"), "--json"];
    let shown = hub.cli_json(&set).await;
    assert_eq!(shown["provider"]["settings"]["api_key"], *key, "a reference gives nothing away: {shown}");
    let trial = hub.cli_json(&["provider", "test", "echo", "--json"]).await;
    assert_eq!(trial["ok"], true, "{trial}");
    let sent = remote.wait(1).await[0].header("authorization").to_owned();
    assert_eq!(sent, format!("Bearer {KEY}"));
}

#[tokio::test]
async fn settings_in_a_request_hold_once_and_widen_nothing() {
    let world = World::new(&[]).await;
    let elsewhere = Sink::start([]).await;
    let ask = async |body: Value| world.hub.post("/intelligence/recommendations/", body.to_string()).await;
    let with = |config: Value| json!({ "provider": "echo", "config": config });
    for (config, told) in [
        (json!({ "colour": 1 }), "`colour`"),
        (json!({ "api_key": "file:/etc/passwd" }), "is a reference"),
        (json!({ "model": "secret://api_key" }), "is a reference"),
    ] {
        let detail = ask(with(config)).await.problem(400, "invalid-parameter");
        assert!(detail.contains(told), "{detail}");
    }
    let answer = ask(with(json!({ "api_key": "another", "base_url": elsewhere.url() }))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(world.remote.wait(1).await[0].header("authorization"), "Bearer another");
    let listed = world.ask(Method::GET, "/manage/providers/echo/", &Value::Null).await.json();
    assert_eq!(listed["provider"]["settings"], json!({ "api_key": "[redacted]" }), "{listed}");
    assert!(
        !listed["provider"]["origins"].to_string().contains(&elsewhere.url()) && elsewhere.connections() == 0
    );

    world.remote.answer([Answer::Reset, Answer::Reset]);
    ask(json!({ "provider": "echo" })).await.problem(502, "provider-failed");
    let fallen = ask(json!({})).await.json();
    assert_eq!((&fallen["provider"], &fallen["fallback_used"]), (&json!("local"), &json!(true)), "{fallen}");
    ask(json!({ "provider": "nobody" })).await.problem(404, "unknown-provider");
}
