//! What must never be seen: planted secrets are looked for in everything the hub writes.

use reqwest::Method;
use serde_json::json;
use tests::{Answer, Home, Sink};

const WEBHOOK_SECRET: &str = "canary-webhook-secret-7d1f";
const PAYLOAD: &str = "canary-payload-5b20";
const HEADER: &str = "canary-cookie-90ce";
const URL_SECRET: &str = "canary-url-path-41aa";
const AUTHORIZATION: &str = "canary-authorization-c3d7";
const UNREADABLE: &str = "canary-unreadable-08f2";

/// Whether a secret is in these bytes, as it is or in a usual disguise.
fn has(bytes: &[u8], secret: &str) -> bool {
    let forms = [secret.as_bytes().to_vec(), hex::encode(secret).into_bytes()];
    forms.iter().any(|form| bytes.windows(form.len()).any(|window| window == form))
}

#[tokio::test]
async fn secrets_and_payloads_are_neither_in_the_log_nor_readable_in_the_database() {
    let sink = Sink::start([Answer::Status(500, Vec::new()), Answer::Status(404, Vec::new())]).await;
    let home = Home::new().await.with_local_remotes();
    let mut hub =
        home.with("WATCHBELL_LOG", "trace").with("WEBHOOK_SECRET_GRAFANA", WEBHOOK_SECRET).start().await;
    let url = format!("{}/{URL_SECRET}", sink.url());
    for (name, notifier, setting, more) in [
        ("plain", "generic", format!("url={url}"), format!("authorization=Bearer {AUTHORIZATION}")),
        ("slack", "slack", format!("webhook_url={url}"), String::new()),
    ] {
        let mut arguments = vec!["channel", "add", name, "--notifier", notifier, "--set", &setting];
        if !more.is_empty() {
            arguments.extend(["--set", &more]);
        }
        hub.cli_text(&arguments).await;
    }

    let body = json!({ "name": "Canary", "unknown_field": PAYLOAD });
    let request = hub.request(Method::POST, "/alerts/webhook/generic/").header("cookie", HEADER);
    let accepted = hub.send(request.body(body.to_string())).await.json();
    hub.post("/alerts/webhook/", UNREADABLE).await;
    hub.post("/alerts/webhook/grafana/", format!(r#"{{"orgId":"{PAYLOAD}"}}"#))
        .await
        .problem(403, "signature");
    hub.send(hub.anonymous(Method::GET, "/alerts/").bearer_auth("canary-wrong-key-2f")).await;
    let received = sink.wait(3).await;
    assert!(received.iter().any(|request| request.target.contains(URL_SECRET)), "the remote gets it");
    assert!(
        received
            .iter()
            .any(|request| { request.headers.iter().any(|(_, value)| value.contains(AUTHORIZATION)) })
    );
    let run = hub.get(&format!("/orchestration/pipeline/{}/", accepted["run_id"].as_str().unwrap())).await;
    assert!(!has(&run.body, PAYLOAD), "{}", run.text());

    let settings = [hub.token(), WEBHOOK_SECRET, HEADER, URL_SECRET, AUTHORIZATION, "canary-wrong-key-2f"];
    let listed =
        hub.cli_text(&["channel", "list", "--json"]).await + &hub.cli_text(&["key", "list", "--json"]).await;
    let deliveries = hub.cli_text(&["delivery", "list", "--json"]).await;
    for secret in settings {
        assert!(!has(listed.as_bytes(), secret) && !has(deliveries.as_bytes(), secret), "{secret}");
    }

    // While it runs, for what is in the log of the database; and after, for what was moved out of it.
    let secrets = settings.into_iter().chain([PAYLOAD, UNREADABLE]).map(str::to_owned).collect::<Vec<_>>();
    for stopped in [false, true] {
        if stopped {
            hub.terminate();
            assert!(hub.ended().await.success());
        }
        for file in hub.database_files() {
            let bytes = std::fs::read(&file).unwrap();
            assert!(
                bytes.len() > 1000
                    || file.extension().is_some_and(|kind| kind.to_string_lossy().ends_with("wal"))
            );
            for secret in &secrets {
                assert!(!has(&bytes, secret), "`{secret}` is in {}", file.display());
            }
        }
    }
    for line in hub.log().lines() {
        for secret in &secrets {
            assert!(!has(line.as_bytes(), secret), "{line}");
        }
    }
}

#[tokio::test]
async fn errors_of_settings_do_not_show_the_setting() {
    let home = Home::new().await;
    let output = home
        .cli(&[
            "channel",
            "add",
            "x",
            "--notifier",
            "slack",
            "--set",
            "webhook_url=ftp://canary-bad-address/secret",
        ])
        .await;
    assert!(!output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("webhook_url") || text.contains("address"), "{text}");
    assert!(!text.contains("canary"), "{text}");
}
