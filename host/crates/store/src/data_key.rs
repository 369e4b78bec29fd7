//! Wrapped data keys. What unwraps them never comes here.

use domain::id::DataKeyId;
use domain::time::Timestamp;

use crate::db::{Columns as _, Row, query};
use crate::error::{Doing as _, StoreError};
use crate::open::Store;
use crate::sql;

/// A key that seals what is stored for one purpose, itself wrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataKey {
    /// Its identifier; what it seals names it.
    pub id: DataKeyId,
    /// What it seals.
    pub purpose: String,
    /// The key that wrapped it.
    pub kek_id: String,
    /// The wrapped key.
    pub wrapped: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Store {
    /// Lists all data keys, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn data_keys(&self) -> Result<Vec<DataKey>, StoreError> {
        let statement = query(sql::account::DATA_KEYS);
        let rows = statement.fetch_all(&self.inner.readers).await.doing("read data keys")?;
        rows.iter().map(read_key).collect()
    }

    /// Keeps those of `keys` whose purpose has none yet, and returns all that are kept: of two
    /// processes that start at once, both get what the first has written.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if an identifier is taken.
    pub async fn add_missing_data_keys(&self, keys: &[DataKey]) -> Result<Vec<DataKey>, StoreError> {
        const DOING: &str = "keep data keys";
        let mut tx = self.begin(DOING).await?;
        for key in keys {
            query(sql::account::INSERT_DATA_KEY_IF_ABSENT)
                .bind(key.id.to_string())
                .bind(key.purpose.clone())
                .bind(key.kek_id.clone())
                .bind(key.wrapped.clone())
                .bind(key.created_at.as_micros())
                .bind(key.purpose.clone())
                .execute(&mut *tx)
                .await
                .doing(DOING)?;
        }
        let rows = query(sql::account::DATA_KEYS).fetch_all(&mut *tx).await.doing(DOING)?;
        let kept = rows.iter().map(read_key).collect::<Result<_, _>>()?;
        tx.commit().await.doing(DOING)?;
        Ok(kept)
    }
}

fn read_key(row: &Row) -> Result<DataKey, StoreError> {
    Ok(DataKey {
        id: row.parse("id")?,
        purpose: row.text("purpose")?,
        kek_id: row.text("kek_id")?,
        wrapped: row.bytes("wrapped")?,
        created_at: row.time("created_at")?,
    })
}
