//! Statements of hosts.

use super::statements;

statements! {
    /// A host says that it is there, and what it has.
    UPDATE_HOST = { any: "UPDATE host SET plugins = $1, seen_at = $2 WHERE id = $3" }

    /// A host says so for the first time.
    INSERT_HOST = { any:
        "INSERT INTO host (id, name, version, schema_number, plugins, started_at, seen_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)" }

    /// All hosts, the oldest first.
    HOSTS = { any:
        "SELECT id, name, version, schema_number, plugins, started_at, seen_at FROM host ORDER BY id" }

    /// A host ends.
    DELETE_HOST = { any: "DELETE FROM host WHERE id = $1" }

    /// Takes away those that were not heard of since.
    FORGET_HOSTS = { any: "DELETE FROM host WHERE seen_at < $1" }
}
