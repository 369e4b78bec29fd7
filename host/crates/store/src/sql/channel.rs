//! Statements of channels and routes.

use super::statements;

statements! {
    /// Keeps a new channel.
    INSERT_CHANNEL = { any:
        "INSERT INTO channel (id, name, notifier, settings, enabled, created_at)
         VALUES ($1, $2, $3, $4, $5, $6)" }

    /// All channels by name.
    CHANNELS = { any: "SELECT id, name, notifier, enabled, created_at FROM channel ORDER BY name" }

    /// The channel of a name.
    CHANNEL_BY_NAME = { any:
        "SELECT id, name, notifier, enabled, created_at FROM channel WHERE name = $1" }

    /// The settings of a channel.
    CHANNEL_SETTINGS = { any: "SELECT settings FROM channel WHERE id = $1" }

    /// Switches a channel on or off.
    ENABLE_CHANNEL = { any: "UPDATE channel SET enabled = $1 WHERE name = $2" }

    /// Keeps a new route.
    INSERT_ROUTE = { any:
        "INSERT INTO route (id, name, priority, conditions, stages, channels, enabled)
         VALUES ($1, $2, $3, $4, $5, $6, $7)" }

    /// All routes in the order in which they are asked.
    ROUTES = { any:
        "SELECT id, name, priority, conditions, stages, channels, enabled FROM route ORDER BY priority, id" }
}
