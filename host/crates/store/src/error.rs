//! What can go wrong, by what the caller can do about it.

use std::error::Error;
use std::sync::Arc;

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
            E::Database(cause) => {
                if cause.is_unique_violation() {
                    return Self::Conflict(format!("cannot {doing}: {}", cause.message()));
                }
                // Extended result codes keep the primary one in their low byte (sqlite.org/rescode.html).
                let code = cause.code().and_then(|code| code.parse::<i32>().ok()).map(|code| code & 0xff);
                match code {
                    // abort, busy, locked, nomem, readonly, interrupt, ioerr, full, cantopen, protocol
                    Some(4..=10 | 13..=15) => Self::Unavailable { doing, source: Arc::new(error) },
                    // corrupt, notadb
                    Some(11 | 26) => Self::Corrupt { what: format!("{cause}") },
                    _ => Self::Refused { doing, source: Arc::new(error) },
                }
            }
            E::ColumnDecode { .. } | E::Decode(_) | E::ColumnNotFound(_) => {
                Self::Corrupt { what: error.to_string() }
            }
            E::Configuration(cause) => Self::Setting(format!("the database cannot be used: {cause}")),
            E::Encode(_) | E::InvalidArgument(_) => Self::Refused { doing, source: Arc::new(error) },
            _ => Self::Unavailable { doing, source: Arc::new(error) },
        }
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
