//! Channels: configured destinations. Their settings are sealed.

use domain::delivery::Channel;
use domain::id::ChannelId;

use crate::db::{Columns as _, Row, query};
use crate::error::{Doing as _, StoreError};
use crate::open::Store;
use crate::sql;

impl Store {
    /// Keeps a new channel with its sealed settings.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if its name or identifier is taken.
    pub async fn add_channel(&self, channel: &Channel, settings: &[u8]) -> Result<(), StoreError> {
        query(sql::channel::INSERT_CHANNEL)
            .bind(channel.id.to_string())
            .bind(channel.name.clone())
            .bind(channel.notifier.as_str().to_owned())
            .bind(settings.to_vec())
            .bind(channel.enabled)
            .bind(channel.created_at.as_micros())
            .execute(&self.inner.writer)
            .await
            .doing("keep a channel")
            .map_err(|error| match error {
                StoreError::Conflict(_) => {
                    StoreError::Conflict(format!("there is a channel `{}` already", channel.name))
                }
                other => other,
            })?;
        Ok(())
    }

    /// Lists all channels by name.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn channels(&self) -> Result<Vec<Channel>, StoreError> {
        let statement = query(sql::channel::CHANNELS);
        let rows = statement.fetch_all(&self.inner.readers).await.doing("list channels")?;
        rows.iter().map(read_channel).collect()
    }

    /// Finds a channel by name.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is none.
    pub async fn channel(&self, name: &str) -> Result<Channel, StoreError> {
        let statement = query(sql::channel::CHANNEL_BY_NAME).bind(name.to_owned());
        let row = statement.fetch_optional(&self.inner.readers).await.doing("read a channel")?;
        read_channel(&row.ok_or_else(|| StoreError::NotFound(format!("channel `{name}`")))?)
    }

    /// Reads the sealed settings of a channel.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is none.
    pub async fn channel_settings(&self, id: ChannelId) -> Result<Vec<u8>, StoreError> {
        let statement = query(sql::channel::CHANNEL_SETTINGS).bind(id.to_string());
        let row = statement.fetch_optional(&self.inner.readers).await.doing("read a channel")?;
        row.ok_or_else(|| StoreError::NotFound(format!("channel `{id}`")))?.bytes("settings")
    }

    /// Switches a channel on or off. What waits for it goes on waiting while it is off.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is none.
    pub async fn enable_channel(&self, name: &str, enabled: bool) -> Result<(), StoreError> {
        let statement = query(sql::channel::ENABLE_CHANNEL).bind(enabled).bind(name.to_owned());
        match statement.execute(&self.inner.writer).await.doing("switch a channel")?.rows_affected() {
            0 => Err(StoreError::NotFound(format!("channel `{name}`"))),
            _ => Ok(()),
        }
    }
}

fn read_channel(row: &Row) -> Result<Channel, StoreError> {
    Ok(Channel {
        id: row.parse("id")?,
        name: row.text("name")?,
        notifier: row.parse("notifier")?,
        enabled: row.flag("enabled")?,
        created_at: row.time("created_at")?,
    })
}
