//! The operator's secret key and what is derived from it.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use chacha20poly1305::aead::Generate as _;
use domain::secret::Secret;
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroize as _;

use super::CryptoError;

/// The least key material, in bytes.
const MIN_BYTES: usize = 32;

/// The most key material; a longer text is a file pasted by mistake.
const MAX_BYTES: usize = 1024;

/// Fewer distinct bytes than this cannot come from a random generator: for 32 random bytes the chance
/// is below 2^-80.
const MIN_DISTINCT: usize = 12;

const HKDF_SALT: &[u8] = b"watchbell";

/// Why a text is not a secret key. Names the setting, never its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretKeyError {
    /// Nothing is set.
    #[error(
        "`{0}` is not set\nhint: make a key with `watchbell secrets generate` and keep it outside the database"
    )]
    Missing(String),
    /// Neither of the two forms.
    #[error(
        "`{variable}` must be 64 hexadecimal digits or base64 of at least 32 bytes, found {found}\n\
         hint: make a key with `watchbell secrets generate`"
    )]
    Form {
        /// The setting.
        variable: String,
        /// What it is instead, without showing it.
        found: String,
    },
    /// The right form, but no randomness in it.
    #[error(
        "`{0}` is a pattern, not a random key\n\
         hint: make a key with `watchbell secrets generate`"
    )]
    Weak(String),
}

/// The key that everything secret hangs on.
///
/// Invariant: at least 32 bytes that do not look like a pattern; never shown, not even by `Debug`.
#[derive(Clone)]
pub struct SecretKey {
    material: Secret<Vec<u8>>,
    kek_id: String,
}

/// The secret key in use and those that may still open what was sealed before.
#[derive(Debug, Clone)]
pub struct SecretKeys {
    /// Wraps and unwraps.
    pub current: SecretKey,
    /// Only unwrap; newest first.
    pub previous: Vec<SecretKey>,
}

impl SecretKey {
    /// Reads a key as the operator wrote it: 64 hexadecimal digits, or base64 (standard or URL-safe,
    /// padded or not) of at least 32 bytes. White space around it is ignored.
    ///
    /// # Errors
    /// [`SecretKeyError`], which names `variable`.
    pub fn parse(variable: &str, text: &str) -> Result<Self, SecretKeyError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(SecretKeyError::Missing(variable.to_owned()));
        }
        let material = Secret::new(decode(variable, text)?);
        if is_pattern(material.expose()) {
            return Err(SecretKeyError::Weak(variable.to_owned()));
        }
        let mut key = Self { material, kek_id: String::new() };
        key.kek_id = hex::encode(key.expand::<8>("kek-id").expose());
        Ok(key)
    }

    /// Makes a fresh key: 64 hexadecimal digits from the operating system.
    ///
    /// # Errors
    /// [`CryptoError::Random`].
    pub fn generate() -> Result<Secret<String>, CryptoError> {
        let bytes = Secret::new(random::<32>()?);
        Ok(Secret::new(hex::encode(bytes.expose())))
    }

    /// Derives the 32-byte key for one use; the same label always yields the same key.
    ///
    /// # Source
    /// HKDF with SHA-256: RFC 5869; the label is the `info` input.
    pub fn derive(&self, label: &'static str) -> Secret<[u8; 32]> {
        // A prefix of its own keeps every label apart from the module's own uses of the key.
        self.expand(&format!("use/{label}"))
    }

    /// A public identifier of 16 hexadecimal digits: tells keys apart without telling them.
    pub fn kek_id(&self) -> &str {
        &self.kek_id
    }

    /// The key that wraps data keys.
    pub(super) fn kek(&self) -> Secret<[u8; 32]> {
        self.expand("kek")
    }

    fn expand<const N: usize>(&self, label: &str) -> Secret<[u8; N]> {
        let mut okm = [0; N];
        #[expect(clippy::expect_used, reason = "RFC 5869 bounds the output at 8160 bytes; callers take 32")]
        Hkdf::<Sha256>::new(Some(HKDF_SALT), self.material.expose())
            .expand(label.as_bytes(), &mut okm)
            .expect("the output is shorter than 8160 bytes");
        let derived = Secret::new(okm);
        okm.zeroize();
        derived
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({})", self.kek_id)
    }
}

impl SecretKeys {
    /// The key with this public identifier.
    pub(super) fn by_id(&self, kek_id: &str) -> Option<&SecretKey> {
        std::iter::once(&self.current).chain(&self.previous).find(|key| key.kek_id == kek_id)
    }

    /// Whether the key with this public identifier is at hand.
    pub fn has(&self, kek_id: &str) -> bool {
        self.by_id(kek_id).is_some()
    }

    /// The public identifiers at hand, for messages.
    pub fn ids(&self) -> String {
        let ids = std::iter::once(&self.current).chain(&self.previous);
        ids.map(|key| format!("`{}`", key.kek_id)).collect::<Vec<_>>().join(", ")
    }
}

/// Random bytes from the operating system.
pub(super) fn random<const N: usize>() -> Result<[u8; N], CryptoError> {
    <[u8; N]>::try_generate().map_err(|error| CryptoError::Random(error.to_string()))
}

fn decode(variable: &str, text: &str) -> Result<Vec<u8>, SecretKeyError> {
    let form = |found: String| SecretKeyError::Form { variable: variable.to_owned(), found };
    if text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        // Decided by the alphabet alone, so that a hexadecimal key cut short is not taken for base64.
        if text.len() != 2 * MIN_BYTES {
            return Err(form(format!("{} hexadecimal digits", text.len())));
        }
        return hex::decode(text).map_err(|_| form("other characters".to_owned()));
    }
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabet = if text.contains(['-', '_']) { &alphabet::URL_SAFE } else { &alphabet::STANDARD };
    let mut bytes = GeneralPurpose::new(alphabet, lenient)
        .decode(text)
        .map_err(|_| form(format!("{} characters that are neither", text.chars().count())))?;
    if bytes.len() < MIN_BYTES || bytes.len() > MAX_BYTES {
        let length = bytes.len();
        bytes.zeroize();
        return Err(form(format!("base64 of {length} bytes")));
    }
    Ok(bytes)
}

/// Whether the bytes repeat, or count up or down.
fn is_pattern(bytes: &[u8]) -> bool {
    let mut seen = [false; 256];
    for byte in bytes {
        if let Some(slot) = seen.get_mut(usize::from(*byte)) {
            *slot = true;
        }
    }
    let distinct = seen.iter().filter(|seen| **seen).count();
    let mut steps = bytes.iter().zip(bytes.iter().skip(1)).map(|(a, b)| b.wrapping_sub(*a));
    let first = steps.next();
    distinct < MIN_DISTINCT || steps.all(|step| Some(step) == first)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "8f1d2c3b4a59687706f5e4d3c2b1a09f1e2d3c4b5a69788716f5e4d3c2b1a08e";

    fn parse(text: &str) -> Result<SecretKey, SecretKeyError> {
        SecretKey::parse("WATCHBELL_SECRET_KEY", text)
    }

    #[test]
    fn hexadecimal_and_every_base64_form_of_one_key_are_the_same_key() {
        let bytes = hex::decode(HEX).unwrap();
        let wanted = parse(HEX).unwrap();
        let forms = [
            HEX.to_uppercase(),
            format!("  {HEX}\n"),
            base64::engine::general_purpose::STANDARD.encode(&bytes),
            base64::engine::general_purpose::STANDARD_NO_PAD.encode(&bytes),
            base64::engine::general_purpose::URL_SAFE.encode(&bytes),
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&bytes),
        ];
        for form in forms {
            let key = parse(&form).unwrap();
            assert_eq!(key.kek_id(), wanted.kek_id(), "{form}");
            assert_eq!(key.derive("session").expose(), wanted.derive("session").expose());
        }
    }

    #[test]
    fn other_texts_are_refused_without_being_shown() {
        let short_base64 = base64::engine::general_purpose::STANDARD.encode([7; 31]);
        let cases = [
            "hunter2-hunter2!",
            &HEX[..63],
            &HEX[..62],
            &format!("{HEX}00"),
            &short_base64,
            "pass phrase with spaces that is long enough to be a key",
        ];
        for text in cases {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains("`WATCHBELL_SECRET_KEY`"), "{message}");
            assert!(message.contains("watchbell secrets generate"), "{message}");
            assert!(!message.contains(text), "{message}");
        }
        assert!(matches!(parse(" "), Err(SecretKeyError::Missing(_))));
    }

    #[test]
    fn patterns_are_refused() {
        let counting: Vec<u8> = (0..32).collect();
        let two_words = "deadbeefcafebabe".repeat(4);
        for text in ["0".repeat(64), "ab".repeat(32), hex::encode(counting), two_words] {
            assert!(matches!(parse(&text), Err(SecretKeyError::Weak(_))), "{text}");
        }
    }

    #[test]
    fn generated_keys_are_accepted_and_differ() {
        let (first, second) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        assert_ne!(first.expose(), second.expose());
        assert_ne!(parse(first.expose()).unwrap().kek_id(), parse(second.expose()).unwrap().kek_id());
    }

    #[test]
    fn labels_yield_unrelated_keys_and_debug_shows_none_of_them() {
        let key = parse(HEX).unwrap();
        assert_ne!(key.derive("session").expose(), key.derive("csrf").expose());
        assert_ne!(key.kek().expose(), key.derive("session").expose());
        assert_eq!(key.kek_id().len(), 16);
        assert_eq!(format!("{key:?}"), format!("SecretKey({})", key.kek_id()));
    }
}
