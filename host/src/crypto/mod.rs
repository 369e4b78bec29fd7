//! Seals what must not be read from a copy of the database.
//!
//! One secret key of the operator yields a key that wraps data keys; each purpose has data keys of
//! its own, kept wrapped in the database; values are sealed under them and bound to the table,
//! column and row they stand in. Changing the secret key re-wraps a handful of data keys and touches
//! no value.

mod envelope;
mod key_ring;
mod secret_key;
mod wrapped_key;

use domain::id::DataKeyId;

pub use envelope::Place;
pub use key_ring::KeyRing;
pub use secret_key::{SecretKey, SecretKeyError, SecretKeys};
pub use wrapped_key::{Purpose, PurposeError, WrappedKey, renew, rewrap};

/// Why something could not be sealed or opened. Texts never hold key material or plaintext.
#[derive(Debug, thiserror::Error)]
pub enum CryptoError {
    /// The database was made with a secret key that is not among the configured ones.
    #[error(
        "the data keys of this database are wrapped under secret key `{found}`, configured is {configured}\n\
         hint: put secret key `{found}` into `WATCHBELL_SECRET_KEY`, or into `WATCHBELL_SECRET_KEY_PREVIOUS` \
         while it is being replaced: first every host gets the new key as a previous one, then each swaps \
         the two, then the data keys are wrapped again"
    )]
    WrongKey {
        /// Public identifier of the key that is needed.
        found: String,
        /// Public identifiers of the keys at hand, in backticks.
        configured: String,
    },
    /// A wrapped data key was changed after it was stored.
    #[error(
        "data key `{0}` does not open under the key that wrapped it: its row was changed\nhint: restore it from a backup"
    )]
    DamagedKey(DataKeyId),
    /// A value names a data key that this process has not loaded.
    #[error(
        "sealed under data key `{0}`, which is not loaded\nhint: another process may have made it; load the data keys again"
    )]
    UnknownDataKey(DataKeyId),
    /// A value was changed, moved from another place, or sealed for another purpose.
    #[error("`{0}` does not open: the value was changed or belongs to another place")]
    Tampered(String),
    /// A value was not made by this module, or by a later version of it.
    #[error("`{place}` holds no sealed value of a known version: {found}")]
    Format {
        /// Table and column.
        place: String,
        /// What was found instead.
        found: String,
    },
    /// A value is longer than the caller allows once it is decompressed.
    #[error("`{place}` holds more than {limit} bytes when decompressed")]
    TooLarge {
        /// Table and column.
        place: String,
        /// The caller's limit.
        limit: usize,
    },
    /// A value could not be compressed.
    #[error("the value for `{0}` was not compressed")]
    Compress(String, #[source] std::io::Error),
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes: {0}")]
    Random(String),
    /// The cipher refused; the value is longer than it can take.
    #[error("the value for `{0}` is longer than the cipher can seal")]
    Cipher(String),
}
