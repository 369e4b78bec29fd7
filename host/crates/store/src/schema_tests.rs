//! The three schemas are one: the same tables, columns, keys and indexes, as `schema_tests.txt` says.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use domain::time::Timestamp;
use tests::{DatabaseServer, Engine};

use crate::db::{Columns as _, Dialect, Row, fixed};
use crate::migrate::migrations;
use crate::{Options, Store};

const EXPECTED: &str = include_str!("schema_tests.txt");

/// What MySQL has in place of a partial index: the column of the condition among the others, or nothing where
/// another index does the same.
const PLAIN: [(&str, &str); 9] = [
    ("alert_incident (incident_id, id) where incident_id IS NOT NULL", "alert_incident (incident_id, id)"),
    ("alert_alone (id) where incident_id IS NULL", ""),
    ("run_due (due_at, id) where due_at IS NOT NULL", "run_due (due_at, id)"),
    ("run_incident (incident_id, id) where incident_id IS NOT NULL", "run_incident (incident_id, id)"),
    ("run_unfinished (incident_id, id) where due_at IS NOT NULL", "run_unfinished (incident_id, due_at, id)"),
    ("inbox_quarantined (run_id) where outcome = 'quarantined'", "inbox_quarantined (outcome, run_id)"),
    (
        "delivery_due (channel_id, due_at, id) where due_at IS NOT NULL",
        "delivery_due (channel_id, due_at, id)",
    ),
    (
        "delivery_unfinished (incident_id, channel_id, id) where due_at IS NOT NULL",
        "delivery_unfinished (incident_id, channel_id, due_at, id)",
    ),
    (
        "delivery_remote (incident_id, channel_id, id) where remote_ref IS NOT NULL",
        "delivery_remote (incident_id, channel_id, id)",
    ),
];
/// What it has beside: an index that InnoDB wants for a reference.
const BESIDE: &str = "  index inbox_api_key (api_key_id)\n";

/// What is expected of a database.
fn expected(dialect: Dialect) -> String {
    match dialect {
        // It has no type for booleans.
        Dialect::Sqlite => EXPECTED.replace(" bool", " int"),
        // So that it is no key of the table there (`migrations/postgres`).
        Dialect::Postgres => {
            EXPECTED.replace("  unique (open_key)\n", "  unique (open_key) where open_key IS NOT NULL\n")
        }
        Dialect::Mysql => {
            let mut text = EXPECTED.to_owned();
            for (partial, plain) in PLAIN {
                let (partial, plain) = (format!("  index {partial}\n"), format!("  index {plain}\n"));
                assert!(text.contains(&partial), "there is no index {partial}");
                text = text.replace(&partial, if plain == "  index \n" { "" } else { &plain });
            }
            assert!(
                !text.contains(" where "),
                "a partial index of which is not said what MySQL has:\n{text}"
            );
            let place = text.find("  index inbox_quarantined").unwrap();
            text.insert_str(place, BESIDE);
            text
        }
    }
}

/// Columns: their table, name, type, whether they may be NULL, and default.
const fn columns(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => {
            "SELECT t.name AS tab, c.name AS name, c.type AS kind, c.\"notnull\" AS filled, c.dflt_value AS value
             FROM sqlite_schema AS t JOIN pragma_table_info(t.name) AS c WHERE t.type = 'table' ORDER BY t.name, c.cid"
        }
        Dialect::Postgres => {
            "SELECT table_name::text AS tab, column_name::text AS name, data_type::text AS kind,
                 (is_nullable = 'NO')::int::bigint AS filled, column_default::text AS value
             FROM information_schema.columns WHERE table_schema = current_schema()
             ORDER BY table_name, ordinal_position"
        }
        Dialect::Mysql => {
            "SELECT table_name AS tab, column_name AS name, data_type AS kind, is_nullable = 'NO' AS filled,
                 NULLIF(column_default, 'NULL') AS value
             FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position"
        }
    }
}

/// Keys and indexes, a row for each of their columns: their table, name, what they are, and condition.
const fn indexes(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => {
            "SELECT t.name AS tab, i.name AS name, c.name AS col,
                 CASE i.origin WHEN 'pk' THEN 'key' WHEN 'u' THEN 'unique' ELSE 'index' END AS kind,
                 substr(s.sql, nullif(instr(s.sql, ' WHERE '), 0) + 7) AS condition
             FROM sqlite_schema AS t JOIN pragma_index_list(t.name) AS i JOIN pragma_index_info(i.name) AS c
                 LEFT JOIN sqlite_schema AS s ON s.name = i.name
             WHERE t.type = 'table' ORDER BY t.name, i.name, c.seqno"
        }
        Dialect::Postgres => {
            "SELECT t.relname::text AS tab, i.relname::text AS name, a.attname::text AS col,
                 CASE WHEN x.indisprimary THEN 'key' WHEN x.indisunique THEN 'unique' ELSE 'index' END AS kind,
                 pg_get_expr(x.indpred, x.indrelid) AS condition
             FROM pg_index AS x JOIN pg_class AS t ON t.oid = x.indrelid JOIN pg_class AS i ON i.oid = x.indexrelid
                 CROSS JOIN LATERAL unnest(x.indkey) WITH ORDINALITY AS k (number, place)
                 JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = k.number
             WHERE t.relnamespace = current_schema()::regnamespace ORDER BY t.relname, i.relname, k.place"
        }
        Dialect::Mysql => {
            "SELECT table_name AS tab, index_name AS name, column_name AS col,
                 CASE WHEN index_name = 'PRIMARY' THEN 'key' WHEN non_unique = 0 THEN 'unique' ELSE 'index' END AS kind,
                 CAST(NULL AS CHAR) AS `condition`
             FROM information_schema.statistics WHERE table_schema = DATABASE()
             ORDER BY table_name, index_name, seq_in_index"
        }
    }
}

/// References: their table and column, what they refer to, and what happens when that goes.
const fn references(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => {
            "SELECT t.name AS tab, f.\"from\" AS col, f.\"table\" AS other, f.\"to\" AS its, f.on_delete AS gone
             FROM sqlite_schema AS t JOIN pragma_foreign_key_list(t.name) AS f
             WHERE t.type = 'table' ORDER BY t.name, f.\"from\""
        }
        Dialect::Postgres => {
            "SELECT c.conrelid::regclass::text AS tab, a.attname::text AS col, c.confrelid::regclass::text AS other,
                 b.attname::text AS its, CASE c.confdeltype WHEN 'c' THEN 'CASCADE' ELSE 'NO ACTION' END AS gone
             FROM pg_constraint AS c JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
                 JOIN pg_attribute AS b ON b.attrelid = c.confrelid AND b.attnum = c.confkey[1]
             WHERE c.contype = 'f' AND c.connamespace = current_schema()::regnamespace ORDER BY 1, 2"
        }
        Dialect::Mysql => {
            "SELECT k.table_name AS tab, k.column_name AS col, k.referenced_table_name AS other,
                 k.referenced_column_name AS its, r.delete_rule AS gone
             FROM information_schema.key_column_usage AS k JOIN information_schema.referential_constraints AS r
                 ON r.constraint_schema = k.constraint_schema AND r.constraint_name = k.constraint_name
                 AND r.table_name = k.table_name
             WHERE k.constraint_schema = DATABASE() AND k.referenced_table_name IS NOT NULL ORDER BY 1, 2"
        }
    }
}

/// The type of a column, by one word for all databases.
fn kind(row: &Row) -> &'static str {
    match row.text("kind").unwrap().to_lowercase().as_str() {
        "integer" | "bigint" => "int",
        "boolean" | "tinyint" => "bool",
        "text" | "longtext" | "varchar" | "character varying" => "text",
        "blob" | "longblob" | "varbinary" | "bytea" => "bytes",
        other => panic!("a type that is not said to be portable: {other}"),
    }
}

/// A key or an index.
#[derive(Default)]
struct Key {
    kind: String,
    columns: Vec<String>,
    condition: Option<String>,
}

/// The schema in words, in one order.
async fn found(store: &Store) -> String {
    let all = async |text: &'static str| fixed(text).fetch_all(&store.inner.readers).await.unwrap();
    let text = |row: &Row, column: &str| row.text(column).unwrap();
    let dialect = store.dialect();
    let mut tables: BTreeMap<String, (Vec<String>, Vec<String>)> = BTreeMap::new();
    for row in all(columns(dialect)).await {
        let filled = if row.opt_int("filled").unwrap() == Some(1) { " not null" } else { "" };
        let value = row.opt_text("value").unwrap().map(|value| format!(" default {value}"));
        let line = format!("{} {}{filled}{}", text(&row, "name"), kind(&row), value.unwrap_or_default());
        tables.entry(text(&row, "tab")).or_default().0.push(line);
    }
    let mut keys: BTreeMap<(String, String), Key> = BTreeMap::new();
    for row in all(indexes(dialect)).await {
        let condition = row.opt_text("condition").unwrap().filter(|condition| !condition.is_empty());
        let key = keys.entry((text(&row, "tab"), text(&row, "name"))).or_default();
        key.kind = text(&row, "kind");
        key.columns.push(text(&row, "col"));
        key.condition = condition;
    }
    for ((table, name), Key { kind, columns, condition }) in keys {
        let name = if kind == "index" { format!(" {name}") } else { String::new() };
        // PostgreSQL puts it between brackets and says its types.
        let plain = |text: String| {
            text.replace(['(', ')'], "").replace("::text", "").replace("::character varying", "")
        };
        let condition = condition.map(|text| format!(" where {}", plain(text))).unwrap_or_default();
        let line = format!("{kind}{name} ({}){condition}", columns.join(", "));
        tables.entry(table).or_default().1.push(line);
    }
    for row in all(references(dialect)).await {
        let gone = if text(&row, "gone") == "CASCADE" { ", and goes with it" } else { "" };
        let (column, other, its) = (text(&row, "col"), text(&row, "other"), text(&row, "its"));
        tables
            .entry(text(&row, "tab"))
            .or_default()
            .1
            .push(format!("{column} refers to {other} ({its}){gone}"));
    }
    let mut words = String::new();
    for (table, (columns, mut others)) in tables.into_iter().filter(|(table, _)| table != "schema_migration")
    {
        // Those of SQLite have names that count.
        others.sort();
        writeln!(words, "{table}").unwrap();
        for line in columns.into_iter().chain(others) {
            writeln!(words, "  {line}").unwrap();
        }
    }
    words
}

async fn check(url: &str) {
    let store = Store::open(url, Options::default()).await.unwrap();
    store.migrate(Timestamp::default()).await.unwrap();
    let (found, expected) = (found(&store).await, expected(store.dialect()));
    assert!(found == expected, "{}\nwas expected, and this is there:\n\n{found}", expected);
    store.close().await;
}

#[tokio::test]
async fn sqlite_has_the_schema() {
    let folder = tempfile::tempdir().unwrap();
    check(&format!("sqlite://{}", folder.path().join("t.sqlite3").display())).await;
}

#[tokio::test]
async fn postgres_has_the_schema() {
    if let Some(server) = DatabaseServer::start(Engine::Postgres) {
        check(&server.url()).await;
    }
}

#[tokio::test]
async fn mariadb_has_the_schema() {
    if let Some(server) = DatabaseServer::start(Engine::Mariadb) {
        check(&server.url()).await;
    }
}

#[test]
fn migrations_have_the_same_numbers_and_names_everywhere() {
    let named = |dialect| migrations(dialect).iter().map(|step| (step.number, step.name)).collect::<Vec<_>>();
    assert_eq!(named(Dialect::Postgres), named(Dialect::Sqlite));
    assert_eq!(named(Dialect::Mysql), named(Dialect::Sqlite));
}
