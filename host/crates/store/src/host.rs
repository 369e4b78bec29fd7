//! Hosts: the processes that serve on this database.

use domain::host::Host;
use domain::id::HostId;
use domain::time::Timestamp;

use crate::db::{Columns as _, Row, query, readable, to_json};
use crate::error::{Doing as _, StoreError};
use crate::migrate::migrations;
use crate::open::Store;
use crate::sql;

impl Store {
    /// The number of the last migration that this program knows.
    pub fn newest_migration(&self) -> u32 {
        migrations(self.dialect()).last().map_or(0, |last| last.number)
    }

    /// Notes that a host is there, with what it says of itself; takes those away that were not heard of since
    /// `gone_since`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn beat(&self, host: &Host, gone_since: Timestamp) -> Result<(), StoreError> {
        const DOING: &str = "note that a host is there";
        let plugins = to_json(DOING, &host.plugins)?;
        let mut tx = self.begin(DOING).await?;
        let update = query(sql::host::UPDATE_HOST)
            .bind(plugins.clone())
            .bind(host.seen_at.as_micros())
            .bind(host.id.to_string());
        if update.execute(&mut *tx).await.doing(DOING)?.rows_affected() == 0 {
            let insert = query(sql::host::INSERT_HOST)
                .bind(host.id.to_string())
                .bind(host.name.clone())
                .bind(host.version.clone())
                .bind(i64::from(host.schema))
                .bind(plugins)
                .bind(host.started_at.as_micros())
                .bind(host.seen_at.as_micros());
            insert.execute(&mut *tx).await.doing(DOING)?;
        }
        let forget = query(sql::host::FORGET_HOSTS).bind(gone_since.as_micros());
        forget.execute(&mut *tx).await.doing(DOING)?;
        tx.commit().await.doing(DOING)
    }

    /// Notes that a host has ended.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn leave(&self, host: HostId) -> Result<(), StoreError> {
        let delete = query(sql::host::DELETE_HOST).bind(host.to_string());
        delete.execute(&self.inner.writer).await.doing("note that a host has ended")?;
        Ok(())
    }

    /// All hosts that are listed, the first that began first; some may be gone.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn hosts(&self) -> Result<Vec<Host>, StoreError> {
        let rows = query(sql::host::HOSTS).fetch_all(&self.inner.readers).await.doing("list hosts")?;
        // One of another version may say what this one does not understand.
        Ok(readable(&rows, read_host))
    }
}

fn read_host(row: &Row) -> Result<Host, StoreError> {
    Ok(Host {
        id: row.parse("id")?,
        name: row.text("name")?,
        version: row.text("version")?,
        schema: row.int("schema_number")?,
        plugins: row.json("plugins")?,
        started_at: row.time("started_at")?,
        seen_at: row.time("seen_at")?,
    })
}
