//! Data keys per purpose, wrapped by the operator's secret key.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use domain::id::{DataKeyId, Mint};
use domain::secret::Secret;
use domain::time::Timestamp;
use serde::Serialize;
use zeroize::Zeroize as _;

use super::CryptoError;
use super::envelope;
use super::secret_key::{SecretKey, SecretKeys, random};

/// Version byte of a wrapped data key: `version | nonce | ciphertext and tag`.
const WRAPPED: u8 = 1;

/// How long a new data key only opens, so that every running process knows it before the first value is
/// sealed under it; many times the pause between two looks at what is stored.
const SETTLES_WITHIN: Duration = Duration::from_secs(60);

/// What a data key is for. A value sealed for one purpose does not open for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Webhooks as they were received.
    Payload,
    /// Secrets in the settings of channels and providers.
    Channel,
    /// Results of stages.
    Artifact,
    /// Notifications and what remotes answered.
    Delivery,
    /// What senders sign with.
    Secret,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 5] = [Self::Payload, Self::Channel, Self::Artifact, Self::Delivery, Self::Secret];

    /// The word for it, as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Payload => "payload",
            Self::Channel => "channel",
            Self::Artifact => "artifact",
            Self::Delivery => "delivery",
            Self::Secret => "secret",
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
#[error("`{0}` is no purpose of a data key; known are payload, channel, artifact, delivery, secret")]
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
    /// Counts from 1 per purpose; the newest seals.
    pub generation: u32,
    /// Public identifier of the secret key that wraps it.
    pub kek_id: String,
    /// The wrapped bytes.
    pub wrapped: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl WrappedKey {
    /// What its wrapping holds for: nothing of the row can be changed but the time.
    fn aad(&self) -> Vec<u8> {
        let (id, generation) = (self.id.to_string(), self.generation.to_string());
        envelope::length_prefixed(
            WRAPPED,
            &["data key", &id, self.purpose.as_str(), &generation, &self.kek_id],
        )
    }

    /// The same key with `data_key` wrapped under `secret_key`.
    fn wrap(self, data_key: &Secret<[u8; 32]>, secret_key: &SecretKey) -> Result<Self, CryptoError> {
        let wrapping = Self { kek_id: secret_key.kek_id().to_owned(), ..self };
        let nonce = random()?;
        let ciphertext = envelope::encrypt(&secret_key.kek(), &nonce, data_key.expose(), &wrapping.aad())
            .ok_or_else(|| CryptoError::Cipher("data key".to_owned()))?;
        let wrapped = [&[WRAPPED], nonce.as_slice(), &ciphertext].concat();
        Ok(Self { wrapped, ..wrapping })
    }

    /// A new one, wrapped under `secret_key`.
    pub(super) fn generate(
        purpose: Purpose,
        generation: u32,
        secret_key: &SecretKey,
        (now, mint): (Timestamp, &mut (impl Mint + ?Sized)),
    ) -> Result<Self, CryptoError> {
        let data_key = Secret::new(random()?);
        let (id, kek_id) = (DataKeyId::mint(mint), String::new());
        let bare = Self { id, purpose, generation, kek_id, wrapped: Vec::new(), created_at: now };
        bare.wrap(&data_key, secret_key)
    }

    pub(super) fn unwrap(&self, keys: &SecretKeys) -> Result<Secret<[u8; 32]>, CryptoError> {
        let secret_key = keys.by_id(&self.kek_id).ok_or_else(|| self.under_wrong_key(keys))?;
        let data_key = match self.wrapped.split_first() {
            Some((&WRAPPED, rest)) => rest.split_first_chunk().and_then(|(nonce, ciphertext)| {
                envelope::decrypt(&secret_key.kek(), nonce, ciphertext, &self.aad())
            }),
            _ => None,
        };
        let mut bytes = data_key.ok_or(CryptoError::DamagedKey(self.id))?;
        let key = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| CryptoError::DamagedKey(self.id));
        bytes.zeroize();
        key.map(Secret::new)
    }

    pub(super) fn under_wrong_key(&self, keys: &SecretKeys) -> CryptoError {
        CryptoError::WrongKey { found: self.kek_id.clone(), configured: keys.ids() }
    }

    pub(super) fn is_settled(&self, now: Timestamp) -> bool {
        self.created_at.after(SETTLES_WITHIN) <= now
    }
}

/// Wraps a data key again, under the current secret key. The values sealed under it stay as they are.
///
/// # Errors
/// [`CryptoError::WrongKey`] or [`CryptoError::DamagedKey`] where none of `keys` opens it.
pub fn rewrap(stored: &WrappedKey, keys: &SecretKeys) -> Result<WrappedKey, CryptoError> {
    let data_key = stored.unwrap(keys)?;
    stored.clone().wrap(&data_key, &keys.current)
}

/// Makes a data key of the next generation for every purpose, for what is sealed from now on.
///
/// # Errors
/// [`CryptoError::Random`].
pub fn renew(
    keys: &SecretKeys,
    stored: &[WrappedKey],
    now: Timestamp,
    mint: &mut (impl Mint + ?Sized),
) -> Result<Vec<WrappedKey>, CryptoError> {
    let newest = |purpose| {
        let of_it = stored.iter().filter(|key| key.purpose == purpose);
        of_it.map(|key| key.generation).max().unwrap_or_default()
    };
    let next = |purpose| {
        WrappedKey::generate(purpose, newest(purpose).saturating_add(1), &keys.current, (now, &mut *mint))
    };
    Purpose::ALL.into_iter().map(next).collect()
}
