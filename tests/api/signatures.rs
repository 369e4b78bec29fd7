//! Webhooks that are signed, and those that should be.

use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;
use tests::{Home, Hub, Reply};

use crate::detection::{DATADOG, GENERIC, GRAFANA, GRAFANA_LEGACY, NEWRELIC, PAGERDUTY};

pub(crate) const HEADER: &str = "x-grafana-alerting-signature";
const SECRET: &str = "a secret that only Grafana knows";
const PREVIOUS: &str = "the secret before that";
const URLS: [&str; 2] = ["/alerts/webhook/grafana/", "/alerts/webhook/"];

pub(crate) fn signature(secret: &str, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(body);
    hex::encode(mac.finalize().into_bytes())
}

pub(crate) async fn send(hub: &Hub, path: &str, signatures: &[String], body: &str) -> Reply {
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

/// A body for each driver whose sender signs, and how it sends the signature.
fn signed_senders() -> [(&'static str, &'static str, &'static str, &'static str); 5] {
    [
        ("grafana", HEADER, "", GRAFANA),
        ("grafana", "x-grafana-signature", "", GRAFANA_LEGACY),
        ("pagerduty", "x-pagerduty-signature", "v1=", PAGERDUTY),
        ("newrelic", "x-newrelic-signature", "", NEWRELIC),
        ("generic", "x-webhook-signature", "sha256=", GENERIC),
    ]
}

#[tokio::test]
async fn the_url_without_a_driver_is_no_way_round_any_secret() {
    let secret = |driver: &str| format!("the secret of {driver}");
    let mut home = Home::new().await;
    for (driver, ..) in signed_senders() {
        home.set(&format!("WEBHOOK_SECRET_{}", driver.to_ascii_uppercase()), &secret(driver));
    }
    let hub = home.start().await;
    for (driver, header, prefix, body) in signed_senders() {
        // Whatever else is in it, it looks like this driver's.
        let mut disguised: Value = serde_json::from_str(body).unwrap();
        let alertmanager = [("groupKey", "g"), ("receiver", "r"), ("version", "4"), ("status", "firing")];
        let others = [("alert_transition", "Triggered"), ("event_id", "1"), ("trigger_id", "1")];
        for (key, value) in alertmanager.into_iter().chain(others) {
            if disguised.get(key).is_none() {
                disguised[key] = json!(value);
            }
        }
        let disguised = disguised.to_string();
        let path = format!("/alerts/webhook/{driver}/");
        for path in ["/alerts/webhook/", &path] {
            for body in [body, &disguised] {
                let right = format!("{prefix}{}", signature(&secret(driver), body));
                let of_another = format!("{prefix}{}", signature(&secret("another"), body));
                for wrong in [None, Some(("x-other", &right)), Some((header, &of_another))] {
                    let mut request = hub.request(Method::POST, path).body(body.to_owned());
                    if let Some((header, signature)) = wrong {
                        request = request.header(header, signature);
                    }
                    let detail = hub.send(request).await.problem(403, "signature");
                    assert_eq!(detail, "signature does not match", "{driver} {path}");
                }
                let request = hub.request(Method::POST, path).header(header, &right).body(body.to_owned());
                let reply = hub.send(request).await;
                assert_eq!(
                    (reply.status, &reply.json()["driver"]),
                    (202, &json!(driver)),
                    "{}",
                    reply.text()
                );
            }
        }
    }
}

#[tokio::test]
async fn a_driver_with_a_secret_comes_before_one_that_fits_better() {
    let hub = Home::new().await.with("WEBHOOK_SECRET_GENERIC", SECRET).start().await;
    // Datadog's default body has a title, as a generic one may have.
    for body in [DATADOG, NEWRELIC, GRAFANA] {
        hub.post("/alerts/webhook/", body).await.problem(403, "signature");
        let request = hub.request(Method::POST, "/alerts/webhook/").body(body);
        let reply = hub.send(request.header("x-webhook-signature", signature(SECRET, body))).await;
        assert_eq!((reply.status, &reply.json()["driver"]), (202, &json!("generic")), "{}", reply.text());
    }
    // By name they are taken as before, and so is what does not look like a generic one.
    assert_eq!(hub.post("/alerts/webhook/datadog/", DATADOG).await.status, 202);
    assert_eq!(hub.post("/alerts/webhook/", PAGERDUTY).await.json()["driver"], "pagerduty");
}

#[expect(clippy::disallowed_methods, reason = "a sender signs with its own clock")]
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

async fn with_plugins(text: &str) -> Home {
    let home = Home::new().await;
    std::fs::write(home.path().join("plugins.toml"), text).unwrap();
    home
}

#[tokio::test]
async fn a_timestamp_header_that_is_named_is_required_and_its_age_checked() {
    let home = with_plugins("[driver.grafana.signature]\ntimestamp_header = \"X-Mine\"\n").await;
    let hub = home.with("WEBHOOK_SECRET_GRAFANA", SECRET).start().await;
    let signed = |time: &str| signature(SECRET, &format!("{time}:{GRAFANA}"));
    let post = async |path: &str, time: Option<(&str, &str)>, signature: &str| {
        let mut request = hub.request(Method::POST, path).header(HEADER, signature).body(GRAFANA);
        if let Some((name, time)) = time {
            request = request.header(name, time);
        }
        hub.send(request).await.status
    };
    let (fresh, old) = (now().to_string(), (now() - 400).to_string());
    for path in URLS {
        assert_eq!(post(path, None, &signature(SECRET, GRAFANA)).await, 403, "no time");
        assert_eq!(
            post(path, Some(("x-mine", &fresh)), &signature(SECRET, GRAFANA)).await,
            403,
            "not signed"
        );
        assert_eq!(post(path, Some(("x-mine", &old)), &signed(&old)).await, 403, "too old");
        let usual = ("x-grafana-alerting-timestamp", fresh.as_str());
        assert_eq!(post(path, Some(usual), &signed(&fresh)).await, 403, "another header");
        assert_eq!(post(path, Some(("X-Mine", &fresh)), &signed(&fresh)).await, 202);
    }
}

#[tokio::test]
async fn a_signature_header_that_is_named_is_looked_at_and_kept_nowhere() {
    let home = with_plugins("[driver.generic.signature]\nheader = \"X-Mine\"\n").await;
    let hub = home.with("WEBHOOK_SECRET_GENERIC", SECRET).start().await;
    let body = r#"{"no":"alert"}"#;
    let right = signature(SECRET, body);
    let post = async |header: &str| {
        let request = hub.request(Method::POST, "/alerts/webhook/generic/").header("x-shown", "shown");
        hub.send(request.header(header, &right).body(body)).await
    };
    assert_eq!(post("x-webhook-signature").await.status, 403);
    let kept = post("x-mine").await.json();
    assert_eq!(kept["outcome"], "quarantined", "{kept}");
    let shown = hub.cli_text(&["quarantine", "show", kept["run_id"].as_str().unwrap()]).await;
    assert!(shown.contains("x-shown") && !shown.contains(&right) && !shown.contains("x-mine"), "{shown}");
}

#[tokio::test]
async fn secrets_and_names_that_cannot_work_stop_the_start_and_say_what_to_do() {
    let refused = async |home: Home, expected: &[&str]| {
        let output = home.cli(&["serve"]).await;
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{error}");
        for text in expected.iter().chain(&["hint: "]) {
            assert!(error.contains(text), "`{text}` is not in: {error}");
        }
        assert!(!error.contains("canary"), "{error}");
    };
    let home =
        Home::new().await.with("WEBHOOK_SECRET_DATADOG", "canary").with("WEBHOOK_SECRET_GRAFNA", "canary");
    let home =
        home.with("WEBHOOK_SECRET_GENERIC", "whsec_canary!").with("WEBHOOK_SECRET_GENERIC_PREVIOUS", "x");
    let expected = [
        "`WEBHOOK_SECRET_DATADOG` is set, but driver `datadog` knows no signature",
        "`WEBHOOK_SECRET_GRAFNA` is set, but no driver `grafna` is loaded",
        "loaded are `alertmanager`, `datadog`",
        "`WEBHOOK_SECRET_GENERIC` begins with `whsec_`, and what should be base64 is none",
    ];
    refused(home, &expected).await;
    let home = Home::new().await.with("WEBHOOK_SECRET_GRAFANA_PREVIOUS", "canary");
    refused(home, &["`WEBHOOK_SECRET_GRAFANA_PREVIOUS` is set without `WEBHOOK_SECRET_GRAFANA`"]).await;
    let home = with_plugins("[driver.pagerduty.signature]\ntimestamp_header = \"X-Mine\"").await;
    refused(home, &["built-in driver `pagerduty`", "no timestamp header can be named"]).await;
    let home = with_plugins("[driver.datadog.signature]\nheader = \"X-Mine\"").await;
    refused(home, &["built-in driver `datadog`", "no signature whose header can be named"]).await;
    let home = with_plugins("[driver.grafana.signature]\nheader = \"Cookie\"").await;
    refused(home, &["plugins.toml", "line 2", "`Cookie` carries something else"]).await;
}
