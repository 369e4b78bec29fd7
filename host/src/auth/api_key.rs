//! API keys: made, looked up, and checked against a path.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::id::{KeyId, Mint};
use domain::key::{ApiKey, is_management};
use domain::secret::Secret;
use domain::time::Timestamp;
use moka::future::Cache;
use rand::RngExt as _;
use sha2::{Digest as _, Sha256};
use store::{Store, StoreError};

/// What every token begins with, so that scanners find leaked ones.
const TOKEN_PREFIX: &str = "wbk_";
/// How many characters of a token are kept to tell keys apart.
const SHOWN_CHARS: usize = 8;
/// How long a key that was found is believed: the bound on how late another process learns that it
/// was revoked.
const CACHE_FOR: Duration = Duration::from_secs(5);
/// The most keys held in memory; beyond it the least used are looked up again.
const CACHED_KEYS: u64 = 10_000;

/// A freshly made key: what is stored, and the token that is shown once.
#[derive(Debug)]
pub struct NewKey {
    /// What is stored.
    pub key: ApiKey,
    /// SHA-256 of the token.
    pub digest: [u8; 32],
    /// What the caller sends.
    pub token: Secret<String>,
}

/// Makes a key. Nothing is stored yet.
pub fn make(
    name: &str,
    allowed_endpoints: Vec<String>,
    manage: bool,
    now: Timestamp,
    mint: &mut dyn Mint,
) -> NewKey {
    let random: [u8; 20] = rand::rng().random();
    let token = format!("{TOKEN_PREFIX}{}", hex::encode(random));
    NewKey {
        key: ApiKey {
            id: KeyId::mint(mint),
            name: name.to_owned(),
            prefix: token.chars().take(SHOWN_CHARS).collect(),
            allowed_endpoints,
            manage,
            created_at: now,
            expires_at: None,
            revoked_at: None,
            last_used_at: None,
        },
        digest: digest(&token),
        token: Secret::new(token),
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Who is calling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The key; none where keys are switched off or the path needs none.
    pub key: Option<KeyId>,
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key {
            Some(key) => write!(f, "key {key}"),
            None => f.write_str("a caller without a key"),
        }
    }
}

/// Why a caller is turned away.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// No key, or one that is unknown, expired or revoked: one text for all.
    #[error(
        "an API key is required: `Authorization: Bearer <key>`, `X-API-Key`, or the password of HTTP Basic"
    )]
    Unauthenticated,
    /// The key is fine but not for this path.
    #[error("this API key is not allowed here")]
    Forbidden,
    /// The key could not be looked up.
    #[error("the key could not be looked up")]
    Unavailable(#[source] StoreError),
}

/// Looks keys up and remembers them for a few seconds.
pub struct Authenticator {
    store: Store,
    enabled: bool,
    known: Cache<[u8; 32], Arc<ApiKey>>,
    used: Mutex<HashMap<KeyId, Timestamp>>,
}

impl Authenticator {
    /// Keys of this store; with `enabled` off everybody is let in.
    pub fn new(store: Store, enabled: bool) -> Self {
        let known = Cache::builder().max_capacity(CACHED_KEYS).time_to_live(CACHE_FOR).build();
        Self { store, enabled, known, used: Mutex::default() }
    }

    /// Decides whether a request may go on.
    ///
    /// # Errors
    /// [`Refusal`], which says nothing about which part of a key was wrong.
    pub async fn check(
        &self,
        exempt: bool,
        path: &str,
        headers: &http::HeaderMap,
        now: Timestamp,
    ) -> Result<Caller, Refusal> {
        if exempt {
            return Ok(Caller { key: None });
        }
        match self.identify(path, headers, now).await {
            Ok(key) => Ok(Caller { key: Some(key) }),
            // With keys off everybody is let in, but a good key still says who it is. Managing the hub
            // takes a key all the same.
            Err(_) if !self.enabled && !is_management(path) => Ok(Caller { key: None }),
            Err(refusal) => Err(refusal),
        }
    }

    async fn identify(
        &self,
        path: &str,
        headers: &http::HeaderMap,
        now: Timestamp,
    ) -> Result<KeyId, Refusal> {
        let token = token(headers).ok_or(Refusal::Unauthenticated)?;
        let key = self.find(&digest(token.expose())).await?;
        if !key.is_live(now) {
            return Err(Refusal::Unauthenticated);
        }
        if !key.may_call(path) {
            return Err(Refusal::Forbidden);
        }
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(key.id, now);
        Ok(key.id)
    }

    async fn find(&self, digest: &[u8; 32]) -> Result<Arc<ApiKey>, Refusal> {
        if let Some(key) = self.known.get(digest).await {
            return Ok(key);
        }
        match self.store.api_key_by_digest(digest).await {
            Ok(Some(key)) => {
                let key = Arc::new(key);
                self.known.insert(*digest, Arc::clone(&key)).await;
                Ok(key)
            }
            Ok(None) => Err(Refusal::Unauthenticated),
            Err(error) => Err(Refusal::Unavailable(error)),
        }
    }

    /// Writes down when keys were last used; called by a timer, so that no request pays for it.
    ///
    /// # Errors
    /// When the store does not take it; the times are kept for the next call.
    pub async fn flush_last_used(&self) -> Result<(), StoreError> {
        let used = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        if used.is_empty() {
            return Ok(());
        }
        let rows: Vec<(KeyId, Timestamp)> = used.into_iter().collect();
        let written = self.store.touch_api_keys(&rows).await;
        if written.is_err() {
            let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
            for (key, time) in rows {
                used.entry(key).or_insert(time);
            }
        }
        written
    }
}

/// The token of a request: `Bearer`, else `X-API-Key`, else the password of `Basic`.
fn token(headers: &http::HeaderMap) -> Option<Secret<String>> {
    let authorization = headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let scheme = |name: &str| {
        let (scheme, rest) = authorization?.split_once(' ')?;
        scheme.eq_ignore_ascii_case(name).then(|| rest.trim())
    };
    let header = || headers.get("x-api-key")?.to_str().ok().map(|value| value.trim().to_owned());
    let basic = || {
        let pair = String::from_utf8(STANDARD.decode(scheme("basic")?).ok()?).ok()?;
        pair.split_once(':').map(|(_, password)| password.to_owned())
    };
    let found = scheme("bearer").map(str::to_owned).or_else(header).or_else(basic)?;
    (!found.is_empty()).then(|| Secret::new(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> http::HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    fn found(pairs: &[(&'static str, &str)]) -> Option<String> {
        token(&headers(pairs)).map(|token| token.expose().clone())
    }

    #[test]
    fn token_is_found_in_all_three_places() {
        assert_eq!(found(&[("authorization", "bearer abc")]).as_deref(), Some("abc"));
        assert_eq!(found(&[("x-api-key", " abc ")]).as_deref(), Some("abc"));
        let basic = format!("Basic {}", STANDARD.encode("am:a:bc"));
        assert_eq!(found(&[("authorization", &basic)]).as_deref(), Some("a:bc"));
        assert_eq!(found(&[("authorization", "Bearer a"), ("x-api-key", "b")]).as_deref(), Some("a"));
    }

    #[test]
    fn broken_headers_are_no_token() {
        for value in ["", "Bearer", "Bearer ", "Basic !!!", "Digest abc", "Basic YWJj"] {
            assert_eq!(found(&[("authorization", value)]), None, "{value}");
        }
    }

    #[test]
    fn made_keys_have_the_shape_that_scanners_know() {
        let new = make("test", vec![], false, Timestamp::default(), &mut crate::clock::Ids);
        let token = new.token.expose();
        assert!(token.starts_with(TOKEN_PREFIX) && token.len() == 44);
        assert_eq!(new.key.prefix, token.get(..8).unwrap());
    }
}
