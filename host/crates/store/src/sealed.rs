//! Everything that is sealed, to be looked through.

use crate::db::{Columns as _, query};
use crate::error::{Doing as _, StoreError};
use crate::open::Store;
use crate::sql;

/// A column whose values are sealed, each under the identifier of its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealedColumn {
    /// Webhooks as they were received.
    Request,
    /// Results of stages.
    Artifact,
    /// Settings of channels.
    ChannelSettings,
    /// Notifications.
    Notification,
    /// Settings of providers.
    ProviderSettings,
}

impl SealedColumn {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Request, Self::Artifact, Self::ChannelSettings, Self::Notification, Self::ProviderSettings];
}

/// One sealed value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedValue {
    /// The identifier of its row.
    pub row: String,
    /// The value; empty where retention has taken it away.
    pub sealed: Vec<u8>,
}

impl Store {
    /// The next sealed values of a column behind row `after`, in the order of their rows; begins with an
    /// empty text.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn sealed(
        &self,
        column: SealedColumn,
        after: &str,
        limit: u32,
    ) -> Result<Vec<SealedValue>, StoreError> {
        let statement = query(match column {
            SealedColumn::Request => sql::sealed::SEALED_REQUESTS,
            SealedColumn::Artifact => sql::sealed::SEALED_ARTIFACTS,
            SealedColumn::ChannelSettings => sql::sealed::SEALED_SETTINGS,
            SealedColumn::Notification => sql::sealed::SEALED_NOTIFICATIONS,
            SealedColumn::ProviderSettings => sql::sealed::SEALED_PROVIDERS,
        });
        let statement = statement.bind(after.to_owned()).bind(i64::from(limit));
        let rows = statement.fetch_all(&self.inner.readers).await.doing("read what is sealed")?;
        rows.iter()
            .map(|row| Ok(SealedValue { row: row.text("id")?, sealed: row.bytes("sealed")? }))
            .collect()
    }
}
