//! Replaces the secret key again and again while webhooks come in and the hub is killed.
//!
//! What is counted: values that cannot be opened any more, and acknowledged webhooks that are missing. None
//! of either may be. To see it fail: have `Rotation::rewrap` write `key.wrapped` instead of `new.wrapped`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use tests::{Home, PATIENCE, Sink, wait_for};

use crate::load::Load;

const ROUNDS: u32 = 8;
/// A new secret key has all plugins compiled again: the fewer there are, the less of the time goes there.
const PLUGINS: &str = "
driver.alertmanager.enabled = false
driver.datadog.enabled = false
driver.grafana.enabled = false
driver.newrelic.enabled = false
driver.opsgenie.enabled = false
driver.pagerduty.enabled = false
driver.zabbix.enabled = false
notifier.slack.enabled = false
";
/// Around the time that a start takes, so that kills come before, while and after data keys are wrapped.
const SHORTEST: Duration = Duration::from_millis(10);
const LONGER_BY: Duration = Duration::from_millis(35);

#[tokio::test]
async fn no_value_is_lost_when_the_key_is_replaced_under_load_and_the_hub_is_killed() {
    let home = Home::new().await.with_local_remotes().with("WATCHBELL_LOG", "warn,host::app=info");
    std::fs::write(home.path().join("plugins.toml"), PLUGINS).unwrap();
    let mut hub = home.start().await;
    let sink = Sink::start([]).await;
    hub.add_channel("sink", &sink.url()).await;
    // More data keys, so that it takes a moment.
    for _ in 0..10 {
        hub.cli_text(&["secrets", "rotate", "--data", "--json"]).await;
    }
    let mut acknowledged = BTreeMap::new();
    let mut cut_off = 0;
    for round in 0..ROUNDS {
        let load = Load::start(&hub, round);
        let (old, new) = (hub.setting("WATCHBELL_SECRET_KEY").to_owned(), hub.fresh_secret_key().await);
        hub.set("WATCHBELL_SECRET_KEY", &new);
        hub.set("WATCHBELL_SECRET_KEY_PREVIOUS", &old);
        // By a command that is killed, while the hub with the old key goes on and then is killed too.
        let mut command = hub.child(&["secrets", "rotate"]);
        tokio::time::timeout(SHORTEST + LONGER_BY * round, std::future::pending::<()>()).await.unwrap_err();
        command.kill().await.unwrap();
        hub.kill().await;
        acknowledged.extend(load.end().await);
        let left = hub.cli_json(&["secrets", "status", "--json"]).await;
        cut_off += u32::from(left["left"] != json!(0) && left["left"] != left["data_keys"]);
        hub.restart().await;
        wait_for("all data keys are wrapped again", PATIENCE, async || {
            let status = hub.cli_json(&["secrets", "status", "--json"]).await;
            (status["left"] == 0).then_some(())
        })
        .await;
        let status = hub.cli_json(&["secrets", "status", "--verify", "--json"]).await;
        assert_eq!(status["verified"]["unreadable"], 0, "round {round}: {status}");
        hub.unset("WATCHBELL_SECRET_KEY_PREVIOUS");
        hub.kill().await;
        hub.restart().await;
    }
    let alerts = hub.list("/alerts/?limit=1000").await;
    let stored: Vec<&str> = alerts.iter().map(|alert| alert["fingerprint"].as_str().unwrap()).collect();
    let missing: Vec<_> = acknowledged.keys().filter(|key| !stored.contains(&key.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(acknowledged.len() > ROUNDS as usize, "only {} webhooks got through", acknowledged.len());
    let verified = hub.cli_json(&["secrets", "status", "--verify", "--json"]).await["verified"].clone();
    assert!(verified["values"].as_u64().unwrap() > acknowledged.len() as u64, "{verified}");
    assert_eq!(verified["unreadable"], 0, "{cut_off} of {ROUNDS} were cut off in the middle: {verified}");
}
