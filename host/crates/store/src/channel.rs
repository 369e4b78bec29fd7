//! Channels: configured destinations. Their settings are sealed.

use std::time::Duration;

use domain::delivery::{Channel, ChannelHealth};
use domain::id::ChannelId;
use domain::time::Timestamp;
use serde::Serialize;

use crate::db::{Columns as _, Row, query};
use crate::error::{Doing as _, StoreError};
use crate::open::Store;
use crate::page::{List, Page, PageRequest};
use crate::run_change::settle;
use crate::script::Script;
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
        rows.iter().map(read_state).collect()
    }

    /// A page of channels with how they are doing, the newest first.
    ///
    /// # Errors
    /// [`StoreError::BadCursor`] for a cursor that no list gave out.
    pub async fn channel_page(&self, page: &PageRequest) -> Result<Page<ChannelState>, StoreError> {
        const KEY: &str = "c.id";
        let list = List::new::<ChannelId>(sql::channel::LIST_CHANNELS, KEY, page)?;
        self.page("list channels", list, KEY, read_state, |state| state.channel.id).await
    }

    /// One channel with how it is doing.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is none.
    pub async fn channel_state(&self, id: ChannelId) -> Result<ChannelState, StoreError> {
        let statement = query(sql::channel::CHANNEL_WITH_HEALTH).bind(id.to_string());
        let row = statement.fetch_optional(&self.inner.readers).await.doing("read a channel")?;
        read_state(&row.ok_or_else(|| StoreError::NotFound(format!("channel `{id}`")))?)
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

    /// Gives a channel other sealed settings in place of `old`.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it has others than `old` by now, or is gone.
    pub async fn change_channel(&self, id: ChannelId, old: &[u8], new: &[u8]) -> Result<(), StoreError> {
        let statement =
            query(sql::channel::CHANGE_SETTINGS).bind(new.to_vec()).bind(id.to_string()).bind(old.to_vec());
        match statement.execute(&self.inner.writer).await.doing("change a channel")?.rows_affected() {
            0 => Err(StoreError::Conflict(
                "somebody else changed this channel just now; look at it again".to_owned(),
            )),
            _ => Ok(()),
        }
    }

    /// Takes a channel away with its settings. Its name is free again; its deliveries stay, and those that
    /// are not final are given up on.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is none.
    pub async fn remove_channel(&self, id: ChannelId, now: Timestamp) -> Result<(), StoreError> {
        let statement = query(sql::channel::REMOVE_CHANNEL).bind(Vec::new()).bind(false).bind(id.to_string());
        if statement.execute(&self.inner.writer).await.doing("remove a channel")?.rows_affected() == 0 {
            return Err(StoreError::NotFound(format!("channel `{id}`")));
        }
        self.give_up_for_removed(now).await.map(|_| ())
    }

    /// Gives up on what waits for channels that are removed, and settles its runs; returns how much that was.
    /// What a worker has under way is left to it, and so to the next time.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn give_up_for_removed(&self, now: Timestamp) -> Result<u64, StoreError> {
        const DOING: &str = "give up on deliveries";
        const AT_ONCE: i64 = 500;
        let mut count = 0;
        loop {
            let waiting = query(sql::channel::WAITING_FOR_NOBODY).bind(now.as_micros()).bind(AT_ONCE);
            // Nearly always there is nothing, and looking costs a reader only.
            if waiting.fetch_optional(&self.inner.readers).await.doing(DOING)?.is_none() {
                return Ok(count);
            }
            let mut tx = self.begin(DOING).await?;
            let waiting = query(sql::channel::WAITING_FOR_NOBODY).bind(now.as_micros()).bind(AT_ONCE);
            for row in waiting.fetch_all(&mut *tx).await.doing(DOING)? {
                let give_up = Script::new()
                    .then(sql::channel::GIVE_UP_DELIVERY)
                    .bind("its channel was removed before it was sent".to_owned())
                    .bind(now.as_micros())
                    .bind(row.text("id")?);
                settle(give_up, row.parse("run_id")?, now).send(&mut tx).await.doing(DOING)?;
                count += 1;
            }
            tx.commit().await.doing(DOING)?;
        }
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
pub(crate) fn note_health(script: Script, id: ChannelId, error: Option<&str>, now: Timestamp) -> Script {
    match error {
        None => script
            .then(sql::channel::CHANNEL_WORKS)
            .bind(now.as_micros())
            .bind(id.to_string())
            .bind(now.before(SUCCESS_WITHIN).as_micros()),
        Some(error) => script
            .then(sql::channel::CHANNEL_FAILS)
            .bind(now.as_micros())
            .bind(error.to_owned())
            .bind(now.as_micros())
            .bind(id.to_string()),
    }
}

fn read_state(row: &Row) -> Result<ChannelState, StoreError> {
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
