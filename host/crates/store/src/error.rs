//! What can go wrong, by what the caller can do about it.

use std::error::Error;
use std::sync::Arc;

use sqlx::error::DatabaseError;
use sqlx::mysql::MySqlDatabaseError;
use sqlx::postgres::PgDatabaseError;

use crate::migrate::MigrationError;

/// The error beneath, shared so that one failure can answer every webhook of a batch.
pub(crate) type Cause = Arc<dyn Error + Send + Sync>;

/// Why the store did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// It is there already, or changed in between: the caller chooses another name or reads again.
    #[error("{0}")]
    Conflict(String),
    /// There is no such thing.
    #[error("there is no {0}")]
    NotFound(String),
    /// Another worker has the row by now; nothing was changed.
    #[error("the lease on {0} is lost: another worker has it, or it has ended")]
    LeaseLost(String),
    /// A page was asked for with a cursor that no page has given out.
    #[error("cursor is none that this list has given out\nhint: pass `next` of the page before, unchanged")]
    BadCursor,
    /// The database cannot be used now; the same call may work later.
    #[error("the database is not available: it did not {doing}")]
    Unavailable {
        /// What was to be done.
        doing: &'static str,
        /// What the database said.
        #[source]
        source: Cause,
    },
    /// The database refused what it was given; the same call will be refused again.
    #[error("the database refused to {doing}")]
    Refused {
        /// What was to be done.
        doing: &'static str,
        /// What the database said.
        #[source]
        source: Cause,
    },
    /// What is stored is not what this program writes.
    #[error("stored data cannot be read: {what}\nhint: restore a backup, or run the build that wrote it")]
    Corrupt {
        /// Which column or file, and why.
        what: String,
    },
    /// The address of the database or a setting of it cannot be used.
    #[error("{0}")]
    Setting(String),
    /// The schema cannot be brought up to date.
    #[error(transparent)]
    Migration(#[from] MigrationError),
}

impl StoreError {
    /// Whether the same call may work later.
    pub const fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    /// A word of a small closed set for `error.type`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Conflict(_) => "conflict",
            Self::NotFound(_) => "not_found",
            Self::LeaseLost(_) => "lease_lost",
            Self::BadCursor => "bad_cursor",
            Self::Unavailable { .. } => "unavailable",
            Self::Refused { .. } => "refused",
            Self::Corrupt { .. } => "corrupt",
            Self::Setting(_) => "setting",
            Self::Migration(_) => "migration",
        }
    }

    /// Something stored that cannot be read.
    pub(crate) fn corrupt(column: &str, why: impl std::fmt::Display) -> Self {
        Self::Corrupt { what: format!("column `{column}`: {why}") }
    }

    /// Sorts an error of the driver.
    pub(crate) fn of(doing: &'static str, error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        match &error {
            E::Database(cause) => match sort(&**cause) {
                Sorted::Taken => Self::Conflict(format!("cannot {doing}: {}", cause.message())),
                Sorted::Unavailable => Self::Unavailable { doing, source: Arc::new(error) },
                Sorted::Corrupt => Self::Corrupt { what: format!("{cause}") },
                Sorted::Refused => Self::Refused { doing, source: Arc::new(error) },
            },
            E::ColumnDecode { .. } | E::Decode(_) | E::ColumnNotFound(_) => {
                Self::Corrupt { what: error.to_string() }
            }
            E::Configuration(cause) => Self::Setting(format!("the database cannot be used: {cause}")),
            E::Encode(_) | E::InvalidArgument(_) => Self::Refused { doing, source: Arc::new(error) },
            _ => Self::Unavailable { doing, source: Arc::new(error) },
        }
    }

    /// Whether another host was in the way, so that the same change may work at once: it has written what we
    /// believed to be missing, or it waited for us while we waited for it.
    pub(crate) fn is_contention(&self) -> bool {
        match self {
            Self::Conflict(_) => true,
            Self::Unavailable { source, .. } => {
                let error = source.downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error);
                error.is_some_and(|cause| match cause.try_downcast_ref::<PgDatabaseError>() {
                    Some(cause) => matches!(cause.code(), "40001" | "40P01"),
                    None => cause
                        .try_downcast_ref::<MySqlDatabaseError>()
                        .is_some_and(|cause| matches!(cause.number(), 1020 | 1213)),
                })
            }
            _ => false,
        }
    }
}

/// What an error of a database comes to.
enum Sorted {
    /// Something unique is there already.
    Taken,
    Unavailable,
    Corrupt,
    Refused,
}

fn sort(cause: &dyn DatabaseError) -> Sorted {
    if cause.is_unique_violation() {
        return Sorted::Taken;
    }
    if let Some(cause) = cause.try_downcast_ref::<PgDatabaseError>() {
        return sort_postgres(cause.code());
    }
    if let Some(cause) = cause.try_downcast_ref::<MySqlDatabaseError>() {
        return sort_mysql(cause.number());
    }
    // Extended result codes keep the primary one in their low byte (sqlite.org/rescode.html).
    match cause.code().and_then(|code| code.parse::<i32>().ok()).map(|code| code & 0xff) {
        // abort, busy, locked, nomem, readonly, interrupt, ioerr, full, cantopen, protocol
        Some(4..=10 | 13..=15) => Sorted::Unavailable,
        // corrupt, notadb
        Some(11 | 26) => Sorted::Corrupt,
        _ => Sorted::Refused,
    }
}

/// By the classes and codes of postgresql.org/docs/current/errcodes-appendix.html.
fn sort_postgres(code: &str) -> Sorted {
    match (code.get(..2), code) {
        // data or an index is damaged
        (_, "XX001" | "XX002") => Sorted::Corrupt,
        // connection, resources such as disk and connections, shutting down and timeouts, system
        (Some("08" | "53" | "57" | "58"), _) => Sorted::Unavailable,
        // serialization, deadlock, standby, idle for too long, lock timeout
        (_, "40001" | "40P01" | "25006" | "25P03" | "55P03") => Sorted::Unavailable,
        // Somebody was shut out meanwhile.
        (Some("28"), _) => Sorted::Unavailable,
        _ => Sorted::Refused,
    }
}

/// By the numbers of the server.
const fn sort_mysql(number: u16) -> Sorted {
    match number {
        // too many connections, shutting down, lock timeout, deadlock, disk full, read-only, killed
        1020
        | 1021
        | 1028
        | 1040
        | 1053
        | 1114
        | 1158..=1161
        | 1203
        | 1205
        | 1213
        | 1226
        | 1290
        | 1317
        | 1836
        | 1927
        | 1969
        | 3024 => Sorted::Unavailable,
        // damaged tables
        1034 | 1035 | 1194 | 1195 => Sorted::Corrupt,
        _ => Sorted::Refused,
    }
}

/// Names what was being done when the driver failed.
pub(crate) trait Doing<T> {
    /// Turns the driver's error into ours.
    fn doing(self, what: &'static str) -> Result<T, StoreError>;
}

impl<T> Doing<T> for Result<T, sqlx::Error> {
    fn doing(self, what: &'static str) -> Result<T, StoreError> {
        self.map_err(|error| StoreError::of(what, error))
    }
}
