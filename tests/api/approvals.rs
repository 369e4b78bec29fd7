//! What operators decide about plugins, and what the hub does when a component traps.

use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::{Value, json};
use tests::{Home, Hub, PATIENCE, wait_for};

use crate::driver::Driver;
use crate::notifier::Notifier;

/// Puts a component in its place in one step, as a careful operator does.
fn put(home: &Path, name: &str, component: &[u8]) -> PathBuf {
    let folder = home.join("plugins.d");
    std::fs::create_dir_all(&folder).unwrap();
    let (partial, path) = (folder.join(format!("{name}.part")), folder.join(format!("{name}.wasm")));
    std::fs::write(&partial, component).unwrap();
    std::fs::rename(&partial, &path).unwrap();
    path
}

fn good(name: &'static str, version: &str) -> Vec<u8> {
    let mut driver = Driver { name, ..Driver::default() };
    driver.alert.description = version.to_owned();
    driver.build()
}

fn trapping(name: &'static str) -> Vec<u8> {
    Driver { name, ..Driver::parsing("unreachable") }.build()
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    hex::encode(sha2::Sha256::digest(bytes))
}

/// What the API of the hub says of one plugin.
async fn shown(hub: &Hub, token: &str, plugin: &str) -> Value {
    let reply =
        hub.send(hub.anonymous(Method::GET, &format!("/manage/plugins/{plugin}/")).bearer_auth(token)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

/// Waits until the hub says of a plugin what is looked for.
async fn until(hub: &Hub, token: &str, plugin: &str, pointer: &str, expected: Value) -> Value {
    let what = format!("{plugin}{pointer} is {expected}");
    wait_for(&what, PATIENCE, async || {
        let found = hub
            .send(hub.anonymous(Method::GET, &format!("/manage/plugins/{plugin}/")).bearer_auth(token))
            .await;
        let found = (found.status == 200).then(|| found.json())?;
        (found.pointer(pointer) == Some(&expected)).then_some(found)
    })
    .await
}

async fn decide(hub: &Hub, token: &str, path: &str, body: Value) -> (u16, Value) {
    let request = hub.anonymous(Method::POST, &format!("/manage/plugins/{path}/")).bearer_auth(token);
    let reply = hub.send(request.body(body.to_string())).await;
    (reply.status, reply.json())
}

/// Sends webhooks until one is answered so; returns the runs of all.
async fn send_until(hub: &Hub, outcome: &str) -> Vec<String> {
    let runs = std::cell::RefCell::new(Vec::new());
    let what = format!("a webhook is {outcome}");
    wait_for(&what, PATIENCE, async || {
        let answer = hub.accept("/alerts/webhook/acme/", &json!({})).await;
        runs.borrow_mut().push(answer["run_id"].as_str().unwrap().to_owned());
        (answer["outcome"] == outcome).then_some(())
    })
    .await;
    runs.into_inner()
}

async fn nothing_in_quarantine(hub: &Hub, token: &str) {
    wait_for("the quarantine is empty", PATIENCE, async || {
        let request = hub.anonymous(Method::GET, "/manage/quarantine/").bearer_auth(token);
        let found = hub.send(request).await.json();
        found["requests"].as_array().unwrap().is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_driver_that_begins_to_trap_goes_back_by_itself_and_what_it_left_is_read() {
    let home = Home::new().await;
    let (first, second) = (good("acme", "first"), trapping("acme"));
    put(home.path(), "acme", &first);
    let mut hub = home.start().await;
    let (_, token) = hub.create_key(&["--manage"]).await;
    send_until(&hub, "parsed").await;

    put(hub.path(), "acme", &second);
    // Every request is taken, whatever runs; those of the component that traps go to quarantine.
    let mut runs = send_until(&hub, "quarantined").await;
    runs.extend(send_until(&hub, "parsed").await);
    nothing_in_quarantine(&hub, &token).await;
    for run in &runs {
        let found = hub.get(&format!("/orchestration/pipeline/{run}/")).await.json();
        assert_eq!(found["outcome"], "parsed", "{found}");
    }
    let found = shown(&hub, &token, "driver/acme").await;
    assert_eq!(found["plugin"]["running"]["sha256"], sha256(&first));
    assert_eq!(found["plugin"]["rollback"], json!({ "to": sha256(&first), "from": sha256(&second) }));
    let (event, actor) = (&found["history"][0]["event"], &found["history"][0]["actor"]);
    assert_eq!((event, actor), (&json!("rolled_back"), &json!("hub")));
    let metrics = hub.get("/metrics").await.text();
    assert!(
        metrics.contains("watchbell_plugin_rollbacks_total{kind=\"driver\",plugin=\"acme\"} 1"),
        "{metrics}"
    );

    let list = hub.cli_json(&["plugin", "list", "--json"]).await;
    let acme =
        list["plugins"].as_array().unwrap().iter().find(|plugin| plugin["name"] == "acme").unwrap().clone();
    let trouble = acme["trouble"].as_str().unwrap();
    assert!(
        trouble.contains("by hub") && trouble.contains("trapped, the last with `trap.panic`"),
        "{trouble}"
    );
    let text = hub.cli_text(&["plugin", "list"]).await;
    assert!(text.lines().any(|line| line.contains("acme") && line.contains("rolled back")), "{text}");

    hub.kill().await;
    hub.restart().await;
    send_until(&hub, "parsed").await;
    assert_eq!(shown(&hub, &token, "driver/acme").await["plugin"]["running"]["sha256"], sha256(&first));
    nothing_in_quarantine(&hub, &token).await;

    let third = good("acme", "third");
    put(hub.path(), "acme", &third);
    let found = until(&hub, &token, "driver/acme", "/plugin/running/sha256", json!(sha256(&third))).await;
    assert_eq!((&found["plugin"]["rollback"], &found["plugin"]["trouble"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn a_driver_that_traps_from_the_beginning_is_left_alone_until_another_takes_its_place() {
    let home = Home::new().await;
    put(home.path(), "acme", &trapping("acme"));
    let hub = home.start().await;
    let (_, token) = hub.create_key(&["--manage"]).await;
    let left = wait_for("the driver is left alone", PATIENCE, async || {
        let answer = hub.accept("/alerts/webhook/acme/", &json!({})).await;
        assert_eq!(answer["outcome"], "quarantined");
        let reason = answer["reason"].as_str().unwrap().to_owned();
        reason.contains("is left alone by its breaker").then_some(reason)
    })
    .await;
    assert!(
        left.contains("driver `acme`") && left.contains("`trap.panic`") && left.contains("hint: "),
        "{left}"
    );
    let found = wait_for("the trouble is known", PATIENCE, async || {
        let found = shown(&hub, &token, "driver/acme").await;
        found["plugin"]["trouble"].is_string().then_some(found)
    })
    .await;
    assert_eq!(found["plugin"]["breaker"]["state"], "open");
    assert_eq!(found["history"][0]["event"], "left_alone");
    let text = hub.cli_text(&["plugin", "list"]).await;
    assert!(text.lines().any(|line| line.contains("acme") && line.contains("left alone")), "{text}");
    hub.send(hub.anonymous(Method::POST, "/manage/plugins/driver/acme/rollback/").bearer_auth(&token))
        .await
        .problem(409, "nothing-earlier");

    put(hub.path(), "acme", &good("acme", "mended"));
    send_until(&hub, "parsed").await;
    nothing_in_quarantine(&hub, &token).await;
    assert_eq!(shown(&hub, &token, "driver/acme").await["history"][0]["event"], "works_again");
}

#[tokio::test]
async fn what_is_decided_by_the_command_line_holds_in_a_hub_that_runs() {
    let home = Home::new().await;
    let (first, second) = (good("acme", "first"), good("acme", "second"));
    put(home.path(), "acme", &first);
    let mut hub = home.start().await;
    let (_, token) = hub.create_key(&["--manage"]).await;
    until(&hub, &token, "driver/acme", "/plugin/running/detect", json!(false)).await;

    let told = hub.cli_text(&["plugin", "disable", "acme", "--reason", "it is loud"]).await;
    assert!(told.contains("switched off") && told.contains("within 2 s"), "{told}");
    until(&hub, &token, "driver/acme", "/plugin/status", json!("disabled")).await;
    hub.post("/alerts/webhook/acme/", "{}").await.problem(404, "unknown-driver");
    hub.cli_text(&["plugin", "enable", "acme"]).await;
    send_until_there(&hub).await;

    let approved = hub.cli_json(&["plugin", "approve", "acme", "--sha256", &sha256(&first), "--json"]).await;
    assert_eq!(approved["plugin"]["approved"]["sha256"], sha256(&first));
    until(&hub, &token, "driver/acme", "/plugin/running/detect", json!(true)).await;
    let wrong = hub.cli(&["plugin", "approve", "acme", "--sha256", &"0".repeat(64)]).await;
    assert_eq!(wrong.status.code(), Some(1));

    put(hub.path(), "acme", &second);
    let found = until(&hub, &token, "driver/acme", "/plugin/running/sha256", json!(sha256(&second))).await;
    assert_eq!(found["plugin"]["running"]["detect"], true, "it asks for no more: {found}");
    assert_eq!(found["kept"], json!([sha256(&second), sha256(&first)]));
    hub.kill().await;
    hub.restart().await;
    hub.cli_text(&["plugin", "rollback", "acme"]).await;
    until(&hub, &token, "driver/acme", "/plugin/running/sha256", json!(sha256(&first))).await;
    hub.cli_text(&["plugin", "approve", "acme"]).await;
    let found = until(&hub, &token, "driver/acme", "/plugin/running/sha256", json!(sha256(&second))).await;

    let events: Vec<_> =
        found["history"].as_array().unwrap().iter().map(|entry| entry["event"].clone()).collect();
    assert_eq!(events, ["approved", "rolled_back", "approved", "enabled", "disabled"].map(Value::from));
    let first = found["history"].as_array().unwrap().last().unwrap();
    assert_eq!(first["reason"], "it is loud");
    assert!(first["actor"].as_str().unwrap().starts_with("cli:"), "{first}");
    let inspected = hub.cli_json(&["plugin", "inspect", "acme", "--json"]).await;
    assert_eq!(inspected["hub"]["plugin"]["approved"]["sha256"], sha256(&second));
    assert_eq!(inspected["hub"]["history"].as_array().unwrap().len(), events.len());
}

async fn send_until_there(hub: &Hub) {
    wait_for("the driver is there", PATIENCE, async || {
        (hub.post("/alerts/webhook/acme/", "{}").await.status == 202).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_notifier_waits_for_approval_of_each_component_and_says_what_is_more() {
    let home = Home::new().await;
    let (first, second) = (Notifier::default().build(), Notifier { hosts: 1, ..Notifier::default() }.build());
    put(home.path(), "subject", &first);
    let hub = home.start().await;
    let (_, token) = hub.create_key(&["--manage"]).await;
    let found = until(&hub, &token, "notifier/subject", "/plugin/status", json!("waiting")).await;
    assert_eq!(found["plugin"]["running"], Value::Null);

    let (status, answer) =
        decide(&hub, &token, "notifier/subject/approve", json!({ "sha256": sha256(&second) })).await;
    assert_eq!((status, &answer["type"]), (409, &json!("urn:watchbell:problem:changed")), "{answer}");
    let (status, answer) = decide(
        &hub,
        &token,
        "notifier/subject/approve",
        json!({ "sha256": sha256(&first), "reason": "ours" }),
    )
    .await;
    assert_eq!((status, &answer["plugin"]["status"]), (200, &json!("running")), "{answer}");

    put(hub.path(), "subject", &second);
    let found = until(&hub, &token, "notifier/subject", "/plugin/status", json!("waiting")).await;
    assert_eq!(found["plugin"]["running"]["sha256"], sha256(&first), "the old one goes on");
    assert_eq!(found["plugin"]["more"]["hosts"], json!(["https://example.com"]));
    let reason = found["plugin"]["reason"].as_str().unwrap();
    assert!(reason.contains("asks for more than was approved: reach https://example.com"), "{reason}");
    hub.log().wait("asks for more than was approved: reach https://example.com").await;
    hub.cli_text(&["plugin", "approve", "subject"]).await;
    until(&hub, &token, "notifier/subject", "/plugin/running/sha256", json!(sha256(&second))).await;

    let (status, answer) = decide(&hub, &token, "notifier/subject/rollback", json!({})).await;
    assert_eq!((status, &answer["plugin"]["running"]["sha256"]), (200, &json!(sha256(&first))), "{answer}");
    assert_eq!(answer["plugin"]["approved"]["grants"]["hosts"], json!([]), "with what it was approved with");
    let (status, _) =
        decide(&hub, &token, "driver/grafana/approve", json!({ "sha256": "0".repeat(64) })).await;
    assert_eq!(status, 409, "what is built in needs none");
}
