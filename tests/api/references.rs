//! Secrets by reference: followed when they are needed, never stored, never shown.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::json;
use tests::{Home, Hub, PATIENCE, Sink, wait_for};

use crate::detection::GRAFANA;
use crate::signatures::{send, signature};

fn put(file: &Path, text: &str) {
    std::fs::write(file, format!("{text}\n")).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// The `authorization` of what the sink got last, once it got `count` in all.
async fn authorization(sink: &Sink, count: usize) -> String {
    let received = sink.wait(count).await;
    let headers = &received.last().unwrap().headers;
    headers.iter().find(|(name, _)| name == "authorization").map(|(_, value)| value.clone()).unwrap()
}

/// A channel whose token is in a file.
async fn with_channel(home: &Home, url: &str, file: &Path) {
    let settings = json!({
        "url": url,
        "authorization": format!("file:{}", file.display()),
    });
    let arguments = ["channel", "add", "ops", "--notifier", "generic", "--config", &settings.to_string()];
    home.cli_text(&arguments).await;
}

#[tokio::test]
async fn a_channel_s_secret_is_read_when_it_is_used_and_is_nowhere_to_be_seen() {
    let sink = Sink::start([]).await;
    let secrets = tempfile::tempdir().unwrap();
    let file = secrets.path().join("token");
    put(&file, "canary-token-one");
    let home = Home::new().await.with_local_remotes().with("WATCHBELL_LOG", "trace");
    with_channel(&home, &sink.url(), &file).await;
    let hub = home.start().await;
    hub.accept("/alerts/webhook/", &json!({ "name": "First" })).await;
    assert_eq!(authorization(&sink, 1).await, "canary-token-one");
    put(&file, "canary-token-two");
    hub.accept("/alerts/webhook/", &json!({ "name": "Second" })).await;
    assert_eq!(authorization(&sink, 2).await, "canary-token-two", "a changed file counts without a restart");

    std::fs::remove_file(&file).unwrap();
    let third = hub.accept("/alerts/webhook/", &json!({ "name": "Third" })).await;
    let line =
        wait_for("the delivery is put off", PATIENCE, async || hub.log().find(0, "did not take attempt 1"))
            .await;
    let reference = file.display().to_string();
    assert!(
        line.contains("channel `ops`: `authorization` refers to file") && line.contains(&reference),
        "{line}"
    );
    put(&file, "canary-token-three");
    assert_eq!(authorization(&sink, 3).await, "canary-token-three");
    assert_eq!(hub.downstream(third["trace_id"].as_str().unwrap()).await["status"], "NOTIFIED");

    let mut shown = hub.log().lines();
    for file in hub.database_files() {
        shown.push(String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned());
    }
    shown.push(hub.cli_text(&["delivery", "list", "--json"]).await);
    assert!(shown.iter().all(|text| !text.contains("canary")), "a secret was shown");
}

#[tokio::test]
async fn an_address_that_is_secret_may_be_in_the_environment() {
    let sink = Sink::start([]).await;
    let url = format!("{}/canary-address", sink.url());
    let home = Home::new().await.with_local_remotes().with("SLACK_URL", &url).with("WATCHBELL_LOG", "trace");
    home.cli_text(&["channel", "add", "team", "--notifier", "slack", "--set", "webhook_url=env:SLACK_URL"])
        .await;
    let hub = home.start().await;
    hub.accept("/alerts/webhook/", &json!({ "name": "First" })).await;
    assert_eq!(sink.wait(1).await[0].target, "/hook/canary-address");
    assert!(hub.log().lines().iter().all(|line| !line.contains("canary")));
}

#[tokio::test]
async fn references_to_nothing_are_refused_with_what_to_do() {
    let home = Home::new().await;
    for (url, expected) in [
        ("env:NOT_SET", "`webhook_url` refers to environment variable `NOT_SET`, which is not set"),
        ("file:/no/such/file", "`webhook_url` refers to file `/no/such/file`, which cannot be read"),
        ("env:WATCHBELL_SECRET_KEY", "a setting of the hub itself"),
    ] {
        let setting = format!("webhook_url={url}");
        let output = home.cli(&["channel", "add", "x", "--notifier", "slack", "--set", &setting]).await;
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && text.contains(expected) && text.contains("hint: "), "{text}");
    }
    let home = home.with("WEBHOOK_SECRET_GRAFANA", "file:/no/such/file");
    let output = home.cli(&["serve"]).await;
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("`WEBHOOK_SECRET_GRAFANA` refers to file `/no/such/file`"), "{text}");
}

#[tokio::test]
async fn a_sender_s_secret_follows_its_file_and_outlives_it() {
    let secrets = tempfile::tempdir().unwrap();
    let file = secrets.path().join("grafana");
    put(&file, "the first");
    let reference = format!("file:{}", file.display());
    let status = async |hub: &Hub, secret: &str| {
        send(hub, "/alerts/webhook/grafana/", &[signature(secret, GRAFANA)], GRAFANA).await.status
    };
    let set = Home::new().await.with("WEBHOOK_SECRET_GRAFANA", &reference).start().await;
    let kept = Home::new().await;
    kept.cli_text(&["secrets", "set", "webhook/grafana", "--reference", &reference]).await;
    let kept = kept.start().await;
    for hub in [&set, &kept] {
        assert_eq!((status(hub, "the first").await, status(hub, "the second").await), (202, 403));
    }
    put(&file, "the second");
    for hub in [&set, &kept] {
        wait_for("the hub knows", PATIENCE, async || (status(hub, "the second").await == 202).then_some(()))
            .await;
        assert_eq!(status(hub, "the first").await, 403);
    }
    std::fs::remove_file(&file).unwrap();
    for hub in [&set, &kept] {
        wait_for("the hub says so", PATIENCE, async || hub.log().find(0, "which cannot be read")).await;
        assert_eq!((status(hub, "the second").await, status(hub, "").await), (202, 403));
    }
}

#[tokio::test]
async fn the_secret_key_may_be_in_a_file_and_one_that_others_can_read_is_warned_of() {
    let mut home = Home::new().await;
    let file = home.path().join("key");
    put(&file, home.setting("WATCHBELL_SECRET_KEY"));
    home.set("WATCHBELL_SECRET_KEY", &format!("file:{}", file.display()));
    let hub = home.start().await;
    hub.accept("/alerts/webhook/", &json!({ "name": "Sealed" })).await;
    let check = async || hub.cli_text(&["check"]).await;
    assert!(!check().await.contains("W007"));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(check().await.contains("W007"));
    let shown = hub.cli_text(&["config", "show"]).await;
    assert!(shown.contains(&format!("file:{}", file.display())), "{shown}");
}
