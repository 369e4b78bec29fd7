//! Channels: managed over HTTP and by command, tested, shown without their secrets.

use reqwest::Method;
use serde_json::{Value, json};
use tests::{Answer, Home, Hub, Reply, Sink, wait_for};

const CANARY: &str = "canary-hunter2";

struct Manager {
    hub: Hub,
    token: String,
}

impl Manager {
    async fn on(home: Home) -> Self {
        let hub = home.start().await;
        let (_, token) = hub.create_key(&["--manage"]).await;
        Self { hub, token }
    }

    async fn new() -> Self {
        Self::on(Home::new().await.with_local_remotes()).await
    }

    async fn ask(&self, method: Method, path: &str, body: &Value) -> Reply {
        let request = self.hub.anonymous(method, path).bearer_auth(&self.token);
        self.hub.send(request.body(body.to_string())).await
    }

    async fn create(&self, wish: Value) -> Value {
        let reply = self.ask(Method::POST, "/manage/channels/", &wish).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        reply.json()
    }

    async fn get(&self, path: &str) -> Value {
        let reply = self.ask(Method::GET, path, &Value::Null).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }

    async fn post(&self, path: &str) -> Reply {
        self.ask(Method::POST, path, &Value::Null).await
    }
}

fn generic(name: &str, url: &str) -> Value {
    json!({ "name": name, "notifier": "generic", "settings": { "url": url, "authorization": CANARY } })
}

#[tokio::test]
async fn a_channel_is_made_shown_tested_changed_switched_and_removed() {
    let manager = Manager::new().await;
    let sink = Sink::start([]).await;
    let made = manager.create(generic("ops", &sink.url())).await;
    assert_eq!(made["warnings"], json!([]));
    let id = made["channel"]["id"].as_str().unwrap();
    let path = format!("/manage/channels/{id}/");
    let origin = sink.url().trim_end_matches("/hook").to_owned();
    let shown = &manager.get(&path).await["channel"];
    assert_eq!((&shown["name"], &shown["enabled"]), (&json!("ops"), &json!(true)), "{shown}");
    assert_eq!(shown["grant"], json!([origin]), "{shown}");
    assert_eq!(shown["settings"], json!({ "url": {"secret": "set"}, "authorization": {"secret": "set"} }));

    let tested = manager.post(&format!("{path}test/")).await;
    assert_eq!(tested.status, 200, "{}", tested.text());
    assert_eq!(tested.json()["status"], "delivered");
    let received = sink.wait(1).await;
    assert_eq!(received[0].header("authorization"), CANARY);
    assert!(received[0].json()["title"].as_str().unwrap().starts_with("[TEST]"), "{:?}", received[0]);

    let marked = json!({ "settings": {
        "url": sink.url(), "authorization": {"secret": "set"}, "method": "PUT"
    }});
    let changed = manager.ask(Method::PATCH, &path, &marked).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_eq!(manager.post(&format!("{path}test/")).await.status, 200);
    assert_eq!(sink.wait(2).await[1].header("authorization"), CANARY, "a mark keeps what is stored");
    let other = json!({ "settings": { "url": sink.url(), "authorization": "canary-other" } });
    assert_eq!(manager.ask(Method::PATCH, &path, &other).await.status, 200);
    assert_eq!(manager.post(&format!("{path}test/")).await.status, 200);
    assert_eq!(sink.wait(3).await[2].header("authorization"), "canary-other");

    let off = manager.post(&format!("{path}disable/")).await.json();
    assert_eq!(off["channel"]["enabled"], false);
    assert!(off["warnings"][0].as_str().unwrap().contains("nobody is told"), "{off}");
    assert_eq!(manager.post(&format!("{path}test/")).await.status, 200, "a test is sent all the same");
    assert_eq!(manager.post(&format!("{path}enable/")).await.json()["channel"]["enabled"], true);

    let gone = manager.ask(Method::DELETE, &path, &Value::Null).await;
    assert_eq!((gone.status, gone.json()["name"].clone()), (200, json!("ops")), "{}", gone.text());
    for (method, path) in
        [(Method::GET, path.clone()), (Method::DELETE, path.clone()), (Method::POST, format!("{path}test/"))]
    {
        manager.ask(method, &path, &Value::Null).await.problem(404, "not-found");
    }
    manager.create(generic("ops", &sink.url())).await;
    let audit = |words: &str| manager.hub.log().find(0, words);
    for words in
        ["made channel `ops`", "changed channel `ops`", "switched off channel `ops`", "removed channel `ops`"]
    {
        assert!(audit(words).is_some_and(|line| line.contains("key:")), "{words}");
    }
    assert!(audit("made channel `ops`").unwrap().contains(&format!("may reach {origin}")));
    let lines = manager.hub.log().lines().join("\n");
    assert!(!lines.contains("canary") && !lines.contains("/hook"), "{lines}");
}

#[tokio::test]
async fn settings_that_do_not_fit_are_refused_with_their_places_and_without_their_values() {
    let manager = Manager::new().await;
    let wish = |settings: Value| json!({ "name": "x", "notifier": "generic", "settings": settings });
    for (settings, pointers, word) in [
        (json!({}), vec!["/url"], "is missing"),
        (json!({"url": CANARY}), vec!["/url"], "must match the pattern"),
        (json!({"url": "https://a.example", "method": CANARY}), vec!["/method"], "`POST`, `PUT`, `PATCH`"),
        (json!({"url": 7, "colour": CANARY}), vec!["/colour", "/url"], "there is no setting `colour`"),
        (
            json!({"url": "https://a.example", "headers": {"x": [CANARY]}}),
            vec!["/headers/x"],
            "must be a text, found a list",
        ),
        (
            json!({"url": "https://a.example", "authorization": {"secret": "set"}}),
            vec!["/authorization"],
            "must be a text",
        ),
        // What only the plugin knows.
        (
            json!({"url": "https://a.example", "headers": {"host": CANARY}}),
            vec!["/headers/host"],
            "belongs to the connection",
        ),
    ] {
        let reply = manager.ask(Method::POST, "/manage/channels/", &wish(settings.clone())).await;
        reply.problem(422, "invalid-settings");
        let text = reply.text();
        assert!(text.contains(word) && !text.contains("canary"), "{settings}: {text}");
        let errors = reply.json()["errors"].clone();
        let mut found: Vec<&str> =
            errors.as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
        found.sort_unstable();
        assert_eq!(found, pointers, "{settings}: {text}");
    }
    for (wish, status, kind, word) in [
        (json!({"name": "x", "notifier": "pigeon", "settings": {}}), 422, "unknown-notifier", "`slack`"),
        (json!({"name": " x", "notifier": "generic", "settings": {}}), 400, "invalid-parameter", "name"),
        (json!({"name": "x", "notifier": "generic", "settings": []}), 422, "invalid-settings", "JSON object"),
        (json!({"name": "x", "color": 1}), 400, "invalid-parameter", "color"),
    ] {
        let detail = manager.ask(Method::POST, "/manage/channels/", &wish).await.problem(status, kind);
        assert!(detail.contains(word), "{wish}: {detail}");
    }
    assert_eq!(manager.get("/manage/channels/").await["channels"], json!([]), "nothing is kept");
    manager.create(generic("x", "https://a.example")).await;
    manager
        .ask(Method::POST, "/manage/channels/", &generic("x", "https://a.example"))
        .await
        .problem(409, "conflict");
}

#[tokio::test]
async fn a_schema_is_held_against_the_secret_behind_a_reference_and_the_reference_is_what_is_shown() {
    let home =
        Home::new().await.with_local_remotes().with("HOOK", "").with("GOOD", "https://a.example/canary");
    let manager = Manager::on(home.with("BAD", "canary\u{7}")).await;
    let made = manager
        .create(json!({"name": "team", "notifier": "slack", "settings": {"webhook_url": "env:GOOD"}}))
        .await;
    let settings = &made["channel"]["settings"];
    assert_eq!(settings, &json!({ "webhook_url": {"secret": "set", "reference": "env:GOOD"} }));
    assert_eq!(made["channel"]["grant"], json!(["https://a.example"]));
    let path = format!("/manage/channels/{}/", made["channel"]["id"].as_str().unwrap());
    let kept = manager.ask(Method::PATCH, &path, &json!({ "settings": settings })).await;
    assert_eq!(kept.json()["channel"]["settings"], *settings, "{}", kept.text());
    let changed = json!({ "settings": {"webhook_url": {"secret": "set", "reference": "env:HOOK"}} });
    manager.ask(Method::PATCH, &path, &changed).await.problem(422, "invalid-settings");
    let missing = json!({ "settings": {"webhook_url": "env:HOOK"} });
    let detail = manager.ask(Method::PATCH, &path, &missing).await.problem(422, "invalid-settings");
    assert!(detail.contains("environment variable `HOOK`"), "{detail}");
    assert!(!manager.get("/manage/channels/").await.to_string().contains("canary"));
}

#[tokio::test]
async fn a_private_address_is_warned_of_when_it_is_kept_and_refused_when_it_is_used() {
    let manager = Manager::on(Home::new().await).await;
    let sink = Sink::start([]).await;
    let made = manager.create(generic("ops", &sink.url())).await;
    let warning = made["warnings"][0].as_str().unwrap();
    assert!(
        warning.contains("loopback") && warning.contains("hint: ") && warning.contains("SSRF_ALLOWED_HOSTS"),
        "{warning}"
    );
    let path = format!("/manage/channels/{}/test/", made["channel"]["id"].as_str().unwrap());
    let detail = manager.post(&path).await.problem(403, "not-granted");
    assert!(detail.contains("SSRF_ALLOWED_HOSTS"), "{detail}");
    assert_eq!(sink.connections(), 0);
}

#[tokio::test]
async fn a_channel_that_routes_name_stays_and_the_end_of_one_ends_what_waits_for_it() {
    let manager = Manager::new().await;
    let sink = Sink::start([Answer::Status(500, Vec::new())]).await;
    let made = manager.create(generic("ops", &sink.url())).await;
    let path = format!("/manage/channels/{}/", made["channel"]["id"].as_str().unwrap());
    manager.hub.cli_text(&["route", "add", "mine", "--channel", "ops"]).await;
    let detail = manager.ask(Method::DELETE, &path, &Value::Null).await.problem(409, "conflict");
    assert!(detail.contains("route `mine`"), "{detail}");
    let output = manager.hub.cli(&["channel", "remove", "ops"]).await;
    assert!(String::from_utf8_lossy(&output.stderr).contains("route `mine`"), "{output:?}");
    manager.hub.cli_text(&["route", "remove", "mine"]).await;

    manager.hub.cli_text(&["channel", "disable", "ops"]).await;
    manager.hub.cli_text(&["route", "add", "held", "--priority", "1", "--stages", "notify"]).await;
    manager.hub.cli_text(&["channel", "enable", "ops"]).await;
    let webhook = manager.hub.accept("/alerts/webhook/generic/", &json!({ "name": "Held" })).await;
    sink.wait(1).await;
    wait_for("the delivery waits for its second attempt", tests::PATIENCE, async || {
        let list = manager.get("/manage/deliveries/?status=pending").await;
        (list["deliveries"].as_array().unwrap().len() == 1).then_some(())
    })
    .await;
    assert_eq!(manager.ask(Method::DELETE, &path, &Value::Null).await.status, 200);
    let run = manager.hub.downstream(webhook["trace_id"].as_str().unwrap()).await;
    assert_eq!(run["status"], "FAILED", "{run}");
    let delivery = &run["deliveries"][0];
    assert_eq!((&delivery["status"], &delivery["error_type"]), (&json!("dead"), &json!("channel_removed")));
    assert_eq!(delivery["channel"], "ops", "what was sent to it stays known");
    let retry = format!("/manage/deliveries/{}/retry/", delivery["id"].as_str().unwrap());
    let detail = manager.post(&retry).await.problem(409, "conflict");
    assert!(detail.contains("removed"), "{detail}");
}

#[tokio::test]
async fn channels_come_in_pages() {
    let manager = Manager::new().await;
    for number in 0..5 {
        manager.create(generic(&format!("c{number}"), "https://a.example/x")).await;
    }
    let (mut names, mut path) = (Vec::new(), "/manage/channels/?limit=2".to_owned());
    loop {
        let page = manager.get(&path).await;
        names.extend(page["channels"].as_array().unwrap().iter().map(|channel| channel["name"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/manage/channels/?limit=2&cursor={next}");
    }
    assert_eq!(names, ["c4", "c3", "c2", "c1", "c0"]);
}

#[tokio::test]
async fn the_command_line_says_what_to_give_and_what_the_remote_answered() {
    let home = Home::new().await.with_local_remotes();
    let sink = Sink::start([]).await;
    let help = home.cli_text(&["channel", "settings", "generic"]).await;
    assert!(
        help.contains("url (secret: `env:NAME`, `file:/path`, or itself, required)")
            && help.contains("authorization (secret"),
        "{help}"
    );
    let url = format!("url={}", sink.url());
    let add = ["channel", "add", "ops", "--notifier", "generic", "--set", &url, "--set", "authorization=-"];
    let output = home.cli_on(&add, b"canary-from-stdin\n").await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = home.cli_text(&["channel", "test", "ops"]).await;
    assert!(told.contains("took the test"), "{told}");
    assert_eq!(sink.wait(1).await[0].header("authorization"), "canary-from-stdin");

    home.cli_text(&[
        "channel",
        "update",
        "ops",
        "--set",
        "method=PUT",
        "--set",
        "headers={\"x-team\":\"db\"}",
    ])
    .await;
    home.cli_text(&["channel", "update", "ops", "--unset", "authorization"]).await;
    let shown = home.cli_json(&["channel", "show", "ops", "--json"]).await;
    assert_eq!(
        shown["channel"]["settings"],
        json!({"url": {"secret": "set"}, "method": "PUT", "headers": {"x-team": "db"}})
    );
    let listed = home.cli_text(&["channel", "list"]).await;
    assert!(listed.contains("MAY REACH") && listed.contains("http://127.0.0.1:"), "{listed}");

    sink.answer([Answer::Status(404, Vec::new())]);
    let output = home.cli(&["channel", "test", "ops"]).await;
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("channel `ops`") && error.contains("404"), "{error}");

    let output = home.cli(&["channel", "update", "ops", "--set", "authorization=canary-seen"]).await;
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("others can see the command line") && !error.contains("canary"), "{error}");
    let output = home.cli(&["channel", "show", "nobody"]).await;
    assert!(String::from_utf8_lossy(&output.stderr).contains("there are `ops`"), "{output:?}");
    home.cli_text(&["channel", "remove", "ops"]).await;
    assert_eq!(home.cli_json(&["channel", "list", "--json"]).await["channels"], json!([]));
}
