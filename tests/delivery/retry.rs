//! Remotes that fail for a while.

use std::time::Duration;

use serde_json::json;
use tests::{Answer, Home, Sink};

/// The shortest pause after the first attempt.
const FIRST_PAUSE: Duration = Duration::from_millis(2500);

#[tokio::test]
async fn what_may_pass_later_is_tried_again_under_the_same_key() {
    let asks_to_wait = Answer::Status(429, vec![("retry-after", "4".to_owned())]);
    let cases = [
        ("error", Answer::Status(500, Vec::new()), FIRST_PAUSE),
        ("busy", asks_to_wait, Duration::from_secs(4)),
        ("reset", Answer::Reset, FIRST_PAUSE),
        ("hang", Answer::Hang, FIRST_PAUSE),
        ("drip", Answer::Drip, FIRST_PAUSE),
    ];
    let hub = Home::new().await.with_local_remotes().start().await;
    let mut sinks = Vec::new();
    for (name, answer, pause) in cases {
        let sink = Sink::start([answer]).await;
        hub.add_channel(name, &sink.url()).await;
        sinks.push((name, sink, pause));
    }
    let webhook = hub.accept("/alerts/webhook/", &json!({ "name": "DiskFull", "host": "db1" })).await;
    let run = hub.downstream(webhook["trace_id"].as_str().unwrap()).await;

    assert_eq!(run["status"], "NOTIFIED", "{run}");
    let deliveries = run["deliveries"].as_array().unwrap();
    assert_eq!(deliveries.len(), sinks.len());
    for (name, sink, pause) in sinks {
        let received = sink.received();
        let [first, second] = received.as_slice() else { panic!("{name}: {} requests", received.len()) };
        assert_eq!(first.key(), second.key(), "{name}");
        assert!(second.at - first.at >= pause, "{name}: {:?}", second.at - first.at);
        assert_eq!((&first.json()["attempt"], &second.json()["attempt"]), (&json!(1), &json!(2)), "{name}");
        let delivery = deliveries.iter().find(|delivery| delivery["channel"] == name).unwrap();
        assert_eq!(
            (&delivery["status"], &delivery["attempts"]),
            (&json!("delivered"), &json!(2)),
            "{delivery}"
        );
        assert_eq!(delivery["id"], first.key(), "{name}");
    }
}
