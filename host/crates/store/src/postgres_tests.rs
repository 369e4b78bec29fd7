//! Every statement prepares on a real PostgreSQL, and the hot ones use their indexes.

use domain::time::Timestamp;
use sqlx::AssertSqlSafe;
use tests::{DatabaseServer, Engine};

use crate::catalogue_tests::catalogue;
use crate::db::{Dialect, Pool, Query, Text, Transaction};
use crate::sql::{self, Sql};
use crate::{Options, Store};

/// A transaction on a migrated server; the others have to outlive it.
async fn transaction() -> Option<(Transaction, Store, DatabaseServer)> {
    let server = DatabaseServer::start(Engine::Postgres)?;
    let store = Store::open(&server.url(), Options::default()).await.unwrap();
    store.migrate(Timestamp::default()).await.unwrap();
    let mut tx = store.begin("test").await.unwrap();
    // Tables are empty: only what cannot be done otherwise is done without an index. The plan is the one for
    // whatever is bound.
    tx.run("SET LOCAL enable_seqscan = off; SET LOCAL plan_cache_mode = force_generic_plan").await.unwrap();
    Some((tx, store, server))
}

/// How the server would run a statement, one step per line.
async fn steps(tx: &mut Transaction, sql: Sql) -> String {
    let text = sql.text(Dialect::Postgres).unwrap();
    let prepare = format!("PREPARE asked AS {text}");
    tx.run(AssertSqlSafe(prepare)).await.unwrap_or_else(|error| panic!("{}: {error}\n{text}", sql.name));
    let values = vec!["NULL"; sql.parameters].join(", ");
    let values = if values.is_empty() { values } else { format!("({values})") };
    let explain = Query { text: Text::Built(format!("EXPLAIN EXECUTE asked{values}")), values: Vec::new() };
    let rows = explain.fetch_all(&mut **tx).await.unwrap_or_else(|error| panic!("{}: {error}", sql.name));
    tx.run("DEALLOCATE asked").await.unwrap();
    let lines: Vec<String> =
        rows.iter().map(|row| crate::db::Columns::text(row, "QUERY PLAN").unwrap()).collect();
    lines.join("\n")
}

#[tokio::test]
async fn every_statement_prepares() {
    let Some((mut tx, store, _server)) = transaction().await else { return };
    assert!(matches!(store.inner.readers, Pool::Postgres(_)));
    let mut prepared = 0;
    for sql in catalogue() {
        if sql.text(Dialect::Postgres).is_some() {
            steps(&mut tx, sql).await;
            prepared += 1;
        }
    }
    // It has words for all but what is wrong with a file, and what MySQL has in place of upserts.
    let missing: Vec<&str> =
        catalogue().iter().filter(|sql| sql.text(Dialect::Postgres).is_none()).map(|sql| sql.name).collect();
    assert_eq!(missing, ["GIVE_UP_KEYS", "UPDATE_INCIDENTS", "UPDATE_ALERTS", "DAMAGE"]);
    assert!(prepared > 100, "{prepared}");
}

#[tokio::test]
async fn hot_statements_use_their_indexes() {
    let Some((mut tx, _store, _server)) = transaction().await else { return };
    let expected = [
        (sql::run::CLAIM_RUNS, "run_due"),
        (sql::run::CLAIM_RUNS, "run_unfinished"),
        (sql::run::CLAIM_RUNS, "run_pkey"),
        (sql::run::CLAIMED_RUNS, "run_due"),
        (sql::run::NEXT_RUN_DUE, "run_due"),
        (sql::run::LAST_OF_INCIDENT, "run_incident"),
        (sql::run::SETTLE_RUN, "delivery_run"),
        (sql::outbox::CLAIM_DELIVERIES, "delivery_due"),
        (sql::outbox::CLAIM_DELIVERIES, "delivery_unfinished"),
        (sql::outbox::CLAIM_DELIVERIES, "delivery_pkey"),
        (sql::outbox::CLAIMED_DELIVERIES, "delivery_due"),
        (sql::outbox::CLAIMED_DELIVERIES, "delivery_remote"),
        (sql::outbox::CHANNELS_DUE, "delivery_due"),
        (sql::outbox::CHANNELS_DUE, "delivery_unfinished"),
        (sql::outbox::UNFINISHED_DELIVERIES, "delivery_unfinished"),
        (sql::outbox::NEWEST_UNFINISHED, "delivery_unfinished"),
        (sql::outbox::DELIVERIES_OF_RUN, "delivery_run"),
        (sql::outbox::DEAD_DELIVERIES, "delivery_status"),
        (sql::read::DEAD_COUNT, "delivery_status"),
        (sql::read::QUARANTINE_SIZE, "inbox_quarantined"),
        (sql::read::INCIDENT_ALERTS, "alert_incident"),
        (sql::ingest::SEEN_DELIVERIES, "inbox_driver_delivery_id_key"),
        (sql::ingest::ALERTS_BY_KEY, "alert_fingerprint_source_key"),
        (sql::ingest::INCIDENTS_BY_ID_OR_KEY, "incident_pkey"),
        (sql::ingest::INCIDENTS_BY_ID_OR_KEY, "incident_open_key"),
        (sql::ingest::NEWEST_RUN_ABOUT, "run_incident"),
        (sql::ingest::COUNT_INBOX, "inbox_pkey"),
        (sql::keep::OLD_RUNS, "run_pkey"),
        (sql::keep::FORGET_DELIVERIES, "delivery_run"),
        (sql::keep::FORGET_ALERTS_OF_INCIDENTS, "alert_incident"),
        (sql::account::API_KEY_BY_DIGEST, "api_key_digest_key"),
    ];
    let mut missing = String::new();
    for (sql, index) in expected {
        let steps = steps(&mut tx, sql).await;
        if !steps.contains(index) {
            missing += &format!("{} does not use {index}:\n{steps}\n", sql.name);
        }
    }
    assert!(missing.is_empty(), "{missing}");
}
