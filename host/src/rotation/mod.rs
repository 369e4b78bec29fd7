//! The keys that everything stored is sealed with, while hosts start, run and replace their secret key.
//!
//! Every host that runs looks at the stored data keys every few seconds: it takes over what others made,
//! and wraps again what is not yet wrapped under the secret key that was taken into use last. Which one
//! that is stands in the database, so that hosts of which some have swapped their keys and some have not
//! yet do not undo each other's work (docs/decisions/0013).

mod verify;

use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use domain::crash::{self, Point};
use domain::id::DataKeyId;
use domain::time::Timestamp;
use serde::Serialize;
use store::{DataKey, SecretKeyTurn, Store, StoreError};

use crate::clock::{self, Ids};
use crate::crypto::{self, KeyRing, Purpose, SecretKeys, WrappedKey};
use crate::telemetry::metrics;

pub use verify::{Unreadable, Verified};

/// The keys of one database, with what opens them.
#[derive(Debug, Clone)]
pub struct Rotation {
    store: Store,
    secret_keys: SecretKeys,
    ring: Arc<KeyRing>,
}

/// What a secret key is on this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// `WATCHBELL_SECRET_KEY`.
    Current,
    /// One of `WATCHBELL_SECRET_KEY_PREVIOUS`.
    Previous,
    /// Neither.
    Unknown,
}

/// A secret key, by its public identifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KnownKey {
    /// The identifier.
    pub kek_id: String,
    /// What it is on this host.
    pub role: Role,
    /// When a host first had it in use; none if none has had yet.
    pub taken_at: Option<Timestamp>,
    /// How many data keys it wraps.
    pub data_keys: usize,
}

/// How far things are. Public identifiers only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The secret keys of this host and of the database; the one taken into use last comes first.
    pub secret_keys: Vec<KnownKey>,
    /// How many data keys there are.
    pub data_keys: usize,
    /// How many of them are not wrapped under the secret key that was taken into use last.
    pub left: usize,
}

impl Status {
    fn of(keys: &SecretKeys, stored: &[DataKey], turns: &[SecretKeyTurn]) -> Self {
        let mut ids: Vec<&str> = turns.iter().map(|turn| turn.kek_id.as_str()).collect();
        let here = std::iter::once(&keys.current).chain(&keys.previous).map(crypto::SecretKey::kek_id);
        for id in here.chain(stored.iter().map(|key| key.kek_id.as_str())) {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        let known = |id: &str| KnownKey {
            kek_id: id.to_owned(),
            role: match () {
                () if keys.current.kek_id() == id => Role::Current,
                () if keys.has(id) => Role::Previous,
                () => Role::Unknown,
            },
            taken_at: turns.iter().find(|turn| turn.kek_id == id).map(|turn| turn.taken_at),
            data_keys: stored.iter().filter(|key| key.kek_id == id).count(),
        };
        let last = turns.first().map(|turn| turn.kek_id.as_str());
        let left = stored.iter().filter(|key| last.is_some_and(|last| last != key.kek_id)).count();
        Self { secret_keys: ids.into_iter().map(known).collect(), data_keys: stored.len(), left }
    }

    /// The secret key that was taken into use last, if it is not the current one here.
    pub fn ahead(&self) -> Option<&KnownKey> {
        let last = self.secret_keys.first().filter(|key| key.taken_at.is_some())?;
        (last.role != Role::Current).then_some(last)
    }

    /// The previous keys of this host that were in use once and open nothing any more.
    pub fn needless(&self) -> impl Iterator<Item = &KnownKey> {
        let is_over = self.left == 0 && self.ahead().is_none();
        let needless = move |key: &&KnownKey| {
            is_over && key.role == Role::Previous && key.taken_at.is_some() && key.data_keys == 0
        };
        self.secret_keys.iter().filter(needless)
    }
}

/// Opens what is stored and changes nothing.
///
/// # Errors
/// When the stored data keys were wrapped with another secret key.
pub async fn look(store: &Store, keys: &SecretKeys) -> Result<(KeyRing, Status)> {
    let stored = store.data_keys().await?;
    let mut turns = store.secret_keys().await?;
    let current = keys.current.kek_id();
    if turns.iter().all(|turn| turn.kek_id != current) {
        // What the next start would note.
        let turn = turns.first().map_or(0, |last| last.turn).saturating_add(1);
        turns.insert(0, SecretKeyTurn { kek_id: current.to_owned(), turn, taken_at: clock::now() });
    }
    let status = Status::of(keys, &stored, &turns);
    let (ring, _) = KeyRing::open(keys, &wrapped(stored)?, clock::now(), &mut Ids)?;
    Ok((ring, status))
}

impl Rotation {
    /// Opens the data keys of a database, makes those that are missing, and notes the secret key.
    ///
    /// # Errors
    /// When the stored data keys were wrapped with another secret key.
    pub async fn open(store: Store, secret_keys: SecretKeys) -> Result<Self> {
        let now = clock::now();
        let stored = wrapped(store.data_keys().await?)?;
        let (mut ring, fresh) = KeyRing::open(&secret_keys, &stored, now, &mut Ids)?;
        if !fresh.is_empty() {
            // Another process may be doing the same at this moment; what is stored counts.
            let rows: Vec<DataKey> = fresh.into_iter().map(row).collect();
            let kept = match store.add_missing_data_keys(&rows).await {
                Err(StoreError::Conflict(_)) => store.data_keys().await?,
                kept => kept?,
            };
            ring = KeyRing::open(&secret_keys, &wrapped(kept)?, now, &mut Ids)?.0;
        }
        store.take_secret_key(secret_keys.current.kek_id(), false, now).await?;
        Ok(Self { store, secret_keys, ring: Arc::new(ring) })
    }

    /// What seals and opens.
    pub fn ring(&self) -> Arc<KeyRing> {
        Arc::clone(&self.ring)
    }

    /// How far things are.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn status(&self) -> Result<Status, StoreError> {
        let stored = self.store.data_keys().await?;
        Ok(Status::of(&self.secret_keys, &stored, &self.store.secret_keys().await?))
    }

    /// Takes over what others made, and wraps again what is left to be.
    ///
    /// # Errors
    /// When the database does not answer, or a data key cannot be opened: the text says by which host and
    /// how that is mended. What is open stays open.
    pub async fn round(&self) -> Result<Status> {
        let stored = self.store.data_keys().await?;
        let reloaded = self.ring.reload(&self.secret_keys, &wrapped(stored)?, clock::now());
        let mut status = self.status().await?;
        metrics::data_keys_left(status.left);
        reloaded?;
        if status.left > 0 && status.ahead().is_none() {
            self.rewrap(|_| Ok(())).await?;
            status = self.status().await?;
            metrics::data_keys_left(status.left);
        }
        Ok(status)
    }

    /// Wraps every data key under the current secret key that is not, one transaction each: whenever
    /// that ends, what is done is done. Tells of each by `done`.
    ///
    /// # Errors
    /// When the database does not answer, or a data key cannot be opened.
    pub async fn rewrap(&self, mut done: impl FnMut(&WrappedKey) -> Result<()>) -> Result<()> {
        let current = self.secret_keys.current.kek_id();
        for key in wrapped(self.store.data_keys().await?)? {
            if key.kek_id == current {
                continue;
            }
            let new = crypto::rewrap(&key, &self.secret_keys)?;
            // If not, another process was faster.
            if self.store.rewrap_data_key(key.id, &key.kek_id, (&new.kek_id, &new.wrapped)).await? {
                tracing::info!(
                    data_key.id = %key.id,
                    "wrapped data key `{}` ({}) under secret key `{current}`, before `{}`",
                    key.id, key.purpose, key.kek_id
                );
                crash::pass(Point::KeyRewrapped);
                done(&new)?;
            }
        }
        Ok(())
    }

    /// Has the current secret key of this host wrap the data keys from now on. One that was in use before
    /// the last is only taken up again if `back` says so.
    ///
    /// # Errors
    /// When another host has taken a later one into use.
    pub async fn take_turn(&self, back: bool) -> Result<()> {
        let status = self.status().await?;
        let Some(ahead) = status.ahead() else { return Ok(()) };
        let current = self.secret_keys.current.kek_id();
        ensure!(
            back,
            "another host has taken secret key `{}` into use after `{current}`, which is the current one here\n\
             hint: make it `WATCHBELL_SECRET_KEY` here too and `{current}` the previous one; `--back` goes back \
             to `{current}`",
            ahead.kek_id
        );
        if let Some(other) =
            status.secret_keys.iter().find(|key| key.role == Role::Unknown && key.data_keys > 0)
        {
            bail!(crypto::CryptoError::WrongKey {
                found: other.kek_id.clone(),
                configured: self.secret_keys.ids()
            });
        }
        self.store.take_secret_key(current, true, clock::now()).await?;
        Ok(())
    }

    /// Makes a new data key for every purpose; running hubs seal with it within two minutes. Returns their
    /// identifiers.
    ///
    /// # Errors
    /// When somebody else did at the same moment.
    pub async fn renew(&self) -> Result<Vec<(DataKeyId, Purpose)>> {
        let stored = wrapped(self.store.data_keys().await?)?;
        let fresh = crypto::renew(&self.secret_keys, &stored, clock::now(), &mut Ids)?;
        let made = fresh.iter().map(|key| (key.id, key.purpose)).collect();
        let rows: Vec<DataKey> = fresh.into_iter().map(row).collect();
        match self.store.add_data_keys(&rows).await {
            Err(StoreError::Conflict(_)) => bail!("somebody else made new data keys at this moment"),
            added => added?,
        }
        Ok(made)
    }
}

fn row(key: WrappedKey) -> DataKey {
    DataKey {
        id: key.id,
        purpose: key.purpose.to_string(),
        generation: key.generation,
        kek_id: key.kek_id,
        wrapped: key.wrapped,
        created_at: key.created_at,
    }
}

fn wrapped(stored: Vec<DataKey>) -> Result<Vec<WrappedKey>> {
    let wrap = |key: DataKey| {
        Ok(WrappedKey {
            id: key.id,
            purpose: key.purpose.parse()?,
            generation: key.generation,
            kek_id: key.kek_id,
            wrapped: key.wrapped,
            created_at: key.created_at,
        })
    };
    stored.into_iter().map(wrap).collect()
}

#[cfg(test)]
mod tests;
