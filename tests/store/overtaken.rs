//! Deliveries that newer ones overtake, and channels that are off or fail.

use domain::alert::ParsedAlert;
use domain::delivery::{AttemptResult, Channel, DeliveryStatus};
use domain::id::DeliveryId;
use domain::run::RunStatus;
use store::{ClaimedRun, DeadFilter, DeliveryDetail, Revived, StoreError};

use crate::fixture::{World, at, critical, firing, on_every_database, resolved};
use crate::outbox::{claim, dead, delivered, record, retry};

on_every_database! {
    a_firing_that_was_never_sent_and_is_over_is_one_notification_of_both,
    an_end_is_told_as_an_end_where_the_firing_may_have_been_seen,
    an_attempt_cut_off_by_a_crash_is_made_again_before_the_end_is_told,
    what_was_told_before_decides_whether_an_end_tells_both,
    what_is_held_for_a_channel_that_is_off_is_overtaken_and_nothing_new_is_put_there,
    dead_deliveries_that_something_newer_has_overtaken_are_not_sent_again,
    dead_deliveries_are_chosen_by_channel_and_time,
    channels_say_since_when_they_fail_and_when_they_last_took_something,
}

const OWN: &[u8] = b"sealed notification";
const BOTH: &[u8] = b"sealed, telling both";

fn fires() -> ParsedAlert {
    firing("DiskFull", "db1")
}

fn is_over() -> ParsedAlert {
    resolved("DiskFull", "db1")
}

/// A webhook with this alert, and the run that it makes, claimed.
async fn run(world: &mut World, alert: ParsedAlert, seconds: i64) -> ClaimedRun {
    world.fire(seconds, vec![alert]).await;
    world.claim(seconds).await.remove(0)
}

/// A webhook with this alert, told to a channel.
async fn tell(world: &mut World, channel: &Channel, alert: ParsedAlert, seconds: i64) -> DeliveryId {
    let run = run(world, alert, seconds).await;
    world.notify(&run, &[channel], seconds).await.remove(0)
}

async fn detail(world: &World, id: DeliveryId) -> DeliveryDetail {
    world.store.delivery(id).await.unwrap()
}

async fn status(world: &World, id: DeliveryId) -> (DeliveryStatus, Option<DeliveryId>) {
    let delivery = detail(world, id).await.delivery;
    (delivery.status, delivery.superseded_by)
}

async fn a_firing_that_was_never_sent_and_is_over_is_one_notification_of_both(mut world: World) {
    let ops = world.channel("ops").await;
    let first = tell(&mut world, &ops, fires(), 1).await;
    let worse = tell(&mut world, &ops, critical(fires()), 2).await;
    assert_eq!(status(&world, first).await, (DeliveryStatus::Stale, Some(worse)));
    let end = tell(&mut world, &ops, is_over(), 3).await;
    assert_eq!(status(&world, worse).await, (DeliveryStatus::Stale, Some(end)));

    let claimed = claim(&mut world, 4).await;
    assert_eq!(claimed.iter().map(|delivery| delivery.id).collect::<Vec<_>>(), [end]);
    assert_eq!(claimed[0].notification, BOTH);
    let stale = detail(&world, first).await;
    assert_eq!((stale.delivery.completed_at, stale.tries.len()), (Some(at(2)), 0));
    // Nothing of its run is left to be told.
    let run = world.store.run(stale.delivery.run_id).await.unwrap().run;
    assert_eq!((run.status, run.completed_at), (RunStatus::Notified, Some(at(2))));
}

#[expect(clippy::cognitive_complexity, reason = "one story, told to its end")]
async fn an_end_is_told_as_an_end_where_the_firing_may_have_been_seen(mut world: World) {
    let (ops, dev) = (world.channel("ops").await, world.channel("dev").await);
    let fired = run(&mut world, fires(), 1).await;
    let first = world.notify(&fired, &[&ops, &dev], 1).await;
    let claimed = claim(&mut world, 2).await;
    // One channel did not take it; the attempt at the other is under way, or was cut off.
    record(&world, &claimed[0], &retry(30), 3).await;
    let ended = run(&mut world, is_over(), 4).await;
    let end = world.notify(&ended, &[&ops, &dev], 4).await;
    assert_eq!(status(&world, first[0]).await, (DeliveryStatus::Stale, Some(end[0])));
    assert_eq!(status(&world, first[1]).await, (DeliveryStatus::Sending, None));

    let next = claim(&mut world, 5).await;
    assert_eq!(next.iter().map(|delivery| delivery.id).collect::<Vec<_>>(), [end[0]]);
    assert_eq!(next[0].notification, OWN);
    // It fails in the end, and something newer waits: it is not tried again.
    let now = world.store.record_attempt(&claimed[1], &retry(60), at(6)).await.unwrap();
    assert_eq!(now, (DeliveryStatus::Stale, Some(RunStatus::Notified)), "it was the last of its run");
    assert_eq!(status(&world, first[1]).await, (DeliveryStatus::Stale, Some(end[1])));
    let last = claim(&mut world, 7).await;
    assert_eq!((last[0].id, last[0].notification.as_slice()), (end[1], OWN));
    for delivery in next.iter().chain(&last) {
        record(&world, delivery, &delivered(None), 8).await;
    }
    for run in [fired.run.run_id, ended.run.run_id] {
        assert_eq!(world.store.run(run).await.unwrap().run.status, RunStatus::Notified);
    }
}

async fn an_attempt_cut_off_by_a_crash_is_made_again_before_the_end_is_told(mut world: World) {
    let ops = world.channel("ops").await;
    let first = tell(&mut world, &ops, fires(), 1).await;
    assert_eq!(claim(&mut world, 2).await.len(), 1);
    let end = tell(&mut world, &ops, is_over(), 3).await;
    assert!(claim(&mut world, 4).await.is_empty());
    let again = claim(&mut world, 100).await;
    assert_eq!((again.len(), again[0].id, again[0].attempt), (1, first, 2));
    record(&world, &again[0], &delivered(None), 101).await;
    let last = claim(&mut world, 102).await.remove(0);
    assert_eq!((last.id, last.notification.as_slice()), (end, OWN));
}

async fn what_was_told_before_decides_whether_an_end_tells_both(mut world: World) {
    let ops = world.channel("ops").await;
    for (second, result) in [(1, delivered(None)), (101, dead())] {
        // Told, got worse and is over before that went out: the end is an end.
        tell(&mut world, &ops, fires(), second).await;
        let told = claim(&mut world, second + 1).await.remove(0);
        record(&world, &told, &result, second + 2).await;
        tell(&mut world, &ops, critical(fires()), second + 3).await;
        tell(&mut world, &ops, is_over(), second + 4).await;
        let end = claim(&mut world, second + 5).await.remove(0);
        assert_eq!(end.notification, OWN);
        record(&world, &end, &delivered(None), second + 6).await;
        // Fired again and over again, and this time nobody was told.
        tell(&mut world, &ops, fires(), second + 7).await;
        tell(&mut world, &ops, is_over(), second + 8).await;
        let both = claim(&mut world, second + 9).await.remove(0);
        assert_eq!(both.notification, BOTH);
        record(&world, &both, &delivered(None), second + 10).await;
    }
}

async fn what_is_held_for_a_channel_that_is_off_is_overtaken_and_nothing_new_is_put_there(mut world: World) {
    let ops = world.channel("ops").await;
    let first = tell(&mut world, &ops, fires(), 1).await;
    let other = run(&mut world, firing("DiskFull", "db2"), 2).await;
    world.store.enable_channel("ops", false).await.unwrap();
    let incident = detail(&world, first).await.delivery.incident_id;
    assert!(world.store.waits(incident, ops.id).await.unwrap());
    assert!(!world.store.waits(other.moment.incident_id, ops.id).await.unwrap());

    let end = run(&mut world, is_over(), 3).await;
    let mut only_instead = async |run: &ClaimedRun| {
        let mut delivery = crate::fixture::delivery(&mut world.mint, run, &ops);
        delivery.only_instead = true;
        let stage = domain::run::Stage::Notify;
        let attempt = world.store.begin_stage(run.claim, stage, None, at(3)).await.unwrap();
        let end = crate::fixture::stage_end(stage, attempt, domain::run::StageStatus::Succeeded, 3);
        world.store.finish_notify(run.claim, &end, std::slice::from_ref(&delivery)).await.unwrap();
        delivery.id
    };
    let (instead, nothing) = (only_instead(&end).await, only_instead(&other).await);
    assert!(matches!(world.store.delivery(nothing).await, Err(StoreError::NotFound(_))));
    assert_eq!(status(&world, first).await, (DeliveryStatus::Stale, Some(instead)));
    assert!(claim(&mut world, 4).await.is_empty());
    world.store.enable_channel("ops", true).await.unwrap();
    let claimed = claim(&mut world, 5).await;
    assert_eq!((claimed.len(), claimed[0].id, claimed[0].notification.as_slice()), (1, instead, BOTH));
}

async fn dead_deliveries_that_something_newer_has_overtaken_are_not_sent_again(mut world: World) {
    let ops = world.channel("ops").await;
    let first = tell(&mut world, &ops, fires(), 1).await;
    let claimed = claim(&mut world, 2).await.remove(0);
    record(&world, &claimed, &dead(), 3).await;
    let end = tell(&mut world, &ops, is_over(), 4).await;
    for step in 0..2 {
        let refused = world.store.retry_delivery(first, "test", at(5)).await.unwrap_err();
        assert!(matches!(&refused, StoreError::Conflict(text) if text.contains("overtaken")), "{refused:?}");
        if step == 0 {
            let claimed = claim(&mut world, 6).await.remove(0);
            record(&world, &claimed, &dead(), 7).await;
        }
    }
    let revived = world.store.retry_dead_deliveries(&DeadFilter::default(), "test", at(8)).await.unwrap();
    assert_eq!(revived, Revived { due: 1, stale: 1 });
    assert_eq!(status(&world, first).await, (DeliveryStatus::Stale, Some(end)));
    let run = world.store.run(detail(&world, first).await.delivery.run_id).await.unwrap().run;
    assert_eq!(run.status, RunStatus::Notified);
    assert_eq!(claim(&mut world, 9).await.remove(0).id, end);
}

async fn dead_deliveries_are_chosen_by_channel_and_time(mut world: World) {
    let (ops, dev) = (world.channel("ops").await, world.channel("dev").await);
    let fired = run(&mut world, fires(), 1).await;
    world.notify(&fired, &[&ops, &dev], 1).await;
    for delivery in claim(&mut world, 2).await {
        record(&world, &delivery, &dead(), 3).await;
    }
    let retry = async |filter: DeadFilter| {
        world.store.retry_dead_deliveries(&filter, "test", at(4)).await.unwrap().due
    };
    // The identifiers of these tests are from long before.
    assert_eq!(retry(DeadFilter { since: Some(at(0)), channel: None }).await, 0);
    assert_eq!(retry(DeadFilter { since: None, channel: Some("dev".to_owned()) }).await, 1);
    assert_eq!(retry(DeadFilter::default()).await, 1);
}

async fn channels_say_since_when_they_fail_and_when_they_last_took_something(mut world: World) {
    let ops = world.channel("ops").await;
    let health = async |world: &World| world.store.channel_states().await.unwrap().remove(0);
    let new = health(&world).await;
    assert_eq!((new.health.last_success_at, new.health.failing_since, new.due_at), (None, None, None));
    let mut second = 1;
    let mut attempt = async |world: &mut World, alert: ParsedAlert, result: AttemptResult| {
        tell(world, &ops, alert, second).await;
        let claimed = claim(world, second + 1).await.remove(0);
        record(world, &claimed, &result, second + 2).await;
        second += 10;
    };
    attempt(&mut world, fires(), delivered(None)).await;
    attempt(&mut world, is_over(), dead()).await;
    attempt(&mut world, fires(), retry(1000)).await;
    let failing = health(&world).await;
    assert_eq!(failing.health.last_success_at, Some(at(3)));
    assert_eq!((failing.health.failing_since, failing.health.last_error_at), (Some(at(13)), Some(at(23))));
    assert_eq!(failing.health.last_error.as_deref(), Some("no answer within 15s"));
    assert_eq!(failing.due_at, Some(at(1000)));
    attempt(&mut world, is_over(), delivered(None)).await;
    let works = health(&world).await;
    assert_eq!((works.health.last_success_at, works.health.failing_since), (Some(at(33)), None));
    // What is known to a minute is not written again.
    attempt(&mut world, fires(), delivered(None)).await;
    assert_eq!(health(&world).await.health.last_success_at, Some(at(33)));
}
