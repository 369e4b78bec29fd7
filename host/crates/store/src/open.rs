//! Opening a database, with the settings that keep what was acknowledged.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::db::{Connection, Pool, Transaction, query};
use crate::error::{Doing as _, StoreError};
use crate::sql;
use crate::together::Queue;

/// Statements kept prepared per connection: more than the catalogue and the usual lists have.
const STATEMENT_CACHE: usize = 256;

const OPENING: &str = "open its file";

/// How a database is opened.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Connections that read. Writing has one of its own.
    pub readers: u32,
    /// How long to wait for another process that writes, and for a free connection.
    pub busy_timeout: Duration,
    /// Page cache of each connection, in bytes.
    pub cache_bytes: u32,
    /// Size of the write-ahead log beyond which [`Store::checkpoint`] begins it anew, in bytes.
    /// Its file may be larger by what is written in a second, and keeps its size.
    pub wal_limit_bytes: u64,
}

impl Default for Options {
    /// Guesses for two cores: 4 readers, 5 s, 16 MiB per connection, 32 MiB of log.
    fn default() -> Self {
        Self {
            readers: 4,
            busy_timeout: Duration::from_secs(5),
            cache_bytes: 16 << 20,
            wal_limit_bytes: 32 << 20,
        }
    }
}

/// The database. Cheap to clone; all clones share their connections.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    /// One connection: whoever waits for it is the queue of writers of this process.
    pub(crate) writer: Pool,
    pub(crate) readers: Pool,
    /// One connection for checkpoints, off the path of commits.
    pub(crate) upkeep: Pool,
    pub(crate) wal_limit_bytes: u64,
    /// Small writes that wait to be committed together.
    pub(crate) queue: Queue,
}

impl Store {
    /// Opens the database at `url`, such as `sqlite://watchbell.sqlite3`; makes the file, readable by
    /// its owner only, if it is missing. The schema is left as it is: see [`Store::migrate`].
    ///
    /// # Errors
    /// [`StoreError::Setting`] for an address that cannot be used, [`StoreError::Unavailable`] for a
    /// file that cannot be opened, [`StoreError::Corrupt`] for one that is no database.
    pub async fn open(url: &str, options: Options) -> Result<Self, StoreError> {
        let base = connect_options(url, &options)?;
        create_private(base.get_filename())?;
        let writer = open_first(&base, &options).await?;
        let readers = pool(&options, options.readers.max(1))
            .connect_with(base.clone().pragma("query_only", "ON"))
            .await
            .doing(OPENING)?;
        let upkeep = pool(&options, 1).connect_lazy_with(base);
        Ok(Self {
            inner: Arc::new(Inner {
                writer,
                readers,
                upkeep,
                wal_limit_bytes: options.wal_limit_bytes,
                queue: Queue::default(),
            }),
        })
    }

    /// Waits for what is under way and closes all connections.
    pub async fn close(&self) {
        self.inner.readers.close().await;
        self.inner.upkeep.close().await;
        self.inner.writer.close().await;
    }

    /// Asks the database for an answer.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if there is none.
    pub async fn ping(&self) -> Result<(), StoreError> {
        query(sql::read::PING).execute(&self.inner.readers).await.doing("answer")?;
        Ok(())
    }

    /// Begins a transaction that writes. The lock is taken at once, so that nothing read in it can be
    /// changed by another process before the commit.
    pub(crate) async fn begin(&self, doing: &'static str) -> Result<Transaction, StoreError> {
        self.inner.writer.begin_with("BEGIN IMMEDIATE").await.doing(doing)
    }

    /// Begins a transaction that only reads, and sees one state of the database throughout.
    pub(crate) async fn snapshot(&self, doing: &'static str) -> Result<Transaction, StoreError> {
        self.inner.readers.begin().await.doing(doing)
    }
}

fn connect_options(url: &str, options: &Options) -> Result<SqliteConnectOptions, StoreError> {
    // The address may hold a password: it is never shown.
    let Some(rest) = url.strip_prefix("sqlite:") else {
        let scheme: String = url.chars().take_while(char::is_ascii_alphanumeric).take(16).collect();
        return Err(StoreError::Setting(format!(
            "the database address must start with `sqlite:`, found `{scheme}`\n\
             hint: for example `sqlite://watchbell.sqlite3`"
        )));
    };
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
async fn open_first(base: &SqliteConnectOptions, options: &Options) -> Result<Pool, StoreError> {
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
async fn assert_settings(connection: &mut Connection) -> Result<(), sqlx::Error> {
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
