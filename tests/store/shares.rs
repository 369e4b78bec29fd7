//! Two processes that work off one outbox.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use domain::delivery::{AttemptResult, Channel};
use domain::id::{ChannelId, DeliveryId};
use store::Store;
use tokio::task::JoinSet;

use crate::fixture::{Counter, LEASE, World, at, firing, on_every_database};

on_every_database! {
    each_of_ten_thousand_deliveries_has_one_holder,
}

const INCIDENTS: usize = 500;
const CHANNELS: usize = 20;
/// How many are claimed of each channel at once.
const TOGETHER: usize = 8;
const WORKERS_OF_EACH: usize = 3;

async fn each_of_ten_thousand_deliveries_has_one_holder(mut world: World) {
    let mut channels: Vec<Channel> = Vec::new();
    for number in 0..CHANNELS {
        channels.push(world.channel(&format!("c{number}")).await);
    }
    let told: Vec<&Channel> = channels.iter().collect();
    for first in (0..INCIDENTS).step_by(50) {
        let alerts = (first..first + 50).map(|number| firing("DiskFull", &format!("db{number}"))).collect();
        world.fire(1, alerts).await;
        let runs = world.claim(2).await;
        assert_eq!(runs.len(), 50);
        for run in &runs {
            world.notify(run, &told, 3).await;
        }
    }
    let room: Vec<(ChannelId, usize)> = channels.iter().map(|channel| (channel.id, TOGETHER)).collect();
    let holders = Arc::new(Mutex::new(BTreeMap::new()));
    let mut workers = JoinSet::new();
    for (process, store) in [world.store.clone(), world.another_process().await].into_iter().enumerate() {
        for worker in 0..WORKERS_OF_EACH {
            let mint = Counter::of_process((10 + process * WORKERS_OF_EACH + worker) as u128);
            workers.spawn(work(store.clone(), room.clone(), mint, Arc::clone(&holders)));
        }
    }
    let done = workers.join_all().await;
    assert_eq!(done.iter().sum::<usize>(), INCIDENTS * CHANNELS, "{done:?}");
    let holders = holders.lock().unwrap();
    let twice: Vec<_> = holders.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "had more than one holder: {twice:?}");
    assert_eq!(holders.len(), INCIDENTS * CHANNELS);
}

/// Works until nothing can be claimed; says how many that were.
async fn work(
    store: Store,
    room: Vec<(ChannelId, usize)>,
    mut mint: Counter,
    holders: Arc<Mutex<BTreeMap<DeliveryId, u32>>>,
) -> usize {
    let mut done = 0;
    loop {
        let claimed = store.claim_deliveries(at(1000), LEASE, &room, &mut mint).await.unwrap();
        if claimed.is_empty() {
            return done;
        }
        for delivery in claimed {
            *holders.lock().unwrap().entry(delivery.id).or_default() += 1;
            let delivered = AttemptResult::Delivered { remote_ref: None };
            store.record_attempt(&delivery, &delivered, at(1001)).await.unwrap();
            done += 1;
        }
    }
}
