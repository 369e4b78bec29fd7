//! Opening a database on a MySQL or MariaDB server.

use std::str::FromStr;

use sqlx::ConnectOptions as _;
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};

use super::{Inner, Options, STATEMENT_CACHE};
use crate::db::Pool;
use crate::error::StoreError;
use crate::together::Queue;

/// Connects to the server.
#[expect(clippy::unused_async, reason = "the server is to be asked about its settings first")]
pub(super) async fn open(url: &str, options: &Options) -> Result<Inner, StoreError> {
    let base = MySqlConnectOptions::from_str(url)
        .map_err(|error| StoreError::Setting(format!("the database address cannot be used: {error}")))?
        .statement_cache_capacity(STATEMENT_CACHE)
        .disable_statement_logging();
    let pool = |connections: u32, isolation: &'static str| {
        let pool = MySqlPoolOptions::new()
            .max_connections(connections.max(1))
            .acquire_timeout(options.busy_timeout)
            .test_before_acquire(false)
            .after_connect(move |connection, _| {
                Box::pin(async move { sqlx::raw_sql(isolation).execute(connection).await.map(drop) })
            });
        Pool::Mysql(pool.connect_lazy_with(base.clone()))
    };
    let writer = pool(options.writers, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED");
    Ok(Inner {
        ingest: pool(1, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"),
        upkeep: writer.clone(),
        writer,
        readers: pool(options.readers, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"),
        wal_limit_bytes: options.wal_limit_bytes,
        queue: Queue::default(),
    })
}
