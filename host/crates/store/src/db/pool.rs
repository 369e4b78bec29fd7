//! Connections and transactions, whatever the database.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use sqlx::{Executor as _, MySql, Postgres, SqlSafeStr, Sqlite};

use super::Dialect;

/// How long a server is waited for: longer than it lets a statement take. A line that was cut says nothing.
const PATIENCE: Duration = Duration::from_secs(40);

/// Gives up on a server that does not answer.
pub(super) async fn in_time<T>(
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let late =
        || sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "the server does not answer"));
    tokio::time::timeout(PATIENCE, answer).await.unwrap_or_else(|_| Err(late()))
}

/// Connections to a database. Cheap to clone; clones share them.
#[derive(Debug, Clone)]
pub(crate) enum Pool {
    Sqlite(sqlx::Pool<Sqlite>),
    Postgres(sqlx::Pool<Postgres>),
    Mysql(sqlx::Pool<MySql>),
}

impl Pool {
    /// How it is spoken to.
    pub(crate) const fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
            Self::Mysql(_) => Dialect::Mysql,
        }
    }

    /// Begins a transaction with a statement of the database's own.
    pub(crate) async fn begin_with(&self, statement: impl SqlSafeStr) -> Result<Transaction, sqlx::Error> {
        Ok(Transaction(match self {
            Self::Sqlite(pool) => Connection::Sqlite(pool.begin_with(statement).await?),
            Self::Postgres(pool) => Connection::Postgres(in_time(pool.begin_with(statement)).await?),
            Self::Mysql(pool) => Connection::Mysql(in_time(pool.begin_with(statement)).await?),
        }))
    }

    /// Waits for what is under way and closes all of them.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
            Self::Mysql(pool) => pool.close().await,
        }
    }
}

/// A connection inside a transaction.
#[derive(Debug)]
pub(crate) enum Connection {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(sqlx::Transaction<'static, Postgres>),
    Mysql(sqlx::Transaction<'static, MySql>),
}

impl Connection {
    /// How it is spoken to.
    pub(crate) const fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
            Self::Mysql(_) => Dialect::Mysql,
        }
    }

    /// Sends text as it is: statements without parameters, one or several.
    pub(crate) async fn run(&mut self, text: impl SqlSafeStr) -> Result<(), sqlx::Error> {
        let text = sqlx::raw_sql(text);
        match self {
            Self::Sqlite(tx) => tx.execute(text).await.map(drop),
            Self::Postgres(tx) => tx.execute(text).await.map(drop),
            Self::Mysql(tx) => tx.execute(text).await.map(drop),
        }
    }

    /// Marks where [`Connection::undo`] goes back to. One mark at a time.
    pub(crate) async fn savepoint(&mut self) -> Result<(), sqlx::Error> {
        self.run("SAVEPOINT change").await
    }

    /// Keeps what was done since the mark.
    pub(crate) async fn keep(&mut self) -> Result<(), sqlx::Error> {
        self.run("RELEASE SAVEPOINT change").await
    }

    /// Undoes what was done since the mark.
    pub(crate) async fn undo(&mut self) -> Result<(), sqlx::Error> {
        self.run("ROLLBACK TO SAVEPOINT change").await
    }
}

/// A transaction; rolled back where it is dropped.
#[derive(Debug)]
pub(crate) struct Transaction(Connection);

impl Transaction {
    /// Makes what was done in it permanent.
    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
        match self.0 {
            Connection::Sqlite(tx) => tx.commit().await,
            Connection::Postgres(tx) => in_time(tx.commit()).await,
            Connection::Mysql(tx) => in_time(tx.commit()).await,
        }
    }

    /// Undoes what was done in it.
    pub(crate) async fn rollback(self) -> Result<(), sqlx::Error> {
        match self.0 {
            Connection::Sqlite(tx) => tx.rollback().await,
            Connection::Postgres(tx) => in_time(tx.rollback()).await,
            Connection::Mysql(tx) => in_time(tx.rollback()).await,
        }
    }
}

impl Deref for Transaction {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.0
    }
}
