//! Wrapped data keys, and which secret keys wrapped them. What unwraps them never comes here.

use domain::id::DataKeyId;
use domain::time::Timestamp;

use crate::db::{Columns as _, Query, Row, query};
use crate::error::{Doing as _, StoreError};
use crate::open::Store;
use crate::sql::{self, Sql};
use crate::tries::tried;

/// A key that seals what is stored for one purpose, itself wrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataKey {
    /// Its identifier; what it seals names it.
    pub id: DataKeyId,
    /// What it seals.
    pub purpose: String,
    /// Counts from 1 per purpose.
    pub generation: u32,
    /// The key that wrapped it.
    pub kek_id: String,
    /// The wrapped key.
    pub wrapped: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A secret key that a host has had in use, by its public identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretKeyTurn {
    /// The identifier.
    pub kek_id: String,
    /// Counts from 1: the highest is the key that data keys are to be wrapped under.
    pub turn: u32,
    /// When a host first had it in use.
    pub taken_at: Timestamp,
}

impl Store {
    /// Lists all data keys, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn data_keys(&self) -> Result<Vec<DataKey>, StoreError> {
        let statement = query(sql::sealed::DATA_KEYS);
        let rows = statement.fetch_all(&self.inner.readers).await.doing("read data keys")?;
        rows.iter().map(read_key).collect()
    }

    /// Keeps those of `keys` whose purpose has none yet, and returns all that are kept: of two
    /// processes that start at once, both get what the first has written.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if an identifier or a generation is taken.
    pub async fn add_missing_data_keys(&self, keys: &[DataKey]) -> Result<Vec<DataKey>, StoreError> {
        tried!(self, self.add_missing_once(keys))
    }

    async fn add_missing_once(&self, keys: &[DataKey]) -> Result<Vec<DataKey>, StoreError> {
        const DOING: &str = "keep data keys";
        let mut tx = self.begin(DOING).await?;
        for key in keys {
            let statement = insert(sql::sealed::INSERT_DATA_KEY_IF_ABSENT, key).bind(key.purpose.clone());
            statement.execute(&mut *tx).await.doing(DOING)?;
        }
        let rows = query(sql::sealed::DATA_KEYS).fetch_all(&mut *tx).await.doing(DOING)?;
        let kept = rows.iter().map(read_key).collect::<Result<_, _>>()?;
        tx.commit().await.doing(DOING)?;
        Ok(kept)
    }

    /// Keeps data keys beside those of their purposes: all or none.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if a purpose has got a key of that generation in the meantime.
    pub async fn add_data_keys(&self, keys: &[DataKey]) -> Result<(), StoreError> {
        const DOING: &str = "keep data keys";
        let mut tx = self.begin(DOING).await?;
        for key in keys {
            insert(sql::sealed::INSERT_DATA_KEY, key).execute(&mut *tx).await.doing(DOING)?;
        }
        tx.commit().await.doing(DOING)
    }

    /// Replaces the wrapping of one data key, if secret key `from` still wraps it; a transaction of its
    /// own. Tells whether it did: of several processes that re-wrap a key, one does.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn rewrap_data_key(
        &self,
        id: DataKeyId,
        from: &str,
        (kek_id, wrapped): (&str, &[u8]),
    ) -> Result<bool, StoreError> {
        let statement = query(sql::sealed::REWRAP_DATA_KEY)
            .bind(kek_id.to_owned())
            .bind(wrapped.to_vec())
            .bind(id.to_string())
            .bind(from.to_owned());
        let done = statement.execute(&self.inner.writer).await.doing("wrap a data key again")?;
        Ok(done.rows_affected() > 0)
    }

    /// Lists the secret keys that hosts have had in use, the last one first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn secret_keys(&self) -> Result<Vec<SecretKeyTurn>, StoreError> {
        let statement = query(sql::sealed::SECRET_KEYS);
        let rows =
            statement.fetch_all(&self.inner.readers).await.doing("read which secret keys were used")?;
        rows.iter().map(read_turn).collect()
    }

    /// Notes that a host has a secret key in use. A new one has the last turn; one that is known keeps
    /// its own, unless it is taken up `again`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn take_secret_key(&self, kek_id: &str, again: bool, now: Timestamp) -> Result<(), StoreError> {
        tried!(self, self.take_secret_key_once(kek_id, again, now))
    }

    async fn take_secret_key_once(
        &self,
        kek_id: &str,
        again: bool,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const DOING: &str = "note which secret key is used";
        let mut tx = self.begin(DOING).await?;
        let rows = query(sql::sealed::SECRET_KEYS).fetch_all(&mut *tx).await.doing(DOING)?;
        let turns = rows.iter().map(read_turn).collect::<Result<Vec<_>, _>>()?;
        let last = turns.first();
        let next = last.map_or(0, |last| last.turn).saturating_add(1);
        let statement = if turns.iter().all(|turn| turn.kek_id != kek_id) {
            let insert = query(sql::sealed::INSERT_SECRET_KEY);
            insert.bind(kek_id.to_owned()).bind(i64::from(next)).bind(now.as_micros())
        } else if again && last.is_some_and(|last| last.kek_id != kek_id) {
            query(sql::sealed::MOVE_SECRET_KEY).bind(i64::from(next)).bind(kek_id.to_owned())
        } else {
            return Ok(());
        };
        statement.execute(&mut *tx).await.doing(DOING)?;
        tx.commit().await.doing(DOING)
    }
}

fn insert(statement: Sql, key: &DataKey) -> Query {
    query(statement)
        .bind(key.id.to_string())
        .bind(key.purpose.clone())
        .bind(i64::from(key.generation))
        .bind(key.kek_id.clone())
        .bind(key.wrapped.clone())
        .bind(key.created_at.as_micros())
}

fn read_key(row: &Row) -> Result<DataKey, StoreError> {
    Ok(DataKey {
        id: row.parse("id")?,
        purpose: row.text("purpose")?,
        generation: row.int("generation")?,
        kek_id: row.text("kek_id")?,
        wrapped: row.bytes("wrapped")?,
        created_at: row.time("created_at")?,
    })
}

fn read_turn(row: &Row) -> Result<SecretKeyTurn, StoreError> {
    Ok(SecretKeyTurn { kek_id: row.text("kek_id")?, turn: row.int("turn")?, taken_at: row.time("taken_at")? })
}
