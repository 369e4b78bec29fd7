//! Secrets of senders. They come here sealed.

use domain::time::Timestamp;

use crate::db::{Columns as _, Row, query};
use crate::error::{Doing as _, StoreError};
use crate::open::Store;
use crate::sql;

/// One version of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSecret {
    /// What it is for.
    pub name: String,
    /// Counts from 1; the highest of a name is the current one.
    pub version: u32,
    /// The sealed value.
    pub sealed: Vec<u8>,
    /// When it was set.
    pub created_at: Timestamp,
}

/// What becomes of the versions of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretChange<'a> {
    /// A new current one; versions before `oldest` go.
    Set {
        /// The new one.
        secret: &'a StoredSecret,
        /// The oldest that stays.
        oldest: u32,
    },
    /// Those before the current one go.
    DropPrevious {
        /// The current one.
        current: u32,
    },
    /// All of them go.
    Remove,
}

impl Store {
    /// Lists all secrets by name, of each the current version first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn secrets(&self) -> Result<Vec<StoredSecret>, StoreError> {
        let statement = query(sql::sealed::SECRETS);
        let rows = statement.fetch_all(&self.inner.readers).await.doing("read secrets")?;
        rows.iter().map(read_secret).collect()
    }

    /// Changes a secret; tells how many versions went.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if somebody else has set it since it was read.
    pub async fn change_secret(&self, name: &str, change: SecretChange<'_>) -> Result<u64, StoreError> {
        const DOING: &str = "change a secret";
        let mut tx = self.begin(DOING).await?;
        let before = |oldest: u32| {
            query(sql::sealed::DELETE_SECRET_BEFORE).bind(name.to_owned()).bind(i64::from(oldest))
        };
        let delete = match change {
            SecretChange::Set { secret, oldest } => {
                let insert = query(sql::sealed::INSERT_SECRET)
                    .bind(name.to_owned())
                    .bind(i64::from(secret.version))
                    .bind(secret.sealed.clone())
                    .bind(secret.created_at.as_micros());
                insert.execute(&mut *tx).await.doing(DOING)?;
                before(oldest)
            }
            SecretChange::DropPrevious { current } => before(current),
            SecretChange::Remove => query(sql::sealed::DELETE_SECRET).bind(name.to_owned()),
        };
        let gone = delete.execute(&mut *tx).await.doing(DOING)?.rows_affected();
        tx.commit().await.doing(DOING)?;
        Ok(gone)
    }
}

fn read_secret(row: &Row) -> Result<StoredSecret, StoreError> {
    Ok(StoredSecret {
        name: row.text("name")?,
        version: row.int("version")?,
        sealed: row.bytes("sealed")?,
        created_at: row.time("created_at")?,
    })
}
