//! Where to store.

use super::{Source, Variable};

pub(super) const VARIABLES: &[Variable] = &[Variable {
    name: "DATABASE_URL",
    default: "sqlite://watchbell.sqlite3",
    meaning: "Where to store. A SQLite file, in the working directory unless the path begins with a slash.",
}];

/// Where to store.
#[derive(Debug, Clone)]
pub struct DatabaseSettings {
    /// The address; may hold a password, so it is never logged.
    pub url: String,
}

impl DatabaseSettings {
    pub(super) fn read(source: &Source) -> Self {
        Self { url: source.text("DATABASE_URL").unwrap_or("sqlite://watchbell.sqlite3").to_owned() }
    }
}
