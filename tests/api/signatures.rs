//! Webhooks that are signed, and those that should be.

use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Method;
use serde_json::json;
use sha2::Sha256;
use tests::{Home, Hub, Reply};

use crate::detection::GRAFANA;

const HEADER: &str = "x-grafana-alerting-signature";
const SECRET: &str = "a secret that only Grafana knows";
const PREVIOUS: &str = "the secret before that";
const URLS: [&str; 2] = ["/alerts/webhook/grafana/", "/alerts/webhook/"];

fn signature(secret: &str, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(body);
    hex::encode(mac.finalize().into_bytes())
}

async fn send(hub: &Hub, path: &str, signatures: &[String], body: &str) -> Reply {
    let mut request = hub.request(Method::POST, path).body(body.to_owned());
    for signature in signatures {
        request = request.header(HEADER, signature);
    }
    hub.send(request).await
}

#[tokio::test]
async fn a_driver_with_a_secret_takes_only_what_is_signed_with_it() {
    let home = Home::new().await.with("WEBHOOK_SECRET_GRAFANA", SECRET);
    let hub = home.with("WEBHOOK_SECRET_GRAFANA_PREVIOUS", PREVIOUS).start().await;
    let right = signature(SECRET, GRAFANA);
    let altered = GRAFANA.replace("shop-2", "shop-3");
    for path in URLS {
        let refused = [
            ("no signature", vec![], GRAFANA),
            ("empty", vec![String::new()], GRAFANA),
            ("another secret", vec![signature("guessed", GRAFANA)], GRAFANA),
            ("cut short", vec![right[..60].to_owned()], GRAFANA),
            ("another form", vec![format!("sha256={right}")], GRAFANA),
            ("two headers", vec![right.clone(), right.clone()], GRAFANA),
            ("another body", vec![right.clone()], &altered),
        ];
        let mut details = Vec::new();
        for (why, signatures, body) in refused {
            let reply = send(&hub, path, &signatures, body).await;
            assert_eq!(reply.status, 403, "{path} {why}: {}", reply.text());
            details.push(reply.problem(403, "signature"));
        }
        details.dedup();
        assert_eq!(details, ["signature does not match"], "one text for all causes");
    }
    assert!(hub.list("/orchestration/pipelines/?limit=10").await.is_empty(), "nothing of it is kept");

    for (path, secret) in URLS.into_iter().flat_map(|path| [(path, SECRET), (path, PREVIOUS)]) {
        let reply = send(&hub, path, &[signature(secret, GRAFANA)], GRAFANA).await;
        assert_eq!((reply.status, &reply.json()["driver"]), (202, &json!("grafana")), "{}", reply.text());
    }
    // Others are not asked for what they do not have.
    let reply = hub.post("/alerts/webhook/", r#"{"name":"Unsigned"}"#).await;
    assert_eq!((reply.status, &reply.json()["driver"]), (202, &json!("generic")));
}

#[tokio::test]
async fn signature_required_refuses_signable_drivers_without_a_secret() {
    let hub = Home::new().await.with("WEBHOOK_SIGNATURE_REQUIRED", "1").start().await;
    for path in URLS {
        hub.post(path, GRAFANA).await.problem(403, "signature");
    }
    let pushed = json!([{ "labels": { "alertname": "Pushed" } }]).to_string();
    assert_eq!(hub.post("/alerts/webhook/alertmanager/", pushed).await.status, 202);
}

#[tokio::test]
async fn where_signatures_are_required_what_cannot_be_signed_needs_a_key() {
    let home = Home::new().await.with("WEBHOOK_SECRET_GRAFANA", SECRET);
    let hub = home.with("WEBHOOK_SIGNATURE_REQUIRED", "1").with("API_KEY_AUTH_ENABLED", "0").start().await;
    let alertmanager = r#"{"version":"4","groupKey":"g","receiver":"r","status":"firing","alerts":[]}"#;
    for (path, body) in [
        ("/alerts/webhook/alertmanager/", alertmanager),
        ("/alerts/webhook/", alertmanager),
        ("/alerts/webhook/", "no driver knows this"),
    ] {
        let keyless = hub.send(hub.anonymous(Method::POST, path).body(body)).await;
        keyless.problem(401, "unauthenticated");
        assert_eq!(hub.post(path, body).await.status, 202, "{path} with a key");
    }
    let unsigned =
        hub.send(hub.anonymous(Method::POST, "/alerts/webhook/generic/").body(r#"{"name":"a"}"#)).await;
    unsigned.problem(403, "signature");
    let request = hub.anonymous(Method::POST, "/alerts/webhook/grafana/").body(GRAFANA);
    let signed = hub.send(request.header(HEADER, signature(SECRET, GRAFANA))).await;
    assert_eq!(signed.status, 202, "{}", signed.text());
}
