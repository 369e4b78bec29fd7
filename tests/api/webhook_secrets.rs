//! Secrets that senders sign with, kept encrypted: set, replaced, removed, never shown.

use reqwest::Method;
use serde_json::{Value, json};
use store::{SecretChange, Store, StoredSecret};
use tests::{Home, Hub, PATIENCE, Reply, wait_for};

use crate::detection::{GENERIC, GRAFANA};
use crate::signatures::{HEADER, send, signature};

const FIRST: &str = "canary-first-secret-of-grafana";
const SECOND: &str = "canary-second-secret-of-grafana";
const PATH: &str = "/alerts/webhook/grafana/";
const MANAGE: &str = "/manage/secrets/webhook/grafana/";

/// What a webhook is answered that is signed with this secret, or not at all.
async fn status(hub: &Hub, secret: Option<&str>) -> u16 {
    let signatures: Vec<String> = secret.iter().map(|secret| signature(secret, GRAFANA)).collect();
    send(hub, PATH, &signatures, GRAFANA).await.status
}

async fn manage(hub: &Hub, token: &str, method: Method, path: &str, body: &Value) -> Reply {
    hub.send(hub.anonymous(method, path).bearer_auth(token).body(body.to_string())).await
}

async fn keep(home: &Home, name: &str, secret: &str) {
    let output = home.cli_on(&["secrets", "set", name], format!("{secret}\n").as_bytes()).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn a_kept_secret_counts_at_once_and_the_one_before_until_it_is_removed() {
    let hub = Hub::new().await;
    let (_, token) = hub.create_key(&["--manage"]).await;
    let set = async |body: Value| manage(&hub, &token, Method::POST, MANAGE, &body).await;
    assert_eq!(status(&hub, None).await, 202);
    let reply = set(json!({ "value": FIRST })).await;
    assert_eq!((reply.status, &reply.json()["secret"]["name"]), (200, &json!("webhook/grafana")));
    assert_eq!((status(&hub, None).await, status(&hub, Some(FIRST)).await), (403, 202));

    let reply = set(json!({ "value": SECOND })).await.json();
    assert!(reply["secret"]["previous_created_at"].is_string(), "{reply}");
    assert_eq!((status(&hub, Some(FIRST)).await, status(&hub, Some(SECOND)).await), (202, 202));
    let remove = format!("{MANAGE}remove/");
    let gone = manage(&hub, &token, Method::POST, &remove, &json!({ "previous_only": true })).await;
    assert_eq!((gone.status, &gone.json()["removed"]), (200, &json!(1)));
    assert_eq!((status(&hub, Some(FIRST)).await, status(&hub, Some(SECOND)).await), (403, 202));
    let none = manage(&hub, &token, Method::POST, &remove, &json!({ "previous_only": true })).await;
    none.problem(404, "not-found");

    assert_eq!(set(json!({ "value": FIRST, "replace": true })).await.status, 200);
    assert_eq!((status(&hub, Some(FIRST)).await, status(&hub, Some(SECOND)).await), (202, 403));
    assert_eq!(manage(&hub, &token, Method::POST, &remove, &json!({})).await.json()["removed"], 1);
    assert_eq!(status(&hub, None).await, 202, "without a secret nothing is verified");
}

#[tokio::test]
async fn a_secret_of_the_command_line_reaches_running_hubs_and_is_never_shown() {
    let hub = Home::new().await.with("WATCHBELL_LOG", "trace").start().await;
    keep(&hub, "webhook/grafana", FIRST).await;
    wait_for("the hub knows", PATIENCE, async || (status(&hub, None).await == 403).then_some(())).await;
    assert_eq!(status(&hub, Some(FIRST)).await, 202);
    keep(&hub, "webhook/grafana", SECOND).await;
    wait_for("the hub knows", PATIENCE, async || (status(&hub, Some(SECOND)).await == 202).then_some(()))
        .await;
    assert_eq!(status(&hub, Some(FIRST)).await, 202);

    let mut shown = hub.log().lines();
    for arguments in [&["secrets", "list"][..], &["secrets", "list", "--json"], &["secrets", "status"]] {
        shown.push(hub.cli_text(arguments).await);
    }
    let (_, token) = hub.create_key(&["--manage"]).await;
    shown.push(manage(&hub, &token, Method::GET, "/manage/secrets/", &Value::Null).await.text());
    assert!(shown.last().unwrap().contains("webhook/grafana"), "{shown:?}");
    for file in hub.database_files() {
        shown.push(String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned());
    }
    assert!(shown.iter().all(|text| !text.contains("canary")), "a secret was shown");
    hub.cli_text(&["secrets", "remove", "webhook/grafana"]).await;
    wait_for("the hub knows", PATIENCE, async || (status(&hub, None).await == 202).then_some(())).await;
}

#[tokio::test]
async fn what_would_protect_nothing_is_refused_without_being_shown() {
    let hub = Hub::new().await;
    let (_, token) = hub.create_key(&["--manage"]).await;
    let set = async |driver: &str, body: &str| {
        let path = format!("/manage/secrets/webhook/{driver}/");
        hub.send(hub.anonymous(Method::POST, &path).bearer_auth(&token).body(body.to_owned())).await
    };
    for (driver, body, status, kind, expected) in [
        ("zabbix", r#"{"value":"canary"}"#, 400, "invalid-parameter", "knows no signature"),
        ("nobody", r#"{"value":"canary"}"#, 404, "unknown-driver", "`grafana`"),
        ("grafana", r#"{"value":""}"#, 400, "invalid-parameter", "empty"),
        ("grafana", "{}", 400, "invalid-parameter", "empty"),
        ("generic", r#"{"value":"whsec_canary!"}"#, 400, "invalid-parameter", "begins with `whsec_`"),
        ("grafana", r#"{"value":["canary"]}"#, 400, "invalid-parameter", "must be a text"),
        ("grafana", r#"{"value":12345678}"#, 400, "invalid-parameter", "must be a text"),
        ("grafana", r#"{"value":"x","replace":"canary"}"#, 400, "invalid-parameter", "true or false"),
        ("grafana", r#"{"value":"file:/etc/canary"}"#, 400, "invalid-parameter", "is a reference"),
        ("grafana", r#"{"value":"env:CANARY"}"#, 400, "invalid-parameter", "is a reference"),
        ("grafana", r#"{"value":"env:"}"#, 400, "invalid-parameter", "is a reference"),
    ] {
        let detail = set(driver, body).await.problem(status, kind);
        assert!(detail.contains(expected), "{body}: {detail}");
        assert!(!detail.to_lowercase().contains("canary") && !detail.contains("12345678"), "{detail}");
    }
    for name in ["grafana", "webhook/", "webhook/Grafana", "channel/grafana"] {
        assert_eq!(hub.cli_on(&["secrets", "set", name], b"canary").await.status.code(), Some(2), "{name}");
    }
    let refused = hub.cli_on(&["secrets", "set", "webhook/zabbix"], b"canary").await;
    assert!(String::from_utf8_lossy(&refused.stderr).contains("watchbell key create --name zabbix"));
    assert_eq!(
        manage(&hub, &token, Method::GET, "/manage/secrets/", &Value::Null).await.json(),
        json!({"secrets": []})
    );
}

#[tokio::test]
async fn a_setting_wins_over_what_is_kept() {
    let hub = Home::new().await.with("WEBHOOK_SECRET_GRAFANA", FIRST).start().await;
    let (_, token) = hub.create_key(&["--manage"]).await;
    let reply = manage(&hub, &token, Method::POST, MANAGE, &json!({ "value": SECOND })).await.json();
    assert_eq!(reply["secret"]["overridden"], true);
    assert_eq!((status(&hub, Some(FIRST)).await, status(&hub, Some(SECOND)).await), (202, 403));
}

#[tokio::test]
async fn a_secret_that_was_moved_or_changed_in_the_database_lets_nothing_in() {
    let mut hub = Hub::new().await;
    keep(&hub, "webhook/grafana", FIRST).await;
    keep(&hub, "webhook/generic", SECOND).await;
    let database = format!("sqlite://{}", hub.database_files().remove(0).display());
    let store = Store::open(&database, store::Options::default()).await.unwrap();
    let stored = store.secrets().await.unwrap();
    let [generic, grafana] = stored.as_slice() else { panic!("{stored:?}") };
    // The secret of one driver in the row of the other, and a flipped bit.
    for sealed in [generic.sealed.clone(), flipped(&grafana.sealed)] {
        store.change_secret("webhook/grafana", SecretChange::Remove).await.unwrap();
        let secret = StoredSecret { sealed, ..grafana.clone() };
        store
            .change_secret("webhook/grafana", SecretChange::Set { secret: &secret, oldest: 1 })
            .await
            .unwrap();
        hub.kill().await;
        hub.restart().await;
        for secret in [None, Some(FIRST), Some(SECOND)] {
            assert_eq!(status(&hub, secret).await, 403, "{secret:?}");
        }
        assert!(hub.log().find(0, "secret `webhook/grafana` cannot be opened").is_some());
        let found = hub.cli(&["check", "--json"]).await;
        assert!(String::from_utf8_lossy(&found.stdout).contains("E008"));
        let verify = hub.cli(&["secrets", "status", "--verify"]).await;
        assert_eq!(verify.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&verify.stdout).contains("secret.sealed of webhook/grafana/1"));
    }
    store.close().await;
    let request = hub.request(Method::POST, "/alerts/webhook/generic/").body(GENERIC);
    let reply = hub.send(request.header("x-webhook-signature", signature(SECOND, GENERIC))).await;
    assert_eq!(reply.status, 202, "the other one still works: {} {HEADER}", reply.text());
}

fn flipped(sealed: &[u8]) -> Vec<u8> {
    let mut sealed = sealed.to_vec();
    *sealed.last_mut().unwrap() ^= 1;
    sealed
}
