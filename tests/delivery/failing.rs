//! Channels that fail: what others notice of it, and what people are told.

use serde_json::{Value, json};
use tests::{Answer, Home, Hub, PATIENCE, Received, Sink, wait_for};

/// Failures in a row after which a channel is left alone.
const TRIPS_AFTER: usize = 5;

fn alert(name: &str, number: usize) -> Value {
    json!({ "name": name, "host": format!("db{number}") })
}

fn waits(seconds: &str) -> Answer {
    Answer::Status(429, vec![("retry-after", seconds.to_owned())])
}

fn never() -> impl Iterator<Item = Answer> {
    std::iter::repeat_n(Answer::Status(503, Vec::new()), 1000)
}

fn names(received: &[Received]) -> Vec<String> {
    received.iter().map(|request| request.json()["incident"]["name"].as_str().unwrap().to_owned()).collect()
}

async fn delivery(hub: &Hub, channel: &str) -> Value {
    let list = hub.cli_json(&["delivery", "list", "--channel", channel, "--json"]).await;
    list["deliveries"][0].clone()
}

#[tokio::test]
async fn a_channel_that_does_not_answer_is_left_alone_and_costs_what_waits_no_attempt() {
    let hub = Home::new().await.with_local_remotes().start().await;
    let (gone, good) = (Sink::start(std::iter::repeat_n(waits("3600"), 1000)).await, Sink::start([]).await);
    hub.add_channel("gone", &gone.url()).await;
    hub.add_channel("good", &good.url()).await;
    for number in 0..3 * TRIPS_AFTER {
        hub.accept("/alerts/webhook/", &alert("DiskFull", number)).await;
    }
    good.wait(3 * TRIPS_AFTER).await;
    let line = hub.log().wait("`gone` is left alone until").await;
    assert!(line.contains("5 attempts in a row failed"), "{line}");
    let list = wait_for("all of them are in the outbox", PATIENCE, async || {
        let list = hub.cli_json(&["delivery", "list", "--channel", "gone", "--json"]).await;
        (list["deliveries"].as_array()?.len() == 3 * TRIPS_AFTER).then_some(list)
    })
    .await;
    let tried = |delivery: &&Value| delivery["attempts"] != 0;
    assert_eq!(list["deliveries"].as_array().unwrap().iter().filter(tried).count(), TRIPS_AFTER);
    assert_eq!(gone.received().len(), TRIPS_AFTER);
    let metrics = hub.get("/metrics").await.text();
    assert!(metrics.contains("watchbell_channel_breaker_open{channel=\"gone\"} 1"), "{metrics}");

    let channels = hub.cli_json(&["channel", "list", "--json"]).await;
    let state = |name: &str| {
        let channels = channels["channels"].as_array().unwrap();
        channels.iter().find(|channel| channel["name"] == name).unwrap().clone()
    };
    let (gone, good) = (state("gone"), state("good"));
    assert!(gone["failing_since"].is_string() && gone["last_success_at"].is_null(), "{gone}");
    assert!(gone["last_error"].as_str().is_some_and(|error| !error.is_empty()), "{gone}");
    assert!(good["last_success_at"].is_string() && good["failing_since"].is_null(), "{good}");
    let warned = hub.cli_text(&["check"]).await;
    assert!(warned.contains("W028") && warned.contains("`gone` takes nothing since"), "{warned}");
}

#[tokio::test]
async fn a_channel_that_fails_for_long_is_told_of_through_the_others_until_it_works() {
    let home = Home::new().await.with_local_remotes().with("WATCHBELL_CHANNEL_FAILING_S", "1");
    let hub = home.start().await;
    let (gone, good) = (Sink::start(never()).await, Sink::start([]).await);
    hub.add_channel("gone", &gone.url()).await;
    hub.add_channel("good", &good.url()).await;
    hub.accept("/alerts/webhook/", &alert("DiskFull", 0)).await;
    let received = good.wait(2).await;
    assert_eq!(names(&received), ["DiskFull", "ChannelFailing"]);
    let told = received[1].json();
    assert_eq!(told["title"], "[CRITICAL] ChannelFailing on gone");
    assert!(told["message"].as_str().unwrap().contains("channel `gone` has taken nothing since"), "{told}");
    assert_eq!((&told["tags"]["source"], &told["tags"]["route"]), (&json!("watchbell"), &json!("catch-all")));
    let alerts = hub.list("/alerts/?source=watchbell").await;
    let [raised] = alerts.as_slice() else { panic!("{alerts:?}") };
    assert_eq!((&raised["labels"]["channel"], &raised["status"]), (&json!("gone"), &json!("firing")));

    gone.answer([]);
    let received = good.wait(3).await;
    assert_eq!(received[2].json()["title"], "[RESOLVED] ChannelFailing on gone");
    assert_eq!(received.len(), 3, "once when it failed and once when it worked");
    assert!(delivery(&hub, "gone").await["status"] == "delivered");
    let about = names(&gone.received());
    assert!(about.iter().all(|name| name == "DiskFull"), "nobody is told of himself: {about:?}");
    // Nobody who sends can say that.
    hub.post("/alerts/webhook/watchbell/", "{}").await.problem(404, "unknown-driver");
}
