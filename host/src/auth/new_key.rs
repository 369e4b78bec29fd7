//! API keys: made.

use domain::id::{KeyId, Mint};
use domain::key::{ApiKey, MANAGE_PREFIX, is_management};
use domain::secret::Secret;
use domain::time::Timestamp;
use rand::RngExt as _;

use super::api_key::digest;

/// What every token begins with, so that scanners find leaked ones.
const TOKEN_PREFIX: &str = "wbk_";
/// How many characters of a token are kept to tell keys apart.
const SHOWN_CHARS: usize = 8;
/// The longest name, in characters.
const MAX_NAME_CHARS: usize = 100;
/// The most path prefixes of one key, and the longest of them in bytes.
const MAX_PREFIXES: usize = 50;
const MAX_PREFIX_BYTES: usize = 200;

/// What a new key shall be.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// For people.
    pub name: String,
    /// Path prefixes; none means all of the API.
    pub allowed_endpoints: Vec<String>,
    /// Whether it may manage the hub.
    pub manage: bool,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

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
///
/// # Errors
/// What of the wish cannot be.
pub fn make(wish: Wish, now: Timestamp, mint: &mut dyn Mint) -> Result<NewKey, String> {
    let name = wish.name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
        return Err(format!("a key has a name of 1 to {MAX_NAME_CHARS} characters in one line"));
    }
    if wish.allowed_endpoints.len() > MAX_PREFIXES {
        return Err(format!("a key has up to {MAX_PREFIXES} path prefixes"));
    }
    wish.allowed_endpoints.iter().try_for_each(|prefix| check_prefix(prefix))?;
    if let Some(end) = wish.expires_at.filter(|end| *end <= now) {
        return Err(format!("a key cannot end in the past, found {end}"));
    }
    let random: [u8; 20] = rand::rng().random();
    let token = format!("{TOKEN_PREFIX}{}", hex::encode(random));
    Ok(NewKey {
        key: ApiKey {
            id: KeyId::mint(mint),
            name: name.to_owned(),
            prefix: token.chars().take(SHOWN_CHARS).collect(),
            allowed_endpoints: wish.allowed_endpoints,
            manage: wish.manage,
            created_at: now,
            expires_at: wish.expires_at,
            revoked_at: None,
            last_used_at: None,
        },
        digest: digest(&token),
        token: Secret::new(token),
    })
}

fn check_prefix(prefix: &str) -> Result<(), String> {
    let shown: String = prefix.chars().take(50).collect::<String>().escape_debug().to_string();
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"%?#*\\".contains(&byte);
    if !prefix.starts_with('/') || prefix.contains("//") || !prefix.bytes().all(plain) {
        return Err(format!("a path prefix is written as `/alerts/webhook/`, found `{shown}`"));
    }
    if prefix.len() > MAX_PREFIX_BYTES {
        return Err(format!("a path prefix has up to {MAX_PREFIX_BYTES} bytes, found {}", prefix.len()));
    }
    if is_management(prefix) {
        return Err(format!("`{MANAGE_PREFIX}` is opened by making a management key, not by a prefix"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Ids;

    fn wish(name: &str, prefixes: &[&str]) -> Wish {
        let allowed_endpoints = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
        Wish { name: name.to_owned(), allowed_endpoints, ..Wish::default() }
    }

    #[test]
    fn made_keys_have_the_shape_that_scanners_know() {
        let new = make(wish(" test ", &["/alerts/"]), Timestamp::default(), &mut Ids).unwrap();
        let token = new.token.expose();
        assert!(token.starts_with(TOKEN_PREFIX) && token.len() == 44);
        assert_eq!((new.key.prefix.as_str(), new.key.name.as_str()), (token.get(..8).unwrap(), "test"));
    }

    #[test]
    fn keys_that_could_never_be_used_are_not_made() {
        let now = Timestamp::from_micros(10);
        let refused = |wish: Wish| make(wish, now, &mut Ids).unwrap_err();
        assert!(refused(Wish { expires_at: Some(now), ..wish("x", &[]) }).contains("past"));
        assert!(refused(wish("x", &["/manage/keys/"])).contains("management key"));
        for prefix in ["alerts", "", "/a b", "/alerts/*", "//alerts", "/alerts?x=1", "/al\u{e9}rts"] {
            assert!(refused(wish("x", &[prefix])).contains("path prefix"), "{prefix}");
        }
        for name in ["", "  ", "two\nlines", &"x".repeat(101)] {
            assert!(refused(wish(name, &[])).contains("name"), "{name}");
        }
    }
}
