//! The pipeline by hand: alerts brought over the API, runs waited for and taken up, results opened.

use reqwest::Method;
use serde_json::{Value, json};
use tests::{Answer, Home, Hub, Sink};

fn payload() -> Value {
    json!({ "name": "DiskFull", "host": "db1", "severity": "critical", "labels": { "db_password": "hunter2-Kq" } })
}

async fn sync(hub: &Hub, order: &Value) -> Value {
    let answer = hub.post("/orchestration/pipeline/sync/", order.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

async fn resume(hub: &Hub, run_id: &str) -> tests::Reply {
    hub.post(&format!("/orchestration/pipeline/{run_id}/resume/"), "").await
}

async fn run(hub: &Hub, run_id: &str) -> Value {
    hub.get(&format!("/orchestration/pipeline/{run_id}/")).await.json()
}

#[tokio::test]
async fn who_waits_is_told_what_came_of_it() {
    let hub = Home::new().await.with_local_remotes().start().await;
    let sink = Sink::start([]).await;
    hub.add_channel("ops", &sink.url()).await;
    let theirs = "0af7651916cd43dd8448eb211c80319c";
    let order = json!({ "payload": payload(), "run_id": "mine", "trace_id": theirs, "source": "webhook" });
    let answer = sync(&hub, &order).await;
    assert_eq!((&answer["complete"], &answer["outcome"]), (&json!(true), &json!("parsed")), "{answer}");
    let [downstream] = answer["runs"].as_array().unwrap().as_slice() else { panic!("{answer}") };
    assert_eq!((&downstream["status"], sink.received().len()), (&json!("NOTIFIED"), 1), "{answer}");
    assert_eq!(downstream["trace_id"], answer["trace_id"]);
    assert!(answer["trace_id"] != theirs && answer["run_id"] != "mine", "{answer}");
    let first = run(&hub, answer["run_id"].as_str().unwrap()).await;
    assert_eq!(first["origin"], "api", "{first}");
    assert!(hub.log().find(0, theirs).is_some(), "what the caller says is kept in the log");

    let repeat = sync(&hub, &order).await;
    assert_eq!((&repeat["complete"], &repeat["runs"]), (&json!(true), &json!([])), "{repeat}");

    let recorded =
        hub.post("/orchestration/pipeline/", json!({ "payload": { "name": "CpuHigh" } }).to_string()).await;
    assert_eq!((recorded.status, &recorded.json()["status"]), (202, &json!("accepted")));
    for (order, word) in
        [("{}", "`payload` is missing"), (r#"{"payload":{},"colour":1}"#, "colour"), ("[]", "list")]
    {
        let detail = hub.post("/orchestration/pipeline/", order).await.problem(400, "invalid-parameter");
        assert!(detail.contains(word), "{detail}");
    }
}

#[tokio::test]
async fn no_secret_of_a_driver_is_got_around() {
    let hub = Home::new().await.with("WEBHOOK_SECRET_GENERIC", "a long enough webhook secret").start().await;
    let order = json!({ "payload": payload() }).to_string();
    hub.post("/orchestration/pipeline/", order).await.problem(403, "signature");
    assert!(hub.list("/alerts/").await.is_empty());
}

#[tokio::test]
async fn run_that_had_nobody_to_tell_goes_on_after_its_last_good_stage() {
    let hub = Home::new().await.with_local_remotes().start().await;
    let sink = Sink::start([]).await;
    let answer = sync(&hub, &json!({ "payload": payload() })).await;
    let skipped = &answer["runs"][0];
    assert_eq!(skipped["status"], "SKIPPED", "{answer}");
    let run_id = skipped["run_id"].as_str().unwrap();

    hub.add_channel("ops", &sink.url()).await;
    let resumed = resume(&hub, run_id).await;
    assert_eq!((resumed.status, &resumed.json()["deliveries"]), (202, &json!(0)));
    let told = sink.wait(1).await;
    assert!(told[0].header("traceparent").contains(answer["trace_id"].as_str().unwrap()));
    let done = hub.downstream(answer["trace_id"].as_str().unwrap()).await;
    assert_eq!(done["status"], "NOTIFIED", "{done}");
    let stages: Vec<(&str, &str)> = (done["stages"].as_array().unwrap().iter())
        .map(|stage| (stage["stage"].as_str().unwrap(), stage["status"].as_str().unwrap()))
        .collect();
    let expected =
        [("check", "succeeded"), ("analyze", "succeeded"), ("notify", "skipped"), ("notify", "succeeded")];
    assert_eq!(stages, expected, "what succeeded is not done again");

    let detail = resume(&hub, run_id).await.problem(409, "conflict");
    assert!(detail.contains("NOTIFIED"), "{detail}");
    let detail = resume(&hub, answer["run_id"].as_str().unwrap()).await.problem(409, "conflict");
    assert!(detail.contains("took a webhook"), "{detail}");
}

#[tokio::test]
async fn dead_deliveries_of_a_run_are_taken_up_unless_something_newer_was_told() {
    let hub = Home::new().await.with_local_remotes().start().await;
    let sink = Sink::start([Answer::Status(400, Vec::new()), Answer::Status(400, Vec::new())]).await;
    hub.add_channel("ops", &sink.url()).await;
    let first = sync(&hub, &json!({ "payload": payload() })).await;
    assert_eq!(first["runs"][0]["status"], "FAILED", "{first}");
    let first = first["runs"][0]["run_id"].as_str().unwrap().to_owned();
    let over = json!({ "name": "DiskFull", "host": "db1", "status": "resolved" });
    let mut over = over;
    over["labels"] = payload()["labels"].clone();
    let second = sync(&hub, &json!({ "payload": over })).await;
    assert_eq!(second["runs"][0]["status"], "FAILED", "{second}");
    let second = second["runs"][0]["run_id"].as_str().unwrap().to_owned();

    let detail = resume(&hub, &first).await.problem(409, "conflict");
    assert!(detail.contains("overtaken") && detail.contains(&second), "{detail}");
    let text = hub.cli_text(&["run", "resume", &second]).await;
    assert_eq!(text.trim(), "deliveries of the run due again: 1");
    assert_eq!(sink.wait(3).await[2].json()["status"], "resolved");
    let runs = hub.cli_json(&["run", "list", "--status", "failed", "--json"]).await;
    assert_eq!(runs["runs"][0]["run_id"], first.as_str(), "{runs}");
}

#[tokio::test]
async fn results_of_stages_are_opened_by_managers_alone_without_secrets_and_the_log_says_by_whom() {
    let hub = Home::new().await.with_local_remotes().start().await;
    let sink = Sink::start([]).await;
    hub.add_channel("ops", &sink.url()).await;
    let answer = sync(&hub, &json!({ "payload": payload() })).await;
    let run_id = answer["runs"][0]["run_id"].as_str().unwrap();
    let path = format!("/manage/runs/{run_id}/outputs/");
    hub.get(&path).await.problem(403, "forbidden");
    let (_, token) = hub.create_key(&["--manage"]).await;
    let outputs = hub.send(hub.anonymous(Method::GET, &path).bearer_auth(token)).await.json();
    assert!(outputs["check"].as_array().is_some_and(|checks| checks.len() > 2), "{outputs}");
    assert!(outputs["analyze"]["analysis"]["summary"].is_string(), "{outputs}");
    assert_eq!(outputs["notify"]["deliveries"][0]["channel"], "ops", "{outputs}");
    assert!(!outputs.to_string().contains("hunter2-Kq"), "{outputs}");
    assert!(hub.log().find(0, "opened what the stages of run").is_some());
    let by_command = hub.cli_json(&["run", "show", run_id, "--outputs"]).await;
    assert_eq!(by_command["outputs"], outputs);
}
