//! Bringing the schema up to date. Migrations only go forward.

use std::sync::Arc;

use domain::crash::{self, Point};
use domain::time::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::db::{Columns as _, Dialect, Transaction, fixed};
use crate::error::{Doing as _, StoreError};
use crate::open::{Store, dialect_of, mysql};

/// One step of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// Counts from 1 without gaps.
    pub number: u32,
    /// What it is about.
    pub name: &'static str,
    /// Its statements, in the words of the database.
    pub sql: &'static str,
}

impl Migration {
    /// All steps for the database at an address, in order, whatever is there.
    ///
    /// # Errors
    /// [`StoreError::Setting`] for an address of no database that is known.
    pub fn all(url: &str) -> Result<&'static [Self], StoreError> {
        dialect_of(url).map(migrations)
    }
}

/// The steps this program knows, in order: the files of a folder of `migrations`.
macro_rules! steps {
    ($folder:literal: $($number:literal $name:literal),+) => {
        &[$(Migration {
            number: $number,
            name: $name,
            sql: include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"), "/../../../migrations/", $folder, "/000", $number, "_", $name, ".sql"
            )),
        }),+]
    };
}

/// Those for a database: the same numbers and names for all.
pub(crate) const fn migrations(dialect: Dialect) -> &'static [Migration] {
    match dialect {
        Dialect::Sqlite => steps!("sqlite": 1 "start"),
        Dialect::Postgres => steps!("postgres": 1 "start"),
        Dialect::Mysql => steps!("mysql": 1 "start"),
    }
}

/// Why the schema cannot be brought up to date.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MigrationError {
    /// A newer program was here.
    #[error(
        "the database is at migration {found:04}, this program knows {known:04}\n\
         hint: run the newer program, or restore a backup from before the upgrade"
    )]
    Newer {
        /// What the database has.
        found: u32,
        /// What this program has.
        known: u32,
    },
    /// The database was migrated by something else.
    #[error(
        "migration {number:04} is recorded with another checksum\n\
         hint: this database was migrated by a different build; restore a backup or use that build"
    )]
    Changed {
        /// Which one.
        number: u32,
    },
    /// One in the middle is missing.
    #[error(
        "migration {number:04} is not recorded, but a later one is\n\
         hint: restore a backup; the record of migrations was changed by hand"
    )]
    Gap {
        /// Which one.
        number: u32,
    },
}

/// The record of migrations; the only table that no migration makes.
const CREATE_RECORD: &str = "CREATE TABLE IF NOT EXISTS schema_migration (
    number     INTEGER NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL,
    checksum   TEXT    NOT NULL,             -- SHA-256 of the file, hexadecimal
    applied_at INTEGER NOT NULL
) STRICT";
const CREATE_RECORD_ON_POSTGRES: &str = "CREATE TABLE IF NOT EXISTS schema_migration (
    number     BIGINT NOT NULL PRIMARY KEY,
    name       TEXT   NOT NULL,
    checksum   TEXT   NOT NULL,
    applied_at BIGINT NOT NULL
)";
const CREATE_RECORD_ON_MYSQL: &str = "CREATE TABLE IF NOT EXISTS schema_migration (
    number     BIGINT       NOT NULL PRIMARY KEY,
    name       VARCHAR(100) NOT NULL,
    checksum   VARCHAR(64)  NOT NULL,
    applied_at BIGINT       NOT NULL
) ENGINE = InnoDB";

/// One process at a time, which may take its time; the number is this program's own.
const ALONE_ON_POSTGRES: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '10min';
    SELECT pg_advisory_xact_lock(6286194736423427436)";

/// The same on MySQL, where the lock belongs to the connection, because what defines something commits by
/// itself. Names of locks are the whole server's and of 64 letters at most.
const ALONE_ON_MYSQL: &str = "SELECT GET_LOCK(CONCAT('watchbell ', SHA1(DATABASE())), 20) AS held";
/// How often that is asked: 10 minutes in all.
const ASKED_ON_MYSQL: usize = 30;

const NO_LONGER_ALONE_ON_MYSQL: &str = "DO RELEASE_LOCK(CONCAT('watchbell ', SHA1(DATABASE())))";

const READ_RECORD: &str = "SELECT number, checksum FROM schema_migration ORDER BY number";
/// Whether it is there.
const fn record_exists(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => {
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migration'"
        }
        Dialect::Postgres => {
            "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'schema_migration'"
        }
        Dialect::Mysql => {
            "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() \
             AND table_name = 'schema_migration'"
        }
    }
}
const WRITE_RECORD: &str =
    "INSERT INTO schema_migration (number, name, checksum, applied_at) VALUES ($1, $2, $3, $4)";

const DOING: &str = "bring the schema up to date";

impl Store {
    /// Applies the migrations that are missing, each in its own transaction, and returns them. Two
    /// processes may do so at once: one waits for the other.
    ///
    /// # Errors
    /// [`StoreError::Migration`] if another build was here; nothing is changed then.
    pub async fn migrate(&self, now: Timestamp) -> Result<Vec<Migration>, StoreError> {
        let mut applied = Vec::new();
        loop {
            // Read again inside the transaction: another process may have been faster.
            let mut tx = self.begin(DOING).await?;
            be_alone(&mut tx).await?;
            let next = apply_next(&mut tx, now).await;
            if tx.dialect() == Dialect::Mysql {
                // What it did is committed but for the record, and nobody reads that as long as it is locked.
                let commit = tx.run("COMMIT").await.doing(DOING);
                tx.run(NO_LONGER_ALONE_ON_MYSQL).await.doing(DOING)?;
                tx.run(mysql::IMPATIENT).await.doing(DOING)?;
                commit?;
            }
            let Some(next) = next? else { return Ok(applied) };
            tx.commit().await.doing(DOING)?;
            crash::pass(Point::MigrateAfterCommit);
            tracing::info!("applied migration {:04} `{}`", next.number, next.name);
            applied.push(*next);
        }
    }

    /// The migrations that [`Store::migrate`] would apply.
    ///
    /// # Errors
    /// [`StoreError::Migration`] if another build was here.
    pub async fn pending_migrations(&self) -> Result<Vec<Migration>, StoreError> {
        let mut tx = self.snapshot("read the record of migrations").await?;
        Ok(missing(&mut tx).await?.to_vec())
    }
}

/// Waits until no other process migrates this database.
async fn be_alone(tx: &mut Transaction) -> Result<(), StoreError> {
    match tx.dialect() {
        // One writer there is anyway.
        Dialect::Sqlite => Ok(()),
        Dialect::Postgres => tx.run(ALONE_ON_POSTGRES).await.doing(DOING),
        Dialect::Mysql => {
            tx.run(mysql::PATIENT).await.doing(DOING)?;
            for _ in 0..ASKED_ON_MYSQL {
                let lock = fixed(ALONE_ON_MYSQL).fetch_one(&mut **tx).await.doing(DOING)?;
                if lock.opt_int("held")? == Some(1) {
                    return Ok(());
                }
            }
            let source = std::io::Error::other("another process is at it for more than 10 minutes");
            Err(StoreError::Unavailable { doing: DOING, source: Arc::new(source) })
        }
    }
}

/// Applies the first migration that is missing, if there is one.
async fn apply_next(tx: &mut Transaction, now: Timestamp) -> Result<Option<&'static Migration>, StoreError> {
    let Some(next) = missing(tx).await?.first() else { return Ok(None) };
    let record = match tx.dialect() {
        Dialect::Sqlite => CREATE_RECORD,
        Dialect::Postgres => CREATE_RECORD_ON_POSTGRES,
        Dialect::Mysql => CREATE_RECORD_ON_MYSQL,
    };
    tx.run(record).await.doing(DOING)?;
    tx.run(next.sql).await.doing(DOING)?;
    fixed(WRITE_RECORD)
        .bind(i64::from(next.number))
        .bind(next.name)
        .bind(checksum(next.sql))
        .bind(now.as_micros())
        .execute(&mut **tx)
        .await
        .doing(DOING)?;
    crash::pass(Point::MigrateBeforeCommit);
    Ok(Some(next))
}

async fn missing(tx: &mut Transaction) -> Result<&'static [Migration], StoreError> {
    let all = migrations(tx.dialect());
    let exists = fixed(record_exists(tx.dialect())).fetch_optional(&mut **tx).await.doing(DOING)?;
    if exists.is_none() {
        return Ok(all);
    }
    let rows = fixed(READ_RECORD).fetch_all(&mut **tx).await.doing(DOING)?;
    let known = u32::try_from(all.len()).unwrap_or(u32::MAX);
    let mut left = all;
    for row in &rows {
        let found: u32 = row.int("number")?;
        let Some((expected, rest)) = left.split_first() else {
            return Err(MigrationError::Newer { found, known }.into());
        };
        if found != expected.number {
            return Err(MigrationError::Gap { number: expected.number }.into());
        }
        if row.text("checksum")? != checksum(expected.sql) {
            return Err(MigrationError::Changed { number: found }.into());
        }
        left = rest;
    }
    Ok(left)
}

fn checksum(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::open::Options;

    #[tokio::test]
    async fn what_another_build_recorded_is_refused() {
        let cases = [
            (
                "INSERT INTO schema_migration VALUES (2, 'later', 'x', 0)",
                MigrationError::Newer { found: 2, known: 1 },
            ),
            ("UPDATE schema_migration SET checksum = 'other'", MigrationError::Changed { number: 1 }),
            ("UPDATE schema_migration SET number = 2", MigrationError::Gap { number: 1 }),
        ];
        for (change, expected) in cases {
            let folder = tempfile::tempdir().unwrap();
            let url = format!("sqlite://{}", folder.path().join("t.sqlite3").display());
            let store = Store::open(&url, Options::default()).await.unwrap();
            store.migrate(Timestamp::default()).await.unwrap();
            fixed(change).execute(&store.inner.writer).await.unwrap();
            for found in [store.migrate(Timestamp::default()).await, store.pending_migrations().await] {
                let error = found.unwrap_err();
                assert!(matches!(&error, StoreError::Migration(found) if *found == expected), "{error}");
                assert!(error.to_string().contains("\nhint: "), "{error}");
            }
        }
    }

    #[test]
    fn every_file_of_the_folders_is_a_migration() {
        for (dialect, folder) in
            [(Dialect::Sqlite, "sqlite"), (Dialect::Postgres, "postgres"), (Dialect::Mysql, "mysql")]
        {
            let folder = format!("{}/../../../migrations/{folder}", env!("CARGO_MANIFEST_DIR"));
            let mut files: Vec<String> = std::fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            files.sort();
            let known: Vec<String> = migrations(dialect)
                .iter()
                .map(|step| format!("{:04}_{}.sql", step.number, step.name))
                .collect();
            assert_eq!(files, known);
            let numbers: Vec<u32> = migrations(dialect).iter().map(|step| step.number).collect();
            assert_eq!(numbers, (1..=numbers.len() as u32).collect::<Vec<_>>());
        }
    }
}
