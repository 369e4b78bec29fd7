//! Webhooks that the official library of Standard Webhooks signed.

use std::time::{SystemTime, UNIX_EPOCH};

use reqwest::Method;
use serde_json::{Value, json};
use tests::{Home, Hub, Reply, StandardWebhooks};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const PREVIOUS: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
const PATH: &str = "/alerts/webhook/generic/";
const BODY: &str = r#"{"name":"Signed","host":"db1","description":"Grüße, \u00e9 \"quoted\""}"#;

struct Message<'a> {
    id: &'a str,
    time: i64,
    signature: &'a str,
    body: &'a str,
}

#[expect(clippy::disallowed_methods, reason = "a sender signs with its own clock")]
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

async fn send(hub: &Hub, path: &str, message: &Message<'_>) -> Reply {
    let request = hub.request(Method::POST, path).header("webhook-id", message.id);
    let request = request.header("webhook-timestamp", message.time.to_string());
    let request = request.header("webhook-signature", message.signature);
    hub.send(request.body(message.body.to_owned())).await
}

async fn received(hub: &Hub) -> Vec<Value> {
    let runs = hub.list("/orchestration/pipelines/?limit=100").await;
    runs.into_iter().filter(|run| run["parent_run_id"].is_null()).collect()
}

#[tokio::test]
async fn what_the_official_library_signs_is_taken_and_nothing_like_it() {
    let Some(library) = StandardWebhooks::find() else { return };
    let home = Home::new().await.with("WEBHOOK_SECRET_GENERIC", SECRET);
    let hub = home.with("WEBHOOK_SECRET_GENERIC_PREVIOUS", PREVIOUS).start().await;
    let time = now();
    let signature = library.sign(SECRET, "msg_1", time, BODY);
    let right = Message { id: "msg_1", time, signature: &signature, body: BODY };

    let altered = BODY.replace("db1", "db2");
    let flipped = signature.replace("v1,", "v1a,");
    for (why, message) in [
        ("body", Message { body: &altered, ..right }),
        ("id", Message { id: "msg_2", ..right }),
        ("time", Message { time: time + 1, ..right }),
        ("version", Message { signature: &flipped, ..right }),
        ("cut", Message { signature: &signature[..20], ..right }),
        ("none", Message { signature: "", ..right }),
    ] {
        for path in [PATH, "/alerts/webhook/"] {
            let reply = send(&hub, path, &message).await;
            assert_eq!(reply.status, 403, "{why}: {}", reply.text());
        }
    }
    // Well signed, at a time that is too far off; the limit itself is the business of a unit test.
    for off in [-310, 310, -86_400] {
        let signature = library.sign(SECRET, "msg_1", time + off, BODY);
        let reply = send(&hub, PATH, &Message { time: time + off, signature: &signature, ..right }).await;
        assert_eq!(reply.problem(403, "signature"), "signature does not match");
    }
    assert!(received(&hub).await.is_empty(), "nothing of it is kept");

    let first = send(&hub, PATH, &right).await;
    assert_eq!((first.status, &first.json()["outcome"]), (202, &json!("parsed")), "{}", first.text());
    // The sender tries again, with another time and so another signature, and changes its secret meanwhile.
    let later = library.sign(PREVIOUS, "msg_1", time - 60, BODY);
    let both = format!("v1,AAAA {later} {signature}");
    for message in [&right, &Message { time: time - 60, signature: &both, ..right }] {
        for path in [PATH, "/alerts/webhook/"] {
            let repeat = send(&hub, path, message).await;
            assert_eq!((repeat.status, &repeat.json()["run_id"]), (202, &first.json()["run_id"]));
        }
    }
    assert_eq!(received(&hub).await.len(), 1);
    assert_eq!(hub.list("/alerts/?name=Signed").await.len(), 1);
}

#[tokio::test]
async fn a_repeat_that_reaches_another_process_is_still_a_repeat() {
    let Some(library) = StandardWebhooks::find() else { return };
    let one = Home::new().await.with("WEBHOOK_SECRET_GENERIC", SECRET).start().await;
    let file = one.path().join("watchbell.sqlite3");
    let two = Home::new().await.with("WEBHOOK_SECRET_GENERIC", SECRET);
    let two = two.with("WATCHBELL_SECRET_KEY", one.setting("WATCHBELL_SECRET_KEY"));
    let two = two.with("DATABASE_URL", &format!("sqlite://{}", file.display())).start().await;
    let time = now();
    let signature = library.sign(SECRET, "msg_1", time, BODY);
    let message = Message { id: "msg_1", time, signature: &signature, body: BODY };
    let (first, second) = tokio::join!(send(&one, PATH, &message), send(&two, PATH, &message));
    assert_eq!((first.status, second.status), (202, 202), "{} {}", first.text(), second.text());
    assert_eq!(first.json()["run_id"], second.json()["run_id"]);
    assert_eq!(received(&one).await.len(), 1);
    assert_eq!(send(&two, PATH, &message).await.json()["run_id"], first.json()["run_id"]);
}
