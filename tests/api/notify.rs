//! `/notify/`: sent at once, and told how it ended.

use reqwest::Method;
use serde_json::{Value, json};
use tests::{Answer, Home, Hub, Reply, Sink};

fn to(channel: &str) -> Value {
    json!({ "channel": channel, "title": "Backup failed", "message": "The backup of db-1 failed.", "severity": "warning" })
}

async fn send(hub: &Hub, order: &Value) -> Reply {
    hub.post("/notify/send/", order.to_string()).await
}

async fn hub_with(sink: &Sink) -> Hub {
    let hub = Home::new().await.with_local_remotes().start().await;
    hub.add_channel("ops", &sink.url()).await;
    hub
}

#[tokio::test]
async fn a_notification_is_sent_at_once_with_the_caller_s_key() {
    let sink = Sink::start([]).await;
    let hub = hub_with(&sink).await;
    let mut order = to("ops");
    order["tags"] = json!({ "job": "backup" });
    order["incident_id"] = json!("backup-db-1");
    let request = hub.request(Method::POST, "/notify/send/").header("idempotency-key", "job-42:1");
    let reply = hub.send(request.body(order.to_string())).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let answer = reply.json();
    assert_eq!((&answer["status"], &answer["channel"]), (&json!("delivered"), &json!("ops")), "{answer}");
    assert_eq!((&answer["notifier"], &answer["id"]), (&json!("generic"), &json!("job-42:1")), "{answer}");
    assert_eq!(answer["attempts"], 1);
    let received = sink.received();
    assert_eq!((received.len(), received[0].key()), (1, "job-42:1"));
    let body = received[0].json();
    assert_eq!((&body["title"], &body["severity"]), (&json!("Backup failed"), &json!("warning")), "{body}");
    assert_eq!(
        (&body["incident"]["id"], &body["tags"]["job"]),
        (&json!("backup-db-1"), &json!("backup")),
        "{body}"
    );
    let line = hub.log().find(0, "sent a notification by `generic` through ops").unwrap();
    assert!(line.contains("key:"), "{line}");
    let (_, manager) = hub.create_key(&["--manage"]).await;
    let metrics = hub.send(hub.anonymous(Method::GET, "/metrics").bearer_auth(manager)).await.text();
    assert!(
        metrics.contains("watchbell_sends_total{notifier=\"generic\",outcome=\"delivered\"} 1"),
        "{metrics}"
    );
}

#[tokio::test]
async fn every_way_in_which_it_fails_has_an_answer_of_its_own() {
    let sink = Sink::start([]).await;
    let hub = hub_with(&sink).await;
    for (answer, status, kind) in [
        (Answer::Status(400, Vec::new()), 502, "remote-refused"),
        (Answer::Status(401, Vec::new()), 502, "remote-refused"),
        (Answer::Status(500, Vec::new()), 502, "remote-unavailable"),
        (Answer::Reset, 502, "remote-unavailable"),
        (Answer::Hang, 504, "remote-timeout"),
        (Answer::Status(429, vec![("retry-after", "77".to_owned())]), 429, "remote-rate-limited"),
    ] {
        sink.answer([answer.clone()]);
        let reply = send(&hub, &to("ops")).await;
        reply.problem(status, kind);
        if status == 429 {
            assert_eq!(reply.header("retry-after"), "77");
        }
    }
    let unknown = send(&hub, &to("pager")).await.problem(404, "unknown-channel");
    assert!(unknown.contains("`pager`") && unknown.contains("there are `ops`"), "{unknown}");
    hub.cli_text(&["channel", "disable", "ops"]).await;
    send(&hub, &to("ops")).await.problem(409, "channel-off");
    for (order, word) in [
        (json!({}), "either a `channel`"),
        (json!({"channel": "ops", "title": "x"}), "`message`"),
        (json!({"channel": "ops", "title": "x", "message": "y", "severity": "bad"}), "bad"),
        (json!({"channel": "ops", "title": "x", "message": "y", "colour": 1}), "colour"),
    ] {
        let detail = send(&hub, &order).await.problem(400, "invalid-parameter");
        assert!(detail.contains(word), "{order}: {detail}");
    }
    let request = hub.request(Method::POST, "/notify/send/").header("idempotency-key", "a b");
    hub.send(request.body(to("ops").to_string())).await.problem(400, "invalid-parameter");
    let manage = hub.anonymous(Method::GET, "/manage/channels/").bearer_auth(hub.token());
    hub.send(manage).await.problem(403, "forbidden");
    let (_, reader) = hub.create_key(&["--allow", "/alerts/"]).await;
    let request = hub.anonymous(Method::POST, "/notify/send/").bearer_auth(reader);
    hub.send(request.body(to("ops").to_string())).await.problem(403, "forbidden");
}

fn ad_hoc(url: &str) -> Value {
    json!({
        "notifier": "generic", "title": "t", "message": "m",
        "config": { "url": url, "authorization": "canary-ad-hoc" },
    })
}

#[tokio::test]
async fn settings_of_a_request_reach_only_what_the_operator_granted() {
    let (granted, other) = (Sink::start([]).await, Sink::start([]).await);
    let home = Home::new().await.with_local_remotes().with("WATCHBELL_LOG", "trace");
    let origin = granted.url().trim_end_matches("/hook").to_owned();
    let grants = format!("[notifier.generic]\nallow_hosts = [\"{origin}\"]\n");
    std::fs::write(home.path().join("plugins.toml"), grants).unwrap();
    let hub = home.start().await;
    let reply = send(&hub, &ad_hoc(&granted.url())).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!((&reply.json()["channel"], granted.received().len()), (&Value::Null, 1));
    assert_eq!(granted.received()[0].header("authorization"), "canary-ad-hoc");

    let detail = send(&hub, &ad_hoc(&other.url())).await.problem(403, "not-granted");
    let line = format!("allow_hosts = [\"{}\"]", other.url().trim_end_matches("/hook"));
    assert!(detail.contains("hint: ") && detail.contains(&line), "{detail}");
    let mut redirected = ad_hoc(&granted.url());
    granted.answer([Answer::Status(307, vec![("location", other.url())])]);
    assert_ne!(send(&hub, &redirected).await.status, 200);
    assert_eq!(other.connections(), 0, "nothing may widen it");

    for reference in ["env:PATH", "file:/etc/hostname"] {
        redirected["config"]["authorization"] = json!(reference);
        let reply = send(&hub, &redirected).await;
        let detail = reply.problem(422, "invalid-settings");
        assert!(detail.contains("references"), "{detail}");
        assert_eq!(reply.json()["errors"][0]["pointer"], "/authorization");
    }
    let by =
        async |path: &str, order: Value| hub.post(&format!("/notify/send/{path}/"), order.to_string()).await;
    let mut order = ad_hoc(&granted.url());
    order.as_object_mut().unwrap().remove("notifier");
    assert_eq!(by("generic", order.clone()).await.status, 200);
    let unknown = by("pigeon", order.clone()).await.problem(404, "unknown-notifier");
    assert!(unknown.contains("`generic`") && unknown.contains("`slack`"), "{unknown}");
    by("..%2f..", order.clone()).await.problem(404, "unknown-notifier");
    by("slack", ad_hoc(&granted.url())).await.problem(400, "invalid-parameter");
    order["config"] = json!({ "colour": "canary-red" });
    let reply = by("generic", order).await;
    reply.problem(422, "invalid-settings");
    assert_eq!(reply.json()["errors"].as_array().unwrap().len(), 2, "{}", reply.text());
    assert!(!reply.text().contains("canary"), "{}", reply.text());

    let mut kept = hub.log().lines();
    kept.extend(
        hub.database_files()
            .iter()
            .map(|file| String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned()),
    );
    assert!(kept.iter().all(|text| !text.contains("canary")), "a secret of a request was kept");
}

#[tokio::test]
async fn a_batch_has_a_result_for_each_in_their_order() {
    let sink = Sink::start([]).await;
    let hub = hub_with(&sink).await;
    let mut own = to("ops");
    own["id"] = json!("own-key");
    let orders = json!({ "notifications": [to("ops"), to("pager"), own, {"channel": "ops"}] });
    let request = hub.request(Method::POST, "/notify/batch/").header("idempotency-key", "night");
    let reply = hub.send(request.body(orders.to_string())).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let answer = reply.json();
    assert_eq!((&answer["delivered"], &answer["failed"]), (&json!(2), &json!(2)), "{answer}");
    let results = answer["results"].as_array().unwrap();
    let places: Vec<_> = results.iter().map(|result| result["index"].as_u64().unwrap()).collect();
    assert_eq!(places, [0, 1, 2, 3]);
    assert_eq!((&results[0]["id"], &results[2]["id"]), (&json!("night-0"), &json!("own-key")));
    assert_eq!(results[1]["problem"]["type"], "urn:watchbell:problem:unknown-channel");
    assert_eq!(results[3]["problem"]["status"], 400);
    for (orders, word) in [(json!([]), "found 0"), (json!(vec![0; 51]), "found 51")] {
        let body = json!({ "notifications": orders }).to_string();
        let detail = hub.post("/notify/batch/", body).await.problem(400, "invalid-parameter");
        assert!(detail.contains(word), "{detail}");
    }
}

#[tokio::test]
async fn notifiers_are_told_of_with_what_they_ask_for() {
    let hub = Hub::new().await;
    let all = hub.get("/notify/drivers/").await.json();
    let names: Vec<&str> =
        all["drivers"].as_array().unwrap().iter().map(|driver| driver["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"generic") && names.contains(&"slack"), "{names:?}");
    let one = &hub.get("/notify/drivers/generic/").await.json()["driver"];
    assert_eq!((&one["config_schema"]["type"], &one["grants"]), (&json!("object"), &json!([])), "{one}");
    let detail = hub.get("/notify/drivers/Generic/").await.problem(404, "unknown-notifier");
    assert!(detail.contains("`generic`"), "{detail}");
}

#[tokio::test]
async fn sending_at_once_holds_up_neither_the_outbox_nor_itself() {
    let (slow, ops) = (Sink::start(vec![Answer::Hang; 8]).await, Sink::start([]).await);
    let hub = hub_with(&ops).await;
    hub.add_channel("slow", &slow.url()).await;
    hub.cli_text(&["route", "add", "ops-only", "--priority", "1", "--channel", "ops"]).await;
    let orders = json!({ "notifications": vec![to("slow"); 8] }).to_string();
    let (batch, ()) = tokio::join!(hub.post("/notify/batch/", orders), async {
        slow.wait(4).await;
        hub.accept("/alerts/webhook/generic/", &json!({ "name": "Meanwhile" })).await;
        ops.wait(1).await;
    });
    let answer = batch.json();
    assert_eq!((batch.status, &answer["failed"]), (200, &json!(8)), "{answer}");
    assert_eq!(answer["results"][0]["problem"]["type"], "urn:watchbell:problem:remote-timeout", "{answer}");
}
