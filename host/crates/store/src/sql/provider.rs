//! Statements of providers of intelligence and what they cost.

use super::statements;

statements! {
    /// All providers that were set up or chosen.
    PROVIDERS = { any: "SELECT name, settings, active, updated_at FROM provider ORDER BY name" }

    /// Keeps the settings of a provider that is there.
    UPDATE_PROVIDER = { any: "UPDATE provider SET settings = $1, updated_at = $2 WHERE name = $3" }

    /// Keeps a provider.
    INSERT_PROVIDER = { any:
        "INSERT INTO provider (name, settings, active, updated_at) VALUES ($1, $2, $3, $4)" }

    /// Lets none be the active one.
    NO_ACTIVE_PROVIDER = { any: "UPDATE provider SET active = NULL WHERE active IS NOT NULL" }

    /// Makes a provider that is there the active one.
    ACTIVATE_PROVIDER = { any: "UPDATE provider SET active = 1, updated_at = $1 WHERE name = $2" }

    /// Takes a provider away.
    DELETE_PROVIDER = { any: "DELETE FROM provider WHERE name = $1" }

    /// Adds to what a provider used on a day.
    ADD_TOKEN_USE = { any:
        "UPDATE token_use SET input_tokens = input_tokens + $1, output_tokens = output_tokens + $2
         WHERE day = $3 AND provider = $4" }

    /// What a provider used first on a day.
    INSERT_TOKEN_USE = { any:
        "INSERT INTO token_use (day, provider, input_tokens, output_tokens) VALUES ($1, $2, $3, $4)" }

    /// Takes away what was used before a day.
    FORGET_TOKEN_USE = { any: "DELETE FROM token_use WHERE day < $1" }

    /// What providers used on a day.
    TOKEN_USE = { any: "SELECT provider, input_tokens, output_tokens FROM token_use WHERE day = $1" }
}
