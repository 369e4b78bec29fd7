//! Signatures over what leaves, with keys that no plugin sees.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use domain::egress::{HttpError, Signing};
use domain::time::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use sha2::Sha256;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// What a secret begins with whose rest is base64.
const ENCODED: &str = "whsec_";
/// How long an identifier may be; fits every column and log that meets it.
const MAX_ID: usize = 255;

/// The three headers of Standard Webhooks for a body that is as it will leave.
///
/// # Errors
/// [`HttpError::InvalidRequest`] for a key, an identifier or headers that do not fit; never shows the key.
///
/// # Source
/// The Standard Webhooks specification: HMAC-SHA-256 over `id.timestamp.body`, the time in seconds.
pub(super) fn standard(
    signing: &Signing,
    key: &str,
    body: &[u8],
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<[(HeaderName, HeaderValue); 3], HttpError> {
    let invalid = |message: String| HttpError::InvalidRequest(message);
    if let Some(name) = [ID, TIMESTAMP, SIGNATURE].iter().find(|name| headers.contains_key(*name)) {
        return Err(invalid(format!("header `{name}` is a part of the signature; leave it out")));
    }
    // A full stop ends the identifier in the text that is signed.
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'.';
    if signing.id.is_empty() || signing.id.len() > MAX_ID || !signing.id.bytes().all(is_plain) {
        let message = format!("`id` must be 1 to {MAX_ID} visible ASCII characters without a full stop");
        return Err(invalid(message));
    }
    let seconds = (now.as_millis() / 1_000).to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key_bytes(&signing.secret, key)?)
        .map_err(|_| invalid(format!("secret `{}` cannot be a key", signing.secret)))?;
    for part in [signing.id.as_bytes(), b".", seconds.as_bytes(), b".", body] {
        mac.update(part);
    }
    let signature = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
    let value = |text: &str| HeaderValue::from_str(text).map_err(|error| invalid(error.to_string()));
    Ok([(ID, value(&signing.id)?), (TIMESTAMP, value(&seconds)?), (SIGNATURE, value(&signature)?)])
}

fn key_bytes(name: &str, key: &str) -> Result<Vec<u8>, HttpError> {
    let Some(encoded) = key.strip_prefix(ENCODED) else { return Ok(key.as_bytes().to_vec()) };
    let bytes = BASE64_STANDARD.decode(encoded).ok().filter(|bytes| (24..=64).contains(&bytes.len()));
    bytes.ok_or_else(|| {
        HttpError::InvalidRequest(format!(
            "secret `{name}` begins with `{ENCODED}`, and what follows is not base64 of 24 to 64 bytes\n\
             hint: `{ENCODED}$(openssl rand -base64 24)` makes one"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn sign(id: &str, key: &str, headers: &HeaderMap) -> Result<Vec<String>, HttpError> {
        let signing = Signing { secret: "signing".to_owned(), id: id.to_owned() };
        let now = Timestamp::from_millis(1_614_265_330_999);
        let signed = standard(&signing, key, br#"{"test": 2432232314}"#, headers, now)?;
        Ok(signed.iter().map(|(_, value)| value.to_str().unwrap().to_owned()).collect())
    }

    /// The example that the specification's own libraries are tested with.
    #[test]
    fn the_published_example_has_the_published_signature() {
        let signed = sign("msg_p5jXN8AQM9LWM0D4loKWxJek", KEY, &HeaderMap::new()).unwrap();
        assert_eq!(signed[1..], ["1614265330", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="]);
    }

    #[test]
    fn a_text_that_is_not_encoded_is_the_key_itself() {
        let plain = sign("1", "any text", &HeaderMap::new()).unwrap();
        let encoded = format!("whsec_{}", BASE64_STANDARD.encode("any text that is long enough"));
        assert_ne!(plain, sign("1", &encoded, &HeaderMap::new()).unwrap());
        let same = sign("1", "any text that is long enough", &HeaderMap::new()).unwrap();
        assert_eq!(same, sign("1", &encoded, &HeaderMap::new()).unwrap());
    }

    #[test]
    fn what_cannot_be_signed_is_refused_without_the_key() {
        let taken = HeaderMap::from_iter([(SIGNATURE, HeaderValue::from_static("v1,x"))]);
        let long = "a".repeat(MAX_ID + 1);
        for (id, key, headers, word) in [
            ("1", KEY, &taken, "`webhook-signature`"),
            ("", KEY, &HeaderMap::new(), "`id`"),
            ("a.b", KEY, &HeaderMap::new(), "`id`"),
            (&long, KEY, &HeaderMap::new(), "`id`"),
            ("1", "whsec_hunter2", &HeaderMap::new(), "`signing`"),
        ] {
            match sign(id, key, headers) {
                Err(HttpError::InvalidRequest(message)) => {
                    assert!(message.contains(word) && !message.contains("hunter2"), "{message}");
                }
                other => panic!("{id}: {other:?}"),
            }
        }
    }
}
