//! Opening a SQLite file.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, SqliteConnection, SqlitePool};

use super::{Inner, Options, STATEMENT_CACHE};
use crate::db::Pool;
use crate::error::{Doing as _, StoreError};
use crate::together::Queue;

const OPENING: &str = "open its file";

/// Opens the file, or makes it.
pub(super) async fn open(url: &str, options: &Options) -> Result<Inner, StoreError> {
    let base = connect_options(url, options)?;
    create_private(base.get_filename())?;
    let writer = Pool::Sqlite(open_first(&base, options).await?);
    let readers = pool(options, options.readers.max(1))
        .connect_with(base.clone().pragma("query_only", "ON"))
        .await
        .doing(OPENING)?;
    let upkeep = pool(options, 1).connect_lazy_with(base);
    Ok(Inner {
        ingest: writer.clone(),
        writer,
        readers: Pool::Sqlite(readers),
        upkeep: Pool::Sqlite(upkeep),
        wal_limit_bytes: options.wal_limit_bytes,
        queue: Queue::default(),
    })
}

fn connect_options(url: &str, options: &Options) -> Result<SqliteConnectOptions, StoreError> {
    let rest = url.trim_start_matches("sqlite:");
    if rest.trim_start_matches('/').is_empty() || rest.contains(":memory:") || rest.contains("mode=memory") {
        return Err(StoreError::Setting(
            "the database address must name a file: what is only in memory cannot be promised\n\
             hint: for example `sqlite://watchbell.sqlite3`"
                .to_owned(),
        ));
    }
    let base = SqliteConnectOptions::from_str(url)
        .map_err(|error| StoreError::Setting(format!("the database address cannot be used: {error}")))?;
    let cache_kib = options.cache_bytes / 1024;
    Ok(base
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(options.busy_timeout)
        .statement_cache_capacity(STATEMENT_CACHE)
        .pragma("cache_size", format!("-{cache_kib}"))
        .pragma("temp_store", "MEMORY")
        // Checkpoints run on a timer, off the path of commits.
        .pragma("wal_autocheckpoint", "0")
        .pragma("trusted_schema", "OFF")
        .disable_statement_logging())
}

/// Makes the file for its owner only. The files beside it inherit its mode.
fn create_private(path: &Path) -> Result<(), StoreError> {
    let mut file = std::fs::OpenOptions::new();
    file.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    match file.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(StoreError::Setting(format!(
            "database file `{}` cannot be made: {error}\nhint: check that its folder exists and can be written",
            path.display()
        ))),
    }
}

/// Opens the writer. Turning a new file to write-ahead logging needs it alone and does not wait by
/// itself, so a process that starts at the same moment makes us try again.
async fn open_first(base: &SqliteConnectOptions, options: &Options) -> Result<SqlitePool, StoreError> {
    let mut left = options.busy_timeout;
    let pause = Duration::from_millis(50);
    loop {
        match pool(options, 1).connect_with(base.clone()).await {
            Err(error) if is_busy(&error) && left > pause => {
                left = left.saturating_sub(pause);
                tokio::time::sleep(pause).await;
            }
            other => return other.doing(OPENING),
        }
    }
}

fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|cause| cause.code());
    code.and_then(|code| code.parse::<i32>().ok()).is_some_and(|code| code & 0xff == 5)
}

fn pool(options: &Options, connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(options.busy_timeout)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_connect(|connection, _| Box::pin(assert_settings(connection)))
}

/// Reads back the settings on which durability rests: a wrong one loses data quietly.
async fn assert_settings(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *connection).await?;
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut *connection).await?;
    let foreign_keys: i64 = sqlx::query_scalar("PRAGMA foreign_keys").fetch_one(&mut *connection).await?;
    let automatic: i64 = sqlx::query_scalar("PRAGMA wal_autocheckpoint").fetch_one(&mut *connection).await?;
    if (mode.as_str(), synchronous, foreign_keys, automatic) == ("wal", 2, 1, 0) {
        return Ok(());
    }
    Err(sqlx::Error::Configuration(
        format!(
            "expected journal mode `wal`, `synchronous` 2, `foreign_keys` 1, `wal_autocheckpoint` 0, \
             found `{mode}`, {synchronous}, {foreign_keys}, {automatic}; a file system without shared \
             memory cannot hold the database"
        )
        .into(),
    ))
}
