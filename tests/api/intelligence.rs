//! Questions by hand: to the local rules, about an incident, about this machine.

use serde_json::{Value, json};
use tests::{Home, Hub};

/// A hub whose local rules may look at this machine, and through the folder `open` of its home.
async fn hub() -> Hub {
    let mut home = Home::new().await;
    std::fs::write(home.path().join("plugins.toml"), "[provider.local]\nsystem = true").unwrap();
    let open = home.path().join("open");
    std::fs::create_dir_all(open.join("logs")).unwrap();
    std::fs::create_dir_all(home.path().join("closed")).unwrap();
    home.set("INTELLIGENCE_DISK_ROOTS", open.to_str().unwrap());
    home.start().await
}

async fn get(hub: &Hub, path: &str) -> Value {
    let reply = hub.get(path).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply.json()
}

#[tokio::test]
async fn health_names_providers_to_everybody_and_nothing_else() {
    let hub = Hub::new().await;
    let health = hub.send(hub.anonymous(reqwest::Method::GET, "/intelligence/health/")).await.json();
    assert_eq!((&health["name"], &health["status"]), (&json!("intelligence"), &json!("ok")));
    assert!(health["providers"].as_array().unwrap().contains(&json!("local")), "{health}");
    assert_eq!(health.as_object().unwrap().len(), 3, "{health}");
    let providers = get(&hub, "/intelligence/providers/").await;
    assert_eq!(providers["active"], "local");
    assert_eq!(providers["count"], providers["providers"].as_array().unwrap().len());
}

#[tokio::test]
async fn recommendations_are_about_the_incident_or_about_this_machine() {
    let hub = Hub::new().await;
    hub.accept(
        "/alerts/webhook/generic/",
        &json!({ "name": "DiskFull", "host": "db1", "severity": "critical" }),
    )
    .await;
    let incident = hub.list("/incidents/?limit=10").await[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/intelligence/recommendations/?incident_id={incident}&provider=local");
    let about = get(&hub, &path).await;
    assert_eq!((&about["incident_id"], &about["provider"]), (&json!(incident), &json!("local")), "{about}");
    assert!(about["summary"].as_str().unwrap().starts_with("`DiskFull` on db1"), "{about}");
    assert_eq!(about["count"], about["recommendations"].as_array().unwrap().len());
    let general = get(&hub, "/intelligence/recommendations/").await;
    assert_eq!(
        (&general["incident_id"], &general["fallback_used"]),
        (&Value::Null, &json!(false)),
        "{general}"
    );

    hub.get("/intelligence/recommendations/?incident_id=9").await.problem(400, "invalid-parameter");
    let nobody = "01JZ8Q4T6N8F5X2V9B3C7D1E0G";
    hub.get(&format!("/intelligence/recommendations/?incident_id={nobody}")).await.problem(404, "not-found");
    let detail = hub.get("/intelligence/recommendations/?provider=x").await.problem(404, "unknown-provider");
    assert!(detail.contains("known are") && detail.contains("`local`"), "{detail}");
    for (body, word) in
        [("[]", "list"), ("{\"colour\":1}", "colour"), ("{\"config\":[]}", "map"), ("{", "body")]
    {
        let detail = hub.post("/intelligence/recommendations/", body).await.problem(400, "invalid-parameter");
        assert!(detail.contains(word), "{body}: {detail}");
    }
    let wrong = json!({ "provider": "local", "config": { "top_n": 0 } }).to_string();
    let detail = hub.post("/intelligence/recommendations/", wrong).await.problem(400, "invalid-parameter");
    assert!(detail.contains("top_n"), "{detail}");
}

#[tokio::test]
async fn memory_names_as_many_processes_as_asked_for() {
    let closed = Hub::new().await;
    for path in ["/intelligence/memory/", "/intelligence/disk/"] {
        let detail = closed.get(path).await.problem(409, "not-granted");
        assert!(detail.contains("`system = true` under [provider.local]"), "{detail}");
    }
    let hub = hub().await;
    let found = get(&hub, "/intelligence/memory/?top_n=2").await;
    assert_eq!((&found["type"], &found["top_n"], &found["count"]), (&json!("memory"), &json!(2), &json!(1)));
    let processes = found["recommendations"][0]["details"]["processes"].as_array().unwrap();
    assert!((1..=2).contains(&processes.len()), "{found}");
    assert_eq!(get(&hub, "/intelligence/memory/").await["top_n"], 10);
    for bad in ["0", "51", "-1", "x"] {
        hub.get(&format!("/intelligence/memory/?top_n={bad}")).await.problem(400, "invalid-parameter");
    }
}

#[tokio::test]
async fn disk_lists_files_of_open_folders_and_no_path_leads_out() {
    let hub = hub().await;
    let at = |path: &str| hub.path().join(path).to_str().unwrap().to_owned();
    std::fs::write(at("open/logs/large.log"), vec![b'x'; 3 << 20]).unwrap();
    std::fs::write(at("closed/secret.log"), vec![b'x'; 3 << 20]).unwrap();
    std::os::unix::fs::symlink(at("closed"), at("open/link")).unwrap();
    let found = get(&hub, "/intelligence/disk/?threshold_mb=2").await;
    assert_eq!(
        (&found["threshold_mb"], &found["old_days"], &found["path"]),
        (&json!(2), &json!(30), &Value::Null)
    );
    let text = found.to_string();
    assert!(text.contains("large.log") && !text.contains("secret.log"), "{text}");
    let path = format!("/intelligence/disk/?threshold_mb=2&path={}", at("open/logs"));
    assert!(get(&hub, &path).await["path"].as_str().unwrap().ends_with("open/logs"));
    for (path, told) in [
        (at("closed"), "must lie in one of"),
        (at("open/link"), "must lie in one of"),
        ("/etc".to_owned(), "must lie in one of"),
        (at("open/../closed"), "without `..`"),
        ("relative".to_owned(), "must be absolute"),
        (at("open/nothing"), "there is no folder"),
    ] {
        let reply = hub.get(&format!("/intelligence/disk/?path={path}")).await;
        let detail = reply.problem(400, "invalid-parameter");
        assert!(detail.contains(told), "{path}: {detail}");
    }
    for bad in ["threshold_mb=0", "old_days=3651", "old_days=x"] {
        hub.get(&format!("/intelligence/disk/?{bad}")).await.problem(400, "invalid-parameter");
    }
}
