//! Lists, pages and single things.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::{Hub, PATIENCE, wait_for};

const GENERIC: &str = "/alerts/webhook/generic/";

/// The values of one field over a list.
fn values(items: &[Value], field: &str) -> BTreeSet<String> {
    items.iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
}

fn set(values: &[&str]) -> BTreeSet<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

fn alert(name: &str, host: &str, severity: &str, status: &str) -> Value {
    let fingerprint = format!("{name}-{host}");
    json!({ "name": name, "fingerprint": fingerprint, "severity": severity, "status": status, "host": host })
}

#[tokio::test]
async fn every_filter_of_a_list_finds_what_it_names_and_nothing_else() {
    let hub = Hub::new().await;
    let disk = hub.accept(GENERIC, &alert("DiskFull", "db1", "critical", "firing")).await;
    hub.accept(GENERIC, &alert("DiskFull", "db2", "warning", "firing")).await;
    hub.accept(GENERIC, &alert("CpuHigh", "db3", "info", "firing")).await;
    hub.accept(GENERIC, &alert("CpuHigh", "db3", "info", "resolved")).await;
    let pushed = json!([{ "labels": { "alertname": "Pushed", "instance": "db4" } }]);
    hub.accept("/alerts/webhook/alertmanager/", &pushed).await;

    let incidents = hub.list("/incidents/?name=DiskFull").await;
    assert_eq!(values(&incidents, "instance"), set(&["db1", "db2"]));
    let incident_id = incidents.iter().find(|one| one["instance"] == "db1").unwrap()["id"].as_str().unwrap();
    let trace_id = disk["trace_id"].as_str().unwrap();

    let alerts = [
        (format!("trace_id={trace_id}"), set(&["DiskFull-db1"])),
        (format!("incident_id={incident_id}"), set(&["DiskFull-db1"])),
        ("source=generic&name=CpuHigh".to_owned(), set(&["CpuHigh-db3"])),
        ("name=DiskFull".to_owned(), set(&["DiskFull-db1", "DiskFull-db2"])),
        ("fingerprint=DiskFull-db2".to_owned(), set(&["DiskFull-db2"])),
        ("status=resolved".to_owned(), set(&["CpuHigh-db3"])),
        ("source=generic&status=firing".to_owned(), set(&["DiskFull-db1", "DiskFull-db2"])),
        ("severity=critical".to_owned(), set(&["DiskFull-db1"])),
        ("name=Nothing".to_owned(), set(&[])),
    ];
    for (filter, expected) in alerts {
        let found = hub.list(&format!("/alerts/?{filter}")).await;
        assert_eq!(values(&found, "fingerprint"), expected, "{filter}");
    }
    assert_eq!(values(&hub.list("/alerts/?source=alertmanager").await, "name"), set(&["Pushed"]));

    let incidents = [
        ("status=resolved", set(&["db3"])),
        ("status=open", set(&["db1", "db2", "db4"])),
        ("severity=critical", set(&["db1"])),
        ("instance=db2", set(&["db2"])),
    ];
    for (filter, expected) in incidents {
        assert_eq!(
            values(&hub.list(&format!("/incidents/?{filter}")).await, "instance"),
            expected,
            "{filter}"
        );
    }

    let run_id = disk["run_id"].as_str().unwrap();
    let runs = hub.list(&format!("/orchestration/pipelines/?trace_id={trace_id}")).await;
    assert!(values(&runs, "run_id").contains(run_id) && runs.len() == 2, "{runs:?}");
    let runs = hub.list(&format!("/orchestration/pipelines/?incident_id={incident_id}")).await;
    assert_eq!(runs.len(), 1, "{runs:?}");
    let runs = hub.list("/orchestration/pipelines/?source=alertmanager&status=INGESTED").await;
    assert_eq!(runs.len(), 1, "{runs:?}");
}

#[tokio::test]
async fn pages_neither_skip_nor_repeat_while_more_arrives() {
    let hub = Hub::new().await;
    let alerts: Vec<Value> = (0..25).map(|n| alert("Many", &format!("h{n:02}"), "info", "firing")).collect();
    hub.accept(GENERIC, &json!({ "alerts": alerts })).await;
    let expected: BTreeSet<String> = (0..25).map(|n| format!("h{n:02}")).collect();

    let mut seen = Vec::new();
    let mut cursor = String::new();
    for page in 0.. {
        let reply = hub.get(&format!("/incidents/?limit=4{cursor}")).await.json();
        let items = reply["incidents"].as_array().unwrap();
        seen.extend(items.iter().map(|item| item["instance"].as_str().unwrap().to_owned()));
        // What is new stands before the first page and moves nothing behind it.
        hub.accept(GENERIC, &alert("Later", &format!("page{page}"), "info", "firing")).await;
        let Some(next) = reply["next"].as_str() else { break };
        assert_eq!(items.len(), 4);
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen.len(), 25, "{seen:?}");
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), expected);

    for path in ["/alerts/?name=Many&limit=", "/orchestration/pipelines/?limit="] {
        let whole = hub.list(&format!("{path}1000")).await;
        let parts = hub.list(&format!("{path}7")).await;
        assert!(whole.len() > 21, "more than three pages");
        let id = if path.starts_with("/alerts") { "id" } else { "run_id" };
        let ids = |items: &[Value]| items.iter().map(|item| item[id].clone()).collect::<Vec<_>>();
        let (mut whole, mut parts) = (ids(&whole), ids(&parts));
        // Runs move on meanwhile, and a filter of none keeps them all; only the set is compared.
        whole.sort_by_key(Value::to_string);
        parts.sort_by_key(Value::to_string);
        assert_eq!(whole, parts, "{path}");
    }
}

#[tokio::test]
async fn parameters_that_cannot_be_understood_are_named() {
    let hub = Hub::new().await;
    for list in ["/alerts/", "/incidents/", "/orchestration/pipelines/"] {
        for (parameter, word) in [
            ("limit=0", "limit"),
            ("limit=1001", "limit"),
            ("limit=-1", "limit"),
            ("limit=ten", "limit"),
            ("cursor=zz", "cursor"),
            ("cursor=00", "cursor"),
            ("cursor=31", "cursor"),
            ("status=nonsense", "status"),
            ("colour=red", "colour"),
            ("limit=1&limit=2", "limit"),
        ] {
            let detail = hub.get(&format!("{list}?{parameter}")).await.problem(400, "invalid-parameter");
            assert!(detail.contains(word), "{list}?{parameter}: {detail}");
        }
        assert_eq!(hub.get(&format!("{list}?limit=1000")).await.status, 200);
        assert_eq!(hub.get(&format!("{list}?limit=1")).await.status, 200);
    }
    for parameter in ["trace_id=1", "incident_id=x", "severity=bad"] {
        hub.get(&format!("/alerts/?{parameter}")).await.problem(400, "invalid-parameter");
    }
}

#[tokio::test]
async fn one_thing_is_shown_with_all_its_fields_and_its_history() {
    let hub = Hub::new().await;
    let accepted = hub.accept(GENERIC, &alert("DiskFull", "db1", "critical", "firing")).await;
    assert_eq!(accepted["outcome"], "parsed");
    hub.accept(GENERIC, &alert("DiskFull", "db1", "critical", "resolved")).await;

    let alerts = hub.list("/alerts/?fingerprint=DiskFull-db1").await;
    let [listed] = alerts.as_slice() else { panic!("{alerts:?}") };
    let path = format!("/alerts/{}/", listed["id"].as_str().unwrap());
    let shown = hub.get(&path).await.json();
    for field in [
        "id",
        "source",
        "fingerprint",
        "name",
        "status",
        "raw_status",
        "severity",
        "raw_severity",
        "description",
        "labels",
        "annotations",
        "started_at",
        "ended_at",
        "received_at",
        "incident_id",
        "trace_id",
    ] {
        assert!(listed.get(field).is_some(), "`{field}` is missing in {listed}");
        assert_eq!(shown[field], listed[field]);
    }
    assert_eq!((&shown["status"], &shown["source"]), (&json!("resolved"), &json!("generic")));
    assert!(shown["ended_at"].is_string() && shown["labels"]["host"] == "db1", "{shown}");
    let events: Vec<&Value> =
        shown["history"].as_array().unwrap().iter().map(|event| &event["event"]).collect();
    assert_eq!(events, ["resolved", "created"], "the newest first");

    let path = format!("/incidents/{}/", shown["incident_id"].as_str().unwrap());
    let incident = hub.get(&path).await.json();
    assert_eq!((&incident["status"], &incident["firing_alerts"]), (&json!("resolved"), &json!(0)));
    assert_eq!(incident["alerts"][0]["id"], shown["id"]);
    assert_eq!(incident["history"].as_array().unwrap().len(), 2, "{incident}");

    let path = format!("/orchestration/pipeline/{}/", accepted["run_id"].as_str().unwrap());
    let run = wait_for("the webhook's run has ended", PATIENCE, async || {
        let run = hub.get(&path).await.json();
        (!run["completed_at"].is_null()).then_some(run)
    })
    .await;
    assert_eq!((&run["status"], &run["trace_id"]), (&json!("INGESTED"), &accepted["trace_id"]));
    assert!(run["stages"].is_array() && run["deliveries"].is_array(), "{run}");

    for kind in ["/alerts/", "/incidents/", "/orchestration/pipeline/"] {
        for id in ["01ARZ3NDEKTSV4RRFFQ69G5FAV", "nonsense", "%00"] {
            hub.get(&format!("{kind}{id}/")).await.problem(404, "not-found");
        }
    }
}

#[tokio::test]
async fn words_that_a_driver_does_not_know_are_kept_counted_and_told() {
    let hub = Hub::new().await;
    let alert = json!({ "name": "Odd", "status": "wobbling", "severity": "purple" });
    let answer = hub.accept("/alerts/webhook/generic/", &alert).await;
    let reason = answer["reason"].as_str().unwrap();
    assert!(reason.contains("status `wobbling` is not known to the driver and taken for firing"), "{reason}");
    assert!(
        reason.contains("severity `purple` is not known to the driver and taken for warning"),
        "{reason}"
    );
    let kept = &hub.list("/alerts/?name=Odd").await[0];
    let fields =
        ["status", "raw_status", "severity", "raw_severity"].map(|field| kept[field].as_str().unwrap());
    assert_eq!(fields, ["firing", "wobbling", "warning", "purple"]);

    hub.accept("/alerts/webhook/generic/", &json!({ "name": "Plain", "status": "firing" })).await;
    hub.accept("/alerts/webhook/generic/", &alert).await;
    let reply = hub.get("/metrics").await;
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (200, "text/plain; version=0.0.4; charset=utf-8")
    );
    for line in [
        r#"watchbell_unmapped_words_total{driver="generic",field="status"} 2"#,
        r#"watchbell_unmapped_words_total{driver="generic",field="severity"} 2"#,
    ] {
        assert!(reply.text().lines().any(|found| found == line), "{line}: {}", reply.text());
    }
}
