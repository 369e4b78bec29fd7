//! Senders that go on, whatever they are answered, until they are told to stop.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tests::{Hub, PATIENCE, wait_for};
use tokio::task::JoinHandle;

pub(crate) const SENDERS: usize = 3;
/// Each sender waits this long between two webhooks.
const PACE: Duration = Duration::from_millis(20);

/// What was answered.
#[derive(Debug, Default, Clone)]
pub(crate) struct Seen {
    /// Fingerprints: sender and number, which counts from 0.
    pub(crate) acknowledged: BTreeSet<(String, usize)>,
    /// By status.
    pub(crate) answers: BTreeMap<u16, usize>,
}

/// Webhooks under way.
pub(crate) struct Steady {
    over: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    senders: Vec<JoinHandle<()>>,
}

/// The fingerprint of an alert.
pub(crate) fn fingerprint((sender, number): &(String, usize)) -> String {
    format!("{sender}-{number}")
}

impl Steady {
    /// Starts to send; `round` makes the alerts unique.
    pub(crate) fn start(hub: &Arc<Hub>, round: usize) -> Self {
        let (over, seen) = (Arc::default(), Arc::default());
        let sender = |sender| {
            let (hub, over, seen) = (Arc::clone(hub), Arc::clone(&over), Arc::clone(&seen));
            tokio::spawn(async move { send(&hub, &format!("{round}-{sender}"), &over, &seen).await })
        };
        let senders = (0..SENDERS).map(sender).collect();
        Self { over, seen, senders }
    }

    /// What was answered so far.
    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until something that is sent from now on is acknowledged, and so many more.
    pub(crate) async fn goes_through(&self, more: usize, when: &str) {
        let count = || self.seen.lock().unwrap().acknowledged.len();
        let enough = count() + SENDERS + more;
        wait_for(when, PATIENCE, async || (count() >= enough).then_some(())).await;
    }

    /// Stops, and tells what was answered.
    pub(crate) async fn end(self) -> Seen {
        self.over.store(true, Ordering::Relaxed);
        for sender in self.senders {
            sender.await.unwrap();
        }
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

async fn send(hub: &Hub, name: &str, over: &AtomicBool, seen: &Mutex<Seen>) {
    let mut pace = tokio::time::interval(PACE);
    for number in 0.. {
        pace.tick().await;
        if over.load(Ordering::Relaxed) {
            return;
        }
        let id = (name.to_owned(), number);
        let body = json!({ "name": "Load", "fingerprint": fingerprint(&id), "instance": "shared" });
        let reply = hub.post("/alerts/webhook/generic/", body.to_string()).await;
        if reply.status == 503 {
            assert!(reply.header("retry-after").parse::<u32>().is_ok(), "{reply:?}");
        }
        let mut seen = seen.lock().unwrap();
        *seen.answers.entry(reply.status).or_default() += 1;
        if reply.status == 202 {
            seen.acknowledged.insert(id);
        }
    }
}
