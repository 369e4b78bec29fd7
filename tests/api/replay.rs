//! Reading stored webhooks again to see what would be different.

use reqwest::Method;
use serde_json::{Value, json};
use tests::{Home, Hub};

use crate::driver::{Alert, Driver};

/// Version by version of one driver.
fn acme(name: &str, description: &str) -> Vec<u8> {
    let alert = Alert {
        name: name.as_bytes().to_vec(),
        description: description.to_owned(),
        ..Driver::default().alert
    };
    Driver { name: "acme", alert, ..Driver::default() }.build()
}

async fn hub() -> (Hub, String) {
    let home = Home::new().await;
    std::fs::create_dir(home.path().join("plugins.d")).unwrap();
    std::fs::write(home.path().join("plugins.d/acme.wasm"), acme("DiskFull", "a disk is full")).unwrap();
    let hub = home.start().await;
    let answer = hub.accept("/alerts/webhook/acme/", &json!({ "n": 1 })).await;
    let run_id = answer["run_id"].as_str().unwrap().to_owned();
    (hub, run_id)
}

/// Everything that a replay could change.
async fn state(hub: &Hub) -> [Vec<Value>; 3] {
    [
        hub.list("/alerts/?limit=1000").await,
        hub.list("/incidents/?limit=1000").await,
        hub.list("/orchestration/pipelines/?limit=1000").await,
    ]
}

/// The state once nothing is under way.
async fn settled(hub: &Hub) -> [Vec<Value>; 3] {
    tests::wait_for("all runs have ended", tests::PATIENCE, async || {
        let state = state(hub).await;
        state[2].iter().all(|run| !run["completed_at"].is_null()).then_some(state)
    })
    .await
}

#[tokio::test]
async fn another_version_of_a_driver_is_tried_on_a_stored_request_and_nothing_is_written() {
    let (hub, run_id) = hub().await;
    let before = settled(&hub).await;
    std::fs::write(hub.path().join("acme.wasm"), acme("DiskFull", "a disk is nearly full")).unwrap();
    let found =
        hub.cli_json(&["replay", &run_id, "--plugin", "acme.wasm", "--json"]).await["replayed"].clone();
    assert_eq!((&found["applied"], &found["reading"]["alerts"]), (&json!(false), &json!(1)), "{found}");
    assert_ne!(found["reading"]["digest"], found["loaded"]["digest"], "{found}");
    let changed = &found["difference"]["changed"];
    assert_eq!(
        changed[0]["fields"],
        json!({ "description": ["a disk is full", "a disk is nearly full"] }),
        "{found}"
    );

    std::fs::write(hub.path().join("acme.wasm"), acme("DiskGone", "no disk")).unwrap();
    let said = hub.cli_text(&["replay", &run_id, "--plugin", "acme.wasm"]).await;
    for line in [
        "  - DiskFull [",
        "  + DiskGone [",
        "alert DiskGone [",
        "]: created",
        "1 downstream runs",
        "nothing was written",
    ] {
        assert!(said.contains(line), "`{line}` is missing:\n{said}");
    }
    let as_it_is = hub.cli_json(&["replay", &run_id, "--json"]).await["replayed"].clone();
    assert_eq!(
        as_it_is["difference"],
        json!({ "added": [], "removed": [], "changed": [], "same": 1 }),
        "{as_it_is}"
    );
    assert_eq!(as_it_is["would_change"], json!({ "alerts": [], "incidents": [], "runs": 0 }), "{as_it_is}");
    assert_eq!(state(&hub).await, before);
}

#[tokio::test]
async fn what_was_found_is_written_when_that_is_asked_for() {
    let (mut hub, run_id) = hub().await;
    settled(&hub).await;
    hub.terminate();
    hub.ended().await;
    std::fs::write(hub.path().join("plugins.d/acme.wasm"), acme("DiskGone", "no disk")).unwrap();
    hub.restart().await;
    let said = hub.cli_text(&["replay", &run_id, "--apply"]).await;
    assert!(said.contains("written: parsed, 1 alerts, 1 incidents touched, 1 downstream runs"), "{said}");
    let [alerts, incidents, runs] = settled(&hub).await;
    let names: Vec<_> = alerts.iter().map(|alert| alert["name"].as_str().unwrap()).collect();
    assert_eq!((names, incidents.len()), (vec!["DiskGone", "DiskFull"], 2));
    assert_eq!(runs.len(), 3, "no run for the request but its own");
    let run = hub.get(&format!("/orchestration/pipeline/{run_id}/")).await.json();
    assert_eq!(run["total_attempts"], 2, "{run}");
}

#[tokio::test]
async fn what_was_read_is_not_given_up_for_a_driver_that_cannot_read_it() {
    let (mut hub, run_id) = hub().await;
    settled(&hub).await;
    hub.terminate();
    hub.ended().await;
    let broken = Driver { name: "acme", ..Driver::parsing("(unreachable)") }.build();
    std::fs::write(hub.path().join("plugins.d/acme.wasm"), broken).unwrap();
    hub.restart().await;
    let before = state(&hub).await;
    let (_, token) = hub.create_key(&["--manage"]).await;
    let path = format!("/manage/replay/{run_id}/");
    let ask = async |body: &'static str| {
        hub.send(hub.anonymous(Method::POST, &path).bearer_auth(&token).body(body)).await
    };
    let dry = ask("").await.json();
    assert_eq!(dry["replayed"]["reading"]["outcome"], "quarantined", "{dry}");
    assert_eq!(dry["replayed"]["difference"]["removed"][0]["name"], "DiskFull", "{dry}");
    let refused = ask(r#"{"apply":true}"#).await.problem(409, "conflict");
    assert!(refused.contains("what it was read as stays"), "{refused}");
    ask(r#"{"driver":"nobody"}"#).await.problem(404, "unknown-driver");
    assert_eq!(state(&hub).await, before);
}

#[tokio::test]
async fn a_file_that_is_no_driver_is_refused_by_name() {
    let (hub, run_id) = hub().await;
    for (file, bytes, text) in [
        ("text.wasm", b"not a component".as_slice(), "`text` is not WebAssembly"),
        ("missing.wasm", b"".as_slice(), "missing.wasm"),
    ] {
        if !bytes.is_empty() {
            std::fs::write(hub.path().join(file), bytes).unwrap();
        }
        let refused = hub.cli(&["replay", &run_id, "--plugin", file]).await;
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains(text), "{said}");
    }
    let unknown = hub.cli(&["replay", "01ARZ3NDEKTSV4RRFFQ69G5FAV"]).await;
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("there is no request of run"));
}
