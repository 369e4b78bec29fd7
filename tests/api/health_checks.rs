//! `watchbell check-health`, and the hub that watches over its own machine.

use std::net::TcpListener;

use serde_json::{Value, json};
use tests::{Home, Hub, PATIENCE, Sink, wait_for};

use crate::driver::Driver;

const ALL: [&str; 12] = [
    "cpu",
    "memory",
    "disk",
    "disk_inodes",
    "disk_analysis",
    "network",
    "process",
    "raid",
    "disk_temp",
    "cpu_temp",
    "io_strain",
    "listening_ports",
];
const CHECKER_RUNS: &str = "/orchestration/pipelines/?source=checker";

/// Makes checks; gives the exit code, what was printed as JSON, and what was said beside it.
async fn check_health(home: &Home, arguments: &[&str]) -> (Option<i32>, Value, String) {
    let output = home.cli(&[&["check-health", "--json"], arguments].concat()).await;
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default(), said)
}

/// Runs of the hub's own checks: those that took results, and those that follow.
async fn runs(hub: &Hub) -> (Vec<Value>, Vec<Value>) {
    hub.list(CHECKER_RUNS).await.into_iter().partition(|run| run["parent_run_id"].is_null())
}

#[tokio::test]
async fn every_check_answers_in_one_form_without_a_database_or_a_secret_key() {
    let mut home = Home::new().await;
    home.unset("WATCHBELL_SECRET_KEY");
    home.set("WATCHBELL_INSTANCE", "web-03");
    let (code, found, said) = check_health(&home, &ALL).await;
    assert_eq!(found["instance"], "web-03", "{said}");
    assert!(found["recorded"].is_null());
    let checks = found["checks"].as_array().unwrap();
    assert_eq!(checks.iter().map(|check| check["checker"].as_str().unwrap()).collect::<Vec<_>>(), ALL);
    for check in checks {
        let keys: Vec<&str> = check.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            ["checker", "critical", "message", "metrics", "status", "unit", "value", "warning"],
            "{check}"
        );
        let judged = matches!(check["status"].as_str().unwrap(), "ok" | "warning" | "critical");
        assert!(judged || check["status"] == "skipped", "{check}");
        assert_eq!(check["value"].is_f64(), judged, "{check}");
        assert!(!check["message"].as_str().unwrap().is_empty() && check["warning"].is_f64());
    }
    // What is always there, and what the kernel says that it has.
    for name in ["cpu", "memory", "process", "listening_ports"] {
        let check = checks.iter().find(|check| check["checker"] == name).unwrap();
        assert_ne!(check["status"], "skipped", "{check}");
    }
    let raid = checks.iter().find(|check| check["checker"] == "raid").unwrap();
    let arrays = std::fs::read_to_string("/proc/mdstat").is_ok_and(|text| text.contains("\nmd"));
    assert_eq!(raid["status"] != "skipped", arrays, "{raid}");
    let critical = checks.iter().any(|check| check["status"] == "critical");
    assert_eq!(code, Some(i32::from(critical)), "{said}");
    assert!(home.database_files().is_empty(), "checking makes no database");

    let table = home.cli(&["check-health", "memory", "raid"]).await;
    let table = String::from_utf8(table.stdout).unwrap();
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["CHECK", "STATE", "VALUE", "WARNING", "CRITICAL", "WHY"]);
    assert_eq!((rows.len(), rows[1][0], rows[2][0]), (3, "memory", "raid"), "{table}");
    assert_eq!(rows[1][3], "%");
}

#[tokio::test]
async fn the_exit_code_says_how_bad_it_is() {
    let home = Home::new().await.with("WATCHBELL_CHECKS", "memory");
    let more = "101";
    for (arguments, expected) in [
        (&["memory", "--warning", more, "--critical", more][..], 0),
        (&["memory", "--warning", "0", "--critical", more], 0),
        (&["memory", "--warning", "0", "--critical", more, "--fail-on-warning"], 1),
        (&["memory", "--warning", "0", "--critical", "0"], 1),
        (&["nvme"], 2),
        (&["memory", "--warning", "9", "--critical", "8"], 2),
        (&["memory", "--warning", "-1"], 2),
        (&["--warning", "9"], 2),
    ] {
        let (code, _, said) = check_health(&home, arguments).await;
        assert_eq!(code, Some(expected), "{arguments:?}: {said}");
    }
    let (_, _, said) = check_health(&home, &["nvme"]).await;
    assert!(ALL.iter().all(|name| said.contains(name)), "the known ones are listed: {said}");
    assert_eq!(
        check_health(&home, &[]).await.1["checks"].as_array().unwrap().len(),
        1,
        "as it is configured"
    );

    let home = home.with("WATCHBELL_CHECK_MEMORY", "warning=0,critical=1");
    let listed = home.cli_json(&["check-health", "memory", "network", "--list", "--json"]).await;
    assert_eq!(listed["checkers"][0]["critical"], 1.0);
    assert_eq!(listed["checkers"][1]["options"][1]["values"], json!(["0"]));
    let home = home.with("WATCHBELL_CHECK_MEMORY", "warning=much");
    let (code, _, said) = check_health(&home, &["cpu"]).await;
    assert!(code == Some(1) && said.contains("`WATCHBELL_CHECK_MEMORY`: expected a number"), "{said}");
}

#[tokio::test]
async fn what_is_recorded_is_an_alert_of_the_hub_s_own_and_is_told_once() {
    let sink = Sink::start([]).await;
    let hub = Home::new().await.with_local_remotes().with("WATCHBELL_INSTANCE", "web-03").start().await;
    hub.add_channel("ops", &sink.url()).await;
    let record = async |warning, critical| {
        let names = ["memory", "cpu_temp", "--record", "--warning", warning, "--critical", critical];
        check_health(&hub, &names).await
    };
    let (code, found, said) = record("0", "0").await;
    assert_eq!(code, Some(1), "{said}");
    let trace_id = found["recorded"]["trace_id"].as_str().unwrap();
    let alerts = hub.list("/alerts/?source=checker&name=memory%20check").await;
    let [alert] = &alerts[..] else { panic!("{alerts:?}") };
    assert_eq!(alert["fingerprint"], "memory-web-03");
    assert_eq!((&alert["status"], &alert["severity"]), (&json!("firing"), &json!("critical")));
    assert_eq!(alert["labels"], json!({ "checker": "memory", "instance": "web-03" }));
    assert_eq!(alert["description"], found["checks"][0]["message"]);
    assert_eq!(alert["trace_id"], trace_id);
    if found["checks"][1]["status"] == "skipped" {
        assert_eq!(hub.list("/alerts/?source=checker").await.len(), 1, "what is skipped is no alert");
    }
    let run = hub.downstream(trace_id).await;
    assert_eq!(run["origin"], "checker_generated", "routes can tell it: {run}");
    let (own, _) = runs(&hub).await;
    assert_eq!((&own[0]["origin"], &own[0]["status"]), (&json!("checker_generated"), &json!("INGESTED")));

    let (_, again, _) = record("0", "0").await;
    assert_eq!(again["recorded"]["runs"], 0, "a steady repeat tells nobody: {again}");
    let (code, over, _) = record("101", "101").await;
    assert_eq!(code, Some(0));
    let over = hub.downstream(over["recorded"]["trace_id"].as_str().unwrap()).await;
    assert_eq!(over["status"], "NOTIFIED", "{over}");
    assert_eq!(hub.list("/alerts/?source=checker&status=firing").await, Vec::<Value>::new());
    assert_eq!(runs(&hub).await.1.len(), 2, "it began and it ended");
    let told = sink.wait(2).await;
    assert_eq!(told.len(), 2, "{told:?}");
}

#[tokio::test]
async fn a_schedule_makes_alerts_and_a_steady_repeat_no_second_run() {
    let hub = Home::new()
        .await
        .with("WATCHBELL_CHECKS", "memory")
        .with("WATCHBELL_CHECK_MEMORY", "warning=0,critical=0")
        .with("WATCHBELL_CHECKS_EVERY_S", "1")
        .start()
        .await;
    wait_for("three looks at this machine", PATIENCE, async || (runs(&hub).await.0.len() >= 3).then_some(()))
        .await;
    let (_, following) = runs(&hub).await;
    assert_eq!(following.len(), 1, "{following:?}");
    let alerts = hub.list("/alerts/?source=checker").await;
    assert_eq!((alerts.len(), &alerts[0]["status"]), (1, &json!("firing")), "{alerts:?}");
    let metrics = hub.get("/metrics").await.text();
    assert!(metrics.contains("watchbell_check_state{checker=\"memory\"} 2\n"), "{metrics}");
}

/// Ports below those that programs get for asking, that nobody listens on.
fn free_ports() -> [u16; 2] {
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let begin = u16::try_from(std::process::id() % 10_000).unwrap() + 20_000;
    let mut free = (begin..begin + 2000).filter(is_free);
    [free.next().unwrap(), free.next().unwrap()]
}

#[tokio::test]
async fn other_ports_are_told_though_it_is_no_worse() {
    let [first, second] = free_ports();
    let hub = Home::new()
        .await
        .with("WATCHBELL_CHECKS", "listening_ports")
        .with("WATCHBELL_CHECK_LISTENING_PORTS", &format!("require={first},require={second},loopback=1"))
        .start()
        .await;
    let record = async || check_health(&hub, &["--record"]).await.1;
    let missing = |found: &Value| found["checks"][0]["metrics"]["missing_ports"].as_array().unwrap().len();

    let began = record().await;
    assert_eq!((missing(&began), &began["recorded"]["runs"]), (2, &json!(1)), "{began}");
    let steady = record().await;
    assert_eq!((missing(&steady), &steady["recorded"]["runs"]), (2, &json!(0)), "{steady}");
    let listens = TcpListener::bind(("127.0.0.1", first)).unwrap();
    let other = record().await;
    assert_eq!((missing(&other), &other["recorded"]["runs"]), (1, &json!(1)), "{other}");
    assert_eq!(other["checks"][0]["status"], "critical", "as bad as before");
    let incidents = hub.list("/incidents/?status=open").await;
    let [incident] = &incidents[..] else { panic!("{incidents:?}") };
    let incident = hub.get(&format!("/incidents/{}/", incident["id"].as_str().unwrap())).await.json();
    let history = incident["history"].as_array().unwrap();
    let events: Vec<&Value> = history.iter().map(|event| &event["event"]).collect();
    assert_eq!(events, ["context", "created"], "{incident}");

    let _both = TcpListener::bind(("127.0.0.1", second)).unwrap();
    let over = record().await;
    assert_eq!((missing(&over), &over["recorded"]["runs"]), (0, &json!(1)), "{over}");
    drop(listens);
}

/// The name of what the hub finds itself cannot be a driver's.
#[tokio::test]
async fn a_driver_cannot_speak_for_the_hub() {
    let home = Home::new().await;
    let driver = Driver { name: "checker", ..Driver::default() };
    std::fs::create_dir(home.path().join("plugins.d")).unwrap();
    std::fs::write(home.path().join("plugins.d/checker.wasm"), driver.build()).unwrap();
    let hub = home.start().await;
    assert!(hub.log().find(0, "that of the hub's own checks").is_some(), "{:?}", hub.log().lines());
    assert_eq!(hub.post("/alerts/webhook/checker/", "{}").await.status, 404);
}
