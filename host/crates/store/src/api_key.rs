//! API keys: found by digest; the token itself never comes here.

use domain::crash::{self, Point};
use domain::id::KeyId;
use domain::key::ApiKey;
use domain::time::Timestamp;

use crate::db::{Columns as _, Row, query, to_json};
use crate::error::{Doing as _, StoreError};
use crate::open::Store;
use crate::sql;

impl Store {
    /// Keeps a new key under the SHA-256 digest of its token.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the digest or the identifier is taken.
    pub async fn add_api_key(&self, key: &ApiKey, digest: &[u8; 32]) -> Result<(), StoreError> {
        const DOING: &str = "keep an API key";
        query(sql::account::INSERT_API_KEY)
            .bind(key.id.to_string())
            .bind(key.name.clone())
            .bind(key.prefix.clone())
            .bind(digest.to_vec())
            .bind(to_json(DOING, &key.allowed_endpoints)?)
            .bind(key.manage)
            .bind(key.created_at.as_micros())
            .bind(key.expires_at.map(Timestamp::as_micros))
            .bind(key.revoked_at.map(Timestamp::as_micros))
            .bind(key.last_used_at.map(Timestamp::as_micros))
            .execute(&self.inner.writer)
            .await
            .doing(DOING)?;
        Ok(())
    }

    /// Lists all keys, oldest first; those revoked and expired too.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        let statement = query(sql::account::API_KEYS);
        let rows = statement.fetch_all(&self.inner.readers).await.doing("list API keys")?;
        rows.iter().map(read_key).collect()
    }

    /// Finds the key whose token has this digest, live or not.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn api_key_by_digest(&self, digest: &[u8; 32]) -> Result<Option<ApiKey>, StoreError> {
        let statement = query(sql::account::API_KEY_BY_DIGEST).bind(digest.to_vec());
        let row = statement.fetch_optional(&self.inner.readers).await.doing("find an API key")?;
        row.as_ref().map(read_key).transpose()
    }

    /// Takes a key back. One that was taken back before keeps its time.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is none.
    pub async fn revoke_api_key(&self, id: KeyId, now: Timestamp) -> Result<(), StoreError> {
        let statement = query(sql::account::REVOKE_API_KEY).bind(now.as_micros()).bind(id.to_string());
        match statement.execute(&self.inner.writer).await.doing("revoke an API key")?.rows_affected() {
            0 => Err(StoreError::NotFound(format!("API key `{id}`"))),
            _ => Ok(()),
        }
    }

    /// Notes when keys were last used, all in one transaction. Meant for a timer, not for requests.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn touch_api_keys(&self, used: &[(KeyId, Timestamp)]) -> Result<(), StoreError> {
        const DOING: &str = "note when API keys were used";
        if used.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin(DOING).await?;
        for (id, at) in used {
            query(sql::account::TOUCH_API_KEY)
                .bind(at.as_micros())
                .bind(id.to_string())
                .bind(at.as_micros())
                .execute(&mut *tx)
                .await
                .doing(DOING)?;
        }
        crash::pass(Point::LastUsedBeforeCommit);
        tx.commit().await.doing(DOING)?;
        crash::pass(Point::LastUsedAfterCommit);
        Ok(())
    }
}

fn read_key(row: &Row) -> Result<ApiKey, StoreError> {
    Ok(ApiKey {
        id: row.parse("id")?,
        name: row.text("name")?,
        prefix: row.text("prefix")?,
        allowed_endpoints: row.json("allowed_endpoints")?,
        manage: row.flag("manage")?,
        created_at: row.time("created_at")?,
        expires_at: row.opt_time("expires_at")?,
        revoked_at: row.opt_time("revoked_at")?,
        last_used_at: row.opt_time("last_used_at")?,
    })
}
