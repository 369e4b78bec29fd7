//! Rows, and how their columns become values.

use std::fmt::Display;
use std::str::FromStr;

use domain::text::json_without_nul;
use domain::time::Timestamp;
use serde::de::DeserializeOwned;
use sqlx::Row as _;
use sqlx::mysql::MySqlRow;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

use crate::error::StoreError;

/// A row as the driver has it.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
    Mysql(MySqlRow),
}

impl From<SqliteRow> for Row {
    fn from(row: SqliteRow) -> Self {
        Self::Sqlite(row)
    }
}

impl From<PgRow> for Row {
    fn from(row: PgRow) -> Self {
        Self::Postgres(row)
    }
}

impl From<MySqlRow> for Row {
    fn from(row: MySqlRow) -> Self {
        Self::Mysql(row)
    }
}

/// Reads typed values out of a row, by column.
pub(crate) trait Columns {
    /// A text.
    fn text(&self, column: &str) -> Result<String, StoreError>;
    /// A text or NULL.
    fn opt_text(&self, column: &str) -> Result<Option<String>, StoreError>;
    /// A whole number or NULL.
    fn opt_int(&self, column: &str) -> Result<Option<i64>, StoreError>;
    /// Bytes.
    fn bytes(&self, column: &str) -> Result<Vec<u8>, StoreError>;
    /// A boolean.
    fn flag(&self, column: &str) -> Result<bool, StoreError>;

    /// A whole number that fits `T`.
    fn int<T: TryFrom<i64>>(&self, column: &str) -> Result<T, StoreError> {
        let found = self.opt_int(column)?.ok_or_else(|| StoreError::corrupt(column, "unexpected NULL"))?;
        T::try_from(found).map_err(|_| StoreError::corrupt(column, format!("{found} is out of range")))
    }

    /// A time.
    fn time(&self, column: &str) -> Result<Timestamp, StoreError> {
        self.int(column).map(Timestamp::from_micros)
    }

    /// A time or NULL.
    fn opt_time(&self, column: &str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.opt_int(column)?.map(Timestamp::from_micros))
    }

    /// An identifier, a name or a word.
    fn parse<T: FromStr<Err: Display>>(&self, column: &str) -> Result<T, StoreError> {
        self.text(column)?.parse().map_err(|error| StoreError::corrupt(column, error))
    }

    /// An identifier, a name or a word, or NULL.
    fn opt_parse<T: FromStr<Err: Display>>(&self, column: &str) -> Result<Option<T>, StoreError> {
        let found = self.opt_text(column)?;
        found.map(|text| text.parse().map_err(|error| StoreError::corrupt(column, error))).transpose()
    }

    /// A value kept as JSON.
    fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T, StoreError> {
        serde_json::from_str(&self.text(column)?).map_err(|error| StoreError::corrupt(column, error))
    }

    /// A value kept as JSON, or NULL.
    fn opt_json<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>, StoreError> {
        let found = self.opt_text(column)?;
        found
            .map(|text| serde_json::from_str(&text).map_err(|error| StoreError::corrupt(column, error)))
            .transpose()
    }
}

/// Reads a column of whichever row it is.
macro_rules! get {
    ($row:expr, $column:expr) => {
        match $row {
            Row::Sqlite(row) => row.try_get($column),
            Row::Postgres(row) => row.try_get($column),
            Row::Mysql(row) => row.try_get($column),
        }
        .map_err(|error| StoreError::corrupt($column, error))
    };
}

impl Columns for Row {
    fn text(&self, column: &str) -> Result<String, StoreError> {
        get!(self, column)
    }

    fn opt_text(&self, column: &str) -> Result<Option<String>, StoreError> {
        get!(self, column)
    }

    fn opt_int(&self, column: &str) -> Result<Option<i64>, StoreError> {
        get!(self, column)
    }

    fn bytes(&self, column: &str) -> Result<Vec<u8>, StoreError> {
        get!(self, column)
    }

    fn flag(&self, column: &str) -> Result<bool, StoreError> {
        match self {
            Self::Postgres(row) => row.try_get(column).map_err(|error| StoreError::corrupt(column, error)),
            Self::Sqlite(_) | Self::Mysql(_) => self.int::<i64>(column).map(|found| found != 0),
        }
    }
}

/// Writes a value as the JSON that its column holds; U+0000 in its texts becomes U+FFFD.
pub(crate) fn to_json<T: serde::Serialize>(doing: &'static str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map(json_without_nul)
        .map_err(|error| StoreError::Refused { doing, source: std::sync::Arc::new(error) })
}

/// Reads the rows that can be read. One that cannot is logged and left out, so that it stops nobody
/// else: a worker that met it again and again would do nothing for the others.
pub(crate) fn readable<T>(rows: &[Row], read: impl Fn(&Row) -> Result<T, StoreError>) -> Vec<T> {
    let look = |row: &Row| match read(row) {
        Ok(value) => Some(value),
        Err(error) => {
            let id = row.text("id").unwrap_or_default();
            tracing::error!(error.r#type = error.kind(), "left row `{id}` out: {error}");
            None
        }
    };
    rows.iter().filter_map(look).collect()
}
