//! Ingest: group commit, duplicates, bad writes.

use domain::alert::AlertStatus;
use domain::id::{KeyId, RunId};
use domain::incident::IncidentStatus;
use domain::run::{IngestOutcome, RunStatus, Stage};
use store::{AlertFilter, IncidentFilter, IngestWrite, Ingested, RunFilter, StoreError};

use crate::fixture::{Counter, World, at, critical, everything, firing, on_every_database, resolved};

on_every_database! {
    webhook_is_kept_whole,
    odd_text_comes_back_as_it_was,
    steady_repeat_moves_the_time_and_starts_nothing,
    resolve_closes_and_refire_reopens_the_same_incident,
    webhooks_of_one_batch_see_each_other,
    batch_ends_in_the_same_state_as_one_by_one,
    outcomes_become_states_of_the_run,
    second_webhook_with_same_delivery_id_is_not_stored,
    bad_write_fails_alone_among_256,
    more_than_one_transaction_holds_is_split,
    two_processes_ingest_at_once_without_doubling,
}

async fn webhook_is_kept_whole(mut world: World) {
    let write = world.webhook(5, vec![critical(firing("DiskFull", "db1")), firing("DiskFull", "db2")]);
    let results = world.ingest(std::slice::from_ref(&write)).await;
    let [Ok(Ingested::Stored { alerts: 2, incidents, runs })] = results.as_slice() else {
        panic!("{results:?}")
    };
    assert_eq!((incidents.len(), runs.len()), (2, 2));

    assert_eq!(world.store.inbox_request(write.run_id).await.unwrap(), write.sealed_request);
    let entry = world.store.inbox_entry(write.run_id).await.unwrap();
    assert_eq!((entry.size_bytes, entry.received_at), (650, at(5)));
    let run = world.store.run(write.run_id).await.unwrap().run;
    assert_eq!((run.status, run.current_stage), (RunStatus::Ingested, Some(Stage::Ingest)));
    assert_eq!((run.alerts, run.outcome), (2, Some(IngestOutcome::Parsed)));
    assert_eq!(run.normalized_payload_ref, Some(format!("inbox/{}", write.run_id)));

    let downstream = world.store.run(runs[0]).await.unwrap().run;
    assert_eq!((downstream.status, downstream.parent_run_id), (RunStatus::Pending, Some(write.run_id)));
    assert_eq!((downstream.trace_id, downstream.incident_id), (write.trace_id, Some(incidents[0])));
    assert_eq!(downstream.normalized_payload_ref, run.normalized_payload_ref);

    let page = world.store.alerts(&AlertFilter::default(), &everything()).await.unwrap();
    let first = page.items.last().unwrap();
    let told = &write.webhook.as_ref().unwrap().alerts[0].alert;
    assert_eq!((&first.name, &first.labels), (&told.name, &told.labels));
    assert_eq!((&first.annotations, &first.links), (&told.annotations, &told.links));
    assert_eq!((first.raw_severity.as_str(), first.incident_id), ("page", Some(incidents[0])));
    assert_eq!((first.started_at, first.ended_at, first.received_at), (at(5), None, at(5)));
}

async fn odd_text_comes_back_as_it_was(mut world: World) {
    let odd = "quote \" back\\slash\n\u{0}\u{1f600} \u{2028} {\"a\":[1]} ' -- $1 ? \u{7f}";
    let mut alert = firing(odd, odd);
    alert.description = odd.to_owned();
    alert.labels.insert(odd.to_owned(), odd.to_owned());
    let mut write = world.webhook(1, vec![alert.clone()]);
    write.reason = Some(odd.to_owned());
    let run_id = write.run_id;
    assert!(world.ingest(&[write]).await[0].is_ok());
    // Known by its identity: the second report finds the first.
    world.fire(2, vec![alert.clone()]).await;
    let page = world.store.alerts(&AlertFilter::default(), &everything()).await.unwrap();
    let [kept] = page.items.as_slice() else { panic!("{page:?}") };
    // PostgreSQL cannot keep U+0000, so nobody does.
    let (alert, odd) = (alert.without_nul(), odd.replace('\0', "\u{fffd}"));
    assert_eq!((kept.name.as_str(), kept.description.as_str()), (odd.as_str(), odd.as_str()));
    assert_eq!((&kept.labels, &kept.fingerprint), (&alert.labels, &alert.fingerprint.unwrap()));
    assert_eq!(world.store.run(run_id).await.unwrap().run.reason, Some(odd));
}

async fn steady_repeat_moves_the_time_and_starts_nothing(mut world: World) {
    world.fire(1, vec![firing("DiskFull", "db1")]).await;
    let second = world.fire(2, vec![firing("DiskFull", "db1")]).await;
    let runs = world.store.runs(&RunFilter::default(), &everything()).await.unwrap();
    assert_eq!(runs.items.len(), 3);
    let page = world.store.alerts(&AlertFilter::default(), &everything()).await.unwrap();
    let detail = world.store.alert(page.items[0].id).await.unwrap();
    assert_eq!((detail.alert.received_at, detail.alert.trace_id), (at(2), second.trace_id));
    assert_eq!(detail.history.len(), 1);
}

async fn resolve_closes_and_refire_reopens_the_same_incident(mut world: World) {
    world.fire(1, vec![firing("DiskFull", "db1")]).await;
    world.fire(2, vec![resolved("DiskFull", "db1")]).await;
    let incidents = world.store.incidents(&IncidentFilter::default(), &everything()).await.unwrap().items;
    assert_eq!((incidents.len(), incidents[0].status), (1, IncidentStatus::Resolved));
    world.fire(3, vec![firing("DiskFull", "db1")]).await;
    let detail = world.store.incident(incidents[0].id).await.unwrap();
    assert_eq!((detail.incident.status, detail.incident.firing), (IncidentStatus::Open, 1));
    assert_eq!(detail.alerts[0].status, AlertStatus::Firing);
    let events: Vec<&str> = detail.history.iter().map(|entry| entry.event.as_str()).collect();
    assert_eq!(events, ["reopened", "status", "created"]);
    assert!(detail.history.iter().all(|entry| entry.actor == "driver:grafana"));
}

async fn webhooks_of_one_batch_see_each_other(mut world: World) {
    let mut writes = Vec::new();
    // The key is given up by one incident and taken by another alert's within one transaction.
    writes.push(world.webhook(1, vec![firing("DiskFull", "db1")]));
    writes.push(world.webhook(2, vec![resolved("DiskFull", "db1")]));
    let mut other = firing("DiskFull", "db1");
    other.fingerprint = Some("another".into());
    writes.push(world.webhook(3, vec![other]));
    writes.push(world.webhook(4, vec![firing("DiskFull", "db1")]));
    assert!(world.ingest(&writes).await.iter().all(Result::is_ok));
    let incidents = world.store.incidents(&IncidentFilter::default(), &everything()).await.unwrap().items;
    let states: Vec<_> = incidents.iter().map(|incident| (incident.status, incident.firing)).collect();
    assert_eq!(states, [(IncidentStatus::Open, 2), (IncidentStatus::Resolved, 0)]);
}

async fn batch_ends_in_the_same_state_as_one_by_one(first: World) {
    let story = |world: &mut World| -> Vec<IngestWrite> {
        (0..60)
            .map(|n| {
                let instance = format!("db{}", n % 7);
                let alert = match n % 5 {
                    0 | 1 => firing("DiskFull", &instance),
                    2 => critical(firing("DiskFull", &instance)),
                    3 => resolved("DiskFull", &instance),
                    _ => firing("LoadHigh", &instance),
                };
                world.webhook(n, vec![alert])
            })
            .collect()
    };
    let mut states = Vec::new();
    let (second, third) = (first.another().await, first.another().await);
    for (size, mut world) in [(60, first), (7, second), (1, third)] {
        let writes = story(&mut world);
        for batch in writes.chunks(size) {
            let results = world.ingest(batch).await;
            assert!(results.iter().all(Result::is_ok), "{results:?}");
        }
        let alerts = world.store.alerts(&AlertFilter::default(), &everything()).await.unwrap().items;
        let incidents = world.store.incidents(&IncidentFilter::default(), &everything()).await.unwrap().items;
        let mut alerts: Vec<_> = alerts
            .into_iter()
            .map(|a| (a.name, a.fingerprint, a.status, a.severity, a.received_at))
            .collect();
        alerts.sort();
        let mut incidents: Vec<_> =
            incidents.into_iter().map(|i| (i.key, i.opened_at, i.status, i.severity, i.firing)).collect();
        incidents.sort();
        let tables = world.store.stats().await.unwrap().tables;
        let rows: Vec<_> = tables.into_iter().map(|found| (found.table, found.rows)).collect();
        states.push((alerts, incidents, rows));
    }
    assert_eq!(states[0], states[1]);
    assert_eq!(states[0], states[2]);
}

async fn outcomes_become_states_of_the_run(mut world: World) {
    let mut ignored = world.webhook(1, Vec::new());
    (ignored.outcome, ignored.webhook) = (IngestOutcome::Ignored, None);
    (ignored.reason_code, ignored.reason) = (Some("ping".into()), Some("a ping".into()));
    let mut quarantined = world.webhook(2, Vec::new());
    (quarantined.outcome, quarantined.webhook) = (IngestOutcome::Quarantined, None);
    (quarantined.reason_code, quarantined.reason) = (Some("not_json".into()), Some("byte 0".into()));
    (quarantined.driver, quarantined.delivery_id) = (None, Some("unused".into()));
    let results = world.ingest(&[ignored.clone(), quarantined.clone()]).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");

    let run = world.store.run(ignored.run_id).await.unwrap().run;
    assert_eq!((run.status, run.reason.as_deref()), (RunStatus::Skipped, Some("a ping")));
    assert_eq!(run.error_type, None);
    let run = world.store.run(quarantined.run_id).await.unwrap().run;
    assert_eq!((run.status, run.error_type.as_deref()), (RunStatus::Failed, Some("not_json")));
    let page = world.store.quarantined(&store::QuarantineFilter::default(), &everything()).await.unwrap();
    let [entry] = page.items.as_slice() else { panic!("{page:?}") };
    assert_eq!((entry.run_id, entry.trace_id), (quarantined.run_id, quarantined.trace_id));
    assert_eq!((entry.reason_code.as_deref(), entry.driver.clone()), (Some("not_json"), None));
}

async fn second_webhook_with_same_delivery_id_is_not_stored(mut world: World) {
    let mut first = world.webhook(1, vec![firing("DiskFull", "db1")]);
    first.delivery_id = Some("d-1".into());
    let mut again = world.webhook(2, vec![firing("DiskFull", "db1")]);
    again.delivery_id = Some("d-1".into());
    let mut elsewhere = world.webhook(3, vec![firing("DiskFull", "db1")]);
    (elsewhere.delivery_id, elsewhere.driver) = (Some("d-1".into()), Some("zabbix".parse().unwrap()));
    let expected = Ingested::Duplicate {
        run_id: first.run_id,
        trace_id: first.trace_id,
        driver: "grafana".parse().unwrap(),
        outcome: IngestOutcome::Parsed,
        alerts: 1,
    };
    // Inside one batch, and from one batch to the next.
    let results = world.ingest(&[first, again.clone(), elsewhere]).await;
    assert!(matches!(results[0], Ok(Ingested::Stored { .. })), "{results:?}");
    assert_eq!(results[1].as_ref().unwrap(), &expected);
    assert!(matches!(results[2], Ok(Ingested::Stored { .. })), "{results:?}");
    assert_eq!(world.ingest(std::slice::from_ref(&again)).await[0].as_ref().unwrap(), &expected);
    let missing = world.store.inbox_request(again.run_id).await.unwrap_err();
    assert!(matches!(missing, StoreError::NotFound(_)));
}

async fn bad_write_fails_alone_among_256(mut world: World) {
    let mut writes: Vec<IngestWrite> =
        (0..256).map(|n| world.webhook(n, vec![firing("DiskFull", &format!("db{n}"))])).collect();
    writes[100].api_key_id = Some(KeyId::from(ulid::Ulid(9)));
    writes[200].run_id = writes[3].run_id;
    let results = world.ingest(&writes).await;
    assert_eq!(results.len(), 256);
    for (at, (write, result)) in writes.iter().zip(&results).enumerate() {
        match at {
            100 => assert!(matches!(result, Err(StoreError::Refused { .. })), "{result:?}"),
            200 => assert!(matches!(result, Err(StoreError::Conflict(_))), "{result:?}"),
            _ => {
                assert!(matches!(result, Ok(Ingested::Stored { .. })), "{at}: {result:?}");
                assert_eq!(world.store.inbox_request(write.run_id).await.unwrap(), write.sealed_request);
            }
        }
    }
    let alerts = world.store.alerts(&AlertFilter::default(), &everything()).await.unwrap();
    assert_eq!(alerts.items.len(), 254);
}

async fn more_than_one_transaction_holds_is_split(mut world: World) {
    let mut writes: Vec<IngestWrite> =
        (0..600).map(|n| world.webhook(n, vec![firing("DiskFull", &format!("db{}", n % 9))])).collect();
    let many = (0..5000).map(|n| firing("Many", &format!("host{n}"))).collect();
    writes.push(world.webhook(600, many));
    let results = world.ingest(&writes).await;
    assert!(results.iter().all(Result::is_ok));
    assert!(matches!(results[600], Ok(Ingested::Stored { alerts: 5000, .. })));
    let stats = world.store.stats().await.unwrap();
    let rows = |table| stats.tables.iter().find(|found| found.table == table).unwrap().rows;
    assert_eq!((rows("inbox"), rows("alert"), rows("incident")), (601, 5009, 5009));
}

async fn two_processes_ingest_at_once_without_doubling(mut world: World) {
    let other = world.another_process().await;
    let batches: Vec<Vec<IngestWrite>> = (0..40)
        .map(|n| (0..8).map(|m| world.webhook(n, vec![firing("DiskFull", &format!("db{m}"))])).collect())
        .collect();
    let run = |store: store::Store, batches: Vec<Vec<IngestWrite>>, process| async move {
        let mut mint = Counter::of_process(process);
        for batch in &batches {
            let results = store.ingest(batch, &mut mint, at(0)).await;
            assert!(results.iter().all(Result::is_ok), "{results:?}");
        }
    };
    let (left, right) = batches.split_at(20);
    let (left, right) = tokio::join!(
        tokio::spawn(run(world.store.clone(), left.to_vec(), 7)),
        tokio::spawn(run(other, right.to_vec(), 8)),
    );
    left.unwrap();
    right.unwrap();
    let incidents = world.store.incidents(&IncidentFilter::default(), &everything()).await.unwrap().items;
    assert_eq!(incidents.len(), 8);
    let runs = world.store.runs(&RunFilter::default(), &everything()).await.unwrap().items;
    assert_eq!(runs.iter().filter(|run| run.outcome.is_some()).count(), 320);
    assert_eq!(runs.iter().filter(|run| run.incident_id.is_some()).count(), 8);
    let ids: std::collections::BTreeSet<RunId> = runs.iter().map(|run| run.run_id).collect();
    assert_eq!(ids.len(), 328);
}
