//! Every statement prepares on a real MariaDB, and the hot ones use their indexes.

use domain::time::Timestamp;
use tests::{DatabaseServer, Engine};

use crate::catalogue_tests::catalogue;
use crate::db::{Columns as _, Dialect, Query, Text, Transaction, Value};
use crate::sql::{self, Sql};
use crate::{Options, Store};

/// Rows in every table that grows, with `1` among them, which is what is bound: of a table with nothing in it, each way to read it costs the same.
const FILL: [&str; 6] = [
    "INSERT INTO incident (id, correlation_key, open_key, title, name, status, severity, firing, acknowledged,
         opened_at, updated_at)
     SELECT seq, seq, IF(seq % 10 = 0, seq, NULL), '', CONCAT('n', seq), 'resolved', 'info', 0, 0, 0, 0
     FROM seq_1_to_3000",
    "INSERT INTO alert (id, source, fingerprint, name, status, raw_status, severity, raw_severity, description,
         labels, annotations, links, started_at, received_at, incident_id, trace_id)
     SELECT seq, 'grafana', seq, CONCAT('n', seq), 'firing', '', 'info', '', '', '', '', '', 0, 0,
         seq, seq
     FROM seq_1_to_3000",
    "INSERT INTO run (id, trace_id, status, origin, incident_id, alerts, total_attempts,
         intelligence_fallback_used, due_at, created_at)
     SELECT seq, seq, 'NOTIFIED', '', seq % 100 + 1, 0, 0, 0, IF(seq % 100 = 0, seq, NULL), 0
     FROM seq_1_to_3000",
    "INSERT INTO inbox (run_id, driver, named, verified, detection, delivery_id, outcome, received_at, size_bytes,
         request)
     SELECT seq, 'grafana', 0, 0, '', seq, IF(seq % 100 = 0, 'quarantined', 'parsed'), 0, 0, ''
     FROM seq_1_to_3000",
    "INSERT INTO channel (id, name, taken_name, notifier, settings, enabled, created_at)
     SELECT seq, seq, seq, 'slack', '', 1, 0 FROM seq_1_to_30",
    "INSERT INTO delivery (id, run_id, trace_id, incident_id, channel_id, notification, tells, status, attempts,
         due_at, created_at)
     SELECT seq, seq, seq, seq % 100 + 1, seq % 30 + 1, '',
         'firing', IF(seq % 100 = 0, 'dead', 'delivered'), 1, IF(seq % 50 = 1, seq, NULL), 0
     FROM seq_1_to_3000",
];
const ANALYZE: &str = "ANALYZE TABLE incident, alert, run, inbox, channel, delivery";

/// A filled database; the server has to outlive it.
async fn filled() -> Option<(Store, DatabaseServer)> {
    let server = DatabaseServer::start(Engine::Mariadb)?;
    let store = Store::open(&server.url(), Options::default()).await.unwrap();
    store.migrate(Timestamp::default()).await.unwrap();
    let mut tx = store.begin("test").await.unwrap();
    for text in FILL {
        tx.run(text).await.unwrap();
    }
    tx.commit().await.unwrap();
    server.query(ANALYZE);
    Some((store, server))
}

/// How the server would run a statement, one step per line: the table, how it is read, and by which index.
async fn steps(tx: &mut Transaction, sql: Sql) -> String {
    let text = sql.text(Dialect::Mysql).unwrap();
    // What is bound is not looked at; only a limit has to be a number, and an array one.
    let mut explain = String::from("EXPLAIN ");
    let mut values: Vec<Value> = Vec::new();
    for (number, piece) in text.split('?').enumerate() {
        if number > 0 {
            explain += &format!("${number}");
        }
        explain += piece;
        values.push(match piece {
            _ if piece.ends_with("LIMIT ") => 1i64.into(),
            _ if piece.ends_with("JSON_TABLE(") => "[]".into(),
            _ => "1".into(),
        });
    }
    values.pop();
    let explain = Query { text: Text::Built(explain), values };
    let rows =
        explain.fetch_all(&mut **tx).await.unwrap_or_else(|error| panic!("{}: {error}\n{text}", sql.name));
    let column = |row, name| crate::db::Row::opt_text(row, name).unwrap().unwrap_or_default();
    let line = |row| format!("{} {} {}", column(row, "table"), column(row, "type"), column(row, "key"));
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn every_statement_prepares() {
    let Some((store, _server)) = filled().await else { return };
    let mut tx = store.begin("test").await.unwrap();
    let (known, missing): (Vec<Sql>, Vec<Sql>) =
        catalogue().into_iter().partition(|sql| sql.text(Dialect::Mysql).is_some());
    for sql in &known {
        steps(&mut tx, *sql).await;
    }
    // It has words for all but what is wrong with a file, and signs to other hosts.
    assert_eq!(missing.iter().map(|sql| sql.name).collect::<Vec<_>>(), ["DAMAGE", "NOTIFY"]);
    assert!(known.len() > 100, "{}", known.len());
}

#[tokio::test]
async fn hot_statements_use_their_indexes() {
    let Some((store, _server)) = filled().await else { return };
    let mut tx = store.begin("test").await.unwrap();
    let expected = [
        (sql::run::CLAIM_RUNS, "r range run_due"),
        (sql::run::CLAIM_RUNS, "e ref run_unfinished"),
        (sql::run::CLAIM_RUNS, "t eq_ref PRIMARY"),
        (sql::run::CLAIMED_RUNS, "run ref run_due"),
        (sql::run::LAST_OF_INCIDENT, "run ref run_incident"),
        (sql::run::SETTLE_RUN, "d ref delivery_run"),
        (sql::outbox::CLAIM_DELIVERIES, "d range delivery_due"),
        (sql::outbox::CLAIM_DELIVERIES, "e ref delivery_unfinished"),
        (sql::outbox::CLAIM_DELIVERIES, "t eq_ref PRIMARY"),
        (sql::outbox::CLAIMED_DELIVERIES, "d ref delivery_due"),
        (sql::outbox::CLAIMED_DELIVERIES, "p ref delivery_remote"),
        (sql::outbox::CHANNELS_DUE, "delivery_due"),
        (sql::outbox::CHANNELS_DUE, "e ref delivery_unfinished"),
        (sql::outbox::UNFINISHED_DELIVERIES, "delivery range delivery_unfinished"),
        (sql::outbox::NEWEST_UNFINISHED, "delivery range delivery_unfinished"),
        (sql::outbox::DELIVERIES_OF_RUN, "d ref delivery_run"),
        (sql::outbox::DEAD_DELIVERIES, "d range delivery_status"),
        (sql::read::DEAD_COUNT, "delivery ref delivery_status"),
        (sql::read::QUARANTINE_SIZE, "inbox ref inbox_quarantined"),
        (sql::read::INCIDENT_ALERTS, "a ref alert_incident"),
        (sql::ingest::SEEN_DELIVERIES, "i eq_ref driver"),
        (sql::ingest::ALERTS_BY_KEY, "a eq_ref fingerprint"),
        (sql::ingest::INCIDENTS_BY_ID_OR_KEY, "i eq_ref PRIMARY"),
        (sql::ingest::INCIDENTS_BY_ID_OR_KEY, "i eq_ref open_key"),
        (sql::ingest::NEWEST_RUN_ABOUT, "r ref run_incident"),
        (sql::ingest::UPDATE_INCIDENTS, "t eq_ref PRIMARY"),
        (sql::ingest::UPDATE_ALERTS, "t eq_ref PRIMARY"),
        (sql::ingest::UPSERT_INCIDENTS, "t eq_ref PRIMARY"),
        (sql::ingest::UPSERT_ALERTS, "t eq_ref PRIMARY"),
        (sql::ingest::COUNT_INBOX, "i eq_ref PRIMARY"),
        (sql::keep::FORGET_DELIVERIES, "d ref delivery_run"),
        (sql::keep::FORGET_ALERTS_OF_INCIDENTS, "a ref alert_incident"),
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
