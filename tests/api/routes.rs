//! Routes: managed over HTTP and by command, tried out, counted.

use reqwest::Method;
use serde_json::{Value, json};
use tests::{Home, Hub, Reply, Sink};

const GENERIC: &str = "/alerts/webhook/generic/";

struct Manager {
    hub: Hub,
    token: String,
}

impl Manager {
    async fn new() -> Self {
        let hub = Home::new().await.with_local_remotes().start().await;
        let (_, token) = hub.create_key(&["--manage"]).await;
        Self { hub, token }
    }

    async fn ask(&self, method: Method, path: &str, body: &Value) -> Reply {
        let request = self.hub.anonymous(method, path).bearer_auth(&self.token);
        self.hub.send(request.body(body.to_string())).await
    }

    async fn create(&self, wish: Value) -> Value {
        let reply = self.ask(Method::POST, "/manage/routes/", &wish).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        reply.json()
    }

    async fn list(&self) -> Value {
        let reply = self.ask(Method::GET, "/manage/routes/", &Value::Null).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }

    /// Names in the order in which routes are asked.
    async fn names(&self) -> Vec<String> {
        let list = self.list().await;
        let routes = list["routes"].as_array().unwrap().iter();
        routes.map(|route| route["name"].as_str().unwrap().to_owned()).collect()
    }

    /// What the run of a webhook was told of its route.
    async fn run(&self, body: &Value) -> Value {
        let accepted = self.hub.accept(GENERIC, body).await;
        self.hub.downstream(accepted["trace_id"].as_str().unwrap()).await
    }

    /// What `route test` says of the first alert.
    async fn trial(&self, alerts: &Value) -> Value {
        let output = self.hub.cli_on(&["route", "test", "--json"], alerts.to_string().as_bytes()).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let by_command: Value = serde_json::from_slice(&output.stdout).unwrap();
        let reply = self.ask(Method::POST, "/manage/routes/test/", alerts).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.json(), by_command, "both doors say the same");
        by_command["trials"][0].clone()
    }
}

#[tokio::test]
async fn a_route_is_made_taken_counted_changed_and_removed() {
    let manager = Manager::new().await;
    let (ops, db) = (Sink::start([]).await, Sink::start([]).await);
    manager.hub.add_channel("ops", &ops.url()).await;
    manager.hub.add_channel("db", &db.url()).await;
    let made = manager
        .create(json!({
            "name": "databases", "priority": 10, "stages": ["notify"], "channels": ["db"],
            "conditions": [{"field": "label:team", "op": "in", "value": ["db", "storage"]}],
        }))
        .await;
    let id = made["route"]["id"].as_str().unwrap();
    assert_eq!(manager.names().await, ["databases", "resolved-all-clear", "catch-all"]);

    let body = json!({ "name": "Slow", "labels": { "team": "db" } });
    let run = manager.run(&body).await;
    assert_eq!((&run["route"], &run["status"]), (&json!("databases"), &json!("NOTIFIED")), "{run}");
    assert_eq!(run["reason"], r#"label:team in ["db","storage"]"#);
    assert_eq!((db.received().len(), ops.received().len()), (1, 0), "its own channel and no other");
    let other = manager.run(&json!({ "name": "Else" })).await;
    assert_eq!((&other["route"], &other["reason"]), (&json!("catch-all"), &json!("it asks for nothing")));
    let path = format!("/manage/routes/{id}/");
    let shown = manager.ask(Method::GET, &path, &Value::Null).await.json();
    assert_eq!(shown["route"]["hits"], 1, "{shown}");
    assert!(shown["route"]["last_hit_at"].is_string(), "{shown}");

    let changed =
        manager.ask(Method::PATCH, &path, &json!({ "channels": ["db", "ops"], "enabled": false })).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    let route = &changed.json()["route"];
    assert_eq!((&route["channels"], &route["enabled"]), (&json!(["db", "ops"]), &json!(false)));
    assert_eq!(
        (&route["priority"], &route["name"]),
        (&json!(10), &json!("databases")),
        "what is not said stays"
    );
    let run = manager.run(&json!({ "name": "Again", "labels": { "team": "db" } })).await;
    assert_eq!(run["route"], "catch-all", "a route that is off takes no part");

    assert_eq!(manager.ask(Method::DELETE, &path, &Value::Null).await.status, 200);
    for method in [Method::GET, Method::PATCH, Method::DELETE] {
        manager.ask(method, &path, &json!({})).await.problem(404, "not-found");
    }
    assert_eq!(manager.names().await, ["resolved-all-clear", "catch-all"]);
}

#[tokio::test]
async fn what_cannot_be_understood_is_refused_whole_and_says_what_is_allowed() {
    let manager = Manager::new().await;
    manager.hub.add_channel("ops", "http://127.0.0.1:9/").await;
    let condition = |condition: Value| json!({ "name": "x", "conditions": [condition] });
    for (wish, kind, named) in [
        (json!({}), "invalid-route", vec!["`name`"]),
        (json!({"name": "x", "colour": "red"}), "invalid-parameter", vec!["colour", "conditions"]),
        (
            condition(json!({"field": "colour", "value": "red"})),
            "invalid-route",
            vec!["`colour`", "`label:<key>`"],
        ),
        (
            condition(json!({"field": "source", "op": "like", "value": "a"})),
            "invalid-parameter",
            vec!["like", "`not-in`"],
        ),
        (
            condition(json!({"field": "severity", "value": "high"})),
            "invalid-route",
            vec!["high", "`critical`"],
        ),
        (condition(json!({"field": "source", "op": "in", "value": []})), "invalid-route", vec!["empty"]),
        (
            condition(json!({"field": "source", "op": "in", "value": "a"})),
            "invalid-route",
            vec!["list of texts"],
        ),
        (json!({"name": "x", "stages": ["page"]}), "invalid-parameter", vec!["page", "`notify`"]),
        (json!({"name": "x", "stages": ["ingest"]}), "invalid-route", vec!["`check`, `analyze`, `notify`"]),
        (json!({"name": "x", "stages": []}), "invalid-route", vec!["`stages`"]),
        (json!({"name": "x", "channels": ["pager"]}), "invalid-route", vec!["`pager`", "there are: `ops`"]),
        (
            json!({"name": " ", "stages": [], "channels": ["a"]}),
            "invalid-route",
            vec!["`name`", "`stages`", "`a`"],
        ),
    ] {
        let detail = manager.ask(Method::POST, "/manage/routes/", &wish).await.problem(400, kind);
        for named in named {
            assert!(detail.contains(named), "{wish}: {named}: {detail}");
        }
    }
    manager
        .ask(Method::POST, "/manage/routes/", &json!({"name": "catch-all"}))
        .await
        .problem(409, "conflict");
    let before = manager.list().await;
    let catch_all = before["routes"][1]["id"].as_str().unwrap();
    let bad = json!({ "priority": 5, "stages": ["notify", "check"] });
    manager
        .ask(Method::PATCH, &format!("/manage/routes/{catch_all}/"), &bad)
        .await
        .problem(400, "invalid-route");
    assert_eq!(manager.list().await, before, "nothing of what is refused is kept");
    let refused = manager.hub.cli(&["route", "add", "x", "--channel", "pager"]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("there are: `ops`"));
    let usage = manager.hub.cli(&["route", "add", "x", "--when", "severity like high"]).await;
    assert_eq!(usage.status.code(), Some(2));
}

#[tokio::test]
async fn what_may_not_be_meant_is_warned_about_and_kept() {
    let manager = Manager::new().await;
    manager.hub.accept(GENERIC, &json!({ "name": "Disk", "severity": "warning", "host": "db1" })).await;
    let warned = async |wish: Value| {
        let made = manager.create(wish).await;
        let warnings: Vec<String> = serde_json::from_value(made["warnings"].clone()).unwrap();
        warnings
    };
    let condition = |field: &str, value: &str| json!([{ "field": field, "value": value }]);
    let seen = json!({ "name": "seen", "conditions": condition("instance", "db1") });
    assert!(warned(seen).await.is_empty());
    let over = json!({ "name": "over", "conditions": condition("status", "resolved") });
    assert!(warned(over).await.is_empty(), "what fires now will be over");
    let nobody = warned(json!({ "name": "nobody", "conditions": condition("instance", "db7") })).await;
    assert!(nobody.len() == 1 && nobody[0].contains("7 days"), "{nobody:?}");
    let never = warned(json!({ "name": "never", "priority": 2000 })).await;
    assert!(never.len() == 1 && never[0].contains("`catch-all` is asked before it"), "{never:?}");

    manager.hub.cli_text(&["route", "remove", "never"]).await;
    let output = manager.hub.cli(&["route", "disable", "catch-all"]).await;
    assert!(output.status.success());
    assert!(String::from_utf8(output.stderr).unwrap().contains("`no_route`"));
    // Which is what happens then, for all to see.
    let run = manager.run(&json!({ "name": "Lost", "host": "elsewhere" })).await;
    assert_eq!((&run["status"], &run["error_type"]), (&json!("FAILED"), &json!("no_route")), "{run}");
}

#[tokio::test]
async fn test_says_for_each_route_why_it_matches_or_not_and_what_would_be_done() {
    let manager = Manager::new().await;
    manager.hub.add_channel("ops", "http://127.0.0.1:9/").await;
    manager.hub.add_channel("quiet", "http://127.0.0.1:9/").await;
    manager.hub.cli_text(&["channel", "disable", "quiet"]).await;
    let add =
        ["route", "add", "critical", "--when", "severity is critical", "--when", "source is-not zabbix"];
    manager.hub.cli_text(&add).await;

    let trial = manager.trial(&json!({ "severity": "critical", "labels": { "host": "db1" } })).await;
    assert_eq!((&trial["route"], &trial["alert"]["instance"]), (&json!("critical"), &json!("db1")));
    assert_eq!(
        (&trial["stages"], &trial["channels"]),
        (&json!(["check", "analyze", "notify"]), &json!(["ops"]))
    );
    let said = |trial: &Value, name: &str| {
        let routes = trial["routes"].as_array().unwrap();
        let found = routes.iter().find(|route| route["name"] == name).unwrap();
        (found["matches"].as_bool().unwrap(), found["because"].to_string())
    };
    assert!(said(&trial, "critical").0);
    assert!(said(&trial, "resolved-all-clear").1.contains("found \\\"firing\\\""), "{trial}");
    assert!(said(&trial, "catch-all").0, "those after the first are told of too");
    let shown = manager.hub.list("/alerts/?limit=1").await;
    assert!(shown.is_empty(), "nothing is written");

    let zabbix = json!({ "source": "zabbix", "alerts": [{ "severity": "critical", "status": "resolved" }] });
    assert_eq!(manager.trial(&zabbix).await["route"], "resolved-all-clear");
    let text = manager.hub.cli_on(&["route", "test"], b"{}").await;
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("severity is \"critical\": found \"warning\""), "{text}");
    assert!(text.contains("route `catch-all` is taken: check, analyze, notify, to ops"), "{text}");
    let wrong = manager.hub.cli_on(&["route", "test"], b"not JSON").await;
    assert_eq!(wrong.status.code(), Some(1));
    let bad = json!({ "severity": "odd" });
    manager.ask(Method::POST, "/manage/routes/test/", &bad).await.problem(400, "invalid-parameter");
    assert_eq!(manager.list().await["routes"][1]["hits"], 0, "trying out counts nothing");
}

#[tokio::test]
async fn a_command_changes_what_it_names_and_nothing_else() {
    let manager = Manager::new().await;
    manager.hub.add_channel("ops", "http://127.0.0.1:9/").await;
    let cli = async |arguments: &[&str]| {
        let json = manager.hub.cli_json(&[&["route"], arguments, &["--json"]].concat()).await;
        json["route"].clone()
    };
    let made = cli(&[
        "add",
        "night",
        "--priority",
        "-3",
        "--when",
        "label:team in a,b",
        "--channel",
        "ops",
        "--stages",
        "check,notify",
        "--disabled",
    ])
    .await;
    assert_eq!(made["conditions"], json!([{"field": "label:team", "op": "in", "value": ["a", "b"]}]));
    assert_eq!((&made["stages"], &made["enabled"]), (&json!(["check", "notify"]), &json!(false)));
    manager.hub.cli_text(&["route", "enable", "night"]).await;
    let renamed = cli(&["edit", "night", "--rename", "day", "--every-channel"]).await;
    assert_eq!((&renamed["name"], &renamed["channels"]), (&json!("day"), &json!([])));
    assert_eq!((&renamed["conditions"], &renamed["id"]), (&made["conditions"], &made["id"]));
    assert_eq!(cli(&["edit", "day", "--always"]).await["conditions"], json!([]));
    assert_eq!(cli(&["show", made["id"].as_str().unwrap()]).await["hits"], 0);
    let text = manager.hub.cli_text(&["route", "list"]).await;
    assert!(text.lines().nth(1).unwrap().contains("day") && text.contains("always"), "{text}");
    manager.hub.cli_text(&["route", "remove", "day"]).await;
    let gone = manager.hub.cli(&["route", "show", "day"]).await;
    assert!(String::from_utf8(gone.stderr).unwrap().contains("there is no route `day`"));
}

/// What another build wrote, or somebody by hand: nothing of ours would keep it.
async fn write_broken_route(hub: &Hub) {
    let url = format!("sqlite://{}", hub.path().join("watchbell.sqlite3").display());
    let store = store::Store::open(&url, store::Options::default()).await.unwrap();
    let id = domain::id::RouteId::from(ulid::Ulid(1));
    let conditions = serde_json::from_value(json!([{ "field": "colour", "value": "red" }])).unwrap();
    let (stages, channels) = (vec![domain::run::Stage::Notify], Vec::new());
    let name = "odd".to_owned();
    let route = domain::route::Route { id, name, priority: 1, conditions, stages, channels, enabled: true };
    store.add_route(&route).await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn a_stored_route_that_cannot_be_understood_is_said_wherever_somebody_looks() {
    let manager = Manager::new().await;
    let sink = Sink::start([]).await;
    manager.hub.add_channel("ops", &sink.url()).await;
    write_broken_route(&manager.hub).await;
    let run = manager.run(&json!({ "name": "First" })).await;
    assert_eq!((&run["status"], &run["route"]), (&json!("NOTIFIED"), &json!("catch-all")), "{run}");
    assert!(run["reason"].as_str().unwrap().ends_with("cannot be understood: `odd`"), "{run}");
    let listed = manager.list().await;
    assert!(listed["broken"][0]["problem"].as_str().unwrap().contains("`colour`"), "{listed}");

    for route in ["catch-all", "resolved-all-clear"] {
        manager.hub.cli_text(&["route", "remove", route]).await;
    }
    let run = manager.run(&json!({ "name": "Second" })).await;
    assert_eq!((&run["status"], &run["error_type"]), (&json!("FAILED"), &json!("bad_route")), "{run}");
    let why = manager.hub.cli_text(&["why", run["run_id"].as_str().unwrap()]).await;
    assert!(why.contains("cannot be understood: `odd`; nobody was told"), "{why}");
    let found = manager.hub.cli(&["check"]).await;
    let said = String::from_utf8(found.stdout).unwrap();
    assert!(said.contains("E009 error: route `odd` cannot be understood"), "{said}");
    assert_eq!(found.status.code(), Some(1));
    manager.hub.cli_text(&["route", "remove", "odd"]).await;
    assert!(!manager.hub.cli_text(&["check"]).await.contains("E009"));
}

#[tokio::test]
async fn channels_of_routes_that_are_off_are_told_of_by_check() {
    let manager = Manager::new().await;
    for channel in ["ops", "db"] {
        manager.hub.add_channel(channel, "http://127.0.0.1:9/").await;
    }
    manager.create(json!({ "name": "databases", "channels": ["db", "ops"] })).await;
    assert!(!manager.hub.cli_text(&["check"]).await.contains("W030"));
    manager.hub.cli_text(&["channel", "disable", "db"]).await;
    let said = manager.hub.cli_text(&["check"]).await;
    assert!(said.contains("W030 warning: channel `db` of route `databases` is switched off"), "{said}");
    assert_eq!(said.matches("W030").count(), 1, "{said}");
}
