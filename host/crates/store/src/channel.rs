//! Channels: configured destinations. Their settings are sealed.

use std::time::Duration;

use domain::delivery::{Channel, ChannelHealth};
use domain::id::ChannelId;
use domain::time::Timestamp;
use serde::Serialize;

use crate::db::{Columns as _, Connection, Row, query};
use crate::error::{Doing as _, StoreError};
use crate::open::Store;
use crate::sql;

/// How old the time of the last success may grow before it is written again: most attempts write nothing.
const SUCCESS_WITHIN: Duration = Duration::from_secs(60);

/// A channel and how it is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChannelState {
    /// The channel.
    #[serde(flatten)]
    pub channel: Channel,
    /// What its attempts came to.
    #[serde(flatten)]
    pub health: ChannelHealth,
    /// When the first of what waits for it is or was due.
    pub due_at: Option<Timestamp>,
}

impl Store {
    /// Keeps a new channel with its sealed settings.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if its name or identifier is taken.
    pub async fn add_channel(&self, channel: &Channel, settings: &[u8]) -> Result<(), StoreError> {
        const DOING: &str = "keep a channel";
        let mut tx = self.begin(DOING).await?;
        query(sql::channel::INSERT_CHANNEL)
            .bind(channel.id.to_string())
            .bind(channel.name.clone())
            .bind(channel.notifier.as_str().to_owned())
            .bind(settings.to_vec())
            .bind(channel.enabled)
            .bind(channel.created_at.as_micros())
            .execute(&mut *tx)
            .await
            .doing(DOING)
            .map_err(|error| match error {
                StoreError::Conflict(_) => {
                    StoreError::Conflict(format!("there is a channel `{}` already", channel.name))
                }
                other => other,
            })?;
        query(sql::channel::INSERT_HEALTH)
            .bind(channel.id.to_string())
            .execute(&mut *tx)
            .await
            .doing(DOING)?;
        tx.commit().await.doing(DOING)
    }

    /// Lists all channels by name with how they are doing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn channel_states(&self) -> Result<Vec<ChannelState>, StoreError> {
        let statement = query(sql::channel::CHANNELS_WITH_HEALTH);
        let rows = statement.fetch_all(&self.inner.readers).await.doing("list channels")?;
        let read = |row: &Row| {
            Ok(ChannelState {
                channel: read_channel(row)?,
                health: ChannelHealth {
                    last_success_at: row.opt_time("last_success_at")?,
                    last_error_at: row.opt_time("last_error_at")?,
                    last_error: row.opt_text("last_error")?,
                    failing_since: row.opt_time("failing_since")?,
                },
                due_at: row.opt_time("due_at")?,
            })
        };
        rows.iter().map(read).collect()
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

/// Takes note of how an attempt ended: `error` in words, or none where the remote took it.
pub(crate) async fn note_health(
    tx: &mut Connection,
    id: ChannelId,
    error: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let note = match error {
        None => query(sql::channel::CHANNEL_WORKS)
            .bind(now.as_micros())
            .bind(id.to_string())
            .bind(now.before(SUCCESS_WITHIN).as_micros()),
        Some(error) => query(sql::channel::CHANNEL_FAILS)
            .bind(now.as_micros())
            .bind(error.to_owned())
            .bind(now.as_micros())
            .bind(id.to_string()),
    };
    note.execute(&mut *tx).await.doing("note how a channel is doing")?;
    Ok(())
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
