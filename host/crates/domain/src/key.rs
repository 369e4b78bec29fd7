//! API keys: what they look like and what they may call.

use serde::{Deserialize, Serialize};

use crate::alert::words;
use crate::id::KeyId;
use crate::time::Timestamp;

/// The path prefixes of a key that names none. `/incidents/` goes with `/alerts/`: who may read the
/// one may read the other.
pub const API_PREFIXES: [&str; 5] =
    ["/alerts/", "/incidents/", "/orchestration/", "/notify/", "/intelligence/"];

/// What only a management key may call.
pub const MANAGE_PREFIX: &str = "/manage/";

/// One API key as it is kept: never the token, only its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its identifier.
    pub id: KeyId,
    /// For people.
    pub name: String,
    /// The token's first 8 characters, to tell keys apart.
    pub prefix: String,
    /// Path prefixes it may call; empty means [`API_PREFIXES`].
    pub allowed_endpoints: Vec<String>,
    /// Whether it may call [`MANAGE_PREFIX`].
    pub manage: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, give or take a minute.
    pub last_used_at: Option<Timestamp>,
}

words! {
    /// Whether a key can be used.
    KeyState {
        /// It can.
        Live = "live",
        /// Its time is over.
        Expired = "expired",
        /// It was taken back.
        Revoked = "revoked",
    }
}

/// A key with whether it can be used now.
#[derive(Debug, Serialize)]
pub struct ShownKey<'a> {
    /// The key.
    #[serde(flatten)]
    pub key: &'a ApiKey,
    /// Whether it can be used.
    pub state: KeyState,
}

impl ApiKey {
    /// Whether it can be used at all.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.state(now) == KeyState::Live
    }

    /// Whether it can be used, and if not, why.
    pub fn state(&self, now: Timestamp) -> KeyState {
        match (self.revoked_at, self.expires_at) {
            (Some(_), _) => KeyState::Revoked,
            (None, Some(end)) if end <= now => KeyState::Expired,
            (None, _) => KeyState::Live,
        }
    }

    /// It with its state, as lists show it.
    pub fn shown(&self, now: Timestamp) -> ShownKey<'_> {
        ShownKey { key: self, state: self.state(now) }
    }

    /// Whether it may call `path`. Prefixes match on whole segments: `/alerts` covers `/alerts/1/`
    /// and not `/alertsx/`.
    pub fn may_call(&self, path: &str) -> bool {
        if is_management(path) {
            return self.manage;
        }
        if self.allowed_endpoints.is_empty() {
            // Operations pages belong to no API; any live key may read them.
            let operations = ["/metrics", "/openapi.json"];
            return API_PREFIXES.iter().any(|prefix| covers(prefix, path))
                || operations.iter().any(|page| covers(page, path));
        }
        self.allowed_endpoints.iter().any(|prefix| covers(prefix, path))
    }
}

/// Whether only a management key may call `path`.
pub fn is_management(path: &str) -> bool {
    covers(MANAGE_PREFIX, path)
}

/// Whether `path` is `prefix` or lies below it, by whole segments.
pub(crate) fn covers(prefix: &str, path: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(allowed: &[&str], manage: bool) -> ApiKey {
        ApiKey {
            id: KeyId::from(ulid::Ulid(1)),
            name: "k".into(),
            prefix: "wbk_1234".into(),
            allowed_endpoints: allowed.iter().map(|prefix| (*prefix).to_owned()).collect(),
            manage,
            created_at: Timestamp::default(),
            expires_at: None,
            revoked_at: None,
            last_used_at: None,
        }
    }

    #[test]
    fn prefixes_match_whole_segments() {
        let restricted = key(&["/alerts/webhook/"], false);
        assert!(restricted.may_call("/alerts/webhook"));
        assert!(restricted.may_call("/alerts/webhook/grafana/"));
        assert!(!restricted.may_call("/alerts/webhooks/"));
        assert!(!restricted.may_call("/alerts/"));
    }

    #[test]
    fn management_needs_a_management_key_whatever_else_is_allowed() {
        assert!(!key(&[], false).may_call("/manage/keys/"));
        assert!(!key(&["/manage/", "/"], false).may_call("/manage/keys/"));
        assert!(key(&[], true).may_call("/manage/keys/"));
        assert!(key(&[], false).may_call("/incidents/"));
    }

    #[test]
    fn expired_and_revoked_keys_are_dead() {
        let now = Timestamp::from_micros(10);
        assert!(key(&[], false).is_live(now));
        assert!(!ApiKey { expires_at: Some(now), ..key(&[], false) }.is_live(now));
        assert!(!ApiKey { revoked_at: Some(now), ..key(&[], false) }.is_live(now));
    }
}
