//! Opening a database, with the settings that keep what was acknowledged.

pub(crate) mod mysql;
mod postgres;
mod sqlite;

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;
use std::time::Duration;

use crate::db::{Dialect, Pool, Transaction, query};
use crate::error::{Doing as _, StoreError};
use crate::sql;
use crate::together::Queue;

/// Statements kept prepared per connection: more than the catalogue and the usual lists have.
const STATEMENT_CACHE: usize = 256;

/// How long who asks whether the database is there waits for it.
const PING_WITHIN: Duration = Duration::from_secs(5);

/// How a database is opened.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Connections that read. Writing to a file has one of its own.
    pub readers: u32,
    /// Connections to a server that write, beside the one for webhooks.
    pub writers: u32,
    /// How long to wait for others that write, for a free connection, and for a server that is away.
    pub busy_timeout: Duration,
    /// Page cache of each connection to a file, in bytes.
    pub cache_bytes: u32,
    /// Size of the write-ahead log of a file beyond which [`Store::checkpoint`] begins it anew, in bytes.
    /// Its file may be larger by what is written in a second, and keeps its size.
    pub wal_limit_bytes: u64,
}

impl Default for Options {
    /// Guesses for two cores: 4 readers, 4 writers, 5 s, 16 MiB per connection, 32 MiB of log.
    fn default() -> Self {
        Self {
            readers: 4,
            writers: 4,
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
    /// For webhooks. On a server of its own, so that they never wait for a connection behind workers; in a
    /// file the writer.
    pub(crate) ingest: Pool,
    /// In a file one connection: whoever waits for it is the queue of writers of this process.
    pub(crate) writer: Pool,
    pub(crate) readers: Pool,
    /// For checkpoints of a file: one connection off the path of commits.
    pub(crate) upkeep: Pool,
    pub(crate) wal_limit_bytes: u64,
    /// Small writes that wait to be committed together.
    pub(crate) queue: Queue,
}

impl Store {
    /// Opens the database at `url`: a file such as `sqlite://watchbell.sqlite3`, which is made, readable by
    /// its owner only, if it is missing; or a server such as `postgres://user:password@host/watchbell` or
    /// `mysql://...`. The schema is left as it is: see [`Store::migrate`].
    ///
    /// # Errors
    /// [`StoreError::Setting`] for an address that cannot be used and for a server that does not let us in or
    /// that might lose what it was given, [`StoreError::Unavailable`] for a file that cannot be opened and a
    /// server that does not answer, [`StoreError::Corrupt`] for a file that is no database.
    pub async fn open(url: &str, options: Options) -> Result<Self, StoreError> {
        // The address may hold a password: it is never shown.
        let inner = match dialect_of(url)? {
            Dialect::Sqlite => sqlite::open(url, &options).await,
            Dialect::Postgres => postgres::open(url, &options).await,
            Dialect::Mysql => mysql::open(url, &options).await,
        };
        Ok(Self { inner: Arc::new(inner?) })
    }

    /// Waits for what is under way and closes all connections.
    pub async fn close(&self) {
        self.inner.readers.close().await;
        self.inner.upkeep.close().await;
        self.inner.ingest.close().await;
        self.inner.writer.close().await;
    }

    /// Asks the database for an answer.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if there is none.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let answer = query(sql::read::PING).execute(&self.inner.readers);
        let answer = tokio::time::timeout(PING_WITHIN, answer).await;
        answer.unwrap_or(Err(sqlx::Error::PoolTimedOut)).doing("answer").map(drop)
    }

    /// How the database is spoken to.
    pub(crate) fn dialect(&self) -> Dialect {
        self.inner.writer.dialect()
    }

    /// Begins a transaction that writes. In a file the lock is taken at once, so that nothing read in it can
    /// be changed by another process before the commit. On a server it locks rows as it reads them.
    pub(crate) async fn begin(&self, doing: &'static str) -> Result<Transaction, StoreError> {
        begin_on(&self.inner.writer).await.doing(doing)
    }

    /// The same for webhooks.
    pub(crate) async fn begin_ingest(&self, doing: &'static str) -> Result<Transaction, StoreError> {
        begin_on(&self.inner.ingest).await.doing(doing)
    }

    /// Begins a transaction that only reads, and sees one state of the database throughout.
    pub(crate) async fn snapshot(&self, doing: &'static str) -> Result<Transaction, StoreError> {
        let begin = match self.dialect() {
            Dialect::Sqlite => "BEGIN",
            Dialect::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            // Readers are connected with REPEATABLE READ.
            Dialect::Mysql => "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
        };
        self.inner.readers.begin_with(begin).await.doing(doing)
    }
}

async fn begin_on(pool: &Pool) -> Result<Transaction, sqlx::Error> {
    match pool.dialect() {
        Dialect::Sqlite => pool.begin_with("BEGIN IMMEDIATE").await,
        Dialect::Postgres | Dialect::Mysql => pool.begin_with("BEGIN").await,
    }
}

/// Which kind of database an address names.
pub(crate) fn dialect_of(url: &str) -> Result<Dialect, StoreError> {
    match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("sqlite") => Ok(Dialect::Sqlite),
        Some("postgres" | "postgresql") => Ok(Dialect::Postgres),
        Some("mysql" | "mariadb") => Ok(Dialect::Mysql),
        _ => Err(unknown_scheme(url)),
    }
}

fn unknown_scheme(url: &str) -> StoreError {
    let scheme: String = url.chars().take_while(char::is_ascii_alphanumeric).take(16).collect();
    StoreError::Setting(format!(
        "the database address must start with `sqlite:`, `postgres:` or `mysql:`, found `{scheme}`\n\
         hint: for example `sqlite://watchbell.sqlite3`"
    ))
}

/// A server that does not answer.
#[derive(Debug)]
struct Away {
    server: &'static str,
    at: String,
    error: String,
}

impl Display for Away {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} at `{}`: {}\nhint: check `DATABASE_URL` and that the server is running",
            self.server, self.at, self.error
        )
    }
}

impl Error for Away {}
