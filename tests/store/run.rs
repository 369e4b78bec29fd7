//! Runs: claims, stages, leases, taking over.

use domain::alert::AlertStatus;
use domain::id::{ArtifactId, LeaseToken, Mint as _};
use domain::run::{RunStatus, Stage, StageStatus};
use store::{Fault, NewArtifact, RunClaim, RunEnd, RunFilter, StageEnd, StoreError};

use crate::fixture::{
    Counter, LEASE, World, at, catch_all, everything, firing, on_every_database, resolved, stage_end,
};

on_every_database! {
    claimed_run_tells_what_it_is_about,
    claims_are_bounded_and_in_the_order_of_time,
    stages_move_a_run_on_and_keep_what_they_made,
    failed_stage_is_tried_again_when_due,
    run_of_a_dead_worker_is_taken_over_after_its_last_stage,
    worker_without_the_lease_changes_nothing,
    finished_run_is_not_claimed_again,
    end_of_a_stage_that_did_not_begin_is_refused_whole,
    run_waits_for_every_earlier_one_about_its_incident,
    workers_share_a_transaction_and_a_refused_change_is_undone_alone,
    a_change_is_carried_out_although_nobody_waits_for_it,
    processes_that_claim_at_once_never_claim_twice,
}

fn fault(error_type: &str) -> Fault {
    Fault { error_type: error_type.into(), message: format!("it was {error_type}") }
}

async fn claimed_run_tells_what_it_is_about(mut world: World) {
    let write = world.fire(1, vec![firing("DiskFull", "db1")]).await;
    assert_eq!(world.store.next_run_due().await.unwrap(), Some(at(1)));
    assert!(world.claim(0).await.is_empty());
    let claimed = world.claim(2).await;
    let [run] = claimed.as_slice() else { panic!("{claimed:?}") };
    assert_eq!(run.run.parent_run_id, Some(write.run_id));
    assert_eq!(run.run.incident_id, Some(run.moment.incident_id));
    assert_eq!((run.run.started_at, run.lease_until), (Some(at(2)), at(62)));
    assert_eq!(run.run.reasons, run.moment.reasons);
    // Nobody gets it while the lease lasts.
    assert!(world.claim(61).await.is_empty());
    assert_eq!(world.store.next_run_due().await.unwrap(), Some(at(62)));
}

async fn claims_are_bounded_and_in_the_order_of_time(mut world: World) {
    for n in 0..5 {
        world.fire(n, vec![firing("DiskFull", &format!("db{n}"))]).await;
    }
    let first = world.store.claim_runs(at(9), LEASE, 3, &mut world.mint).await.unwrap();
    let second = world.store.claim_runs(at(9), LEASE, 3, &mut world.mint).await.unwrap();
    let created: Vec<_> = first.iter().chain(&second).map(|run| run.run.created_at).collect();
    assert_eq!(created, [at(0), at(1), at(2), at(3), at(4)]);
    assert_ne!(first[0].claim.lease, second[0].claim.lease);
}

async fn stages_move_a_run_on_and_keep_what_they_made(mut world: World) {
    world.fire(1, vec![firing("DiskFull", "db1")]).await;
    let run = world.claim(2).await.remove(0);
    let mut made = Vec::new();
    for (stage, status) in [(Stage::Check, RunStatus::Checked), (Stage::Analyze, RunStatus::Analyzed)] {
        let attempt = world.store.begin_stage(run.claim, stage, Some(&catch_all()), at(3)).await.unwrap();
        assert_eq!(attempt, 1);
        let artifact = NewArtifact { id: ArtifactId::mint(&mut world.mint), sealed: vec![0, 1, 255] };
        made.push(artifact.id);
        let end = StageEnd {
            artifact: Some(artifact),
            fallback_used: stage == Stage::Analyze,
            ..stage_end(stage, attempt, StageStatus::Succeeded, 4)
        };
        world.store.finish_stage(run.claim, &end).await.unwrap();
        let now = world.store.run(run.run.run_id).await.unwrap().run;
        assert_eq!((now.status, now.current_stage), (status, Some(stage)));
    }
    let detail = world.store.run(run.run.run_id).await.unwrap();
    assert_eq!(detail.run.checker_output_ref, Some(made[0]));
    assert_eq!(detail.run.intelligence_output_ref, Some(made[1]));
    assert_eq!(detail.run.notify_output_ref, None);
    assert!(detail.run.intelligence_fallback_used);
    assert_eq!((detail.run.total_attempts, detail.run.route.as_deref()), (2, Some("catch-all")));
    assert_eq!(detail.run.reason.as_deref(), Some("it asks for nothing"));
    assert_eq!(world.store.artifact(made[1]).await.unwrap(), [0, 1, 255]);
    let stages: Vec<_> =
        detail.stages.iter().map(|stage| (stage.stage, stage.attempt, stage.status)).collect();
    let succeeded = StageStatus::Succeeded;
    assert_eq!(stages, [(Stage::Analyze, 1, succeeded), (Stage::Check, 1, succeeded)]);
}

async fn failed_stage_is_tried_again_when_due(mut world: World) {
    world.fire(1, vec![firing("DiskFull", "db1")]).await;
    let run = world.claim(2).await.remove(0);
    let attempt = world.store.begin_stage(run.claim, Stage::Check, None, at(2)).await.unwrap();
    let end = StageEnd {
        fault: Some(fault("timeout")),
        ..stage_end(Stage::Check, attempt, StageStatus::Failed, 3)
    };
    world.store.finish_stage(run.claim, &end).await.unwrap();
    world.store.schedule_retry(run.claim, at(30), &fault("timeout"), at(29)).await.unwrap();

    let waiting = world.store.run(run.run.run_id).await.unwrap().run;
    assert_eq!((waiting.status, waiting.error_type.as_deref()), (RunStatus::Retrying, Some("timeout")));
    assert_eq!(world.store.next_run_due().await.unwrap(), Some(at(30)));
    assert!(world.claim(29).await.is_empty());
    let again = world.claim(30).await.remove(0);
    assert_eq!(again.run.started_at, Some(at(2)));
    let attempt = world.store.begin_stage(again.claim, Stage::Check, None, at(31)).await.unwrap();
    assert_eq!(attempt, 2);
    let stages = world.store.run(run.run.run_id).await.unwrap().stages;
    let states: Vec<_> = stages.iter().map(|stage| (stage.attempt, stage.status)).collect();
    assert_eq!(states, [(1, StageStatus::Failed), (2, StageStatus::Started)]);
    assert_eq!(stages[0].error_message.as_deref(), Some("it was timeout"));
}

async fn run_of_a_dead_worker_is_taken_over_after_its_last_stage(mut world: World) {
    world.fire(1, vec![firing("DiskFull", "db1")]).await;
    let dead = world.claim(2).await.remove(0);
    let attempt = world.store.begin_stage(dead.claim, Stage::Check, None, at(2)).await.unwrap();
    let end = stage_end(Stage::Check, attempt, StageStatus::Succeeded, 3);
    world.store.finish_stage(dead.claim, &end).await.unwrap();
    world.store.begin_stage(dead.claim, Stage::Analyze, None, at(4)).await.unwrap();
    // The process ends here; another one starts.
    let other = world.another_process().await;
    let mut mint = Counter::of_process(2);
    assert!(other.claim_runs(at(61), LEASE, 9, &mut mint).await.unwrap().is_empty());
    let taken = other.claim_runs(at(62), LEASE, 9, &mut mint).await.unwrap().remove(0);
    assert_eq!((taken.run.run_id, taken.run.status), (dead.run.run_id, RunStatus::Checked));
    let stages = other.run(taken.run.run_id).await.unwrap().stages;
    let states: Vec<_> = stages.iter().map(|stage| (stage.stage, stage.status)).collect();
    assert_eq!(states, [(Stage::Check, StageStatus::Succeeded), (Stage::Analyze, StageStatus::Started)]);
    assert_eq!(other.begin_stage(taken.claim, Stage::Analyze, None, at(63)).await.unwrap(), 2);
}

async fn worker_without_the_lease_changes_nothing(mut world: World) {
    world.fire(1, vec![firing("DiskFull", "db1")]).await;
    let late = world.claim(2).await.remove(0);
    let attempt = world.store.begin_stage(late.claim, Stage::Notify, None, at(2)).await.unwrap();
    let holder = world.claim(100).await.remove(0);
    let before = world.store.run(late.run.run_id).await.unwrap();

    let end = stage_end(Stage::Notify, attempt, StageStatus::Succeeded, 101);
    let run_end = RunEnd { status: RunStatus::Failed, fault: None, at: at(101) };
    let invented = RunClaim { lease: LeaseToken::from(world.mint.mint()), ..late.claim };
    for claim in [late.claim, invented] {
        let results = [
            world.store.begin_stage(claim, Stage::Check, None, at(101)).await.map(|_| ()),
            world.store.finish_stage(claim, &end).await,
            world.store.finish_notify(claim, &end, &[]).await.map(|_| ()),
            world.store.schedule_retry(claim, at(200), &fault("late"), at(199)).await,
            world.store.finish_run(claim, &run_end).await,
        ];
        for result in results {
            assert!(matches!(result, Err(StoreError::LeaseLost(_))), "{result:?}");
        }
    }
    assert_eq!(world.store.run(late.run.run_id).await.unwrap(), before);
    // The holder still can.
    world.store.begin_stage(holder.claim, Stage::Check, None, at(102)).await.unwrap();
}

async fn finished_run_is_not_claimed_again(mut world: World) {
    world.fire(1, vec![firing("DiskFull", "db1")]).await;
    let run = world.claim(2).await.remove(0);
    let end = RunEnd { status: RunStatus::Failed, fault: Some(fault("no_route")), at: at(3) };
    world.store.finish_run(run.claim, &end).await.unwrap();
    let ended = world.store.run(run.run.run_id).await.unwrap().run;
    assert_eq!((ended.status, ended.error_type.as_deref()), (RunStatus::Failed, Some("no_route")));
    assert_eq!(ended.completed_at, Some(at(3)));
    assert!(world.claim(1000).await.is_empty());
    assert_eq!(world.store.next_run_due().await.unwrap(), None);
    assert!(matches!(world.store.finish_run(run.claim, &end).await, Err(StoreError::LeaseLost(_))));
}

async fn end_of_a_stage_that_did_not_begin_is_refused_whole(mut world: World) {
    world.fire(1, vec![firing("DiskFull", "db1")]).await;
    let run = world.claim(2).await.remove(0);
    let end = stage_end(Stage::Check, 1, StageStatus::Succeeded, 3);
    let error = world.store.finish_stage(run.claim, &end).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound(_)), "{error:?}");
    assert_eq!(world.store.run(run.run.run_id).await.unwrap().run.status, RunStatus::Pending);
}

async fn processes_that_claim_at_once_never_claim_twice(mut world: World) {
    for n in 0..40 {
        let alerts = (0..5).map(|m| firing("DiskFull", &format!("db{n}-{m}"))).collect();
        world.fire(n, alerts).await;
    }
    let claim_all = |store: store::Store, process| async move {
        let mut mint = Counter::of_process(process);
        let mut claimed = Vec::new();
        loop {
            let some = store.claim_runs(at(100), LEASE, 3, &mut mint).await.unwrap();
            if some.is_empty() {
                return claimed;
            }
            claimed.extend(some.into_iter().map(|run| run.run.run_id));
        }
    };
    let others = [world.another_process().await, world.another_process().await, world.store.clone()];
    let tasks = others.into_iter().zip(2..).map(|(store, process)| tokio::spawn(claim_all(store, process)));
    let mut claimed = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        claimed.extend(task.await.unwrap());
    }
    assert_eq!(claimed.len(), 200);
    claimed.sort();
    claimed.dedup();
    assert_eq!(claimed.len(), 200);
    let waiting = RunFilter { status: Some(RunStatus::Pending), ..RunFilter::default() };
    assert_eq!(world.store.runs(&waiting, &everything()).await.unwrap().items.len(), 200);
}

async fn run_waits_for_every_earlier_one_about_its_incident(mut world: World) {
    world.fire(1, vec![firing("DiskFull", "db1")]).await;
    world.fire(2, vec![resolved("DiskFull", "db1")]).await;
    world.fire(3, vec![firing("DiskFull", "db2")]).await;
    let first = world.claim(4).await;
    let about: Vec<_> = first.iter().map(|run| (run.moment.status, run.run.created_at)).collect();
    assert_eq!(about, [(AlertStatus::Firing, at(1)), (AlertStatus::Firing, at(3))]);
    assert!(world.claim(5).await.is_empty(), "the end is told after the beginning");
    world.notify(&first[0], &[], 6).await;
    let second = world.claim(7).await;
    assert_eq!(second.iter().map(|run| run.moment.status).collect::<Vec<_>>(), [AlertStatus::Resolved]);
}

async fn workers_share_a_transaction_and_a_refused_change_is_undone_alone(mut world: World) {
    for n in 0..40 {
        world.fire(1, vec![firing("DiskFull", &format!("db{n}"))]).await;
    }
    let claimed = world.claim(2).await;
    let mut changes = tokio::task::JoinSet::new();
    for (n, run) in claimed.iter().enumerate() {
        // Every fourth comes with a lease that is not its own.
        let is_late = n % 4 == 0;
        let lease = if is_late { LeaseToken::mint(&mut world.mint) } else { run.claim.lease };
        let (store, claim) = (world.store.clone(), RunClaim { lease, ..run.claim });
        changes.spawn(async move {
            let begun = store.begin_stage(claim, Stage::Check, None, at(3)).await;
            (claim.run_id, is_late, begun)
        });
    }
    for (run_id, is_late, begun) in changes.join_all().await {
        let executions = world.store.run(run_id).await.unwrap().stages;
        match begun {
            Err(StoreError::LeaseLost(_)) if is_late => assert!(executions.is_empty()),
            Ok(1) if !is_late => assert_eq!(executions.len(), 1),
            other => panic!("late: {is_late}, {other:?}"),
        }
    }
}

async fn a_change_is_carried_out_although_nobody_waits_for_it(mut world: World) {
    world.fire(1, vec![firing("DiskFull", "db1"), firing("DiskFull", "db2")]).await;
    let claimed = world.claim(2).await;
    let [given_up, waited_for] = claimed.as_slice() else { panic!("{claimed:?}") };
    let change = Box::pin(world.store.begin_stage(given_up.claim, Stage::Check, None, at(3)));
    // Polled once, then dropped.
    drop(polled_once(change).await);
    world.store.begin_stage(waited_for.claim, Stage::Check, None, at(3)).await.unwrap();
    assert_eq!(world.store.run(given_up.run.run_id).await.unwrap().stages.len(), 1);
}

/// Polls a future once and hands it back.
async fn polled_once<F: Future + Unpin>(mut future: F) -> F {
    std::future::poll_fn(|context| {
        assert!(std::pin::Pin::new(&mut future).poll(context).is_pending());
        std::task::Poll::Ready(())
    })
    .await;
    future
}
