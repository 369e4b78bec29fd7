//! Webhooks that no driver could read, and what an operator does about them.

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};
use tests::{Home, Hub, Sink};

use crate::driver::Driver;

/// A driver that breaks at whatever it gets.
fn broken() -> Vec<u8> {
    Driver { name: "acme", ..Driver::parsing("(unreachable)") }.build()
}

/// The same, mended.
fn mended() -> Vec<u8> {
    Driver { name: "acme", ..Driver::default() }.build()
}

fn drop_in(home: &Path, component: &[u8]) {
    std::fs::create_dir_all(home.join("plugins.d")).unwrap();
    std::fs::write(home.join("plugins.d/acme.wasm"), component).unwrap();
}

/// A hub with these keys on top of its own.
async fn hub_with(component: &[u8]) -> Hub {
    let home = Home::new().await.with_local_remotes();
    drop_in(home.path(), component);
    home.start().await
}

fn run_id(answer: &Value) -> &str {
    answer["run_id"].as_str().unwrap()
}

/// Starts the hub anew with another driver.
async fn replace(hub: &mut Hub, component: &[u8]) {
    hub.terminate();
    hub.ended().await;
    drop_in(hub.path(), component);
    hub.restart().await;
}

async fn manage(hub: &Hub, token: &str, method: Method, path: &str, body: &str) -> tests::Reply {
    hub.send(hub.anonymous(method, path).bearer_auth(token).body(body.to_owned())).await
}

#[tokio::test]
async fn a_mended_driver_reads_what_was_kept_and_people_are_told() {
    let mut hub = hub_with(&broken()).await;
    let sink = Sink::start([]).await;
    hub.add_channel("ops", &sink.url()).await;
    let first = hub.accept("/alerts/webhook/acme/", &json!({ "n": 1 })).await;
    let second = hub.accept("/alerts/webhook/acme/", &json!({ "n": 2 })).await;
    assert_eq!(first["outcome"], "quarantined", "{first}");
    assert!(hub.list("/alerts/?limit=10").await.is_empty());

    // Not mended yet: it stays, with the reason.
    let output = hub.cli_text(&["quarantine", "reparse", "--all", "--json"]).await;
    let lines: Vec<Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let outcomes: Vec<_> = lines.iter().map(|line| (run_id(line), &line["outcome"])).collect();
    let quarantined = json!("quarantined");
    assert_eq!(
        outcomes,
        [(run_id(&first), &quarantined), (run_id(&second), &quarantined)],
        "the oldest first"
    );

    replace(&mut hub, &mended()).await;
    let said = hub.cli_text(&["quarantine", "reparse", "--all", "--driver", "acme"]).await;
    assert!(
        said.contains(&format!("{}: parsed by acme, 1 alerts, 1 downstream runs", run_id(&first))),
        "{said}"
    );
    assert!(
        said.contains(&format!("{}: parsed by acme, 1 alerts, 0 downstream runs", run_id(&second))),
        "{said}"
    );
    assert!(said.ends_with("requests read again: 2\n"), "{said}");

    let received = sink.wait(1).await;
    assert_eq!(received.len(), 1, "the second is a steady repeat");
    let alerts = hub.list("/alerts/?source=acme").await;
    let detail = hub.get(&format!("/orchestration/pipeline/{}/", run_id(&first))).await.json();
    assert_eq!(
        (alerts.len(), &detail["status"], &detail["outcome"]),
        (1, &json!("INGESTED"), &json!("parsed"))
    );
    assert_eq!(detail["request"]["detection"], "named in the path");
    let second = hub.get(&format!("/orchestration/pipeline/{}/", run_id(&second))).await.json();
    assert_eq!(alerts[0]["received_at"], second["request"]["received_at"], "as if it had been read at once");
    assert_eq!(hub.cli_json(&["quarantine", "list", "--json"]).await["requests"], json!([]));
    let again = hub.cli(&["quarantine", "reparse", run_id(&first)]).await;
    assert!(String::from_utf8_lossy(&again.stderr).contains("is not in quarantine: it is parsed"));
}

#[tokio::test]
async fn a_request_that_nobody_recognised_is_read_by_the_driver_that_an_operator_names() {
    let hub = hub_with(&mended()).await;
    let answer = hub.accept("/alerts/webhook/", &json!({ "odd": true })).await;
    assert_eq!((&answer["outcome"], &answer["driver"]), (&json!("quarantined"), &Value::Null));
    let unknown = hub.cli(&["quarantine", "reparse", run_id(&answer), "--as", "nobody"]).await;
    let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(said.contains("there is no driver `nobody`") && said.contains("`acme`"), "{said}");
    let said = hub.cli_text(&["quarantine", "reparse", run_id(&answer), "--as", "acme"]).await;
    assert!(said.contains("parsed by acme, 1 alerts"), "{said}");
    let shown = hub.get(&format!("/orchestration/pipeline/{}/", run_id(&answer))).await.json();
    let detection = shown["request"]["detection"].as_str().unwrap();
    assert!(detection.starts_with("named by cli:"), "{detection}");
}

#[tokio::test]
async fn what_was_never_verified_is_not_read_for_a_signed_driver_unless_a_person_says_so() {
    let home = Home::new().await;
    let manifest = home.path().join("plugins.toml");
    std::fs::write(&manifest, "[driver.grafana]\nenabled = false\n[driver.generic]\nenabled = false\n")
        .unwrap();
    let mut hub = home.start().await;
    let body = json!({
        "orgId": 1, "title": "t", "state": "alerting", "ruleId": 5, "ruleName": "CPU", "evalMatches": [],
        "ruleUrl": "http://g/d/1",
    });
    let answer = hub.accept("/alerts/webhook/", &body).await;
    assert_eq!((&answer["outcome"], &answer["driver"]), (&json!("quarantined"), &Value::Null), "{answer}");

    std::fs::write(&manifest, "").unwrap();
    hub.set("WEBHOOK_SECRET_GRAFANA", "s3cret");
    hub.terminate();
    hub.ended().await;
    hub.restart().await;
    let refused = hub.cli(&["quarantine", "reparse", run_id(&answer)]).await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        said.contains("was not verified when it came") && said.contains("hint: name the driver"),
        "{said}"
    );
    let looked = hub.cli_text(&["replay", run_id(&answer)]).await;
    assert!(looked.contains("now: parsed by grafana"), "a look changes nothing: {looked}");
    let applied = hub.cli(&["replay", run_id(&answer), "--apply"]).await;
    assert!(String::from_utf8_lossy(&applied.stderr).contains("was not verified when it came"));
    let said = hub.cli_text(&["quarantine", "reparse", run_id(&answer), "--as", "grafana"]).await;
    assert!(said.contains("parsed by grafana"), "{said}");
}

#[tokio::test]
async fn a_discarded_request_is_gone_and_its_run_says_who_did_it() {
    let hub = hub_with(&broken()).await;
    let canary = "canary-discarded-31f0";
    let answer = hub.accept("/alerts/webhook/acme/", &json!({ "secret": canary })).await;
    let shown = hub.cli_text(&["quarantine", "show", run_id(&answer)]).await;
    assert!(shown.contains(canary), "{shown}");
    let other = hub.accept("/alerts/webhook/", &json!({ "odd": true })).await;
    let said = hub.cli_text(&["quarantine", "discard", "--all", "--driver", "acme"]).await;
    assert_eq!(said.trim(), "requests discarded: 1");
    let gone = hub.cli(&["quarantine", "show", run_id(&answer)]).await;
    assert!(String::from_utf8_lossy(&gone.stderr).contains("it was discarded"));
    let run = hub.get(&format!("/orchestration/pipeline/{}/", run_id(&answer))).await.json();
    let reason = run["reason"].as_str().unwrap();
    assert!(run["status"] == "SKIPPED" && reason.starts_with("discarded by cli:"), "{run}");
    let left = hub.cli_json(&["quarantine", "list", "--json"]).await;
    assert_eq!(left["requests"][0]["run_id"], other["run_id"], "{left}");
    let neither = hub.cli(&["quarantine", "discard"]).await;
    assert!(String::from_utf8_lossy(&neither.stderr).contains("name a run, or say --all"));
}

#[tokio::test]
async fn the_api_does_the_same_for_management_keys_only() {
    let hub = hub_with(&broken()).await;
    let (_, token) = hub.create_key(&["--manage"]).await;
    let answer = hub.accept("/alerts/webhook/acme/", &json!({ "n": 1 })).await;
    let odd = hub.post("/alerts/webhook/", vec![0xff, 0xfe]).await.json();
    let list = "/manage/quarantine/";
    let one = format!("{list}{}/", run_id(&answer));
    for (method, path) in [
        (Method::GET, list.to_owned()),
        (Method::GET, one.clone()),
        (Method::POST, format!("{one}reparse/")),
        (Method::POST, format!("{one}discard/")),
        (Method::POST, format!("{list}reparse/")),
        (Method::POST, format!("{list}discard/")),
        (Method::POST, format!("/manage/replay/{}/", run_id(&answer))),
    ] {
        manage(&hub, hub.token(), method.clone(), &path, "").await.problem(403, "forbidden");
        hub.send(hub.anonymous(method, &path)).await.problem(401, "unauthenticated");
    }
    let ask = async |method, path: &str, body: &str| {
        let reply = manage(&hub, &token, method, path, body).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        reply.json()
    };
    let listed = ask(Method::GET, "/manage/quarantine/?driver=acme&limit=5", "").await;
    assert_eq!((listed["requests"].as_array().unwrap().len(), &listed["next"]), (1, &Value::Null));
    assert_eq!(listed["requests"][0]["reason_code"], "trap.panic", "{listed}");
    let shown = ask(Method::GET, &one, "").await;
    assert_eq!((&shown["body"]["text"], &shown["request"]["method"]), (&json!(r#"{"n":1}"#), &json!("POST")));
    let shown = ask(Method::GET, &format!("{list}{}/", run_id(&odd)), "").await;
    assert_eq!(shown["body"], json!({ "hex": "fffe" }));

    let read = ask(Method::POST, &format!("{one}reparse/"), r#"{"driver":"generic"}"#).await;
    assert_eq!((&read["outcome"], &read["driver"]), (&json!("quarantined"), &json!("generic")), "{read}");
    let round = ask(Method::POST, &format!("{list}reparse/"), r#"{"all":true}"#).await;
    assert_eq!((round["done"].as_array().unwrap().len(), &round["next"]), (2, &Value::Null), "{round}");
    let done = ask(Method::POST, &format!("{list}discard/"), r#"{"driver":"generic"}"#).await;
    assert_eq!(done["done"], json!([run_id(&answer)]), "{done}");
    let run = hub.get(&format!("/orchestration/pipeline/{}/", run_id(&answer))).await.json();
    assert_eq!(run["reason"], "discarded by key:test", "{run}");
    ask(Method::POST, &format!("{list}{}/discard/", run_id(&odd)), "").await;
    assert_eq!(ask(Method::GET, list, "").await["requests"], json!([]));

    let refuse = async |path: &str, body: &str, status: u16, kind: &str| {
        manage(&hub, &token, Method::POST, path, body).await.problem(status, kind)
    };
    refuse(&format!("{one}discard/"), "", 409, "conflict").await;
    refuse(&format!("{one}reparse/"), "", 404, "not-found").await;
    for several in ["reparse/", "discard/"] {
        let detail = refuse(&format!("{list}{several}"), "", 400, "invalid-parameter").await;
        assert!(detail.contains("name a `driver`, or say"), "{detail}");
    }
    refuse(&format!("{list}reparse/"), r#"{"drivr":"x"}"#, 400, "invalid-parameter").await;
    refuse(&format!("{list}reparse/"), r#"{"driver":"No!"}"#, 400, "invalid-parameter").await;
    refuse(&format!("{list}01ARZ3NDEKTSV4RRFFQ69G5FAV/reparse/"), "", 404, "not-found").await;
    refuse(&format!("{list}nonsense/reparse/"), "", 404, "not-found").await;
}

#[tokio::test]
async fn management_takes_a_key_also_where_keys_are_off() {
    let hub = Home::new().await.with("API_KEY_AUTH_ENABLED", "0").start().await;
    hub.send(hub.anonymous(Method::GET, "/manage/quarantine/")).await.problem(401, "unauthenticated");
    let (_, token) = hub.create_key(&["--manage"]).await;
    assert_eq!(manage(&hub, &token, Method::GET, "/manage/quarantine/", "").await.status, 200);
}

#[tokio::test]
async fn what_came_before_its_driver_wanted_signatures_is_not_read_unless_a_person_says_so() {
    let mut hub = hub_with(&broken()).await;
    // `grafana` cannot read it: kept under that name, and never verified.
    let answer = hub.accept("/alerts/webhook/grafana/", &json!([1, 2])).await;
    assert_eq!(answer["outcome"], "quarantined", "{answer}");
    let alone = hub.accept("/alerts/webhook/acme/", &json!({ "n": 1 })).await;
    hub.set("WEBHOOK_SECRET_GRAFANA", "s3cret");
    let ask = async |hub: &Hub, run_id: &str, more: &[&str]| {
        let output = hub.cli(&[&["quarantine", "reparse", run_id], more].concat()).await;
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let said = ask(&hub, run_id(&answer), &[]).await;
    assert!(said.contains("was not verified when it came"), "{said}");
    let said = ask(&hub, run_id(&answer), &["--as", "grafana"]).await;
    assert!(said.contains("still in quarantine, read by grafana"), "{said}");
    hub.unset("WEBHOOK_SECRET_GRAFANA");
    hub.set("WEBHOOK_SIGNATURE_REQUIRED", "1");
    let odd = hub.accept("/alerts/webhook/pagerduty/", &json!({ "odd": true })).await;
    let said = ask(&hub, run_id(&odd), &[]).await;
    assert!(said.contains("was not verified when it came"), "{said}");
    let said = ask(&hub, run_id(&alone), &[]).await;
    assert!(said.contains("still in quarantine, read by acme"), "signs nothing: {said}");
    hub.set("WEBHOOK_SECRET_NOBODY", "s3cret");
    assert!(ask(&hub, run_id(&alone), &[]).await.contains("no driver `nobody` is loaded"));
}

#[tokio::test]
async fn what_signed_in_properly_is_read_again_as_it_came() {
    let home = Home::new().await.with("WEBHOOK_SECRET_GRAFANA", "s3cr3t");
    let hub = home.start().await;
    let body = r#"{"orgId":1,"title":"t"}"#;
    let mac = <hmac::Hmac<sha2::Sha256> as hmac::KeyInit>::new_from_slice(b"s3cr3t").unwrap();
    let mac = hmac::Mac::finalize(hmac::Mac::chain_update(mac, body)).into_bytes();
    let request = hub.request(Method::POST, "/alerts/webhook/grafana/").body(body);
    let request = request.header("x-grafana-alerting-signature", hex::encode(mac));
    let answer = hub.send(request).await.json();
    assert_eq!(answer["outcome"], "quarantined", "{answer}");
    let said = hub.cli_text(&["quarantine", "reparse", run_id(&answer)]).await;
    assert!(said.contains("still in quarantine, read by grafana"), "{said}");
    let shown = hub.cli_json(&["quarantine", "show", run_id(&answer), "--json"]).await;
    assert_eq!((&shown["about"]["verified"], &shown["body"]["text"]), (&json!(true), &json!(body)));
}
