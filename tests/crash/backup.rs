//! Backups made under load, restored, and compared with what was acknowledged. The commands are those of
//! `docs/OPERATIONS.md`.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;
use tests::{DatabaseServer, Engine, Home, PATIENCE};
use tokio::process::Command;

use crate::kills::stored;
use crate::steady::{Steady, fingerprint};

/// How to back up and to restore.
struct Commands {
    back_up: &'static str,
    restore: &'static str,
}

const SQLITE: Commands = Commands {
    back_up: r#"sqlite3 watchbell.sqlite3 "VACUUM INTO 'backup.sqlite3'""#,
    restore: "cp backup.sqlite3 restored.sqlite3",
};
const POSTGRES: Commands = Commands {
    back_up: r#"pg_dump --format=custom --no-owner --file=backup.dump "$DATABASE_URL""#,
    restore: r#"pg_restore --no-owner --exit-on-error --single-transaction --dbname="$DATABASE_URL" backup.dump"#,
};
const MARIADB: Commands = Commands {
    back_up: "mariadb-dump --single-transaction --quick --hex-blob --host=$HOST --port=$PORT --user=$USER \
              --result-file=backup.sql watchbell",
    restore: "mariadb --host=$HOST --port=$PORT --user=$USER watchbell < backup.sql",
};

/// How many webhooks were acknowledged before the backup begins.
const BEFORE: usize = 150;

#[tokio::test]
async fn backup_of_a_file_under_load_has_everything_up_to_its_moment() {
    let home = Home::new().await;
    back_up_and_restore(home, None, &SQLITE).await;
}

#[tokio::test]
async fn backup_of_postgres_under_load_has_everything_up_to_its_moment() {
    on_server(Engine::Postgres, &POSTGRES).await;
}

#[tokio::test]
async fn backup_of_mariadb_under_load_has_everything_up_to_its_moment() {
    on_server(Engine::Mariadb, &MARIADB).await;
}

async fn on_server(engine: Engine, commands: &Commands) {
    // Restored where nothing else is.
    let Some(empty) = DatabaseServer::start(engine) else { return };
    let Some(home) = Home::on(engine).await else { return };
    back_up_and_restore(home, Some(empty), commands).await;
}

async fn back_up_and_restore(home: Home, empty: Option<DatabaseServer>, commands: &Commands) {
    let documented =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/OPERATIONS.md")).unwrap();
    for command in [commands.back_up, commands.restore] {
        let told = documented.lines().any(|line| line.trim() == command);
        assert!(told || command.starts_with("cp "), "docs/OPERATIONS.md does not say `{command}`");
    }
    let hub = Arc::new(home.clone().with("WATCHBELL_LOG", "warn,host::app=info").start().await);
    let load = Steady::start(&hub, 0);
    load.goes_through(BEFORE, "before the backup").await;
    let before = load.seen().acknowledged;
    let url = if empty.is_some() { home.setting("DATABASE_URL").to_owned() } else { String::new() };
    shell(&home, commands.back_up, &url).await;
    load.goes_through(1, "after the backup").await;
    let seen = load.end().await;
    assert_eq!(seen.answers.keys().collect::<Vec<_>>(), [&202], "nobody was refused for the backup");

    let url = empty.as_ref().map_or_else(|| "sqlite://restored.sqlite3".to_owned(), DatabaseServer::url);
    shell(&home, commands.restore, &url).await;
    let restored = home.with("DATABASE_URL", &url).start().await;
    let found = stored(&restored).await;
    let lost: Vec<_> = before.iter().filter(|id| !found.contains(&fingerprint(id))).collect();
    assert!(lost.is_empty(), "acknowledged before the backup and not in it: {lost:?}");
    // One state: of each sender the first so many, without a gap.
    let mut ended = BTreeSet::new();
    for id in &seen.acknowledged {
        match found.contains(&fingerprint(id)) {
            true => assert!(!ended.contains(&id.0), "{id:?} is there and one before it is not"),
            false => drop(ended.insert(id.0.clone())),
        }
    }
    assert!(found.len() < seen.acknowledged.len(), "the load went on after the backup");
    restored.accept("/alerts/webhook/", &json!({ "name": "AfterIt", "host": "db1" })).await;
}

/// Runs a line as an operator would, in the hub's folder.
async fn shell(home: &Home, line: &str, url: &str) {
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(home.path()).env("DATABASE_URL", url);
    if let Ok(url) = url::Url::parse(url) {
        command.env("HOST", url.host_str().unwrap_or_default()).env("USER", url.username());
        command.env("PORT", url.port().unwrap_or_default().to_string());
        command.env("MYSQL_PWD", url.password().unwrap_or_default());
    }
    let done = tokio::time::timeout(PATIENCE, command.output()).await.expect("it ends").unwrap();
    assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
}
