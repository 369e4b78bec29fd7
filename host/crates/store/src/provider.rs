//! Providers of intelligence: which one is active, their settings, which are sealed, and what they cost.

use std::collections::BTreeMap;

use domain::plugin::Usage;
use domain::time::Timestamp;

use crate::db::{Columns as _, Row, query};
use crate::error::{Doing as _, StoreError};
use crate::open::Store;
use crate::sql;
use crate::tries::tried;

/// For how many days it is kept what was used.
const KEPT_DAYS: i64 = 90;
const DAY_S: i64 = 24 * 60 * 60;

/// A provider that was set up or chosen while the hub ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredProvider {
    /// The plugin.
    pub name: String,
    /// Its sealed settings; none where those of `plugins.toml` hold.
    pub settings: Option<Vec<u8>>,
    /// Whether it is the active one; at most one is.
    pub active: bool,
    /// When either was last changed.
    pub updated_at: Timestamp,
}

impl Store {
    /// Lists the providers that were set up or chosen, by name.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn providers(&self) -> Result<Vec<StoredProvider>, StoreError> {
        let statement = query(sql::provider::PROVIDERS);
        let rows = statement.fetch_all(&self.inner.readers).await.doing("list providers")?;
        rows.iter().map(read_provider).collect()
    }

    /// Keeps the sealed settings of a provider in place of those it had.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if somebody else set it up at the same moment.
    pub async fn set_provider(&self, name: &str, settings: &[u8], now: Timestamp) -> Result<(), StoreError> {
        tried!(self, self.set_provider_once(name, settings, now))
    }

    async fn set_provider_once(&self, name: &str, settings: &[u8], now: Timestamp) -> Result<(), StoreError> {
        const DOING: &str = "keep the settings of a provider";
        let mut tx = self.begin(DOING).await?;
        let update = query(sql::provider::UPDATE_PROVIDER)
            .bind(settings.to_vec())
            .bind(now.as_micros())
            .bind(name.to_owned());
        if update.execute(&mut *tx).await.doing(DOING)?.rows_affected() == 0 {
            let insert = query(sql::provider::INSERT_PROVIDER)
                .bind(name.to_owned())
                .bind(settings.to_vec())
                .bind(None::<i64>)
                .bind(now.as_micros());
            insert.execute(&mut *tx).await.doing(DOING)?;
        }
        tx.commit().await.doing(DOING)
    }

    /// Makes a provider the active one.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if somebody else chose at the same moment.
    pub async fn activate_provider(&self, name: &str, now: Timestamp) -> Result<(), StoreError> {
        tried!(self, self.activate_provider_once(name, now))
    }

    async fn activate_provider_once(&self, name: &str, now: Timestamp) -> Result<(), StoreError> {
        const DOING: &str = "choose a provider";
        let mut tx = self.begin(DOING).await?;
        query(sql::provider::NO_ACTIVE_PROVIDER).execute(&mut *tx).await.doing(DOING)?;
        let update = query(sql::provider::ACTIVATE_PROVIDER).bind(now.as_micros()).bind(name.to_owned());
        if update.execute(&mut *tx).await.doing(DOING)?.rows_affected() == 0 {
            let insert = query(sql::provider::INSERT_PROVIDER)
                .bind(name.to_owned())
                .bind(Vec::<u8>::new())
                .bind(Some(1_i64))
                .bind(now.as_micros());
            insert.execute(&mut *tx).await.doing(DOING)?;
        }
        tx.commit().await.doing(DOING)
    }

    /// Forgets what was set up and chosen of a provider.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if nothing was.
    pub async fn remove_provider(&self, name: &str) -> Result<(), StoreError> {
        let statement = query(sql::provider::DELETE_PROVIDER).bind(name.to_owned());
        match statement.execute(&self.inner.writer).await.doing("forget a provider")?.rows_affected() {
            0 => Err(StoreError::NotFound(format!("stored settings of provider `{name}`"))),
            _ => Ok(()),
        }
    }

    /// Adds to the tokens that a provider used on this day (UTC).
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn add_token_use(
        &self,
        provider: &str,
        usage: Usage,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        tried!(self, self.add_token_use_once(provider, usage, now))
    }

    async fn add_token_use_once(
        &self,
        provider: &str,
        usage: Usage,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const DOING: &str = "count tokens";
        let tokens = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let (input, output) = (tokens(usage.input_tokens), tokens(usage.output_tokens));
        let mut tx = self.begin(DOING).await?;
        let update = query(sql::provider::ADD_TOKEN_USE)
            .bind(input)
            .bind(output)
            .bind(day(now))
            .bind(provider.to_owned());
        if update.execute(&mut *tx).await.doing(DOING)?.rows_affected() == 0 {
            let insert = query(sql::provider::INSERT_TOKEN_USE)
                .bind(day(now))
                .bind(provider.to_owned())
                .bind(input)
                .bind(output);
            insert.execute(&mut *tx).await.doing(DOING)?;
            let old = day(now).saturating_sub(KEPT_DAYS);
            query(sql::provider::FORGET_TOKEN_USE).bind(old).execute(&mut *tx).await.doing(DOING)?;
        }
        tx.commit().await.doing(DOING)
    }

    /// How many tokens providers used on this day (UTC).
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn token_use(&self, now: Timestamp) -> Result<BTreeMap<String, Usage>, StoreError> {
        let statement = query(sql::provider::TOKEN_USE).bind(day(now));
        let rows = statement.fetch_all(&self.inner.readers).await.doing("read what was used")?;
        let read = |row: &Row| {
            let usage =
                Usage { input_tokens: row.int("input_tokens")?, output_tokens: row.int("output_tokens")? };
            Ok((row.text("provider")?, usage))
        };
        rows.iter().map(read).collect()
    }
}

/// Days since 1970.
const fn day(now: Timestamp) -> i64 {
    now.as_seconds().div_euclid(DAY_S)
}

fn read_provider(row: &Row) -> Result<StoredProvider, StoreError> {
    Ok(StoredProvider {
        name: row.text("name")?,
        settings: Some(row.bytes("settings")?).filter(|sealed| !sealed.is_empty()),
        active: row.opt_int("active")?.is_some(),
        updated_at: row.time("updated_at")?,
    })
}
