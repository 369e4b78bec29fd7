//! Restarts two hubs on one server in turns, under load: the way of an upgrade.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tests::{Engine, Home, Hub, Sink};
use tokio::sync::RwLock;
use tokio::task::JoinSet;

use crate::kills::{check_notifications, drained, stored};
use crate::load::is_told;

const ROUNDS: usize = 2;
const SENDERS: usize = 4;
/// How long load goes on with both hubs between two restarts: so many webhooks acknowledged.
const BETWEEN: usize = 100;
/// The pause before the other hub is tried.
const PACE: Duration = Duration::from_millis(5);
/// One webhook in so many opens an incident of its own.
const TOLD: usize = 25;

#[tokio::test]
async fn hubs_on_postgres_are_restarted_in_turns_and_no_sender_notices() {
    restart_in_turns(Engine::Postgres).await;
}

#[tokio::test]
async fn hubs_on_mariadb_are_restarted_in_turns_and_no_sender_notices() {
    restart_in_turns(Engine::Mariadb).await;
}

/// What all senders share.
struct Shared {
    /// Of both hubs, by number: requests to copy. Changed when a hub has another port.
    targets: RwLock<[reqwest::RequestBuilder; 2]>,
    over: AtomicBool,
    acknowledged: AtomicUsize,
}

/// What a sender saw.
#[derive(Default)]
struct Seen {
    acknowledged: BTreeSet<String>,
    /// Answers that were none of success, by status.
    refused: BTreeMap<u16, usize>,
    /// How often a hub could not be reached, or let go of a connection without an answer.
    turned_away: usize,
    broken_off: usize,
}

async fn restart_in_turns(engine: Engine) {
    let Some(home) = Home::on(engine).await else { return };
    let home = home.with_local_remotes().with("WATCHBELL_LOG", "warn,host::app=info");
    let mut hubs = [home.clone().start().await, home.start().await];
    let sink = Sink::start([]).await;
    hubs[0].add_channel("sink", &sink.url()).await;
    let shared = Arc::new(Shared {
        targets: RwLock::new([target(&hubs[0]), target(&hubs[1])]),
        over: AtomicBool::new(false),
        acknowledged: AtomicUsize::new(0),
    });
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        senders.spawn(send(Arc::clone(&shared), sender));
    }
    for turn in 0..ROUNDS * 2 {
        more(&shared).await;
        let hub = &mut hubs[turn % 2];
        hub.terminate();
        assert!(hub.ended().await.success(), "it stops of its own accord");
        more(&shared).await;
        hub.restart().await;
        shared.targets.write().await[turn % 2] = target(hub);
    }
    more(&shared).await;
    shared.over.store(true, Ordering::Relaxed);
    let mut all = Seen::default();
    for seen in senders.join_all().await {
        all.acknowledged.extend(seen.acknowledged);
        all.turned_away += seen.turned_away;
        all.broken_off += seen.broken_off;
        for (status, count) in seen.refused {
            *all.refused.entry(status).or_default() += count;
        }
    }
    assert_eq!(all.refused, BTreeMap::new(), "answers that are no success");
    assert_eq!(all.broken_off, 0, "connections that were let go of without an answer");
    assert!(all.turned_away > 0, "nobody came while a hub was away");
    drained(&hubs[0]).await;
    let stored = stored(&hubs[0]).await;
    assert_eq!(all.acknowledged, stored, "what was acknowledged is what is there");
    assert!(stored.iter().any(|fingerprint| is_told(fingerprint) != "shared"));
    check_notifications(&stored, &sink);
}

fn target(hub: &Hub) -> reqwest::RequestBuilder {
    // A connection of its own for each: one that is kept may be closed by either side at any time.
    hub.request(Method::POST, "/alerts/webhook/generic/").header("connection", "close")
}

/// Waits until so many more webhooks were acknowledged.
async fn more(shared: &Shared) {
    let before = shared.acknowledged.load(Ordering::Relaxed);
    tests::wait_for("senders get through", tests::PATIENCE, async || {
        (shared.acknowledged.load(Ordering::Relaxed) >= before + BETWEEN).then_some(())
    })
    .await;
}

/// Sends one after another, to the hubs in turns, and again to the other where one is not there.
async fn send(shared: Arc<Shared>, sender: usize) -> Seen {
    let mut seen = Seen::default();
    let mut pace = tokio::time::interval(PACE);
    for number in 0.. {
        if shared.over.load(Ordering::Relaxed) {
            break;
        }
        let id = format!("{sender}-{number}");
        let own = number % TOLD == 0;
        let fingerprint = if own { format!("own-{id}") } else { id.clone() };
        let instance = if own { id.as_str() } else { "shared" };
        let body = json!({ "name": "Load", "fingerprint": fingerprint, "instance": instance }).to_string();
        for attempt in number.. {
            let request = shared.targets.read().await[attempt % 2].try_clone().expect("no body yet");
            match request.body(body.clone()).send().await {
                Ok(answer) if answer.status() == 202 => {
                    seen.acknowledged.insert(fingerprint);
                    shared.acknowledged.fetch_add(1, Ordering::Relaxed);
                    break;
                }
                Ok(answer) => *seen.refused.entry(answer.status().as_u16()).or_default() += 1,
                Err(error) if error.is_connect() => seen.turned_away += 1,
                Err(_) => seen.broken_off += 1,
            }
            pace.tick().await;
        }
    }
    seen
}
