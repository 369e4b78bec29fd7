//! Every statement prepares on the real database, and the hot ones use their indexes.

use crate::db::{Columns as _, Dialect, Query, Text, fixed};
use crate::page::{List, PageRequest};
use crate::sql::{self, Sql};
use crate::stats::COUNTS;
use crate::{AlertFilter, DeliveryFilter, IncidentFilter, Options, RunFilter, Store};
use domain::id::{IncidentId, TraceId};
use domain::time::Timestamp;

async fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("t.sqlite3").display());
    let store = Store::open(&url, Options::default()).await.unwrap();
    store.migrate(Timestamp::default()).await.unwrap();
    (folder, store)
}

pub(crate) fn catalogue() -> Vec<Sql> {
    use sql::{account, channel, ingest, keep, outbox, plugin, provider, read, run, sealed, signal};
    let first = [account::ALL, channel::ALL, sql::host::ALL, ingest::ALL, keep::ALL, outbox::ALL].concat();
    [&first, plugin::ALL, provider::ALL, read::ALL, run::ALL, sealed::ALL, signal::ALL].concat()
}

/// How the database would run a statement, one step per line.
async fn steps(store: &Store, text: &str) -> String {
    let explain = Query { text: Text::Built(format!("EXPLAIN QUERY PLAN {text}")), values: Vec::new() };
    let rows = explain.fetch_all(&store.inner.writer).await.unwrap_or_else(|error| panic!("{text}\n{error}"));
    let lines: Vec<String> = rows.iter().map(|row| row.text("detail").unwrap()).collect();
    lines.join("\n")
}

#[tokio::test]
async fn every_statement_prepares() {
    let (_folder, store) = store().await;
    let mut names = std::collections::BTreeSet::new();
    for sql in catalogue() {
        assert!(names.insert(sql.name), "{} is there twice", sql.name);
        if let Some(text) = sql.text(Dialect::Sqlite) {
            steps(&store, text).await;
        }
    }
    assert!(names.len() > 50, "{}", names.len());
}

#[tokio::test]
async fn every_table_is_counted() {
    let (_folder, store) = store().await;
    let tables = fixed(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'schema_migration' ORDER BY name",
    );
    let tables = tables.fetch_all(&store.inner.readers).await.unwrap();
    let tables: Vec<String> = tables.iter().map(|row| row.text("name").unwrap()).collect();
    assert_eq!(tables, COUNTS.iter().map(|(table, _)| *table).collect::<Vec<_>>());
}

#[tokio::test]
async fn hot_statements_use_their_indexes() {
    let (_folder, store) = store().await;
    let expected = [
        (sql::run::CLAIM_RUNS, "run_due"),
        (sql::run::CLAIMED_RUNS, "run_due"),
        (sql::run::NEXT_RUN_DUE, "run_due"),
        (sql::outbox::CLAIM_DELIVERIES, "delivery_due"),
        (sql::outbox::CLAIM_DELIVERIES, "delivery_unfinished"),
        (sql::outbox::CLAIMED_DELIVERIES, "delivery_due"),
        (sql::outbox::CLAIMED_DELIVERIES, "delivery_remote"),
        (sql::outbox::INSERT_ATTEMPTS, "delivery_due"),
        (sql::outbox::CHANNELS_DUE, "delivery_due"),
        (sql::outbox::CHANNELS_DUE, "delivery_unfinished"),
        (sql::outbox::UNFINISHED_DELIVERIES, "delivery_unfinished"),
        (sql::outbox::NEWEST_UNFINISHED, "delivery_unfinished"),
        (sql::outbox::LAST_TOLD, "run_incident"),
        (sql::outbox::LAST_TOLD, "delivery_run"),
        (sql::outbox::OVERTAKEN_BY, "run_incident"),
        (sql::outbox::OVERTAKEN_BY, "delivery_run"),
        (sql::channel::CHANNELS_WITH_HEALTH, "delivery_due"),
        (sql::read::DELIVERY_DUE, "delivery_due"),
        (sql::outbox::DELIVERIES_OF_RUN, "delivery_run"),
        (sql::outbox::DEAD_DELIVERIES, "delivery_status"),
        (sql::read::RUNS_WAITING, "run_due"),
        (sql::read::DELIVERIES_WAITING, "delivery_due"),
        (sql::read::DEAD_COUNT, "delivery_status"),
        (sql::read::QUARANTINE_SIZE, "inbox_quarantined"),
        (sql::run::SETTLE_RUN, "delivery_run"),
        (sql::ingest::SEEN_DELIVERIES, "(driver=? AND delivery_id=?)"),
        (sql::ingest::ALERTS_BY_KEY, "(fingerprint=? AND source=?)"),
        (sql::ingest::INCIDENTS_BY_ID_OR_KEY, "(id=?)"),
        (sql::ingest::INCIDENTS_BY_ID_OR_KEY, "(open_key=?)"),
        (sql::plugin::PLUGIN_HISTORY, "(kind=? AND name=?)"),
        (sql::keep::OLD_RESULTS, "sqlite_autoindex_artifact_1"),
        (sql::keep::OLD_RUNS, "SEARCH r USING PRIMARY KEY (id>? AND id<?)"),
        (sql::keep::FORGET_DELIVERIES, "delivery_run"),
        (sql::keep::OLD_INCIDENTS, "(open_key=? AND id>? AND id<?)"),
        (sql::keep::OLD_INCIDENTS, "run_incident"),
        (sql::keep::FORGET_ALERTS_OF_INCIDENTS, "alert_incident"),
        (sql::keep::OLD_ALERTS, "alert_alone"),
        (sql::account::API_KEY_BY_DIGEST, "(digest=?)"),
        (sql::run::LAST_OF_INCIDENT, "run_incident"),
        (sql::run::COUNT_ROUTE, "(name=?)"),
        (sql::run::COUNT_ROUTE, "run USING PRIMARY KEY (id=?)"),
        (sql::read::INCIDENT_OF_ALERT, "(id=?)"),
        (sql::read::INCIDENT_ALERTS, "alert_incident"),
        (sql::read::ALERT_HISTORY, "alert_history USING PRIMARY KEY (alert_id=?)"),
        (sql::read::INCIDENT_HISTORY, "incident_history USING PRIMARY KEY (incident_id=?)"),
    ];
    for (sql, index) in expected {
        let steps = steps(&store, sql.text(Dialect::Sqlite).unwrap()).await;
        assert!(steps.contains(index), "{} does not use {index}:\n{steps}", sql.name);
        let whole = ["alert", "incident", "run", "delivery", "inbox", "a", "i", "d", "r", "e", "p"];
        for line in steps.lines() {
            let reads_all =
                whole.iter().any(|table| line == format!("SCAN {table}")) && !line.contains("INDEX");
            assert!(!reads_all, "{} reads a whole table:\n{steps}", sql.name);
        }
    }
}

#[tokio::test]
async fn lists_walk_an_index_and_never_sort() {
    let (_folder, store) = store().await;
    let first = PageRequest::default();
    let next = PageRequest { limit: 10, cursor: Some(hex::encode("101ARZ3NDEKTSV4RRFFQ69G5FAV")) };
    let trace: TraceId = "0af7651916cd43dd8448eb211c80319c".parse().unwrap();
    let incident = IncidentId::from(ulid::Ulid(1));
    for page in [&first, &next] {
        let alert = AlertFilter::default();
        // Incidents and runs lie in the order of their key: the table is the index.
        let lists: Vec<(List, &str, &str)> = vec![
            (alert.list(page).unwrap(), "a.id", "sqlite_autoindex_alert_1"),
            (
                AlertFilter { name: Some("x".into()), ..alert.clone() }.list(page).unwrap(),
                "a.id",
                "alert_name",
            ),
            (
                AlertFilter { incident_id: Some(incident), ..alert.clone() }.list(page).unwrap(),
                "a.id",
                "alert_incident",
            ),
            (IncidentFilter::default().list(page).unwrap(), "i.id", "i"),
            (RunFilter::default().list(page).unwrap(), "r.id", "r"),
            (
                RunFilter { trace_id: Some(trace), ..RunFilter::default() }.list(page).unwrap(),
                "r.id",
                "run_trace",
            ),
            (DeliveryFilter::default().list(page).unwrap(), "d.id", "sqlite_autoindex_delivery_1"),
        ];
        for (list, key, index) in lists {
            let text = list.text(key);
            let steps = steps(&store, &text).await;
            assert!(steps.contains(index), "{text}\ndoes not use {index}:\n{steps}");
            assert!(!steps.contains("TEMP B-TREE"), "{text}\nsorts:\n{steps}");
        }
        // Few drivers share a fingerprint: its rows are sorted.
        let text = AlertFilter { fingerprint: Some("x".into()), ..alert.clone() }.list(page).unwrap();
        let steps_taken = steps(&store, &text.text("a.id")).await;
        assert!(steps_taken.contains("(fingerprint=?)"), "{steps_taken}");
        let text = AlertFilter { trace_id: Some(trace), ..alert }.list(page).unwrap().text("a.id");
        let steps = steps(&store, &text).await;
        assert!(steps.contains("alert_trace") && steps.contains("alert_history_trace"), "{steps}");
        steps_of_all_filters(&store, page, trace, incident).await;
    }
}

/// However many alerts and incidents there are: what is written is found by its key, one row at a time.
#[tokio::test]
async fn writing_a_batch_reads_nothing_but_the_batch() {
    let (_folder, store) = store().await;
    // The plan names what refers to a new row too. That is walked only where a reference is broken already
    // (SQLite's `OP_FkIfZero`), so it is left out here.
    fixed("PRAGMA foreign_keys = OFF").execute(&store.inner.writer).await.unwrap();
    for sql in [
        sql::ingest::UPSERT_INCIDENTS,
        sql::ingest::UPSERT_ALERTS,
        sql::ingest::INSERT_RUNS,
        sql::ingest::INSERT_INBOX,
        sql::ingest::INSERT_ALERT_HISTORY,
        sql::ingest::INSERT_INCIDENT_HISTORY,
    ] {
        let steps = steps(&store, sql.text(Dialect::Sqlite).unwrap()).await;
        let all_of_the_batch = |line: &str| line.starts_with("SCAN jsonb_each VIRTUAL TABLE");
        assert!(steps.lines().all(all_of_the_batch), "{}:\n{steps}", sql.name);
    }
}

#[tokio::test]
async fn recent_alerts_are_read_from_the_end_and_never_sorted() {
    let (_folder, store) = store().await;
    let steps = steps(&store, sql::read::RECENT_ALERTS.text(Dialect::Sqlite).unwrap()).await;
    assert!(steps.contains("SCAN alert USING INDEX sqlite_autoindex_alert_1"), "{steps}");
    assert!(!steps.contains("TEMP B-TREE"), "{steps}");
}

/// Filters may be used together in any number.
async fn steps_of_all_filters(store: &Store, page: &PageRequest, trace: TraceId, incident: IncidentId) {
    let alert = AlertFilter {
        trace_id: Some(trace),
        source: Some("grafana".parse().unwrap()),
        name: Some("n".into()),
        fingerprint: Some("f".into()),
        status: Some(domain::alert::AlertStatus::Firing),
        severity: Some(domain::alert::Severity::Critical),
        incident_id: Some(incident),
    };
    steps(store, &alert.list(page).unwrap().text("a.id")).await;
    let incident_filter = IncidentFilter {
        status: Some(domain::incident::IncidentStatus::Open),
        severity: Some(domain::alert::Severity::Critical),
        name: Some("n".into()),
        instance: Some("i".into()),
    };
    steps(store, &incident_filter.list(page).unwrap().text("i.id")).await;
    let run = RunFilter {
        status: Some(domain::run::RunStatus::Failed),
        source: Some("s".into()),
        trace_id: Some(trace),
        incident_id: Some(incident),
    };
    steps(store, &run.list(page).unwrap().text("r.id")).await;
    let delivery = DeliveryFilter {
        status: Some(domain::delivery::DeliveryStatus::Dead),
        channel: Some("c".into()),
        run_id: Some(domain::id::RunId::from(ulid::Ulid(1))),
    };
    steps(store, &delivery.list(page).unwrap().text("d.id")).await;
    let quarantined = crate::QuarantineFilter {
        driver: Some("grafana".parse().unwrap()),
        reason_code: Some("not_json".into()),
    };
    let text = quarantined.list(page).unwrap().text("i.run_id");
    let steps = steps(store, &text).await;
    assert!(steps.contains("inbox_quarantined") && !steps.contains("TEMP B-TREE"), "{steps}");
}
