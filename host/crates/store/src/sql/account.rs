//! Statements of API keys.

use super::statements;

/// An API key without its digest.
macro_rules! key_columns {
    () => {
        "id, name, prefix, allowed_endpoints, manage, created_at, expires_at, revoked_at, last_used_at"
    };
}

statements! {
    /// Keeps a new API key.
    INSERT_API_KEY = { any:
        "INSERT INTO api_key (id, name, prefix, digest, allowed_endpoints, manage, created_at, expires_at,
             revoked_at, last_used_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)" }

    /// All API keys, oldest first.
    API_KEYS = { any: concat!("SELECT ", key_columns!(), " FROM api_key ORDER BY id") }

    /// The API key with a digest.
    API_KEY_BY_DIGEST = { any: concat!("SELECT ", key_columns!(), " FROM api_key WHERE digest = $1") }

    /// Takes an API key back; the first time counts.
    REVOKE_API_KEY = { any:
        "UPDATE api_key SET revoked_at = COALESCE(revoked_at, $1) WHERE id = $2" }

    /// Notes when an API key was last used; never backwards.
    TOUCH_API_KEY = { any:
        "UPDATE api_key SET last_used_at = $1 WHERE id = $2 AND COALESCE(last_used_at, 0) < $3" }
}
