//! Lists, filters, pages, context.

use domain::alert::{AlertStatus, Severity};
use domain::id::{AlertId, IncidentId, RunId};
use domain::incident::IncidentStatus;
use domain::run::RunStatus;
use store::{AlertFilter, IncidentFilter, MAX_PAGE, PageRequest, RunFilter, StoreError};

use crate::fixture::{World, critical, everything, firing, on_every_database, resolved};

on_every_database! {
    alerts_are_listed_by_every_filter,
    pages_hold_everything_once_while_rows_are_added,
    page_that_is_just_full_is_the_last,
    page_is_never_larger_than_its_bound,
    cursor_that_was_not_given_out_is_refused,
    incidents_and_runs_are_listed_by_every_filter,
    context_shows_the_worst_twenty_alerts,
    what_is_not_there_is_named,
}

async fn names(world: &World, filter: AlertFilter) -> Vec<String> {
    let page = world.store.alerts(&filter, &everything()).await.unwrap();
    page.items.into_iter().map(|alert| alert.fingerprint).collect()
}

async fn alerts_are_listed_by_every_filter(mut world: World) {
    let first = world.fire(1, vec![firing("DiskFull", "db1"), critical(firing("LoadHigh", "db1"))]).await;
    world.fire(2, vec![resolved("DiskFull", "db1"), firing("DiskFull", "db2")]).await;
    let all = AlertFilter::default();
    assert_eq!(names(&world, all.clone()).await, ["DiskFull-db2", "LoadHigh-db1", "DiskFull-db1"]);
    let incident_id = world
        .store
        .alerts(&AlertFilter { name: Some("LoadHigh".into()), ..all.clone() }, &everything())
        .await
        .unwrap()
        .items[0]
        .incident_id;
    let cases = [
        (AlertFilter { name: Some("DiskFull".into()), ..all.clone() }, vec!["DiskFull-db2", "DiskFull-db1"]),
        (AlertFilter { fingerprint: Some("DiskFull-db1".into()), ..all.clone() }, vec!["DiskFull-db1"]),
        (AlertFilter { status: Some(AlertStatus::Resolved), ..all.clone() }, vec!["DiskFull-db1"]),
        (AlertFilter { severity: Some(Severity::Critical), ..all.clone() }, vec!["LoadHigh-db1"]),
        (AlertFilter { incident_id, ..all.clone() }, vec!["LoadHigh-db1"]),
        (AlertFilter { source: Some("zabbix".parse().unwrap()), ..all.clone() }, vec![]),
        // The first webhook told of an alert that a later one has changed since.
        (AlertFilter { trace_id: Some(first.trace_id), ..all.clone() }, vec!["LoadHigh-db1", "DiskFull-db1"]),
        (
            AlertFilter {
                trace_id: Some(first.trace_id),
                status: Some(AlertStatus::Firing),
                source: Some("grafana".parse().unwrap()),
                ..all
            },
            vec!["LoadHigh-db1"],
        ),
    ];
    for (filter, expected) in cases {
        assert_eq!(names(&world, filter.clone()).await, expected, "{filter:?}");
    }
}

async fn pages_hold_everything_once_while_rows_are_added(mut world: World) {
    for n in 0..25 {
        world.fire(n, vec![firing("DiskFull", &format!("db{n:02}"))]).await;
    }
    let mut seen = Vec::new();
    let mut page = PageRequest { limit: 10, cursor: None };
    let mut sizes = Vec::new();
    loop {
        let found = world.store.alerts(&AlertFilter::default(), &page).await.unwrap();
        sizes.push(found.items.len());
        seen.extend(found.items.into_iter().map(|alert| alert.fingerprint));
        world.fire(100, vec![firing("DiskFull", &format!("new{}", seen.len()))]).await;
        let Some(next) = found.next else { break };
        page.cursor = Some(next);
    }
    assert_eq!(sizes, [10, 10, 5]);
    let expected: Vec<String> = (0..25).rev().map(|n| format!("DiskFull-db{n:02}")).collect();
    assert_eq!(seen, expected);
}

async fn page_that_is_just_full_is_the_last(mut world: World) {
    world.fire(1, vec![firing("DiskFull", "db1"), firing("DiskFull", "db2")]).await;
    let page = PageRequest { limit: 2, cursor: None };
    let found = world.store.incidents(&IncidentFilter::default(), &page).await.unwrap();
    assert_eq!((found.items.len(), found.next), (2, None));
}

async fn page_is_never_larger_than_its_bound(mut world: World) {
    world.fire(1, (0..1100).map(|n| firing("DiskFull", &format!("db{n}"))).collect()).await;
    for (limit, expected) in [(0, 100), (u32::MAX, MAX_PAGE as usize)] {
        let page = PageRequest { limit, cursor: None };
        let found = world.store.alerts(&AlertFilter::default(), &page).await.unwrap();
        assert_eq!(found.items.len(), expected);
        assert!(found.next.is_some());
    }
}

async fn cursor_that_was_not_given_out_is_refused(world: World) {
    for cursor in ["", "x", "31", "zz", "2730", "' OR 1=1 --", &"3".repeat(5000)] {
        let page = PageRequest { limit: 10, cursor: Some(cursor.to_owned()) };
        let results = [
            world.store.alerts(&AlertFilter::default(), &page).await.map(|_| ()),
            world.store.incidents(&IncidentFilter::default(), &page).await.map(|_| ()),
            world.store.runs(&RunFilter::default(), &page).await.map(|_| ()),
            world.store.deliveries(&store::DeliveryFilter::default(), &page).await.map(|_| ()),
            world.store.quarantined(&store::QuarantineFilter::default(), &page).await.map(|_| ()),
        ];
        for result in results {
            assert!(matches!(result, Err(StoreError::BadCursor)), "{cursor}: {result:?}");
        }
    }
}

async fn incidents_and_runs_are_listed_by_every_filter(mut world: World) {
    let first = world.fire(1, vec![firing("DiskFull", "db1"), critical(firing("LoadHigh", "db2"))]).await;
    world.fire(2, vec![resolved("DiskFull", "db1")]).await;
    let all = IncidentFilter::default();
    let cases = [
        (all.clone(), vec!["LoadHigh", "DiskFull"]),
        (IncidentFilter { status: Some(IncidentStatus::Open), ..all.clone() }, vec!["LoadHigh"]),
        (IncidentFilter { severity: Some(Severity::Warning), ..all.clone() }, vec!["DiskFull"]),
        (IncidentFilter { name: Some("DiskFull".into()), ..all.clone() }, vec!["DiskFull"]),
        (IncidentFilter { instance: Some("db2".into()), ..all }, vec!["LoadHigh"]),
    ];
    for (filter, expected) in cases {
        let page = world.store.incidents(&filter, &everything()).await.unwrap();
        let found: Vec<_> = page.items.iter().map(|incident| incident.name.as_str()).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
    let incident_id =
        world.store.incidents(&IncidentFilter::default(), &everything()).await.unwrap().items[1].id;
    let all = RunFilter::default();
    let cases = [
        (all.clone(), 5),
        (RunFilter { status: Some(RunStatus::Pending), ..all.clone() }, 3),
        (RunFilter { source: Some("grafana".into()), ..all.clone() }, 5),
        (RunFilter { source: Some("zabbix".into()), ..all.clone() }, 0),
        (RunFilter { trace_id: Some(first.trace_id), ..all.clone() }, 3),
        (RunFilter { incident_id: Some(incident_id), ..all }, 2),
    ];
    for (filter, expected) in cases {
        let page = world.store.runs(&filter, &everything()).await.unwrap();
        assert_eq!(page.items.len(), expected, "{filter:?}");
        assert!(page.items.is_sorted_by(|a, b| a.run_id > b.run_id));
    }
}

async fn context_shows_the_worst_twenty_alerts(mut world: World) {
    let alert = |n: usize| {
        let mut alert = firing("DiskFull", "db1");
        alert.fingerprint = Some(format!("f{n:02}"));
        alert
    };
    let mut alerts: Vec<_> = (0..25).map(alert).collect();
    alerts[24] = critical(alerts[24].clone());
    world.fire(1, alerts.clone()).await;
    let over: Vec<_> = (0..10)
        .map(|n| {
            let mut over = resolved("DiskFull", "db1");
            over.fingerprint = Some(format!("f{n:02}"));
            over
        })
        .collect();
    world.fire(2, over).await;
    let incidents = world.store.incidents(&IncidentFilter::default(), &everything()).await.unwrap().items;
    let run = RunId::from(ulid::Ulid(1));
    let context = world.store.run_context(run, incidents[0].id).await.unwrap().incident;
    assert_eq!((context.total, context.alerts.len()), (25, 20));
    assert_eq!((context.incident.firing, context.incident.severity), (15, Severity::Critical));
    assert_eq!(context.alerts[0].fingerprint, "f24");
    let firing = context.alerts.iter().take_while(|alert| alert.status == AlertStatus::Firing).count();
    assert_eq!(firing, 15);
    assert_eq!(world.store.incident(incidents[0].id).await.unwrap().alerts.len(), 25);
}

async fn what_is_not_there_is_named(world: World) {
    let id = ulid::Ulid(1);
    let messages = [
        world.store.alert(AlertId::from(id)).await.unwrap_err().to_string(),
        world.store.incident(IncidentId::from(id)).await.unwrap_err().to_string(),
        world
            .store
            .run_context(RunId::from(ulid::Ulid(2)), IncidentId::from(id))
            .await
            .unwrap_err()
            .to_string(),
        world.store.run(RunId::from(id)).await.unwrap_err().to_string(),
        world.store.delivery(id.into()).await.unwrap_err().to_string(),
        world.store.inbox_entry(id.into()).await.unwrap_err().to_string(),
        world.store.artifact(id.into()).await.unwrap_err().to_string(),
    ];
    for message in messages {
        assert!(message.starts_with("there is no ") && message.contains(&id.to_string()), "{message}");
    }
}
