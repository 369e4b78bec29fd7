//! Where to store.

use super::{Problems, Source, Variable};

pub(super) const VARIABLES: &[Variable] = &[Variable {
    name: "DATABASE_URL",
    default: "sqlite://watchbell.sqlite3",
    meaning: "Where to store. A SQLite file, in the working directory unless the path begins with a slash; or a\n\
              database on a server: `postgres://user:password@host/watchbell` (PostgreSQL 14 or newer) or\n\
              `mysql://user:password@host/watchbell` (MariaDB 10.11, MySQL 8.0 or newer). An address with a\n\
              password can be kept apart: `file:/run/secrets/database_url`.",
}];

/// Where to store.
#[derive(Debug, Clone)]
pub struct DatabaseSettings {
    /// The address; may hold a password, so it is never logged.
    pub url: String,
}

impl DatabaseSettings {
    pub(super) fn read(source: &Source, problems: &mut Problems) -> Self {
        let url = source.secret("DATABASE_URL", problems);
        Self { url: url.map_or_else(|| "sqlite://watchbell.sqlite3".to_owned(), |url| url.expose().clone()) }
    }
}
