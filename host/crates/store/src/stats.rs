//! Figures about the database for `watchbell db stats`.

use serde::Serialize;

use crate::db::{Columns as _, fixed, query};
use crate::error::{Doing as _, StoreError};
use crate::open::Store;
use crate::sql;

/// How large the database is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Size of the database, in bytes.
    pub size_bytes: u64,
    /// How much of it is free for new rows, in bytes; 0 where the database does not say.
    pub free_bytes: u64,
    /// Rows by table, in alphabetical order.
    pub tables: Vec<TableStats>,
}

/// How large one table is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableStats {
    /// The table.
    pub table: &'static str,
    /// Its rows.
    pub rows: u64,
    /// What it takes of the database, with its indexes, in bytes.
    pub bytes: u64,
}

/// Every table with the statement that counts its rows.
macro_rules! counted {
    ($($table:literal),+ $(,)?) => { &[$(($table, concat!("SELECT COUNT(*) AS found FROM ", $table))),+] };
}

pub(crate) const COUNTS: &[(&str, &str)] = counted![
    "alert",
    "alert_history",
    "api_key",
    "artifact",
    "attempt",
    "channel",
    "channel_health",
    "data_key",
    "delivery",
    "delivery_retry",
    "host",
    "inbox",
    "incident",
    "incident_history",
    "plugin_decision",
    "plugin_history",
    "provider",
    "route",
    "run",
    "secret",
    "secret_key",
    "stage_execution",
    "token_use",
];

impl Store {
    /// Counts rows and bytes. Reads whole tables: for people, not for timers.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn stats(&self) -> Result<Stats, StoreError> {
        const DOING: &str = "count rows";
        let mut tx = self.snapshot(DOING).await?;
        let size = query(sql::read::FILE_SIZE).fetch_one(&mut *tx).await.doing(DOING)?;
        let sizes = query(sql::read::TABLE_SIZES).fetch_all(&mut *tx).await.doing(DOING)?;
        let sizes: Vec<(String, u64)> = sizes
            .iter()
            .map(|row| Ok((row.text("name")?, row.int("bytes")?)))
            .collect::<Result<_, StoreError>>()?;
        let mut tables = Vec::with_capacity(COUNTS.len());
        for (table, count) in COUNTS {
            let row = fixed(count).fetch_one(&mut *tx).await.doing(DOING)?;
            let bytes = sizes.iter().find(|(name, _)| name == table).map_or(0, |(_, bytes)| *bytes);
            tables.push(TableStats { table, rows: row.int("found")?, bytes });
        }
        Ok(Stats { size_bytes: size.int("bytes")?, free_bytes: size.int("free_bytes")?, tables })
    }

    /// What the database finds wrong with itself; nothing where it is whole, and on servers, which have tools
    /// of their own for it. Reads every page: for people and tests, not for timers.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn damage(&self) -> Result<Vec<String>, StoreError> {
        const DOING: &str = "check itself";
        if self.dialect().is_server() {
            return Ok(Vec::new());
        }
        let rows = query(sql::read::DAMAGE).fetch_all(&self.inner.readers).await.doing(DOING)?;
        rows.iter().map(|row| row.text("problem")).collect()
    }
}
