//! The opened data keys of one database.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use domain::id::{DataKeyId, Mint};
use domain::secret::Secret;
use domain::time::Timestamp;
use ulid::Ulid;
use zeroize::Zeroize as _;

use super::CryptoError;
use super::envelope::{self, Binding, Form, Place, Sealed};
use super::secret_key::SecretKeys;
use super::wrapped_key::{Purpose, WrappedKey};

#[derive(Clone)]
struct DataKey {
    id: [u8; 16],
    purpose: Purpose,
    generation: u32,
    /// Whether values may be sealed under it by now.
    is_settled: bool,
    key: Arc<Secret<[u8; 32]>>,
}

/// The opened data keys of one database. The newest of a purpose seals, all of them open.
///
/// Others may make data keys while this process runs, see [`KeyRing::reload`].
///
/// Invariant: holds at least one data key for every [`Purpose`], newest first.
pub struct KeyRing {
    keys: ArcSwap<Vec<DataKey>>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({} data keys)", self.keys.load().len())
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
                fresh.push(WrappedKey::generate(purpose, 1, &keys.current, (now, &mut *mint))?);
            }
        }
        let all = stored.iter().chain(&fresh);
        let opened = all.map(|key| DataKey::open(key, keys, now)).collect::<Result<Vec<_>, _>>()?;
        Ok((Self { keys: ArcSwap::from_pointee(sorted(opened)) }, fresh))
    }

    /// Takes over what is stored now: keys that others made, and new ones that may seal by now. Keys that
    /// are open stay open, whatever became of their wrapping.
    ///
    /// # Errors
    /// [`CryptoError::WrongKey`] if a key was wrapped under a secret key that is not at hand, which the
    /// next start would not survive; [`CryptoError::DamagedKey`]. All others are taken over.
    pub fn reload(
        &self,
        keys: &SecretKeys,
        stored: &[WrappedKey],
        now: Timestamp,
    ) -> Result<(), CryptoError> {
        let mut known = self.keys.load().to_vec();
        let mut trouble = Ok(());
        for wrapped in stored {
            let id = id_bytes(wrapped.id)?;
            if let Some(open) = known.iter_mut().find(|key| key.id == id) {
                open.is_settled = wrapped.is_settled(now);
                if !keys.has(&wrapped.kek_id) {
                    trouble = Err(wrapped.under_wrong_key(keys));
                }
                continue;
            }
            match DataKey::open(wrapped, keys, now) {
                Ok(key) => known.push(key),
                Err(error) => trouble = Err(error),
            }
        }
        self.keys.store(Arc::new(sorted(known)));
        trouble
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
        let keys = self.keys.load();
        let mut newest_first = keys.iter().filter(|key| key.purpose == purpose);
        // The first key of a purpose seals at once: nobody has another.
        #[expect(clippy::expect_used, reason = "the type's invariant")]
        let newest = newest_first
            .clone()
            .find(|key| key.is_settled)
            .or_else(|| newest_first.next_back())
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
        let key = self.key_of(&sealed, &binding)?;
        sealed.open(&key, &binding, limit)
    }

    /// Checks that a value is whole, in its place and of this purpose.
    ///
    /// # Errors
    /// As [`KeyRing::open_value`].
    pub fn check_value(&self, purpose: Purpose, place: Place<'_>, sealed: &[u8]) -> Result<(), CryptoError> {
        let binding = Binding { purpose: purpose.as_str(), place };
        let sealed = Sealed::parse_any(place, sealed)?;
        let key = self.key_of(&sealed, &binding)?;
        sealed.authenticate(&key, &binding)?.zeroize();
        Ok(())
    }

    fn key_of(
        &self,
        sealed: &Sealed<'_>,
        binding: &Binding<'_>,
    ) -> Result<Arc<Secret<[u8; 32]>>, CryptoError> {
        let keys = self.keys.load();
        let key = keys.iter().find(|key| key.id == sealed.key_id);
        let key = key.ok_or_else(|| CryptoError::UnknownDataKey(sealed.data_key()))?;
        if key.purpose.as_str() != binding.purpose {
            return Err(CryptoError::Tampered(binding.place.name()));
        }
        Ok(Arc::clone(&key.key))
    }
}

impl DataKey {
    fn open(wrapped: &WrappedKey, keys: &SecretKeys, now: Timestamp) -> Result<Self, CryptoError> {
        Ok(Self {
            id: id_bytes(wrapped.id)?,
            purpose: wrapped.purpose,
            generation: wrapped.generation,
            is_settled: wrapped.is_settled(now),
            key: Arc::new(wrapped.unwrap(keys)?),
        })
    }
}

fn sorted(mut keys: Vec<DataKey>) -> Vec<DataKey> {
    keys.sort_by_key(|key| std::cmp::Reverse((key.generation, key.id)));
    keys
}

fn id_bytes(id: DataKeyId) -> Result<[u8; 16], CryptoError> {
    let ulid = Ulid::from_string(&id.to_string()).map_err(|_| CryptoError::DamagedKey(id))?;
    Ok(ulid.to_bytes())
}

#[cfg(test)]
mod tests;
