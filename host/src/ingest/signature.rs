//! Whether a webhook was signed by who knows the secret.
//!
//! Over the bytes as received, in constant time, before any plugin code runs.

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, engine::DecodePaddingMode};
use domain::signature::{
    Algorithm, Encoding, HmacScheme, STANDARD_WEBHOOKS_HEADER, SecretEncoding, SignatureScheme,
};
use domain::time::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use sha2::{Sha256, Sha384, Sha512};

use super::SignatureRules;
use crate::plugins::DriverEntry;

/// Base64 as senders write it, with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// The most signatures in one header that are looked at.
const MAX_SIGNATURES: usize = 10;
/// How far the time of a Standard Webhook may be off, in seconds.
const STANDARD_TOLERANCE_S: u32 = 300;
/// What secrets of Standard Webhooks begin with.
const STANDARD_PREFIX: &str = "whsec_";
/// The shortest key of Standard Webhooks, in bytes, as their specification has it.
const STANDARD_MIN_KEY_BYTES: usize = 24;

impl SignatureRules {
    /// Whether webhooks of this driver must be signed with a secret that is known.
    pub(super) fn has_secret(&self, entry: &DriverEntry) -> bool {
        let name = &entry.driver.info().plugin.name;
        !entry.signatures.is_empty() && self.secrets.contains_key(name.as_str())
    }
}

impl SignatureRules {
    /// Whether webhooks of this driver are taken only with a signature.
    pub(super) fn wants_signed(&self, entry: &DriverEntry) -> bool {
        !entry.signatures.is_empty() && (self.required || self.has_secret(entry))
    }
}

/// Why a secret would verify nothing under these schemes, if so.
///
/// A secret fits when it is a key of one of them; one that begins as the secrets of a scheme do must be
/// a key of that one.
pub(super) fn secret_defect(schemes: &[SignatureScheme], secret: &str) -> Option<String> {
    for scheme in schemes {
        if let Some((prefix, _)) = base64_form(scheme)
            && !prefix.is_empty()
            && secret.starts_with(prefix)
        {
            return key(scheme, secret).err().map(|why| format!("begins with `{prefix}`, and {why}"));
        }
    }
    let mut keys = schemes.iter().map(|scheme| key(scheme, secret));
    let why = keys.next()?.err()?;
    (!keys.any(|key| key.is_ok())).then(|| format!("does not fit how its sender signs: {why}"))
}

/// What a signature is made over.
#[derive(Clone, Copy)]
pub(super) struct Signed<'a> {
    /// The bytes that were sent, before anything is decoded.
    pub(super) body: &'a [u8],
    /// When they came.
    pub(super) received_at: Timestamp,
}

/// Checks a webhook against all schemes and secrets of its driver.
///
/// # Errors
/// The cause, for the log only: a sender must not learn which part was wrong.
pub(super) fn verify(
    driver: &str,
    schemes: &[SignatureScheme],
    rules: &SignatureRules,
    headers: &HeaderMap,
    signed: Signed<'_>,
) -> Result<(), &'static str> {
    let Signed { body, received_at: now } = signed;
    if schemes.is_empty() {
        return Ok(());
    }
    let Some(secrets) = rules.secrets.get(driver) else {
        return if rules.required { Err("a signature is required and no secret is set") } else { Ok(()) };
    };
    let mut cause = "no signature header";
    for scheme in schemes {
        for secret in secrets {
            // A secret need not be a key of every scheme; of one it is, see `secret_defect`.
            let Ok(key) = key(scheme, secret.expose()) else { continue };
            let result = match scheme {
                SignatureScheme::Hmac(scheme) => hmac_scheme(scheme, &key, headers, body, now),
                SignatureScheme::StandardWebhooks => standard(&key, headers, body, now),
            };
            match result {
                Ok(()) => return Ok(()),
                Err("no signature header") => {}
                Err(other) => cause = other,
            }
        }
    }
    Err(cause)
}

/// The one value of a header; a repeated header is no value at all.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

fn hmac_scheme(
    scheme: &HmacScheme,
    key: &[u8],
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<(), &'static str> {
    let value = single(headers, &scheme.header).ok_or("no signature header")?;
    let timestamp = match &scheme.timestamp_header {
        None => "",
        Some(name) => {
            let text = single(headers, name).ok_or("no timestamp header")?;
            fresh(text, scheme.tolerance_s, now)?;
            text
        }
    };
    let bare = |part: &str| {
        let mut prefixes = scheme.prefixes.iter();
        let rest = if scheme.prefixes.is_empty() {
            Some(part)
        } else {
            prefixes.find_map(|prefix| part.strip_prefix(prefix.as_str()))
        };
        rest.and_then(|text| decode(scheme.encoding, text))
    };
    let macs: Vec<Vec<u8>> = match &scheme.separator {
        Some(separator) => {
            let parts = value.split(separator.as_str()).take(MAX_SIGNATURES);
            parts.filter_map(|part| bare(part.trim())).collect()
        }
        None => bare(value).into_iter().collect(),
    };
    holds(scheme.algorithm, key, &macs, || scheme.signed_bytes(timestamp, body))
}

/// The scheme of standardwebhooks.com, version 1.
fn standard(key: &[u8], headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<(), &'static str> {
    let signatures = single(headers, STANDARD_WEBHOOKS_HEADER).ok_or("no signature header")?;
    let id = single(headers, "webhook-id").filter(|id| !id.is_empty()).ok_or("no webhook-id header")?;
    let timestamp = single(headers, "webhook-timestamp").ok_or("no timestamp header")?;
    fresh(timestamp, STANDARD_TOLERANCE_S, now)?;
    let mac = |part: &str| decode(Encoding::Base64, part.strip_prefix("v1,")?);
    let macs: Vec<Vec<u8>> = signatures.split(' ').take(MAX_SIGNATURES).filter_map(mac).collect();
    let signed = || [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
    holds(Algorithm::Sha256, key, &macs, signed)
}

fn fresh(timestamp: &str, tolerance_s: u32, now: Timestamp) -> Result<(), &'static str> {
    let plain = !timestamp.is_empty() && timestamp.bytes().all(|byte| byte.is_ascii_digit());
    let seconds: i64 =
        timestamp.parse().ok().filter(|_| plain).ok_or("the timestamp is no number of seconds")?;
    if seconds.abs_diff(now.as_seconds()) <= u64::from(tolerance_s) {
        Ok(())
    } else {
        Err("the timestamp is too far off")
    }
}

/// For secrets that are base64: what they begin with, and the shortest key in bytes.
fn base64_form(scheme: &SignatureScheme) -> Option<(&str, usize)> {
    match scheme {
        SignatureScheme::Hmac(scheme) => match &scheme.secret_encoding {
            SecretEncoding::Utf8 => None,
            SecretEncoding::Base64(prefix) => Some((prefix, 1)),
        },
        SignatureScheme::StandardWebhooks => Some((STANDARD_PREFIX, STANDARD_MIN_KEY_BYTES)),
    }
}

/// What a secret is as a key of a scheme; never an empty one, which everybody has.
fn key(scheme: &SignatureScheme, secret: &str) -> Result<Vec<u8>, &'static str> {
    match base64_form(scheme) {
        None if secret.is_empty() => Err("the secret is empty"),
        None => Ok(secret.as_bytes().to_vec()),
        Some((prefix, min_bytes)) => {
            let bare = secret.strip_prefix(prefix).unwrap_or(secret);
            let key = BASE64.decode(bare).map_err(|_| "what should be base64 is none")?;
            if key.len() < min_bytes { Err("the key in it is too short") } else { Ok(key) }
        }
    }
}

fn decode(encoding: Encoding, text: &str) -> Option<Vec<u8>> {
    match encoding {
        Encoding::Hex => hex::decode(text).ok(),
        Encoding::Base64 => BASE64.decode(text).ok(),
    }
}

/// Whether any of these is the hash of what is signed; hashes once, and compares in constant time.
fn holds(
    algorithm: Algorithm,
    key: &[u8],
    macs: &[Vec<u8>],
    signed: impl FnOnce() -> Vec<u8>,
) -> Result<(), &'static str> {
    macro_rules! any {
        ($hash:ty) => {
            Hmac::<$hash>::new_from_slice(key).is_ok_and(|hash| {
                let hash = hash.chain_update(signed());
                macs.iter().any(|mac| hash.clone().verify_slice(mac).is_ok())
            })
        };
    }
    let found = !macs.is_empty()
        && match algorithm {
            Algorithm::Sha256 => any!(Sha256),
            Algorithm::Sha384 => any!(Sha384),
            Algorithm::Sha512 => any!(Sha512),
        };
    if found { Ok(()) } else { Err("the signature does not match") }
}

#[cfg(test)]
#[path = "signature_tests.rs"]
mod tests;
