//! What is taken away for its age, and what never is.

use domain::delivery::{AttemptResult, Channel};
use domain::id::RunId;
use store::{AlertFilter, Forgotten, Kept, StoreError};

use crate::fixture::{World, at, everything, firing, on_every_database, resolved};
use crate::outbox::{claim, next_due, record};

on_every_database! {
    what_is_over_goes_after_its_time_with_everything_that_belongs_to_it,
    nothing_goes_that_is_not_over,
    alerts_without_an_incident_go_after_their_time,
    much_goes_in_small_steps,
}

/// One webhook at a time, its run to its end, and one channel told of it.
async fn told(world: &mut World, channel: &Channel, seconds: i64, state: &str) -> RunId {
    let alert = if state == "firing" { firing("DiskFull", "db1") } else { resolved("DiskFull", "db1") };
    world.fire(seconds, vec![alert]).await;
    let run = world.claim(seconds).await.remove(0);
    world.notify(&run, &[channel], seconds).await;
    let sent = AttemptResult::Delivered { remote_ref: Some("m-1".to_owned()) };
    for delivery in claim(world, seconds).await {
        record(world, &delivery, &sent, seconds).await;
    }
    run.run.run_id
}

async fn forget(world: &World, kind: Kept, before: i64) -> usize {
    let Forgotten { count, next } = world.store.forget(kind, at(before), None).await.unwrap();
    assert_eq!(next, None);
    count
}

async fn rows(world: &World) -> Vec<(&'static str, u64)> {
    let counted =
        ["alert", "alert_history", "attempt", "delivery", "inbox", "incident", "incident_history", "run"];
    let stats = world.store.stats().await.unwrap();
    let tables = stats.tables.iter().filter(|found| counted.contains(&found.table));
    tables.map(|found| (found.table, found.rows)).filter(|(_, rows)| *rows > 0).collect()
}

#[expect(clippy::cognitive_complexity, reason = "one story, told to its end")]
async fn what_is_over_goes_after_its_time_with_everything_that_belongs_to_it(mut world: World) {
    let channel = world.channel("ops").await;
    let first = told(&mut world, &channel, 10, "firing").await;
    assert_eq!(
        forget(&world, Kept::Runs, 1000).await,
        1,
        "the webhook's; what was told of an open incident stays"
    );
    assert!(world.store.run(first).await.is_ok());
    assert_eq!(forget(&world, Kept::Incidents, 1000).await, 0, "it is open");

    told(&mut world, &channel, 20, "resolved").await;
    assert_eq!(forget(&world, Kept::Runs, 20).await, 1, "the first run; the others ended just now");
    assert_eq!(forget(&world, Kept::Incidents, 1000).await, 0, "a run of it is kept");
    assert_eq!(forget(&world, Kept::Runs, 21).await, 2);
    assert!(matches!(world.store.run(first).await, Err(StoreError::NotFound(_))));
    let kept = [("alert", 1), ("alert_history", 2), ("incident", 1), ("incident_history", 2)];
    assert_eq!(rows(&world).await, kept, "no delivery or try without its run");
    assert_eq!(forget(&world, Kept::Incidents, 20).await, 0, "not yet");
    assert_eq!(forget(&world, Kept::Incidents, 21).await, 1);
    assert_eq!(rows(&world).await, [], "alerts go with their incident");
}

async fn nothing_goes_that_is_not_over(mut world: World) {
    let channel = world.channel("ops").await;
    world.fire(10, vec![firing("DiskFull", "db1")]).await;
    let run = world.claim(11).await.remove(0);
    world.fire(12, vec![resolved("DiskFull", "db1")]).await;
    assert_eq!(forget(&world, Kept::Runs, 1000).await, 2, "those of the webhooks alone");
    assert!(world.store.run(run.run.run_id).await.is_ok(), "a worker has it");
    world.notify(&run, &[&channel], 13).await;
    assert_eq!(forget(&world, Kept::Runs, 1000).await, 0, "its delivery waits");
    assert_eq!(forget(&world, Kept::Incidents, 1000).await, 0);
    assert_eq!(next_due(&world).await, Some(at(13)));
}

async fn alerts_without_an_incident_go_after_their_time(mut world: World) {
    world.fire(10, vec![resolved("Over", "db9"), firing("DiskFull", "db1")]).await;
    assert_eq!(forget(&world, Kept::Alerts, 10).await, 0);
    assert_eq!(forget(&world, Kept::Alerts, 11).await, 1);
    let left = world.store.alerts(&AlertFilter::default(), &everything()).await.unwrap();
    assert_eq!(left.items.iter().map(|alert| alert.name.as_str()).collect::<Vec<_>>(), ["DiskFull"]);
}

async fn much_goes_in_small_steps(mut world: World) {
    let over: Vec<_> = (0..600).map(|number| resolved("Over", &format!("db{number}"))).collect();
    world.fire(10, over).await;
    let mut steps = Vec::new();
    let mut next = None;
    loop {
        let step = world.store.forget(Kept::Alerts, at(11), next.as_deref()).await.unwrap();
        steps.push(step.count);
        next = step.next;
        if next.is_none() {
            break;
        }
    }
    assert_eq!((steps.iter().max(), steps.iter().sum::<usize>()), (Some(&100), 600), "{steps:?}");
}
