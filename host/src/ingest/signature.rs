//! Whether a webhook was signed by who knows the secret.
//!
//! Over the bytes as received, in constant time, before any plugin code runs.

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, engine::DecodePaddingMode};
use domain::plugin::{DriverInfo, Incoming};
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

impl SignatureRules {
    /// Whether webhooks of this driver must be signed with a secret that is known.
    pub(super) fn has_secret(&self, entry: &DriverEntry) -> bool {
        let info = entry.driver.info();
        !info.signatures.is_empty() && self.secrets.contains_key(info.plugin.name.as_str())
    }
}

/// Checks a webhook against all schemes and secrets of its driver.
///
/// # Errors
/// The cause, for the log only: a sender must not learn which part was wrong.
pub(super) fn verify(
    info: &DriverInfo,
    rules: &SignatureRules,
    headers: &HeaderMap,
    incoming: &Incoming,
) -> Result<(), &'static str> {
    let (body, now) = (incoming.body.as_slice(), incoming.received_at);
    if info.signatures.is_empty() {
        return Ok(());
    }
    let Some(secrets) = rules.secrets.get(info.plugin.name.as_str()) else {
        return if rules.required { Err("a signature is required and no secret is set") } else { Ok(()) };
    };
    let mut cause = "no signature header";
    for scheme in &info.signatures {
        for secret in secrets {
            let result = match scheme {
                SignatureScheme::Hmac(scheme) => hmac_scheme(scheme, secret.expose(), headers, body, now),
                SignatureScheme::StandardWebhooks => standard(secret.expose(), headers, body, now),
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
    secret: &str,
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
    let key = match &scheme.secret_encoding {
        SecretEncoding::Utf8 => secret.as_bytes().to_vec(),
        SecretEncoding::Base64(prefix) => decode_secret(secret, prefix)?,
    };
    let signed = scheme.signed_bytes(timestamp, body);
    let parts: Vec<&str> = match &scheme.separator {
        Some(separator) => value.split(separator.as_str()).map(str::trim).take(MAX_SIGNATURES).collect(),
        None => vec![value],
    };
    let matches = |part: &&str| {
        let bare = if scheme.prefixes.is_empty() {
            Some(*part)
        } else {
            scheme.prefixes.iter().find_map(|prefix| part.strip_prefix(prefix.as_str()))
        };
        let mac = bare.and_then(|text| decode(scheme.encoding, text));
        mac.is_some_and(|mac| is_mac(scheme.algorithm, &key, &signed, &mac))
    };
    if parts.iter().any(matches) { Ok(()) } else { Err("the signature does not match") }
}

/// The scheme of standardwebhooks.com, version 1.
fn standard(secret: &str, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<(), &'static str> {
    let signatures = single(headers, STANDARD_WEBHOOKS_HEADER).ok_or("no signature header")?;
    let id = single(headers, "webhook-id").ok_or("no webhook-id header")?;
    let timestamp = single(headers, "webhook-timestamp").ok_or("no timestamp header")?;
    fresh(timestamp, STANDARD_TOLERANCE_S, now)?;
    let key = decode_secret(secret, "whsec_")?;
    let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
    let matches = |part: &str| {
        let mac = part.strip_prefix("v1,").and_then(|text| decode(Encoding::Base64, text));
        mac.is_some_and(|mac| is_mac(Algorithm::Sha256, &key, &signed, &mac))
    };
    let found = signatures.split(' ').take(MAX_SIGNATURES).any(matches);
    if found { Ok(()) } else { Err("the signature does not match") }
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

fn decode_secret(secret: &str, prefix: &str) -> Result<Vec<u8>, &'static str> {
    let bare = secret.strip_prefix(prefix).unwrap_or(secret);
    BASE64.decode(bare).map_err(|_| "the secret is not base64 as the scheme wants it")
}

fn decode(encoding: Encoding, text: &str) -> Option<Vec<u8>> {
    match encoding {
        Encoding::Hex => hex::decode(text).ok(),
        Encoding::Base64 => BASE64.decode(text).ok(),
    }
}

/// Compares in constant time.
fn is_mac(algorithm: Algorithm, key: &[u8], signed: &[u8], mac: &[u8]) -> bool {
    macro_rules! check {
        ($hash:ty) => {
            Hmac::<$hash>::new_from_slice(key)
                .is_ok_and(|hash| hash.chain_update(signed).verify_slice(mac).is_ok())
        };
    }
    match algorithm {
        Algorithm::Sha256 => check!(Sha256),
        Algorithm::Sha384 => check!(Sha384),
        Algorithm::Sha512 => check!(Sha512),
    }
}

#[cfg(test)]
#[path = "signature_tests.rs"]
mod tests;
