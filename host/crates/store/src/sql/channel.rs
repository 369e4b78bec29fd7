//! Statements of channels and routes.

use super::statements;

/// Channels that are there, how they are doing, and when the first of what waits for them is or was due;
/// conditions follow.
macro_rules! channels_with_health {
    () => {
        "SELECT c.id, c.name, c.notifier, c.enabled, c.created_at, h.last_success_at, h.last_error_at, h.last_error, \
             h.failing_since, \
             (SELECT MIN(d.due_at) FROM delivery AS d \
                  WHERE d.channel_id = c.id AND d.due_at IS NOT NULL) AS due_at \
         FROM channel AS c JOIN channel_health AS h ON h.channel_id = c.id WHERE c.taken_name IS NOT NULL"
    };
}

/// The start of the list of channels.
pub(crate) const LIST_CHANNELS: &str = channels_with_health!();

statements! {
    /// Keeps a new channel.
    INSERT_CHANNEL = { any:
        "INSERT INTO channel (id, name, taken_name, notifier, settings, enabled, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)" }

    /// All channels by name.
    CHANNELS = { any:
        "SELECT id, name, notifier, enabled, created_at FROM channel WHERE taken_name IS NOT NULL ORDER BY name" }

    /// The channel of a name.
    CHANNEL_BY_NAME = { any:
        "SELECT id, name, notifier, enabled, created_at FROM channel WHERE taken_name = $1" }

    /// The settings of a channel.
    CHANNEL_SETTINGS = { any: "SELECT settings FROM channel WHERE id = $1 AND taken_name IS NOT NULL" }

    /// Gives a channel other settings, where nobody else did in the meantime.
    CHANGE_SETTINGS = { any:
        "UPDATE channel SET settings = $1 WHERE id = $2 AND settings = $3 AND taken_name IS NOT NULL" }

    /// Switches a channel on or off.
    ENABLE_CHANNEL = { any: "UPDATE channel SET enabled = $1 WHERE taken_name = $2" }

    /// Takes a channel away but for its name: its deliveries are told of by it.
    REMOVE_CHANNEL = { any:
        "UPDATE channel SET taken_name = NULL, settings = $1, enabled = $2
         WHERE id = $3 AND taken_name IS NOT NULL" }

    /// Unfinished deliveries to channels that are gone, which nobody has just under way.
    WAITING_FOR_NOBODY = { any:
        "SELECT d.id, d.run_id FROM delivery AS d JOIN channel AS c ON c.id = d.channel_id
         WHERE c.taken_name IS NULL AND d.due_at IS NOT NULL AND (d.status = 'pending' OR d.due_at <= $1)
         ORDER BY d.id LIMIT $2" }

    /// Gives such a delivery up.
    GIVE_UP_DELIVERY = {
        any: "UPDATE delivery SET status = 'dead', due_at = NULL, lease = NULL, error_type = 'channel_removed',
                 error_message = $1, completed_at = $2
             WHERE id = $3",
        // Unless it was claimed since it was found.
        postgres: "UPDATE delivery AS d SET status = 'dead', due_at = NULL, lease = NULL,
                 error_type = 'channel_removed', error_message = $1, completed_at = t.now
             FROM (SELECT $2::bigint AS now) AS t
             WHERE d.id = $3 AND d.due_at IS NOT NULL AND (d.status = 'pending' OR d.due_at <= t.now)",
        mysql: "UPDATE delivery SET status = 'dead', due_at = NULL, lease = NULL, error_type = 'channel_removed',
                 error_message = $1, completed_at = $2
             WHERE id = $3 AND due_at IS NOT NULL AND (status = 'pending' OR due_at <= $2)",
    }

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
    CHANNELS_WITH_HEALTH = { any: concat!(channels_with_health!(), " ORDER BY c.name") }

    /// The same of one.
    CHANNEL_WITH_HEALTH = { any: concat!(channels_with_health!(), " AND c.id = $1") }

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
