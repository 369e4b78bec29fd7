//! Data keys per purpose, wrapped by the operator's secret key.

use std::fmt;
use std::str::FromStr;

use domain::id::{DataKeyId, Mint};
use domain::secret::Secret;
use domain::time::Timestamp;
use serde::Serialize;
use ulid::Ulid;
use zeroize::Zeroize as _;

use super::CryptoError;
use super::envelope::{self, Binding, Form, Place, Sealed};
use super::secret_key::{SecretKey, SecretKeys, random};

/// Version byte of a wrapped data key: `version | nonce | ciphertext and tag`.
const WRAPPED: u8 = 1;

/// What a data key is for. A value sealed for one purpose does not open for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Webhooks as they were received.
    Payload,
    /// Secrets in the settings of channels.
    Channel,
    /// Results of stages.
    Artifact,
    /// Notifications and what remotes answered.
    Delivery,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 4] = [Self::Payload, Self::Channel, Self::Artifact, Self::Delivery];

    /// The word for it, as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Payload => "payload",
            Self::Channel => "channel",
            Self::Artifact => "artifact",
            Self::Delivery => "delivery",
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no purpose.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no purpose of a data key; known are payload, channel, artifact, delivery")]
pub struct PurposeError(String);

impl FromStr for Purpose {
    type Err = PurposeError;

    fn from_str(text: &str) -> Result<Self, PurposeError> {
        let found = Self::ALL.into_iter().find(|purpose| purpose.as_str() == text);
        found.ok_or_else(|| PurposeError(text.to_owned()))
    }
}

/// A data key as the database keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// Which key it is; stands in the header of every value sealed under it.
    pub id: DataKeyId,
    /// What it is for.
    pub purpose: Purpose,
    /// Public identifier of the secret key that wraps it.
    pub kek_id: String,
    /// The wrapped bytes.
    pub wrapped: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl WrappedKey {
    fn aad(id: DataKeyId, purpose: Purpose, kek_id: &str) -> Vec<u8> {
        envelope::length_prefixed(WRAPPED, &["data key", &id.to_string(), purpose.as_str(), kek_id])
    }

    /// Wraps `data_key` under `secret_key`.
    fn wrap(
        (id, purpose, created_at): (DataKeyId, Purpose, Timestamp),
        data_key: &Secret<[u8; 32]>,
        secret_key: &SecretKey,
    ) -> Result<Self, CryptoError> {
        let kek_id = secret_key.kek_id().to_owned();
        let nonce = random()?;
        let aad = Self::aad(id, purpose, &kek_id);
        let ciphertext = envelope::encrypt(&secret_key.kek(), &nonce, data_key.expose(), &aad)
            .ok_or_else(|| CryptoError::Cipher("data key".to_owned()))?;
        let wrapped = [&[WRAPPED], nonce.as_slice(), &ciphertext].concat();
        Ok(Self { id, purpose, kek_id, wrapped, created_at })
    }

    fn unwrap(&self, keys: &SecretKeys) -> Result<Secret<[u8; 32]>, CryptoError> {
        let secret_key = keys
            .by_id(&self.kek_id)
            .ok_or_else(|| CryptoError::WrongKey { found: self.kek_id.clone(), configured: keys.ids() })?;
        let data_key = match self.wrapped.split_first() {
            Some((&WRAPPED, rest)) => rest.split_first_chunk().and_then(|(nonce, ciphertext)| {
                let aad = Self::aad(self.id, self.purpose, &self.kek_id);
                envelope::decrypt(&secret_key.kek(), nonce, ciphertext, &aad)
            }),
            _ => None,
        };
        let mut bytes = data_key.ok_or(CryptoError::DamagedKey(self.id))?;
        let key = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| CryptoError::DamagedKey(self.id));
        bytes.zeroize();
        key.map(Secret::new)
    }
}

/// Wraps a data key again, under the current secret key. The values sealed under it stay as they are.
///
/// # Errors
/// [`CryptoError::WrongKey`] or [`CryptoError::DamagedKey`] where none of `keys` opens it.
pub fn rewrap(stored: &WrappedKey, keys: &SecretKeys) -> Result<WrappedKey, CryptoError> {
    let data_key = stored.unwrap(keys)?;
    WrappedKey::wrap((stored.id, stored.purpose, stored.created_at), &data_key, &keys.current)
}

struct DataKey {
    id: [u8; 16],
    purpose: Purpose,
    key: Secret<[u8; 32]>,
}

/// The opened data keys of one database. The newest of a purpose seals, all of them open.
///
/// Invariant: holds at least one data key for every [`Purpose`], newest first.
pub struct KeyRing {
    keys: Vec<DataKey>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({} data keys)", self.keys.len())
    }
}

impl KeyRing {
    /// Opens the stored data keys and makes one for each purpose that has none.
    ///
    /// The caller stores the new ones before it seals anything. Where another process may have stored
    /// its own in the meantime, store them only if the purpose still has none, read again and open
    /// again: a value is readable only while its data key is stored.
    ///
    /// # Errors
    /// [`CryptoError::WrongKey`] if a stored key is wrapped under none of `keys`,
    /// [`CryptoError::DamagedKey`] if it was changed, [`CryptoError::Random`].
    pub fn open(
        keys: &SecretKeys,
        stored: &[WrappedKey],
        now: Timestamp,
        mint: &mut (impl Mint + ?Sized),
    ) -> Result<(Self, Vec<WrappedKey>), CryptoError> {
        let mut fresh = Vec::new();
        for purpose in Purpose::ALL {
            if stored.iter().all(|key| key.purpose != purpose) {
                let data_key = Secret::new(random()?);
                let id = DataKeyId::mint(mint);
                fresh.push(WrappedKey::wrap((id, purpose, now), &data_key, &keys.current)?);
            }
        }
        let mut newest_first: Vec<&WrappedKey> = stored.iter().chain(&fresh).collect();
        newest_first.sort_by_key(|key| std::cmp::Reverse((key.created_at, key.id)));
        let mut opened = Vec::with_capacity(newest_first.len());
        for wrapped in newest_first {
            let key = wrapped.unwrap(keys)?;
            opened.push(DataKey { id: id_bytes(wrapped.id)?, purpose: wrapped.purpose, key });
        }
        Ok((Self { keys: opened }, fresh))
    }

    /// Seals a value for one place.
    ///
    /// # Errors
    /// [`CryptoError::Random`], [`CryptoError::Cipher`].
    pub fn seal(&self, purpose: Purpose, place: Place<'_>, plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.seal_as(Form::Plain, purpose, place, plaintext)
    }

    /// Compresses a value, then seals it; for payloads, which are long.
    ///
    /// The length of the result tells how well the value compressed, so nothing secret may be put
    /// beside what a stranger chose.
    ///
    /// # Errors
    /// As [`KeyRing::seal`], and [`CryptoError::Compress`].
    pub fn seal_compressed(
        &self,
        purpose: Purpose,
        place: Place<'_>,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        self.seal_as(Form::Compressed, purpose, place, plaintext)
    }

    /// Opens what [`KeyRing::seal`] made for the same purpose and place.
    ///
    /// # Errors
    /// [`CryptoError::Tampered`] for a value that was changed or moved, [`CryptoError::Format`] for one
    /// that is no sealed value, [`CryptoError::UnknownDataKey`].
    pub fn open_value(
        &self,
        purpose: Purpose,
        place: Place<'_>,
        sealed: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        self.open_as(Form::Plain, Binding { purpose: purpose.as_str(), place }, sealed, usize::MAX)
    }

    /// Opens what [`KeyRing::seal_compressed`] made for the same purpose and place, if it is at most
    /// `limit` bytes long.
    ///
    /// # Errors
    /// As [`KeyRing::open_value`], and [`CryptoError::TooLarge`].
    pub fn open_compressed(
        &self,
        purpose: Purpose,
        place: Place<'_>,
        sealed: &[u8],
        limit: usize,
    ) -> Result<Vec<u8>, CryptoError> {
        self.open_as(Form::Compressed, Binding { purpose: purpose.as_str(), place }, sealed, limit)
    }

    fn seal_as(
        &self,
        form: Form,
        purpose: Purpose,
        place: Place<'_>,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        #[expect(clippy::expect_used, reason = "the type's invariant")]
        let newest = self
            .keys
            .iter()
            .find(|key| key.purpose == purpose)
            .expect("`open` makes a data key for every purpose");
        let binding = Binding { purpose: purpose.as_str(), place };
        envelope::seal((&newest.id, &newest.key), &binding, form, plaintext)
    }

    fn open_as(
        &self,
        form: Form,
        binding: Binding<'_>,
        sealed: &[u8],
        limit: usize,
    ) -> Result<Vec<u8>, CryptoError> {
        let sealed = Sealed::parse(binding.place, sealed, form)?;
        let key = self.keys.iter().find(|key| key.id == sealed.key_id);
        let key = key.ok_or_else(|| CryptoError::UnknownDataKey(sealed.data_key()))?;
        if key.purpose.as_str() != binding.purpose {
            return Err(CryptoError::Tampered(binding.place.name()));
        }
        sealed.open(&key.key, &binding, limit)
    }
}

fn id_bytes(id: DataKeyId) -> Result<[u8; 16], CryptoError> {
    let ulid = Ulid::from_string(&id.to_string()).map_err(|_| CryptoError::DamagedKey(id))?;
    Ok(ulid.to_bytes())
}

#[cfg(test)]
mod tests;
