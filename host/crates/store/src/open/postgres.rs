//! Opening a database on a PostgreSQL server.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

use super::{Away, Inner, Options, STATEMENT_CACHE};
use crate::db::Pool;
use crate::error::StoreError;
use crate::together::Queue;

/// The oldest release that is spoken to, as `server_version_num` counts.
const OLDEST: i32 = 140_000;
/// After how much idleness a connection is tested before it is used: a server that was restarted in the
/// meantime has closed it.
const TESTED_AFTER: Duration = Duration::from_secs(1);
/// How long a connection is used: others may take its place after the address has moved.
const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// How long a connection is waited for that is tested.
const TEST_TIMEOUT: Duration = Duration::from_secs(2);
/// Connections for webhooks: one that is in use, and the one before it, which is being tested.
const INGESTING: u32 = 2;

/// How a connection is set up. What is asked for longer than this is not for us.
const SETTINGS: &str = "SET default_transaction_isolation = 'read committed';
    SET timezone = 'UTC';
    SET statement_timeout = '30s';
    SET lock_timeout = '5s';
    SET idle_in_transaction_session_timeout = '30s';
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

/// What a server must be like.
const ASSERTED: &str = "SELECT current_setting('server_version_num')::int4 AS version,
    current_setting('server_version') AS version_text,
    current_setting('synchronous_commit') AS synchronous_commit,
    current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
    current_setting('default_transaction_isolation') AS isolation,
    pg_is_in_recovery() AS standby";

/// Connects to the server, and makes sure that it is one that keeps what it is given.
pub(super) async fn open(url: &str, options: &Options) -> Result<Inner, StoreError> {
    let base = PgConnectOptions::from_str(url)
        .map_err(|error| StoreError::Setting(format!("the database address cannot be used: {error}")))?
        .application_name("watchbell")
        .statement_cache_capacity(STATEMENT_CACHE)
        .disable_statement_logging();
    // Pools try again and again, and lose the reason.
    let first = tokio::time::timeout(options.busy_timeout, async {
        let mut connection = PgConnection::connect_with(&base).await?;
        set_up(&mut connection).await?;
        connection.close().await
    });
    let first = first.await.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut));
    first.map_err(|error| why(&base, options, error))?;

    let pool = |connections: u32| {
        let pool = PgPoolOptions::new()
            .max_connections(connections.max(1))
            .acquire_timeout(options.busy_timeout)
            .max_lifetime(LIFETIME)
            .test_before_acquire(false)
            .after_connect(|connection, _| Box::pin(set_up(connection)))
            .before_acquire(|connection, meta| {
                Box::pin(async move { Ok(meta.idle_for < TESTED_AFTER || answers(connection).await) })
            })
            .after_release(|connection, _| {
                Box::pin(async move {
                    // With an error it is not bidden farewell, which would wait for an answer, too.
                    if answers(connection).await { Ok(true) } else { Err(sqlx::Error::WorkerCrashed) }
                })
            });
        Pool::Postgres(pool.connect_lazy_with(base.clone()))
    };
    let writer = pool(options.writers);
    Ok(Inner {
        ingest: pool(INGESTING),
        upkeep: writer.clone(),
        writer,
        readers: pool(options.readers),
        wal_limit_bytes: options.wal_limit_bytes,
        queue: Queue::default(),
    })
}

/// Whether a connection is good for more.
async fn answers(connection: &mut PgConnection) -> bool {
    matches!(tokio::time::timeout(TEST_TIMEOUT, connection.ping()).await, Ok(Ok(())))
}

/// Sets a connection up, and reads back what durability rests on: a wrong setting loses data quietly.
async fn set_up(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(SETTINGS).execute(&mut *connection).await?;
    let row = sqlx::query(ASSERTED).fetch_one(&mut *connection).await?;
    let version: i32 = row.try_get("version")?;
    if version < OLDEST {
        let found: String = row.try_get("version_text")?;
        return Err(sqlx::Error::Configuration(
            format!("PostgreSQL 14 or newer is needed, the server is {found}").into(),
        ));
    }
    if row.try_get("standby")? {
        let standby = "the server is a standby, which cannot be written to";
        return Err(sqlx::Error::Io(std::io::Error::other(standby)));
    }
    for (setting, expected) in [("fsync", "on"), ("full_page_writes", "on"), ("isolation", "read committed")]
    {
        let found: String = row.try_get(setting)?;
        if found != expected {
            return Err(sqlx::Error::Configuration(
                format!("the server must have `{setting}` = `{expected}`, found `{found}`: it may lose what it was given").into(),
            ));
        }
    }
    let synchronous: String = row.try_get("synchronous_commit")?;
    if synchronous == "off" {
        return Err(sqlx::Error::Configuration(
            "the server must not have `synchronous_commit` = `off`: it may lose what it was given".into(),
        ));
    }
    Ok(())
}

/// Why the first connection failed, without the password.
fn why(base: &PgConnectOptions, options: &Options, error: sqlx::Error) -> StoreError {
    let at = match base.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", base.get_host(), base.get_port()),
    };
    let user = base.get_username();
    let database = base.get_database().unwrap_or(user);
    let code = error.as_database_error().and_then(|cause| cause.code()).unwrap_or_default();
    let (what, hint) = match code.as_ref() {
        "28P01" | "28000" => (
            format!("the server at `{at}` does not let `{user}` in"),
            "check the name, the password and `pg_hba.conf`",
        ),
        "3D000" => (
            format!("the server at `{at}` has no database `{database}`"),
            "make it with `CREATE DATABASE`, owned by the user of the address",
        ),
        "42501" => (
            format!("`{user}` is not permitted to use database `{database}` at `{at}`"),
            "grant CONNECT on the database, and CREATE and USAGE on its schema",
        ),
        _ => {
            if let sqlx::Error::Configuration(cause) = &error {
                return StoreError::Setting(format!(
                    "database `{database}` at `{at}` cannot be used: {cause}"
                ));
            }
            let error = match error {
                sqlx::Error::PoolTimedOut => format!("no answer within {} s", options.busy_timeout.as_secs()),
                other => other.to_string(),
            };
            return StoreError::Unavailable {
                doing: "accept a connection",
                source: Arc::new(Away { server: "PostgreSQL", at, error }),
            };
        }
    };
    StoreError::Setting(format!("{what}: {error}\nhint: {hint}"))
}
