//! Stored requests: read again, tried out, discarded.

use domain::alert::AlertStatus;
use domain::id::RunId;
use domain::plan::{AlertEvent, Webhook};
use domain::run::{IngestOutcome, RunStatus};
use domain::time::Timestamp;
use store::{AlertFilter, Forgotten, IncidentFilter, IngestWrite, Ingested, Kept, RunFilter, StoreError};

use crate::fixture::{World, at, critical, everything, firing, on_every_database, resolved};

on_every_database! {
    request_read_again_leaves_quarantine_and_starts_what_it_would_have_started,
    request_older_than_what_is_known_only_adds_history,
    request_that_still_cannot_be_read_stays_with_the_new_reason,
    delivery_that_was_taken_meanwhile_is_not_taken_again,
    discarded_request_loses_its_content_and_says_why,
    plan_tells_what_would_change_and_changes_nothing,
    quarantine_is_gone_through_in_the_order_of_arrival_by_driver,
    request_that_was_read_can_be_read_once_more_under_its_own_delivery_id,
    quota_counts_from_the_newest_per_key_and_driver_and_spares_what_a_driver_broke_at,
    old_requests_lose_their_content_and_nothing_else,
    firing_between_two_resolves_that_is_read_late_brings_nothing_back,
    old_news_does_not_set_the_times_of_an_incident_back,
}

/// A request that its driver could not read.
async fn quarantined(world: &mut World, seconds: i64) -> IngestWrite {
    let mut write = world.webhook(seconds, Vec::new());
    (write.outcome, write.webhook) = (IngestOutcome::Quarantined, None);
    (write.reason_code, write.reason) = (Some("trap.cpu".into()), Some("too slow".into()));
    assert!(world.ingest(std::slice::from_ref(&write)).await[0].is_ok());
    write
}

/// What is written when it can be read.
fn read(write: &IngestWrite, alerts: Vec<domain::alert::ParsedAlert>) -> IngestWrite {
    let source = write.driver.clone().unwrap();
    let webhook = Webhook::new(write.run_id, write.trace_id, source, write.received_at, alerts);
    IngestWrite {
        outcome: IngestOutcome::Parsed,
        reason_code: None,
        reason: None,
        sealed_request: Vec::new(),
        webhook: Some(Webhook { replayed: true, ..webhook }),
        ..write.clone()
    }
}

async fn reparse(world: &mut World, write: &IngestWrite) -> Result<Ingested, StoreError> {
    world.store.reparse(write, IngestOutcome::Quarantined, &mut world.mint, at(100)).await
}

async fn request_read_again_leaves_quarantine_and_starts_what_it_would_have_started(mut world: World) {
    let kept = quarantined(&mut world, 1).await;
    let write = read(&kept, vec![firing("DiskFull", "db1")]);
    let Ingested::Stored { alerts: 1, incidents, runs } = reparse(&mut world, &write).await.unwrap() else {
        panic!("not stored")
    };
    assert_eq!((incidents.len(), runs.len()), (1, 1));

    let detail = world.store.run(kept.run_id).await.unwrap();
    assert_eq!((detail.run.status, detail.run.outcome), (RunStatus::Ingested, Some(IngestOutcome::Parsed)));
    assert_eq!((detail.run.error_type, detail.run.reason, detail.run.alerts), (None, None, 1));
    assert_eq!((detail.run.total_attempts, detail.run.created_at), (2, at(1)));
    assert_eq!(detail.request.unwrap().outcome, IngestOutcome::Parsed);
    assert_eq!(world.store.inbox_request(kept.run_id).await.unwrap(), kept.sealed_request, "it stays");
    let alerts = world.store.alerts(&AlertFilter::default(), &everything()).await.unwrap().items;
    assert_eq!((alerts.len(), alerts[0].received_at), (1, at(1)), "the time of receipt is kept");
    let downstream = world.store.run(runs[0]).await.unwrap().run;
    assert_eq!((downstream.parent_run_id, downstream.trace_id), (Some(kept.run_id), kept.trace_id));

    let twice = reparse(&mut world, &write).await;
    assert!(matches!(twice, Err(StoreError::Conflict(_))), "{twice:?}");
    let runs = world.store.runs(&RunFilter::default(), &everything()).await.unwrap().items;
    assert_eq!(runs.len(), 2, "nothing is started twice");
}

async fn request_older_than_what_is_known_only_adds_history(mut world: World) {
    let late = quarantined(&mut world, 1).await;
    world.fire(2, vec![firing("DiskFull", "db1")]).await;
    world.fire(3, vec![resolved("DiskFull", "db1")]).await;
    let before = world.store.runs(&RunFilter::default(), &everything()).await.unwrap().items.len();
    let stored = reparse(&mut world, &read(&late, vec![critical(firing("DiskFull", "db1"))])).await.unwrap();
    assert_eq!(stored, Ingested::Stored { alerts: 1, incidents: vec![], runs: vec![] });
    let after = world.store.runs(&RunFilter::default(), &everything()).await.unwrap().items.len();
    assert_eq!(after, before, "nobody is told");
    let alerts = world.store.alerts(&AlertFilter::default(), &everything()).await.unwrap().items;
    assert_eq!((alerts[0].status, alerts[0].received_at), (AlertStatus::Resolved, at(3)));
    let history = world.store.alert(alerts[0].id).await.unwrap().history;
    assert_eq!((history[0].event, history[0].run_id), (AlertEvent::Late, late.run_id));
}

async fn request_that_still_cannot_be_read_stays_with_the_new_reason(mut world: World) {
    let kept = quarantined(&mut world, 1).await;
    let write =
        IngestWrite { reason_code: Some("not_json".into()), reason: Some("byte 3".into()), ..kept.clone() };
    let stored = reparse(&mut world, &write).await.unwrap();
    assert_eq!(stored, Ingested::Stored { alerts: 0, incidents: vec![], runs: vec![] });
    let detail = world.store.run(kept.run_id).await.unwrap();
    assert_eq!((detail.run.status, detail.run.error_message.as_deref()), (RunStatus::Failed, Some("byte 3")));
    assert_eq!(detail.request.unwrap().reason_code.as_deref(), Some("not_json"));
    let waiting = world.store.quarantined_after(None, None, 10).await.unwrap();
    assert_eq!(waiting.len(), 1);
}

async fn delivery_that_was_taken_meanwhile_is_not_taken_again(mut world: World) {
    let kept = quarantined(&mut world, 1).await;
    let mut other = world.webhook(2, vec![firing("DiskFull", "db1")]);
    other.delivery_id = Some("d-1".into());
    assert!(world.ingest(std::slice::from_ref(&other)).await[0].is_ok());
    let mut write = read(&kept, vec![firing("DiskFull", "db1")]);
    write.delivery_id = Some("d-1".into());
    let stored = reparse(&mut world, &write).await.unwrap();
    assert!(matches!(stored, Ingested::Duplicate { run_id, .. } if run_id == other.run_id), "{stored:?}");
    let run = world.store.run(kept.run_id).await.unwrap().run;
    assert_eq!((run.status, run.outcome, run.alerts), (RunStatus::Skipped, Some(IngestOutcome::Ignored), 0));
    assert!(run.reason.unwrap().contains(&other.run_id.to_string()));
}

async fn discarded_request_loses_its_content_and_says_why(mut world: World) {
    let kept = quarantined(&mut world, 1).await;
    world.store.discard(kept.run_id, "a test of ours", at(9)).await.unwrap();
    let run = world.store.run(kept.run_id).await.unwrap().run;
    assert_eq!((run.status, run.reason.as_deref()), (RunStatus::Skipped, Some("a test of ours")));
    assert_eq!((run.outcome, run.error_type, run.error_message), (Some(IngestOutcome::Ignored), None, None));
    let gone = world.store.inbox_request(kept.run_id).await.unwrap_err();
    assert!(gone.to_string().contains("any more: it was discarded"), "{gone}");
    for refused in [
        world.store.discard(kept.run_id, "again", at(10)).await.unwrap_err(),
        reparse(&mut world, &read(&kept, vec![firing("DiskFull", "db1")])).await.unwrap_err(),
    ] {
        assert!(matches!(refused, StoreError::Conflict(_)), "{refused:?}");
    }
    assert_eq!(world.store.incidents(&IncidentFilter::default(), &everything()).await.unwrap().items, vec![]);
}

async fn plan_tells_what_would_change_and_changes_nothing(mut world: World) {
    let fired = world.fire(1, vec![firing("DiskFull", "db1")]).await;
    let source = fired.driver.clone().unwrap();
    let alerts = vec![resolved("DiskFull", "db1"), firing("LoadHigh", "db1")];
    let webhook = Webhook::new(fired.run_id, fired.trace_id, source, at(2), alerts);
    let plan = world.store.plan(&webhook, &mut world.mint).await.unwrap();
    let events: Vec<_> = plan.alerts.iter().map(|change| change.event.unwrap()).collect();
    assert_eq!(events, [AlertEvent::Resolved, AlertEvent::Created]);
    assert_eq!((plan.incidents.len(), plan.runs.len()), (2, 2));
    assert_eq!(world.store.alerts(&AlertFilter::default(), &everything()).await.unwrap().items.len(), 1);
    assert_eq!(world.store.runs(&RunFilter::default(), &everything()).await.unwrap().items.len(), 2);
}

async fn quarantine_is_gone_through_in_the_order_of_arrival_by_driver(mut world: World) {
    let mut all = Vec::new();
    for seconds in 1..=5 {
        all.push(quarantined(&mut world, seconds).await.run_id);
    }
    let mut nobody = world.webhook(6, Vec::new());
    (nobody.outcome, nobody.webhook, nobody.driver) = (IngestOutcome::Quarantined, None, None);
    assert!(world.ingest(std::slice::from_ref(&nobody)).await[0].is_ok());
    world.fire(7, vec![firing("DiskFull", "db1")]).await;
    all.push(nobody.run_id);

    let mut seen = Vec::new();
    loop {
        let some = world.store.quarantined_after(None, seen.last().copied(), 2).await.unwrap();
        if some.is_empty() {
            break;
        }
        seen.extend(some.iter().map(|entry| entry.run_id));
    }
    assert_eq!(seen, all);
    let driver = "grafana".parse().unwrap();
    let of_driver = world.store.quarantined_after(Some(&driver), None, 10).await.unwrap();
    assert_eq!(of_driver.iter().map(|entry| entry.run_id).collect::<Vec<_>>(), all[..5]);
}

async fn request_that_was_read_can_be_read_once_more_under_its_own_delivery_id(mut world: World) {
    let mut write = world.webhook(1, vec![firing("DiskFull", "db1")]);
    write.delivery_id = Some("d-1".into());
    assert!(world.ingest(std::slice::from_ref(&write)).await[0].is_ok());
    let again = read(&write, vec![critical(firing("DiskFull", "db1"))]);
    let was = IngestOutcome::Parsed;
    let stored = world.store.reparse(&again, was, &mut world.mint, at(100)).await.unwrap();
    let Ingested::Stored { alerts: 1, runs, .. } = stored else { panic!("{stored:?}") };
    assert_eq!(runs.len(), 1, "the severity rose");
    let alerts = world.store.alerts(&AlertFilter::default(), &everything()).await.unwrap().items;
    assert_eq!((alerts.len(), alerts[0].severity), (1, domain::alert::Severity::Critical));
}

/// A request that was refused, this large, at a time, with a key.
async fn refused(world: &mut World, bytes: usize, reason_code: &str, driver: Option<&str>) -> RunId {
    let mut write = world.webhook(1, Vec::new());
    (write.outcome, write.webhook) = (IngestOutcome::Quarantined, None);
    (write.reason_code, write.sealed_request) = (Some(reason_code.into()), vec![7; bytes]);
    write.driver = driver.map(|name| name.parse().unwrap());
    assert!(world.ingest(std::slice::from_ref(&write)).await[0].is_ok());
    write.run_id
}

async fn quota_counts_from_the_newest_per_key_and_driver_and_spares_what_a_driver_broke_at(mut world: World) {
    let oldest = refused(&mut world, 400, "not_json", Some("grafana")).await;
    let broke = refused(&mut world, 400, "trap.memory", Some("grafana")).await;
    let other = refused(&mut world, 400, "not_json", Some("zabbix")).await;
    let nobody = refused(&mut world, 400, "not_json", None).await;
    let newer = refused(&mut world, 400, "not_json", Some("grafana")).await;
    let newest = refused(&mut world, 400, "not_json", Some("grafana")).await;
    assert_eq!(world.store.beyond_quota(1200).await.unwrap(), vec![]);
    assert_eq!(world.store.beyond_quota(1199).await.unwrap(), [oldest]);
    assert_eq!(world.store.beyond_quota(800).await.unwrap(), [oldest]);
    assert_eq!(world.store.beyond_quota(799).await.unwrap(), [oldest, newer]);
    let all: Vec<RunId> = world.store.beyond_quota(0).await.unwrap();
    assert_eq!(all, [oldest, other, nobody, newer, newest]);
    assert!(!all.contains(&broke));
}

async fn old_requests_lose_their_content_and_nothing_else(mut world: World) {
    let mut all = Vec::new();
    for millis in [10, 20, 30] {
        let mut write = world.webhook(1, vec![firing("DiskFull", "db1")]);
        write.run_id = RunId::from(ulid::Ulid::from_parts(millis, 1));
        write.webhook.as_mut().unwrap().run_id = write.run_id;
        if millis == 10 {
            (write.outcome, write.webhook) = (IngestOutcome::Quarantined, None);
        }
        assert!(world.ingest(std::slice::from_ref(&write)).await[0].is_ok());
        all.push(write.run_id);
    }
    let forget = async |millis| {
        let before = Timestamp::from_millis(millis);
        world.store.forget(Kept::Requests, before, None).await.unwrap()
    };
    // All three were worked off at the same moment, the first second of the fixture's time.
    let (young, old) = (at(1).as_millis(), at(2).as_millis());
    assert_eq!(forget(young).await, Forgotten { count: 0, next: None });
    assert_eq!(forget(old).await, Forgotten { count: 2, next: None });
    assert_eq!(forget(old).await, Forgotten { count: 0, next: None }, "once is enough");
    assert!(world.store.inbox_request(all[0]).await.is_ok(), "quarantined");
    assert!(matches!(world.store.inbox_request(all[1]).await, Err(StoreError::NotFound(_))));

    // Old, but only just read.
    let late =
        IngestWrite { run_id: all[0], ..read(&world.webhook(1, vec![]), vec![firing("DiskFull", "db1")]) };
    let write = IngestWrite { webhook: None, outcome: IngestOutcome::Ignored, ..late };
    reparse(&mut world, &write).await.unwrap();
    let forget = async |before| world.store.forget(Kept::Requests, before, None).await.unwrap();
    assert_eq!(forget(at(100)).await.count, 0);
    assert_eq!(forget(at(101)).await.count, 1);
    let entry = world.store.inbox_entry(all[1]).await.unwrap();
    assert_eq!((entry.outcome, entry.size_bytes), (IngestOutcome::Parsed, 650));
}

async fn firing_between_two_resolves_that_is_read_late_brings_nothing_back(mut world: World) {
    world.fire(1, vec![firing("DiskFull", "db1")]).await;
    world.fire(2, vec![resolved("DiskFull", "db1")]).await;
    let late = quarantined(&mut world, 3).await;
    world.fire(5, vec![resolved("DiskFull", "db1")]).await;
    let stored = reparse(&mut world, &read(&late, vec![firing("DiskFull", "db1")])).await.unwrap();
    assert_eq!(stored, Ingested::Stored { alerts: 1, incidents: vec![], runs: vec![] });
    let alerts = world.store.alerts(&AlertFilter::default(), &everything()).await.unwrap().items;
    assert_eq!((alerts[0].status, alerts[0].received_at), (AlertStatus::Resolved, at(5)));
}

async fn old_news_does_not_set_the_times_of_an_incident_back(mut world: World) {
    let late = quarantined(&mut world, 1).await;
    world.fire(5, vec![firing("DiskFull", "db1")]).await;
    let other = firing("DiskFull", "db1");
    let other = domain::alert::ParsedAlert { fingerprint: Some("another".into()), ..other };
    reparse(&mut world, &read(&late, vec![critical(other)])).await.unwrap();
    let incidents = world.store.incidents(&IncidentFilter::default(), &everything()).await.unwrap().items;
    assert_eq!((incidents.len(), incidents[0].updated_at, incidents[0].firing), (1, at(5), 2));
}
