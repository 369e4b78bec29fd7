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

    /// Makes the row for how a new channel is doing.
    INSERT_HEALTH = { any: "INSERT INTO channel_health (channel_id) VALUES ($1)" }

    /// Notes that a channel took something; writes nothing where that is known to about a minute.
    CHANNEL_WORKS = { any:
        "UPDATE channel_health SET last_success_at = $1, failing_since = NULL
         WHERE channel_id = $2 AND (failing_since IS NOT NULL OR last_success_at IS NULL OR last_success_at < $3)" }

    /// Notes that an attempt failed.
    CHANNEL_FAILS = { any:
        "UPDATE channel_health SET last_error_at = $1, last_error = $2, failing_since = COALESCE(failing_since, $3)
         WHERE channel_id = $4" }

    /// All channels by name, how they are doing, and when the first of what waits for them is or was due.
    CHANNELS_WITH_HEALTH = { any:
        "SELECT c.id, c.name, c.notifier, c.enabled, c.created_at, h.last_success_at, h.last_error_at, h.last_error,
             h.failing_since,
             (SELECT MIN(d.due_at) FROM delivery AS d
                  WHERE d.channel_id = c.id AND d.due_at IS NOT NULL) AS due_at
         FROM channel AS c JOIN channel_health AS h ON h.channel_id = c.id ORDER BY c.name" }

    /// Keeps a new route.
    INSERT_ROUTE = { any:
        "INSERT INTO route (id, name, priority, conditions, stages, channels, enabled)
         VALUES ($1, $2, $3, $4, $5, $6, $7)" }

    /// Changes a route; what was counted for it stays.
    UPDATE_ROUTE = { any:
        "UPDATE route SET name = $1, priority = $2, conditions = $3, stages = $4, channels = $5, enabled = $6
         WHERE id = $7" }

    /// Takes a route away.
    DELETE_ROUTE = { any: "DELETE FROM route WHERE id = $1" }

    /// All routes in the order in which they are asked.
    ROUTES = { any:
        "SELECT id, name, priority, conditions, stages, channels, enabled, hits, last_hit_at FROM route
         ORDER BY priority, id" }
}
