//! A thousand notifications, two processes, and nobody is told twice. `tests/store` does the same with ten
//! thousand rows, without the calls.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tests::{Engine, Home, Sink, wait_for};

const CHANNELS: usize = 20;
const INCIDENTS: usize = 50;
/// How many alerts of incidents of their own one webhook has.
const TOGETHER: usize = 25;
/// No promise, only a bound beyond which something is wrong.
const WITHIN: Duration = Duration::from_secs(300);

#[tokio::test]
async fn none_of_a_thousand_is_told_twice_by_two_hubs_on_postgres() {
    tell(Engine::Postgres).await;
}

#[tokio::test]
async fn none_of_a_thousand_is_told_twice_by_two_hubs_on_mariadb() {
    tell(Engine::Mariadb).await;
}

async fn tell(engine: Engine) {
    let Some(home) = Home::on(engine).await else { return };
    let home = home.with_local_remotes().with("WATCHBELL_LOG", "warn,host::app=info");
    let home = home.with("WATCHBELL_WORKERS", "16");
    let (left, right) = (home.clone().start().await, home.start().await);
    let sink = Sink::start([]).await;
    for number in 0..CHANNELS {
        left.add_channel(&format!("c{number}"), &format!("{}/{number}", sink.url())).await;
    }
    for (number, start) in (0..INCIDENTS).step_by(TOGETHER).enumerate() {
        let alert = |number: usize| json!({ "name": "DiskFull", "host": format!("db{number}") });
        let alerts: Vec<Value> = (start..start + TOGETHER).map(alert).collect();
        let hub = if number % 2 == 0 { &left } else { &right };
        hub.accept("/alerts/webhook/generic/", &json!({ "alerts": alerts })).await;
    }
    wait_for("every run has ended", WITHIN, async || {
        let runs = left.list("/orchestration/pipelines/?limit=1000&status=NOTIFIED").await;
        (runs.len() == INCIDENTS).then_some(())
    })
    .await;
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for request in sink.received() {
        *times.entry(request.key().to_owned()).or_default() += 1;
    }
    assert_eq!(times.len(), CHANNELS * INCIDENTS);
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "{} were sent more than once: {twice:?}", twice.len());
    for hub in [&left, &right] {
        let text = hub.get("/metrics").await.text();
        let sent = text.lines().find(|line| line.starts_with("watchbell_delivery_attempts_total"));
        assert!(sent.is_some_and(|line| line.contains("delivered")), "both had a part in it: {sent:?}");
    }
}
