//! Several processes on one database: who is there, and whether they have the same plugins.

use reqwest::Method;
use serde_json::{Value, json};
use tests::{Engine, Home, Hub, PATIENCE, Sink, wait_for};

use crate::driver::Driver;

/// The hosts as a hub lists them, once the list is as it should be.
async fn listed(hub: &Hub, token: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    wait_for(what, PATIENCE, async || {
        let request = hub.anonymous(Method::GET, "/manage/hosts/").bearer_auth(token);
        let reply = hub.send(request).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        Some(reply.json()).filter(&is_so)
    })
    .await
}

fn names(hosts: &Value) -> Vec<&str> {
    hosts["hosts"].as_array().unwrap().iter().map(|host| host["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn hosts_are_listed_until_they_stop() {
    let home = Home::new().await;
    let (_, token) = home.create_key(&["--manage"]).await;
    let left = home.clone().with("WATCHBELL_INSTANCE", "left").start().await;
    let mut right = home.with("WATCHBELL_INSTANCE", "right").start().await;
    let hosts = listed(&left, &token, "both are listed", |hosts| names(hosts) == ["left", "right"]).await;
    for host in hosts["hosts"].as_array().unwrap() {
        assert_eq!(
            (&host["live"], &host["version"]),
            (&json!(true), &json!(env!("CARGO_PKG_VERSION"))),
            "{host}"
        );
        assert_eq!(host["plugin_set"], hosts["hosts"][0]["plugin_set"]);
    }
    assert_eq!((&hosts["same_plugins"], &hosts["differences"]), (&json!(true), &json!([])));
    assert_eq!(left.cli_json(&["host", "list", "--json"]).await["same_plugins"], true);
    assert!(left.cli_text(&["host", "list"]).await.contains("right"));

    // A process that starts again is another one.
    let before = hosts["hosts"][1]["id"].clone();
    right.terminate();
    assert!(right.ended().await.success());
    listed(&left, &token, "who stopped is gone", |hosts| names(hosts) == ["left"]).await;
    right.restart().await;
    let hosts = listed(&left, &token, "who came back is there", |hosts| names(hosts).len() == 2).await;
    assert_ne!(hosts["hosts"][1]["id"], before);
}

#[tokio::test]
async fn host_with_other_plugins_says_which_and_serves_all_the_same() {
    let home = Home::new().await;
    let (_, token) = home.create_key(&["--manage"]).await;
    let folder = home.path().join("other.d");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("acme.wasm"), Driver { name: "acme", ..Driver::default() }.build()).unwrap();
    std::fs::write(home.path().join("other.toml"), "[driver.zabbix]\nenabled = false\n").unwrap();

    let mut left = home.clone().with("WATCHBELL_INSTANCE", "left").start().await;
    let right = home.with("WATCHBELL_INSTANCE", "right").with("WATCHBELL_PLUGINS_DIR", "other.d");
    let right = right.with("WATCHBELL_PLUGINS_FILE", "other.toml").start().await;
    let line = right.log().wait("hosts have different plugins").await;
    for said in ["WARN", "driver `acme` is on right", "driver `zabbix` is on left"] {
        assert!(line.contains(said), "{said}: {line}");
    }
    left.log().wait("hosts have different plugins").await;

    let hosts =
        listed(&left, &token, "the difference is listed", |hosts| hosts["same_plugins"] == false).await;
    let differences = hosts["differences"].as_array().unwrap();
    assert_eq!(differences.len(), 2, "{differences:?}");
    let ready = right.get("/readyz").await;
    assert_eq!((ready.status, &ready.json()["hosts"]), (200, &json!({ "live": 2, "same_plugins": false })));
    assert!(right.get("/metrics").await.text().contains("watchbell_hosts_plugins_differ 1"));
    right.accept("/alerts/webhook/acme/", &json!({})).await;
    let found = left.cli(&["check", "--json"]).await;
    assert!(String::from_utf8_lossy(&found.stdout).contains("W032"), "{found:?}");

    left.terminate();
    assert!(left.ended().await.success());
    right.log().wait("all hosts have the same plugins again").await;
}

#[tokio::test]
async fn host_whose_clock_is_not_that_of_postgres_is_not_ready_and_claims_nothing() {
    go_astray(Engine::Postgres).await;
}

#[tokio::test]
async fn host_whose_clock_is_not_that_of_mariadb_is_not_ready_and_claims_nothing() {
    go_astray(Engine::Mariadb).await;
}

async fn go_astray(engine: Engine) {
    let Some(home) = Home::on(engine).await else { return };
    let mut hub = home.with_own_program().with_local_remotes().start().await;
    let sink = Sink::start([]).await;
    hub.add_channel("ops", &sink.url()).await;
    hub.terminate();
    assert!(hub.ended().await.success());

    hub.set("WATCHBELL_CLOCK_AHEAD_S", "5");
    hub.serve().await;
    let ready = hub.send(hub.anonymous(Method::GET, "/readyz")).await;
    let detail = ready.problem(503, "not-ready");
    assert!(detail.contains("s ahead of the database's"), "{detail}");
    let skew = wait_for("the skew is a metric", PATIENCE, async || {
        let text = hub.get("/metrics").await.text();
        let skew = text.lines().find_map(|line| line.strip_prefix("watchbell_clock_skew_seconds "));
        skew.map(|skew| skew.parse::<f64>().unwrap())
    })
    .await;
    assert!((4.0..6.0).contains(&skew), "{skew}");
    // Who comes all the same is not sent away, and another host does the work.
    let webhook = hub.accept("/alerts/webhook/", &json!({ "name": "DiskFull", "host": "db1" })).await;
    let mut right = (*hub).clone();
    right.unset("WATCHBELL_CLOCK_AHEAD_S");
    let right = right.start().await;
    let run = right.downstream(webhook["trace_id"].as_str().unwrap()).await;
    assert_eq!(run["status"], "NOTIFIED", "{run}");
    assert_eq!(sink.received().len(), 1);
    assert!(!hub.log().lines().iter().any(|line| line.contains("delivered incident")));
    hub.kill().await;
    be_a_little_ahead(hub, &right).await;
}

/// A little is normal, and what is stored has the database's time.
async fn be_a_little_ahead(mut hub: Hub, right: &Hub) {
    hub.set("WATCHBELL_CLOCK_AHEAD_S", "1");
    hub.restart().await;
    let first = hub.accept("/alerts/webhook/", &json!({ "name": "One", "host": "db1" })).await;
    let second = right.accept("/alerts/webhook/", &json!({ "name": "Two", "host": "db1" })).await;
    let created = async |answer: &Value| {
        let run =
            right.get(&format!("/orchestration/pipeline/{}/", answer["run_id"].as_str().unwrap())).await;
        run.json()["created_at"].as_str().unwrap().to_owned()
    };
    assert!(created(&first).await < created(&second).await, "the host that is ahead was first");
}
