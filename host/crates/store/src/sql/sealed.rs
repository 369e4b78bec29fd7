//! Statements of the keys that seal, and of what they seal.

use super::statements;

statements! {
    /// Keeps a data key unless its purpose has one.
    INSERT_DATA_KEY_IF_ABSENT = { any:
        "INSERT INTO data_key (id, purpose, generation, kek_id, wrapped, created_at)
         SELECT $1, $2, $3, $4, $5, $6 WHERE NOT EXISTS (SELECT 1 FROM data_key WHERE purpose = $7)" }

    /// Keeps a data key beside those of its purpose.
    INSERT_DATA_KEY = { any:
        "INSERT INTO data_key (id, purpose, generation, kek_id, wrapped, created_at)
         VALUES ($1, $2, $3, $4, $5, $6)" }

    /// All data keys, oldest first.
    DATA_KEYS = { any:
        "SELECT id, purpose, generation, kek_id, wrapped, created_at FROM data_key ORDER BY id" }

    /// Wraps a data key anew, if it is still wrapped under the secret key that opened it.
    REWRAP_DATA_KEY = { any:
        "UPDATE data_key SET kek_id = $1, wrapped = $2 WHERE id = $3 AND kek_id = $4" }

    /// All secret keys that were in use, the last one first.
    SECRET_KEYS = { any: "SELECT kek_id, turn, taken_at FROM secret_key ORDER BY turn DESC" }

    /// Notes a secret key.
    INSERT_SECRET_KEY = { any: "INSERT INTO secret_key (kek_id, turn, taken_at) VALUES ($1, $2, $3)" }

    /// Makes a secret key the last one.
    MOVE_SECRET_KEY = { any: "UPDATE secret_key SET turn = $1 WHERE kek_id = $2" }

    /// All secrets by name, of each the current one first.
    SECRETS = { any:
        "SELECT name, version, sealed, created_at FROM secret ORDER BY name, version DESC" }

    /// Keeps a secret.
    INSERT_SECRET = { any:
        "INSERT INTO secret (name, version, sealed, created_at) VALUES ($1, $2, $3, $4)" }

    /// Takes the versions of a secret away that are older than one.
    DELETE_SECRET_BEFORE = { any: "DELETE FROM secret WHERE name = $1 AND version < $2" }

    /// Takes a secret away with all its versions.
    DELETE_SECRET = { any: "DELETE FROM secret WHERE name = $1" }

    /// Sealed requests in the order of their keys.
    SEALED_REQUESTS = { any:
        "SELECT run_id AS id, request AS sealed FROM inbox WHERE run_id > $1 ORDER BY run_id LIMIT $2" }

    /// Sealed results of stages in the order of their keys.
    SEALED_ARTIFACTS = { any:
        "SELECT id, sealed FROM artifact WHERE id > $1 ORDER BY id LIMIT $2" }

    /// Sealed settings of channels in the order of their keys.
    SEALED_SETTINGS = { any:
        "SELECT id, settings AS sealed FROM channel WHERE id > $1 ORDER BY id LIMIT $2" }

    /// Sealed settings of providers in the order of their keys.
    SEALED_PROVIDERS = { any:
        "SELECT name AS id, settings AS sealed FROM provider WHERE name > $1 ORDER BY name LIMIT $2" }

    /// Sealed notifications in the order of their keys.
    SEALED_NOTIFICATIONS = { any:
        "SELECT id, notification AS sealed FROM delivery WHERE id > $1 ORDER BY id LIMIT $2" }
}
