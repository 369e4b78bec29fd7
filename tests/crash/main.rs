//! Kills the hub under load, again and again, and counts.
//!
//! What is counted: every webhook that was acknowledged is there (a 2xx means "on disk"), the database
//! is whole, every run comes to its end, and of each incident the remote was told under one
//! idempotency key.
//!
//! A test of this kind must be seen to fail. The feature `defect-ack-before-commit` of package `host`
//! answers before the commit; with it this suite has to find acknowledged webhooks missing:
//!
//! ```text
//! cargo build --release --package host --features defect-ack-before-commit --target-dir target/defects
//! WATCHBELL_TEST_BINARY=target/defects/release/watchbell cargo test --package tests --test crash
//! ```

#![forbid(unsafe_code)]

#[cfg(test)]
mod away;
#[cfg(test)]
mod backup;
#[cfg(test)]
mod load;
// A program without debug assertions, such as a release, has no points.
#[cfg(test)]
#[cfg(debug_assertions)]
mod points;
#[cfg(test)]
mod rolling;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod steady;
#[cfg(test)]
#[cfg(debug_assertions)]
mod whole;

#[cfg(test)]
mod kills {
    use std::collections::{BTreeMap, BTreeSet};
    use std::time::Duration;

    use serde_json::Value;
    use store::Store;
    use tests::{Engine, Home, Hub, Sink, wait_for};

    use crate::load::{Load, is_told};

    const KILLS: u32 = 25;
    /// How long the hub lives under load: a little longer every time, so that kills hit all phases.
    const SHORTEST: Duration = Duration::from_millis(50);
    const LONGER_BY: Duration = Duration::from_millis(58);
    /// The longest lease is 3 minutes; nobody may have anything for longer than that after the last kill.
    const DRAINED_WITHIN: Duration = Duration::from_secs(300);
    /// No promise, only a bound beyond which something is wrong: starting compiles all plugins.
    const RESTARTED_WITHIN: Duration = Duration::from_secs(60);

    /// Kills on a server; what a server promises is the server's, so that fewer say as much.
    const KILLS_ON_SERVERS: u32 = 8;

    #[tokio::test]
    async fn nothing_that_was_acknowledged_is_lost_when_the_hub_is_killed() {
        let hub = kill_again_and_again(Home::new().await, KILLS).await;
        check_database(&hub).await;
    }

    #[tokio::test]
    async fn nothing_that_was_acknowledged_is_lost_when_a_hub_on_postgres_is_killed() {
        if let Some(home) = Home::on(Engine::Postgres).await {
            kill_again_and_again(home, KILLS_ON_SERVERS).await;
        }
    }

    #[tokio::test]
    async fn nothing_that_was_acknowledged_is_lost_when_a_hub_on_mariadb_is_killed() {
        if let Some(home) = Home::on(Engine::Mariadb).await {
            kill_again_and_again(home, KILLS_ON_SERVERS).await;
        }
    }

    /// Kills a hub under load, counts, and returns it stopped.
    async fn kill_again_and_again(home: Home, kills: u32) -> Hub {
        let mut hub = home.with_local_remotes().with("WATCHBELL_LOG", "warn,host::app=info").start().await;
        let sink = Sink::start([]).await;
        hub.add_channel("sink", &sink.url()).await;
        let mut acknowledged = BTreeMap::new();
        for kill in 0..kills {
            let load = Load::start(&hub, kill);
            tokio::time::timeout(SHORTEST + LONGER_BY * kill * KILLS / kills, std::future::pending::<()>())
                .await
                .unwrap_err();
            hub.kill().await;
            acknowledged.extend(load.end().await);
            let took = hub.restart().await;
            assert!(took < RESTARTED_WITHIN, "restart {kill} took {took:?}");
        }
        assert!(acknowledged.len() > kills as usize, "only {} webhooks got through", acknowledged.len());

        let stored = stored(&hub).await;
        let missing: Vec<_> = acknowledged.iter().filter(|pair| !stored.contains(pair.0)).collect();
        assert!(
            missing.is_empty(),
            "{} of {} acknowledged are missing: {missing:?}",
            missing.len(),
            acknowledged.len()
        );
        for (fingerprint, run_id) in acknowledged.iter().step_by(20) {
            let run = hub.get(&format!("/orchestration/pipeline/{run_id}/")).await;
            assert_eq!((run.status, &run.json()["outcome"]), (200, &"parsed".into()), "{fingerprint}");
        }

        drained(&hub).await;
        check_notifications(&stored, &sink);
        hub.terminate();
        assert!(hub.ended().await.success());
        hub
    }

    /// The fingerprints of all alerts.
    pub(crate) async fn stored(hub: &Hub) -> BTreeSet<String> {
        let alerts = hub.list("/alerts/?limit=1000").await;
        alerts.iter().map(|alert| alert["fingerprint"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until no run has anything left to do, and checks how they ended.
    pub(crate) async fn drained(hub: &Hub) {
        wait_for("every run has come to its end", DRAINED_WITHIN, async || {
            for status in ["PENDING", "CHECKED", "ANALYZED", "RETRYING"] {
                let path = format!("/orchestration/pipelines/?limit=1&status={status}");
                if hub.get(&path).await.json()["runs"] != Value::Array(Vec::new()) {
                    return None;
                }
            }
            Some(())
        })
        .await;
        for run in hub.list("/orchestration/pipelines/?limit=1000").await {
            let expected = if run["parent_run_id"].is_null() { "INGESTED" } else { "NOTIFIED" };
            assert_eq!(run["status"], expected, "{run}");
            assert!(!run["completed_at"].is_null(), "{run}");
        }
    }

    /// Each incident was told of, under one key.
    pub(crate) fn check_notifications(stored: &BTreeSet<String>, sink: &Sink) {
        let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for request in sink.received() {
            let instance = request.json()["incident"]["instance"].as_str().unwrap().to_owned();
            keys.entry(instance).or_default().insert(request.key().to_owned());
        }
        let expected: BTreeSet<&str> = stored.iter().map(|fingerprint| is_told(fingerprint)).collect();
        assert_eq!(keys.keys().map(String::as_str).collect::<BTreeSet<_>>(), expected);
        let twice: Vec<_> = keys.iter().filter(|(_, keys)| keys.len() > 1).collect();
        assert!(twice.is_empty(), "told under two keys: {twice:?}");
    }

    async fn check_database(hub: &Hub) {
        let file = hub.database_files().remove(0);
        let url = format!("sqlite://{}", file.display());
        let store = Store::open(&url, store::Options::default()).await.unwrap();
        assert_eq!(store.damage().await.unwrap(), Vec::<String>::new());
        store.close().await;
    }
}
