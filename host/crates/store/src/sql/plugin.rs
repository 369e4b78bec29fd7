//! Statements of what operators decided about plugins.

use super::statements;

statements! {
    /// All that was decided.
    PLUGIN_DECISIONS = { any:
        "SELECT kind, name, approved, grants, disabled, rolled_to, rolled_from, updated_at FROM plugin_decision
         ORDER BY kind, name" }

    /// Lets a component run. An earlier way back is over.
    APPROVE_PLUGIN = { any:
        "UPDATE plugin_decision SET approved = $1, grants = $2, rolled_to = NULL, rolled_from = NULL, updated_at = $3
         WHERE kind = $4 AND name = $5" }

    /// Switches a plugin off or on.
    SWITCH_PLUGIN = { any:
        "UPDATE plugin_decision SET disabled = $1, updated_at = $2 WHERE kind = $3 AND name = $4" }

    /// Puts a plugin back to an earlier component.
    ROLL_PLUGIN_BACK = { any:
        "UPDATE plugin_decision SET approved = $1, grants = $2, rolled_to = $3, rolled_from = $4, updated_at = $5
         WHERE kind = $6 AND name = $7" }

    /// What is decided first about a plugin.
    INSERT_PLUGIN_DECISION = { any:
        "INSERT INTO plugin_decision
             (kind, name, approved, grants, disabled, rolled_to, rolled_from, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)" }

    /// Writes down who decided what.
    INSERT_PLUGIN_HISTORY = { any:
        "INSERT INTO plugin_history (id, kind, name, event, sha256, grants, actor, reason, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)" }

    /// What hubs had to do about plugins, and what ended it, newest first.
    PLUGIN_NOTES = { any:
        "SELECT kind, name, event, sha256, actor, reason, at FROM plugin_history
         WHERE event IN ('approved', 'rolled_back', 'left_alone', 'works_again') ORDER BY id DESC LIMIT $1" }

    /// What was decided about a plugin, newest first.
    PLUGIN_HISTORY = { any:
        "SELECT event, sha256, grants, actor, reason, at FROM plugin_history WHERE kind = $1 AND name = $2
         ORDER BY id DESC LIMIT $3" }
}
