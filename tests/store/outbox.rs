//! Deliveries: order, attempts, fencing, what becomes of their run.

use domain::delivery::{AttemptOutcome, AttemptResult, Channel, ClaimedDelivery, DeliveryStatus};
use domain::id::{ChannelId, DeliveryId};
use domain::run::{RunStatus, Stage, StageStatus};
use domain::time::Timestamp;
use store::{DeadFilter, DeliveryFilter, Revived, StoreError};

use tokio::task::JoinSet;

use crate::fixture::{
    Counter, LEASE, World, at, critical, delivery, everything, firing, on_every_database, resolved, stage_end,
};

on_every_database! {
    attempt_is_written_before_the_call,
    run_is_notified_when_its_last_delivery_is_final,
    run_without_deliveries_is_notified_at_once,
    dead_delivery_fails_its_run_until_it_is_retried,
    all_dead_deliveries_can_be_retried_together,
    retry_waits_for_its_time,
    later_delivery_of_an_incident_waits_for_the_earlier_on_the_same_channel,
    previous_reference_is_the_last_that_was_delivered,
    lease_of_a_dead_worker_passes_on_with_the_next_attempt,
    late_worker_may_record_while_nobody_else_has_claimed,
    deliveries_of_a_disabled_channel_wait_and_wake_nobody,
    the_attempt_that_ends_a_run_says_how,
    deliveries_are_listed_by_what_they_are,
    what_waits_is_counted_with_the_time_it_was_due,
    processes_that_claim_at_once_never_tell_or_send_twice,
}

pub(crate) fn delivered(remote_ref: Option<&str>) -> AttemptResult {
    AttemptResult::Delivered { remote_ref: remote_ref.map(str::to_owned) }
}

pub(crate) fn dead() -> AttemptResult {
    AttemptResult::Dead { error_type: "refused".into(), error_message: "it answered 400".into() }
}

pub(crate) fn retry(seconds: i64) -> AttemptResult {
    AttemptResult::Retry {
        due_at: at(seconds),
        error_type: "timeout".into(),
        error_message: "no answer within 15s".into(),
    }
}

/// The channels for which something is due, each with `most`.
async fn due(store: &store::Store, seconds: i64, most: usize) -> Vec<(ChannelId, usize)> {
    let due = store.channels_due().await.unwrap().into_iter();
    due.filter(|channel| channel.due_at.is_some_and(|due| due <= at(seconds)))
        .map(|channel| (channel.id, most))
        .collect()
}

/// When the next delivery can be claimed.
pub(crate) async fn next_due(world: &World) -> Option<Timestamp> {
    world.store.channels_due().await.unwrap().into_iter().filter_map(|channel| channel.due_at).min()
}

pub(crate) async fn claim(world: &mut World, seconds: i64) -> Vec<ClaimedDelivery> {
    let channels = due(&world.store, seconds, 100).await;
    world.store.claim_deliveries(at(seconds), LEASE, &channels, &mut world.mint).await.unwrap()
}

pub(crate) async fn record(world: &World, claimed: &ClaimedDelivery, result: &AttemptResult, seconds: i64) {
    world.store.record_attempt(claimed, result, at(seconds)).await.unwrap();
}

async fn attempt_is_written_before_the_call(mut world: World) {
    let channel = world.channel("ops").await;
    world.fire(1, vec![firing("DiskFull", "db1")]).await;
    let run = world.claim(2).await.remove(0);
    let ids = world.notify(&run, &[&channel], 3).await;
    assert_eq!(next_due(&world).await, Some(at(3)));

    let claimed = claim(&mut world, 4).await.remove(0);
    assert_eq!((claimed.id, claimed.attempt, claimed.previous_ref.clone()), (ids[0], 1, None));
    assert_eq!(claimed.channel, channel);
    assert_eq!(claimed.channel_settings, b"sealed ops");
    assert_eq!(claimed.notification, b"sealed notification");
    assert_eq!((claimed.lease_until, claimed.created_at), (at(64), at(3)));
    let detail = world.store.delivery(claimed.id).await.unwrap();
    assert_eq!((detail.delivery.status, detail.delivery.attempts), (DeliveryStatus::Sending, 1));
    let [attempt] = detail.tries.as_slice() else { panic!("{detail:?}") };
    assert_eq!((attempt.outcome, attempt.started_at), (AttemptOutcome::Started, at(4)));
    assert_eq!(attempt.completed_at, None);
}

async fn run_is_notified_when_its_last_delivery_is_final(mut world: World) {
    let (ops, dev) = (world.channel("ops").await, world.channel("dev").await);
    world.fire(1, vec![firing("DiskFull", "db1")]).await;
    let run = world.claim(2).await.remove(0);
    world.notify(&run, &[&ops, &dev], 3).await;
    assert!(world.claim(1000).await.is_empty(), "its deliveries decide, not a worker");
    let claimed = claim(&mut world, 4).await;
    record(&world, &claimed[0], &delivered(Some("m-1")), 5).await;
    let waiting = world.store.run(run.run.run_id).await.unwrap();
    assert_eq!((waiting.run.status, waiting.run.completed_at), (RunStatus::Pending, None));
    record(&world, &claimed[1], &delivered(None), 6).await;
    let done = world.store.run(run.run.run_id).await.unwrap();
    assert_eq!((done.run.status, done.run.completed_at), (RunStatus::Notified, Some(at(6))));
    assert_eq!(done.deliveries.len(), 2);
    assert!(done.deliveries.iter().all(|delivery| delivery.status == DeliveryStatus::Delivered));
    assert_eq!(done.deliveries[0].due_at, at(5));
}

async fn run_without_deliveries_is_notified_at_once(mut world: World) {
    world.fire(1, vec![firing("DiskFull", "db1")]).await;
    let run = world.claim(2).await.remove(0);
    world.notify(&run, &[], 3).await;
    assert_eq!(world.store.run(run.run.run_id).await.unwrap().run.status, RunStatus::Notified);
}

#[expect(clippy::cognitive_complexity, reason = "one story, told to its end")]
async fn dead_delivery_fails_its_run_until_it_is_retried(mut world: World) {
    let (ops, dev) = (world.channel("ops").await, world.channel("dev").await);
    world.fire(1, vec![firing("DiskFull", "db1")]).await;
    let run = world.claim(2).await.remove(0);
    let ids = world.notify(&run, &[&ops, &dev], 3).await;
    let claimed = claim(&mut world, 4).await;
    record(&world, &claimed[0], &dead(), 5).await;
    record(&world, &claimed[1], &delivered(None), 6).await;
    let failed = world.store.run(run.run.run_id).await.unwrap().run;
    assert_eq!((failed.status, failed.error_type.as_deref()), (RunStatus::Failed, Some("delivery_dead")));
    assert_eq!(next_due(&world).await, None);

    let refused = world.store.retry_delivery(ids[1], "test", at(7)).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Conflict(text) if text.contains("`delivered`")), "{refused:?}");
    world.store.retry_delivery(ids[0], "test", at(7)).await.unwrap();
    let waiting = world.store.run(run.run.run_id).await.unwrap().run;
    assert_eq!((waiting.status, waiting.error_type), (RunStatus::Retrying, None));
    let again = claim(&mut world, 8).await.remove(0);
    assert_eq!((again.id, again.attempt), (ids[0], 2));
    record(&world, &again, &delivered(None), 9).await;
    assert_eq!(world.store.run(run.run.run_id).await.unwrap().run.status, RunStatus::Notified);
    let tries = world.store.delivery(ids[0]).await.unwrap().tries;
    let outcomes: Vec<_> = tries.iter().map(|attempt| attempt.outcome).collect();
    assert_eq!(outcomes, [AttemptOutcome::Refused, AttemptOutcome::Delivered]);
    let retries = world.store.delivery(ids[0]).await.unwrap().retries;
    let [who] = retries.as_slice() else { panic!("{retries:?}") };
    assert_eq!((who.attempts, who.actor.as_str(), who.at), (1, "test", at(7)));
}

async fn all_dead_deliveries_can_be_retried_together(mut world: World) {
    let ops = world.channel("ops").await;
    let alerts = (0..20).map(|n| firing("DiskFull", &format!("db{n}"))).collect();
    world.fire(1, alerts).await;
    for run in world.claim(2).await {
        world.notify(&run, &[&ops], 3).await;
    }
    for claimed in claim(&mut world, 4).await {
        record(&world, &claimed, &dead(), 5).await;
    }
    assert_eq!(world.store.delivery_counts().await.unwrap(), [(DeliveryStatus::Dead, 20)].into());
    let all = DeadFilter::default();
    let retry =
        async |filter: &DeadFilter| world.store.retry_dead_deliveries(filter, "test", at(6)).await.unwrap();
    assert_eq!(
        retry(&DeadFilter { channel: Some("dev".to_owned()), ..all.clone() }).await,
        Revived::default()
    );
    assert_eq!(retry(&all).await, Revived { due: 20, stale: 0 });
    assert_eq!(retry(&all).await, Revived::default());
    assert_eq!(world.store.delivery_counts().await.unwrap(), [(DeliveryStatus::Pending, 20)].into());
    assert_eq!(claim(&mut world, 7).await.len(), 20);
}

async fn retry_waits_for_its_time(mut world: World) {
    let ops = world.channel("ops").await;
    world.fire(1, vec![firing("DiskFull", "db1")]).await;
    let run = world.claim(2).await.remove(0);
    let ids = world.notify(&run, &[&ops], 3).await;
    let first = claim(&mut world, 4).await.remove(0);
    record(&world, &first, &retry(20), 5).await;
    assert!(claim(&mut world, 19).await.is_empty());
    assert_eq!(next_due(&world).await, Some(at(20)));
    let second = claim(&mut world, 20).await.remove(0);
    assert_eq!(second.attempt, 2);
    let detail = world.store.delivery(ids[0]).await.unwrap();
    assert_eq!(detail.delivery.error_type.as_deref(), Some("timeout"));
    assert_eq!(detail.tries[0].outcome, AttemptOutcome::Retry);
    assert_eq!(detail.tries[0].completed_at, Some(at(5)));
}

async fn later_delivery_of_an_incident_waits_for_the_earlier_on_the_same_channel(mut world: World) {
    let (ops, dev) = (world.channel("ops").await, world.channel("dev").await);
    world.fire(1, vec![firing("DiskFull", "db1")]).await;
    world.fire(2, vec![firing("DiskFull", "db2")]).await;
    let mut sent = Vec::new();
    for run in world.claim(3).await {
        sent.push(world.notify(&run, &[&ops, &dev], 3).await);
    }
    let claimed = claim(&mut world, 4).await;
    assert_eq!(claimed.len(), 4);
    world.fire(5, vec![critical(firing("DiskFull", "db1"))]).await;
    let run = world.claim(6).await.remove(0);
    let later = world.notify(&run, &[&ops, &dev], 6).await;
    assert!(claim(&mut world, 7).await.is_empty(), "both channels are being told of db1");

    let of = |id| claimed.iter().find(|delivery| delivery.id == id).unwrap();
    record(&world, of(sent[0][1]), &delivered(Some("dev-1")), 8).await;
    let next = claim(&mut world, 9).await;
    assert_eq!(next.iter().map(|delivery| delivery.id).collect::<Vec<_>>(), [later[1]]);
    assert_eq!(next[0].previous_ref.as_deref(), Some("dev-1"));
    // A dead one no longer holds up what follows.
    record(&world, of(sent[0][0]), &dead(), 10).await;
    let last = claim(&mut world, 11).await;
    assert_eq!(last.iter().map(|delivery| delivery.id).collect::<Vec<_>>(), [later[0]]);
}

async fn previous_reference_is_the_last_that_was_delivered(mut world: World) {
    let ops = world.channel("ops").await;
    let stories = [
        (1, firing("DiskFull", "db1"), delivered(Some("m-1")), None),
        (11, critical(firing("DiskFull", "db1")), delivered(None), Some("m-1")),
        (21, resolved("DiskFull", "db1"), delivered(Some("m-3")), Some("m-1")),
        (31, firing("DiskFull", "db1"), dead(), Some("m-3")),
        (41, resolved("DiskFull", "db1"), delivered(None), Some("m-3")),
    ];
    for (second, alert, result, expected) in stories {
        world.fire(second, vec![alert]).await;
        let run = world.claim(second + 1).await.remove(0);
        world.notify(&run, &[&ops], second + 2).await;
        let claimed = claim(&mut world, second + 3).await.remove(0);
        assert_eq!(claimed.previous_ref.as_deref(), expected, "at {second}");
        record(&world, &claimed, &result, second + 4).await;
    }
}

async fn lease_of_a_dead_worker_passes_on_with_the_next_attempt(mut world: World) {
    let ops = world.channel("ops").await;
    world.fire(1, vec![firing("DiskFull", "db1")]).await;
    let run = world.claim(2).await.remove(0);
    let ids = world.notify(&run, &[&ops], 3).await;
    let late = claim(&mut world, 4).await.remove(0);
    assert_eq!(next_due(&world).await, Some(at(64)));
    assert!(claim(&mut world, 63).await.is_empty());
    let holder = claim(&mut world, 64).await.remove(0);
    assert_eq!((holder.id, holder.attempt), (late.id, 2));

    let before = world.store.delivery(ids[0]).await.unwrap();
    let lost = world.store.record_attempt(&late, &delivered(Some("m")), at(65)).await;
    assert!(matches!(lost, Err(StoreError::LeaseLost(_))), "{lost:?}");
    assert_eq!(world.store.delivery(ids[0]).await.unwrap(), before);
    record(&world, &holder, &delivered(None), 66).await;
    let outcomes: Vec<_> = world
        .store
        .delivery(ids[0])
        .await
        .unwrap()
        .tries
        .into_iter()
        .map(|attempt| attempt.outcome)
        .collect();
    assert_eq!(outcomes, [AttemptOutcome::Started, AttemptOutcome::Delivered]);
    // Recorded once; the lease is spent.
    let twice = world.store.record_attempt(&holder, &dead(), at(67)).await;
    assert!(matches!(twice, Err(StoreError::LeaseLost(_))), "{twice:?}");
}

async fn late_worker_may_record_while_nobody_else_has_claimed(mut world: World) {
    let ops = world.channel("ops").await;
    world.fire(1, vec![firing("DiskFull", "db1")]).await;
    let run = world.claim(2).await.remove(0);
    world.notify(&run, &[&ops], 3).await;
    let claimed = claim(&mut world, 4).await.remove(0);
    record(&world, &claimed, &delivered(None), 500).await;
    assert_eq!(world.store.run(run.run.run_id).await.unwrap().run.status, RunStatus::Notified);
}

async fn deliveries_of_a_disabled_channel_wait_and_wake_nobody(mut world: World) {
    let ops = world.channel("ops").await;
    world.fire(1, vec![firing("DiskFull", "db1")]).await;
    let run = world.claim(2).await.remove(0);
    world.notify(&run, &[&ops], 3).await;
    world.store.enable_channel("ops", false).await.unwrap();
    assert!(claim(&mut world, 4).await.is_empty());
    assert_eq!(next_due(&world).await, None);
    world.store.enable_channel("ops", true).await.unwrap();
    assert_eq!(claim(&mut world, 5).await.len(), 1);
}

async fn the_attempt_that_ends_a_run_says_how(mut world: World) {
    let (ops, dev) = (world.channel("ops").await, world.channel("dev").await);
    world.fire(1, vec![firing("DiskFull", "db1")]).await;
    let run = world.claim(2).await.remove(0);
    world.notify(&run, &[&ops, &dev], 3).await;
    let claimed = claim(&mut world, 4).await;
    let record = async |number: usize, result: AttemptResult, seconds| {
        world.store.record_attempt(&claimed[number], &result, at(seconds)).await.unwrap().1
    };
    assert_eq!(record(0, dead(), 5).await, None, "the other one is under way");
    assert_eq!(record(1, delivered(None), 6).await, Some(RunStatus::Failed));
    world.store.retry_delivery(claimed[0].id, "a test", at(7)).await.unwrap();
    let again = claim(&mut world, 8).await.remove(0);
    let end = world.store.record_attempt(&again, &delivered(None), at(9)).await.unwrap();
    assert_eq!(end, (DeliveryStatus::Delivered, Some(RunStatus::Notified)));
}

async fn deliveries_are_listed_by_what_they_are(mut world: World) {
    let (ops, dev) = (world.channel("ops").await, world.channel("dev").await);
    world.fire(1, vec![firing("DiskFull", "db1")]).await;
    let run = world.claim(2).await.remove(0);
    let ids = world.notify(&run, &[&ops, &dev], 3).await;
    let claimed = claim(&mut world, 4).await;
    record(&world, &claimed[0], &dead(), 5).await;
    let list = async |filter: DeliveryFilter| -> Vec<_> {
        let page = world.store.deliveries(&filter, &everything()).await.unwrap();
        page.items.into_iter().map(|delivery| delivery.id).collect()
    };
    let all = DeliveryFilter::default();
    assert_eq!(list(all.clone()).await, [ids[1], ids[0]]);
    assert_eq!(list(DeliveryFilter { channel: Some("dev".into()), ..all.clone() }).await, [ids[1]]);
    assert_eq!(list(DeliveryFilter { status: Some(DeliveryStatus::Dead), ..all.clone() }).await, [ids[0]]);
    assert_eq!(list(DeliveryFilter { run_id: Some(run.run.run_id), ..all.clone() }).await.len(), 2);
    assert!(list(DeliveryFilter { run_id: run.run.parent_run_id, ..all }).await.is_empty());
}

/// How many deliveries the processes of the test below share.
const SHARED: usize = 10_000;

/// Does one thing as a worker does that shares the one writer with other processes: again where its turn did
/// not come, which has changed nothing.
macro_rules! patiently {
    ($work:expr) => {
        loop {
            match $work.await {
                Err(error) if error.is_unavailable() => tokio::task::yield_now().await,
                other => break other.unwrap(),
            }
        }
    };
}
pub(crate) use patiently;

/// What one worker does until no run is left: claim, and tell both channels.
async fn tell_all(store: store::Store, number: u128, channels: [Channel; 2]) -> usize {
    let mut worker = Counter::of_process(number);
    let mut told = 0;
    loop {
        let runs = patiently!(store.claim_runs(at(2), LEASE, 64, &mut worker));
        if runs.is_empty() {
            return told;
        }
        told += runs.len();
        let mut tasks = JoinSet::new();
        for run in runs {
            let deliveries = [0, 1].map(|at| delivery(&mut worker, &run, &channels[at]));
            let store = store.clone();
            tasks.spawn(async move {
                let attempt = patiently!(store.begin_stage(run.claim, Stage::Notify, None, at(3)));
                let end = stage_end(Stage::Notify, attempt, StageStatus::Succeeded, 3);
                patiently!(store.finish_notify(run.claim, &end, &deliveries));
            });
        }
        tasks.join_all().await;
    }
}

/// What one worker does until no delivery is left: claim, and record.
async fn send_all(store: store::Store, number: u128) -> Vec<DeliveryId> {
    let mut mint = Counter::of_process(number);
    let mut sent = Vec::new();
    loop {
        let channels = due(&store, 10, 64).await;
        let claimed = patiently!(store.claim_deliveries(at(10), LEASE, &channels, &mut mint));
        if claimed.is_empty() {
            return sent;
        }
        let mut tasks = JoinSet::new();
        for delivery in claimed {
            sent.push(delivery.id);
            let store = store.clone();
            tasks.spawn(async move {
                let sent = delivered(None);
                patiently!(store.record_attempt(&delivery, &sent, at(11)));
            });
        }
        // Whoever had another's would be refused.
        tasks.join_all().await;
    }
}

async fn processes_that_claim_at_once_never_tell_or_send_twice(mut world: World) {
    let channels = [world.channel("ops").await, world.channel("dev").await];
    for part in 0..SHARED / 1000 {
        let alerts = (0..500).map(|n| firing("DiskFull", &format!("db{part}-{n}"))).collect();
        world.fire(1, alerts).await;
    }
    // Two processes with two workers each.
    let (left, right) = (world.another_process().await, world.another_process().await);
    let workers = [left.clone(), left, right.clone(), right];
    let telling = workers.clone().into_iter().zip(2..);
    let telling: Vec<_> =
        telling.map(|(store, number)| tokio::spawn(tell_all(store, number, channels.clone()))).collect();
    let mut told = 0;
    for task in telling {
        told += task.await.unwrap();
    }
    assert_eq!(told, SHARED / 2);

    let sending: Vec<_> =
        workers.into_iter().zip(12..).map(|(store, number)| tokio::spawn(send_all(store, number))).collect();
    let mut sent = Vec::new();
    for task in sending {
        sent.extend(task.await.unwrap());
    }
    assert_eq!(sent.len(), SHARED);
    sent.sort();
    sent.dedup();
    assert_eq!(sent.len(), SHARED);
    let counts = world.store.delivery_counts().await.unwrap();
    assert_eq!(counts, [(DeliveryStatus::Delivered, SHARED as u64)].into());
}

async fn what_waits_is_counted_with_the_time_it_was_due(mut world: World) {
    let idle = world.store.backlog().await.unwrap();
    assert_eq!((idle.runs, idle.deliveries, idle.dead, idle.quarantined), (0, 0, 0, 0));
    assert_eq!((idle.run_due_at, idle.delivery_due_at, idle.quarantined_bytes), (None, None, 0));
    assert!(idle.database_bytes > 0);

    let channels = [world.channel("ops").await, world.channel("dev").await];
    world.fire(1, vec![firing("DiskFull", "db1")]).await;
    assert_eq!(world.store.backlog().await.unwrap().run_due_at, Some(at(1)));
    let run = world.claim(2).await.remove(0);
    world.notify(&run, &[&channels[0], &channels[1]], 3).await;
    world.fire(4, vec![firing("DiskFull", "db2")]).await;
    let mut unread = world.webhook(5, Vec::new());
    (unread.outcome, unread.webhook) = (domain::run::IngestOutcome::Quarantined, None);
    assert!(world.ingest(&[unread]).await[0].is_ok());

    let waiting = world.store.backlog().await.unwrap();
    assert_eq!((waiting.deliveries, waiting.delivery_due_at), (2, Some(at(3))));
    assert_eq!((waiting.quarantined, waiting.quarantined_bytes), (1, 650));
    let claimed = claim(&mut world, 6).await;
    world.store.record_attempt(&claimed[0], &dead(), at(7)).await.unwrap();
    let left = world.store.backlog().await.unwrap();
    assert_eq!((left.deliveries, left.dead), (1, 1));
}
