//! Several hosts on one database: what each reads and then writes, nobody changes in between.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use domain::delivery::AttemptResult;
use domain::id::{ChannelId, IncidentId};
use domain::run::RunStatus;
use store::{RunFilter, Store};
use tests::Engine;

use crate::fixture::{
    Counter, Database, LEASE, World, at, critical, everything, firing, on_every_database, resolved,
};
use crate::outbox::{delivered, patiently, retry};

on_every_database! {
    deliveries_that_end_at_once_end_their_run,
    one_delivery_at_a_time_is_under_way_for_an_incident_and_a_channel,
}

async fn deliveries_that_end_at_once_end_their_run(mut world: World) {
    let channels = [world.channel("ops").await, world.channel("dev").await];
    let alerts = (0..60).map(|n| firing("DiskFull", &format!("db{n}"))).collect();
    world.fire(1, alerts).await;
    for run in world.claim(2).await {
        world.notify(&run, &[&channels[0], &channels[1]], 3).await;
    }
    let another = world.another_process().await;
    let all = |channel: ChannelId| [(channel, 100)];
    let ours =
        world.store.claim_deliveries(at(4), LEASE, &all(channels[0].id), &mut world.mint).await.unwrap();
    let mut mint = Counter::of_process(2);
    let theirs = another.claim_deliveries(at(4), LEASE, &all(channels[1].id), &mut mint).await.unwrap();
    assert_eq!((ours.len(), theirs.len()), (60, 60));
    // Both are in the order of their runs: the two of one run end together.
    for (ours, theirs) in ours.into_iter().zip(theirs) {
        assert_eq!(ours.run_id, theirs.run_id);
        let (store, another) = (world.store.clone(), another.clone());
        let sent = delivered(None);
        let theirs = tokio::spawn(async move {
            patiently!(another.record_attempt(&theirs, &delivered(None), at(5)));
        });
        patiently!(store.record_attempt(&ours, &sent, at(5)));
        theirs.await.unwrap();
    }
    let ended = RunFilter { status: Some(RunStatus::Notified), ..RunFilter::default() };
    assert_eq!(world.store.runs(&ended, &everything()).await.unwrap().items.len(), 60);
}

/// What is being sent by anybody.
type UnderWay = Arc<Mutex<BTreeSet<(IncidentId, ChannelId)>>>;

/// Sends until nothing is left. Every first try fails, and is made again.
async fn send(store: Store, number: u128, channel: ChannelId, under_way: UnderWay) -> usize {
    let mut mint = Counter::of_process(number);
    let (mut sent, mut idle) = (0, 0);
    while idle < 3 {
        let claimed = patiently!(store.claim_deliveries(at(100), LEASE, &[(channel, 4)], &mut mint));
        idle = if claimed.is_empty() { idle + 1 } else { 0 };
        for delivery in &claimed {
            let fresh = under_way.lock().unwrap().insert((delivery.incident_id, channel));
            assert!(fresh, "two are under way for incident {}", delivery.incident_id);
        }
        for delivery in claimed {
            let result: AttemptResult = if delivery.attempt == 1 { retry(100) } else { delivered(None) };
            sent += usize::from(delivery.attempt > 1);
            under_way.lock().unwrap().remove(&(delivery.incident_id, channel));
            patiently!(store.record_attempt(&delivery, &result, at(100)));
        }
    }
    sent
}

async fn one_delivery_at_a_time_is_under_way_for_an_incident_and_a_channel(mut world: World) {
    let channel = world.channel("ops").await;
    // Two notifications of each incident; the first is never sent before the second is there.
    for (seconds, bad) in [(1, false), (10, true)] {
        let alert = |n| firing("DiskFull", &format!("db{n}"));
        let alerts = (0..40).map(|n| if bad { critical(alert(n)) } else { alert(n) }).collect();
        world.fire(seconds, alerts).await;
        for run in world.claim(seconds + 1).await {
            world.notify(&run, &[&channel], seconds + 2).await;
        }
    }
    let under_way = UnderWay::default();
    let stores = [world.another_process().await, world.another_process().await, world.store.clone()];
    let tasks = stores
        .into_iter()
        .zip(2..)
        .map(|(store, number)| tokio::spawn(send(store, number, channel.id, under_way.clone())));
    let mut sent = 0;
    for task in tasks.collect::<Vec<_>>() {
        sent += task.await.unwrap();
    }
    // The first is overtaken where it was not begun; each incident is told at least once.
    assert!((40..=80).contains(&sent), "{sent}");
    assert_eq!(world.store.backlog().await.unwrap().deliveries, 0);
}

/// A host whose clock is behind makes identifiers that would come first.
async fn what_happens_later_is_told_later_whatever_the_clocks_say(engine: Engine) {
    let Some(database) = Database::server(engine) else { return };
    let mut world = World::new(database).await;
    world.mint = Counter::of_process(9);
    world.fire(1, vec![firing("DiskFull", "db1")]).await;
    world.mint = Counter::of_process(3);
    world.fire(2, vec![resolved("DiskFull", "db1")]).await;
    let first = world.claim(3).await;
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].moment.status, domain::alert::AlertStatus::Firing);
}

#[tokio::test]
async fn what_happens_later_is_told_later_on_postgres() {
    what_happens_later_is_told_later_whatever_the_clocks_say(Engine::Postgres).await;
}
