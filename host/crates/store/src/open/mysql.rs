//! Opening a database on a MariaDB or MySQL server.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlDatabaseError, MySqlPoolOptions, MySqlRow};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

use super::{Away, Inner, Options, STATEMENT_CACHE};
use crate::db::Pool;
use crate::error::StoreError;
use crate::together::Queue;

/// The oldest releases that are spoken to: 10.6 brought `SKIP LOCKED` and `JSON_TABLE` to MariaDB, 10.11 is the
/// oldest that is still looked after.
const OLDEST_MARIADB: (u32, u32) = (10, 11);
const OLDEST_MYSQL: (u32, u32) = (8, 0);
/// The largest statement that the server must take, in bytes: a request at the largest limit of bodies, which
/// does not shrink, with what is read from it. What both servers have unless they are told otherwise.
const SMALLEST_PACKET: u64 = 16 << 20;
/// After how much idleness a connection is tested before it is used: a server that was restarted in the
/// meantime has closed it.
const TESTED_AFTER: Duration = Duration::from_secs(1);
/// How long a connection is used: others may take its place after the address has moved.
const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// How long a connection is waited for that is tested.
const TEST_TIMEOUT: Duration = Duration::from_secs(2);
/// Connections for webhooks: one that is in use, and the one before it, which is being tested.
const INGESTING: u32 = 2;

/// How a connection is set up. What is asked for longer than this is not for us, and who went away in the middle
/// gives up its locks. Each server has a name of its own for that, and reads the comment that is written for it.
const SETTINGS: &str = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION',
    time_zone = '+00:00', innodb_lock_wait_timeout = 5, foreign_key_checks = 1, unique_checks = 1, autocommit = 1
    /*M! , max_statement_time = 30, idle_transaction_timeout = 30 */
    /*!80000 , max_execution_time = 30000, wait_timeout = 60 */";

/// Lets a connection take its time, and no longer: migrations of large tables do.
pub(crate) const PATIENT: &str =
    "SET SESSION unique_checks = 1 /*M! , max_statement_time = 0 */ /*!80000 , max_execution_time = 0 */";
pub(crate) const IMPATIENT: &str = "SET SESSION unique_checks = 1 /*M! , max_statement_time = 30 */ /*!80000 , max_execution_time = 30000 */";

/// How writers see what others do, and readers.
const WRITING: &str = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";
const READING: &str = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ";

/// What a server must be like. Numbers, because either server spells booleans in its own way.
const ASSERTED: &str = "SELECT VERSION() AS version, @@character_set_client AS letters,
    CAST(@@innodb_flush_log_at_trx_commit AS SIGNED) AS flushed, CAST(@@innodb_doublewrite <> 'OFF'
        AND @@innodb_doublewrite <> '0' AS SIGNED) AS doublewrite,
    CAST(@@log_bin AS SIGNED) AS binlog, CAST(@@sync_binlog AS SIGNED) AS binlog_synced,
    CAST(@@max_allowed_packet AS SIGNED) AS packet, CAST(@@GLOBAL.read_only AS SIGNED) AS read_only";

/// Connects to the server, and makes sure that it is one that keeps what it is given.
pub(super) async fn open(url: &str, options: &Options) -> Result<Inner, StoreError> {
    // The driver knows it by the one name only.
    let url = url.replacen("mariadb:", "mysql:", 1);
    let base = MySqlConnectOptions::from_str(&url)
        .map_err(|error| StoreError::Setting(format!("the database address cannot be used: {error}")))?
        .charset("utf8mb4")
        .statement_cache_capacity(STATEMENT_CACHE)
        .disable_statement_logging();
    if base.get_database().is_none() {
        return Err(StoreError::Setting(
            "the database address names no database\nhint: for example `mysql://user:password@host/watchbell`".to_owned(),
        ));
    }
    // Pools try again and again, and lose the reason.
    let first = tokio::time::timeout(options.busy_timeout, async {
        let mut connection = MySqlConnection::connect_with(&base).await?;
        set_up(&mut connection, WRITING).await?;
        connection.close().await
    });
    let first = first.await.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut));
    first.map_err(|error| why(&base, options, error))?;

    let pool = |connections: u32, isolation: &'static str| {
        let pool = MySqlPoolOptions::new()
            .max_connections(connections.max(1))
            .acquire_timeout(options.busy_timeout)
            .max_lifetime(LIFETIME)
            .test_before_acquire(false)
            .after_connect(move |connection, _| Box::pin(set_up(connection, isolation)))
            .before_acquire(|connection, meta| {
                Box::pin(async move { Ok(meta.idle_for < TESTED_AFTER || answers(connection).await) })
            })
            .after_release(|connection, _| {
                Box::pin(async move {
                    // With an error it is not bidden farewell, which would wait for an answer, too.
                    if answers(connection).await { Ok(true) } else { Err(sqlx::Error::WorkerCrashed) }
                })
            });
        Pool::Mysql(pool.connect_lazy_with(base.clone()))
    };
    let writer = pool(options.writers, WRITING);
    Ok(Inner {
        ingest: pool(INGESTING, WRITING),
        upkeep: writer.clone(),
        writer,
        readers: pool(options.readers, READING),
        wal_limit_bytes: options.wal_limit_bytes,
        queue: Queue::default(),
    })
}

/// Whether a connection is good for more.
async fn answers(connection: &mut MySqlConnection) -> bool {
    matches!(tokio::time::timeout(TEST_TIMEOUT, connection.ping()).await, Ok(Ok(())))
}

/// Sets a connection up, and reads back what durability rests on: a wrong setting loses data quietly.
async fn set_up(connection: &mut MySqlConnection, isolation: &'static str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(SETTINGS).execute(&mut *connection).await?;
    sqlx::raw_sql(isolation).execute(&mut *connection).await?;
    let row = sqlx::query(ASSERTED).fetch_one(&mut *connection).await?;
    if row.try_get::<i64, _>("read_only")? != 0 {
        let replica = "the server is read-only, as a replica is";
        return Err(sqlx::Error::Io(std::io::Error::other(replica)));
    }
    match unsuitable(&row)? {
        Some(problem) => Err(sqlx::Error::Configuration(problem.into())),
        None => Ok(()),
    }
}

/// What is wrong with a server, with what to do about it.
fn unsuitable(row: &MySqlRow) -> Result<Option<String>, sqlx::Error> {
    let version: String = row.try_get("version")?;
    if !is_new_enough(&version) {
        return Ok(Some(format!("MariaDB 10.11 or MySQL 8.0 or newer is needed, the server is {version}")));
    }
    let number = |column: &str| row.try_get::<i64, _>(column);
    let loses = |setting: &str, expected: &str, found: i64| {
        Some(format!(
            "the server must have `{setting}` = `{expected}`, found `{found}`: it may lose what it was given\n\
             hint: set it in the server's configuration and start it again"
        ))
    };
    let (flushed, binlog_synced) = (number("flushed")?, number("binlog_synced")?);
    // 3 is MariaDB's word for more than 1.
    if !matches!(flushed, 1 | 3) {
        return Ok(loses("innodb_flush_log_at_trx_commit", "1", flushed));
    }
    // With a binary log it is what decides after a crash which commits there were.
    if number("binlog")? != 0 && binlog_synced != 1 {
        return Ok(loses("sync_binlog", "1", binlog_synced));
    }
    if number("doublewrite")? == 0 {
        return Ok(loses("innodb_doublewrite", "ON", 0));
    }
    let packet: i64 = number("packet")?;
    if u64::try_from(packet).unwrap_or(0) < SMALLEST_PACKET {
        return Ok(Some(format!(
            "the server must have `max_allowed_packet` of at least {SMALLEST_PACKET} bytes, found {packet}: larger \
             requests could not be stored\nhint: `SET GLOBAL max_allowed_packet = {SMALLEST_PACKET}`, and the same in \
             the server's configuration"
        )));
    }
    let letters: String = row.try_get("letters")?;
    if letters != "utf8mb4" {
        return Ok(Some(format!("the connection must have the character set `utf8mb4`, found `{letters}`")));
    }
    Ok(None)
}

/// By what a server calls itself: `10.11.19-MariaDB-0+deb12u1`, `8.0.36`. Older MariaDB puts `5.5.5-` before it.
fn is_new_enough(version: &str) -> bool {
    let is_mariadb = version.contains("MariaDB");
    let text = version.strip_prefix("5.5.5-").filter(|_| is_mariadb).unwrap_or(version);
    let mut numbers =
        text.split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse::<u32>().ok());
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    found >= if is_mariadb { OLDEST_MARIADB } else { OLDEST_MYSQL }
}

/// Why the first connection failed, without the password.
fn why(base: &MySqlConnectOptions, options: &Options, error: sqlx::Error) -> StoreError {
    let at = match base.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", base.get_host(), base.get_port()),
    };
    let user = base.get_username();
    let database = base.get_database().unwrap_or_default();
    let cause = error.as_database_error().and_then(|cause| cause.try_downcast_ref::<MySqlDatabaseError>());
    let (what, hint) = match cause.map(MySqlDatabaseError::number) {
        Some(1045 | 1130 | 1698 | 1862 | 4151) => (
            format!("the server at `{at}` does not let `{user}` in"),
            "check the name, the password, and from where the user may connect",
        ),
        Some(1049) => (
            format!("the server at `{at}` has no database `{database}`"),
            "make it with `CREATE DATABASE`, and grant the user of the address all on it",
        ),
        Some(1044 | 1142 | 1227) => (
            format!("`{user}` is not permitted to use database `{database}` at `{at}`"),
            "grant the user of the address all on the database",
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
                source: Arc::new(Away { server: "MySQL", at, error }),
            };
        }
    };
    StoreError::Setting(format!("{what}: {error}\nhint: {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_that_are_too_old_are_told_by_what_they_call_themselves() {
        for version in
            ["10.11.19-MariaDB-0+deb12u1", "5.5.5-10.11.2-MariaDB", "11.4.2-MariaDB", "8.0.36", "9.1.0"]
        {
            assert!(is_new_enough(version), "{version}");
        }
        for version in ["10.6.12-MariaDB", "5.5.5-10.3.1-MariaDB-log", "5.7.44-log", "odd", ""] {
            assert!(!is_new_enough(version), "{version}");
        }
    }
}
