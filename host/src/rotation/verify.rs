//! Whether everything that is sealed can be opened.

use anyhow::Result;
use serde::Serialize;
use store::SealedColumn;

use super::Rotation;
use crate::crypto::{Place, Purpose};

/// How many values are read at a time.
const STEP: u32 = 200;
/// Of how many values that cannot be opened is told.
const MOST_TOLD: usize = 100;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// How many values were tried.
    pub values: u64,
    /// How many of them cannot be opened.
    pub unreadable: u64,
    /// The first of these.
    pub first: Vec<Unreadable>,
}

/// A value that cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// Table and column.
    pub column: String,
    /// Its row.
    pub row: String,
    /// Why.
    pub error: String,
}

/// Where the values of a column belong, and what they were sealed for.
const fn place(column: SealedColumn) -> (Purpose, &'static str, &'static str) {
    match column {
        SealedColumn::Request => (Purpose::Payload, "inbox", "request"),
        SealedColumn::Artifact => (Purpose::Artifact, "artifact", "sealed"),
        SealedColumn::ChannelSettings => (Purpose::Channel, "channel", "settings"),
        SealedColumn::Notification => (Purpose::Delivery, "delivery", "notification"),
        SealedColumn::ProviderSettings => (Purpose::Channel, "provider", "settings"),
    }
}

impl Rotation {
    /// Opens everything that is sealed, and shows none of it. Reads whole tables: for people and tests.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn verify(&self) -> Result<Verified> {
        let mut verified = Verified::default();
        for column in SealedColumn::ALL {
            let (purpose, table, name) = place(column);
            let mut after = String::new();
            loop {
                let values = self.store.sealed(column, &after, STEP).await?;
                for value in values.iter().filter(|value| !value.sealed.is_empty()) {
                    let place = Place { table, column: name, row: &value.row };
                    verified.note(place, self.ring.check_value(purpose, place, &value.sealed));
                }
                match values.last() {
                    Some(last) => after.clone_from(&last.row),
                    None => break,
                }
            }
        }
        for secret in self.store.secrets().await? {
            let row = format!("{}/{}", secret.name, secret.version);
            let place = Place { table: "secret", column: "sealed", row: &row };
            verified.note(place, self.ring.check_value(Purpose::Secret, place, &secret.sealed));
        }
        Ok(verified)
    }
}

impl Verified {
    fn note(&mut self, place: Place<'_>, result: Result<(), crate::crypto::CryptoError>) {
        self.values = self.values.saturating_add(1);
        if let Err(error) = result {
            self.unreadable = self.unreadable.saturating_add(1);
            if self.first.len() < MOST_TOLD {
                let column = format!("{}.{}", place.table, place.column);
                self.first.push(Unreadable { column, row: place.row.to_owned(), error: error.to_string() });
            }
        }
    }
}
