//! API keys: looked up, and checked against a path.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::client::Client;
use domain::id::KeyId;
use domain::key::{ApiKey, is_management};
use domain::rate::Window;
use domain::secret::Secret;
use domain::time::Timestamp;
use moka::future::Cache;
use sha2::{Digest as _, Sha256};
use store::{Store, StoreError};

use super::failures::Failures;

/// How long a key that was found is believed: the bound on how late another process learns that it
/// was revoked.
const CACHE_FOR: Duration = Duration::from_secs(5);
/// The most keys held in memory; beyond it the least used are looked up again.
const CACHED_KEYS: u64 = 10_000;
/// How long a key that was taken back here is refused whatever a look-up says; one that began before ends
/// long before that.
const REVOKED_FOR: Duration = Duration::from_secs(300);

/// What is stored of a token.
pub(super) fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Who is calling; shown as it is written down: `key:<name>`, or `anonymous`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller(Option<Arc<ApiKey>>);

impl Caller {
    /// Somebody without a key: keys are switched off, or the path needs none.
    pub const ANONYMOUS: Self = Self(None);

    /// The identifier of the key.
    pub fn key_id(&self) -> Option<KeyId> {
        self.0.as_ref().map(|key| key.id)
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(key) => write!(f, "key:{}", key.name),
            None => f.write_str("anonymous"),
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
    /// Too many requests without a good key came from this address.
    #[error(
        "too many requests without a good API key came from this address; try again in {retry_after_s} s"
    )]
    TooMany {
        /// When requests are looked at again.
        retry_after_s: u32,
    },
    /// The key could not be looked up.
    #[error("the key could not be looked up")]
    Unavailable(#[source] StoreError),
}

impl Refusal {
    /// A word for it, of a small closed set.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::TooMany { .. } => "too-many-failures",
            Self::Unavailable(_) => "unavailable",
        }
    }
}

/// A request, as far as it says who is calling and what.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// Without slashes at its end.
    pub path: &'a str,
    /// Where the key is.
    pub headers: &'a http::HeaderMap,
    /// Where it came from.
    pub client: Client,
}

/// Looks keys up and remembers them for a few seconds.
pub struct Authenticator {
    store: Store,
    enabled: bool,
    failures: Failures,
    strangers: tokio::sync::Mutex<()>,
    known: Cache<[u8; 32], Arc<ApiKey>>,
    /// Keys taken back by this process, for longer than any look-up that began before is believed.
    revoked: moka::sync::Cache<KeyId, ()>,
    used: Mutex<HashMap<KeyId, Timestamp>>,
}

impl Authenticator {
    /// Keys of this store; with `enabled` off everybody is let in. `failure_limit` is how many requests
    /// without a good key one address has in a minute.
    pub fn new(store: Store, enabled: bool, failure_limit: Option<u32>) -> Self {
        let known = Cache::builder().max_capacity(CACHED_KEYS).time_to_live(CACHE_FOR).build();
        let revoked =
            moka::sync::Cache::builder().max_capacity(CACHED_KEYS).time_to_live(REVOKED_FOR).build();
        let failures = Failures::new(failure_limit);
        let strangers = tokio::sync::Mutex::default();
        Self { store, enabled, failures, strangers, known, revoked, used: Mutex::default() }
    }

    /// Decides whether a request may go on.
    ///
    /// # Errors
    /// [`Refusal`], which says nothing about which part of a key was wrong.
    pub async fn check(&self, asking: Asking<'_>, now: Timestamp) -> Result<Caller, Refusal> {
        match self.identify(asking, now).await {
            Ok(key) => Ok(Caller(Some(key))),
            // With keys off everybody is let in, but a good key still says who it is. Managing the hub
            // takes a key all the same.
            Err(_) if self.lets_all_in(asking.path) => Ok(Caller::ANONYMOUS),
            Err(refusal) => Err(refusal),
        }
    }

    fn lets_all_in(&self, path: &str) -> bool {
        !self.enabled && !is_management(path)
    }

    async fn identify(&self, asking: Asking<'_>, now: Timestamp) -> Result<Arc<ApiKey>, Refusal> {
        let digest = token(asking.headers).map(|token| digest(token.expose()));
        self.let_try(asking.client, digest.as_ref(), now)?;
        // Tokens that were never good here are looked up one at a time: each that fails is counted before the
        // next, however many come at once.
        let stranger = digest.as_ref().filter(|digest| !self.failures.is_proven(digest));
        let _turn = match stranger {
            Some(digest) => {
                let turn = self.strangers.lock().await;
                self.let_try(asking.client, Some(digest), now)?;
                Some(turn)
            }
            None => None,
        };
        let found = match &digest {
            Some(digest) => self.find(digest).await?,
            None => None,
        };
        let live = found.filter(|key| key.is_live(now) && !self.revoked.contains_key(&key.id));
        let (Some(key), Some(digest)) = (live, digest) else {
            // Where no key is asked for, none is missing.
            if digest.is_some() || !self.lets_all_in(asking.path) {
                self.failures.count(asking.client, now);
            }
            return Err(Refusal::Unauthenticated);
        };
        self.failures.prove(&digest);
        if !key.may_call(asking.path) {
            return Err(Refusal::Forbidden);
        }
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(key.id, now);
        Ok(key)
    }

    fn let_try(&self, client: Client, digest: Option<&[u8; 32]>, now: Timestamp) -> Result<(), Refusal> {
        match self.failures.refuses(client, digest, now) {
            true => Err(Refusal::TooMany { retry_after_s: Window::seconds_left(now) }),
            false => Ok(()),
        }
    }

    /// Takes a key back; it is refused by this process before this returns, and by others within 5 s.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is none.
    pub async fn revoke(&self, id: KeyId, now: Timestamp) -> Result<(), StoreError> {
        self.store.revoke_api_key(id, now).await?;
        self.revoked.insert(id, ());
        Ok(())
    }

    async fn find(&self, digest: &[u8; 32]) -> Result<Option<Arc<ApiKey>>, Refusal> {
        if let Some(key) = self.known.get(digest).await {
            return Ok(Some(key));
        }
        let found = self.store.api_key_by_digest(digest).await.map_err(Refusal::Unavailable)?.map(Arc::new);
        if let Some(key) = &found {
            self.known.insert(*digest, Arc::clone(key)).await;
        }
        Ok(found)
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

    #[tokio::test]
    async fn bad_keys_that_come_all_at_once_are_counted_before_the_next_is_looked_up() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("keys.sqlite3").display());
        let store = Store::open(&url, store::Options::default()).await.unwrap();
        let now = Timestamp::from_micros(0);
        store.migrate(now).await.unwrap();
        let authenticator = Arc::new(Authenticator::new(store, true, Some(10)));
        let client = Client::from(std::net::IpAddr::from([192, 0, 2, 1]));
        let mut asks = tokio::task::JoinSet::new();
        for number in 0..200 {
            let authenticator = Arc::clone(&authenticator);
            asks.spawn(async move {
                let headers = headers(&[("x-api-key", &format!("wbk_{number:040}"))]);
                authenticator.check(Asking { path: "/alerts", headers: &headers, client }, now).await
            });
        }
        let refusals = asks.join_all().await.into_iter();
        let looked_up = refusals.filter(|refusal| matches!(refusal, Err(Refusal::Unauthenticated)));
        assert_eq!(looked_up.count(), 10);
    }

    #[test]
    fn broken_headers_are_no_token() {
        for value in ["", "Bearer", "Bearer ", "Basic !!!", "Digest abc", "Basic YWJj"] {
            assert_eq!(found(&[("authorization", value)]), None, "{value}");
        }
    }
}
