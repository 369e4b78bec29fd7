//! Statements that take away what is kept no longer.
//!
//! Identifiers begin with the time at which they were made, so each kind is gone through in the order of its
//! key: after one, before what can have been made at a time. What is taken away is looked at once more in
//! the transaction that does it.

use super::{json_rows, statements};

statements! {
    /// Requests with content that were read before a time.
    OLD_REQUESTS = { any:
        "SELECT i.run_id AS id FROM inbox AS i JOIN run AS r ON r.id = i.run_id
         WHERE i.run_id > $1 AND i.run_id < $2 AND i.outcome <> 'quarantined' AND length(i.request) > 0
             AND r.completed_at < $3
         ORDER BY i.run_id LIMIT $4" }

    /// Takes the content of these requests away.
    FORGET_REQUESTS = {
        sqlite: "UPDATE inbox SET request = x'' WHERE run_id IN (SELECT value FROM json_each($1)) AND outcome <> 'quarantined'",
        postgres: "UPDATE inbox SET request = '' WHERE run_id = ANY (ARRAY(SELECT json_array_elements_text($1::json))) AND outcome <> 'quarantined'",
        mysql: concat!("UPDATE ", json_rows!("$1"), " STRAIGHT_JOIN inbox AS i ON i.run_id = k.id
             SET i.request = x'' WHERE i.outcome <> 'quarantined'"),
    }

    /// What stages of runs made that ended before a time.
    OLD_RESULTS = { any:
        "SELECT a.id FROM artifact AS a JOIN run AS r ON r.id = a.run_id
         WHERE a.id > $1 AND a.id < $2 AND r.completed_at < $3
         ORDER BY a.id LIMIT $4" }

    /// Takes these results away.
    FORGET_RESULTS = {
        sqlite: "DELETE FROM artifact WHERE id IN (SELECT value FROM json_each($1))
                 AND NOT EXISTS (SELECT 1 FROM run AS r WHERE r.id = artifact.run_id AND r.completed_at IS NULL)",
        postgres: "DELETE FROM artifact WHERE id = ANY (ARRAY(SELECT json_array_elements_text($1::json)))
                 AND NOT EXISTS (SELECT 1 FROM run AS r WHERE r.id = artifact.run_id AND r.completed_at IS NULL)",
        mysql: concat!("DELETE a FROM ", json_rows!("$1"), " STRAIGHT_JOIN artifact AS a ON a.id = k.id
             WHERE NOT EXISTS (SELECT 1 FROM run AS r WHERE r.id = a.run_id AND r.completed_at IS NULL)"),
    }

    /// Runs that ended before a time. A request that nobody could read is kept, and so is what was told of
    /// an incident that is still open: its remotes may have to be told more.
    OLD_RUNS = { any:
        "SELECT r.id FROM run AS r LEFT JOIN incident AS i ON i.id = r.incident_id
         WHERE r.id > $1 AND r.id < $2 AND r.completed_at < $3 AND COALESCE(r.outcome, '') <> 'quarantined'
             AND i.open_key IS NULL
         ORDER BY r.id LIMIT $4" }

    /// Has these runs to ourselves: nobody takes one up again from here on.
    LOCK_RUNS = {
        postgres: "SELECT id FROM run WHERE id = ANY (ARRAY(SELECT json_array_elements_text($1::json)))
             ORDER BY id FOR UPDATE",
        mysql: concat!("SELECT r.id FROM ", json_rows!("$1"), " STRAIGHT_JOIN run AS r ON r.id = k.id FOR UPDATE"),
    }

    /// Takes the deliveries of these runs away, with their tries.
    FORGET_DELIVERIES = {
        sqlite: "DELETE FROM delivery WHERE run_id IN (SELECT r.id FROM run AS r
                 WHERE r.id IN (SELECT value FROM json_each($1)) AND r.completed_at IS NOT NULL)",
        postgres: "DELETE FROM delivery WHERE run_id IN (SELECT r.id FROM run AS r
                 WHERE r.id = ANY (ARRAY(SELECT json_array_elements_text($1::json))) AND r.completed_at IS NOT NULL)",
        mysql: concat!("DELETE d FROM ", json_rows!("$1"), " STRAIGHT_JOIN run AS r ON r.id = k.id
             STRAIGHT_JOIN delivery AS d ON d.run_id = r.id WHERE r.completed_at IS NOT NULL"),
    }

    /// Takes these runs away, with their requests, tries at stages and results.
    FORGET_RUNS = {
        sqlite: "DELETE FROM run WHERE id IN (SELECT value FROM json_each($1)) AND completed_at IS NOT NULL",
        postgres: "DELETE FROM run WHERE id = ANY (ARRAY(SELECT json_array_elements_text($1::json))) AND completed_at IS NOT NULL",
        mysql: concat!("DELETE r FROM ", json_rows!("$1"), " STRAIGHT_JOIN run AS r ON r.id = k.id
             WHERE r.completed_at IS NOT NULL"),
    }

    /// Incidents that are over, and of which no run is kept any more.
    OLD_INCIDENTS = { any:
        "SELECT i.id FROM incident AS i
         WHERE i.id > $1 AND i.id < $2 AND i.updated_at < $3 AND i.open_key IS NULL AND i.firing = 0
             AND i.acknowledged = 0 AND NOT EXISTS (SELECT 1 FROM run AS r WHERE r.incident_id = i.id)
         ORDER BY i.id LIMIT $4" }

    /// Has these incidents to ourselves: no webhook opens one again from here on.
    LOCK_INCIDENTS = {
        postgres: "SELECT id FROM incident WHERE id = ANY (ARRAY(SELECT json_array_elements_text($1::json)))
             ORDER BY id FOR UPDATE",
        mysql: concat!("SELECT i.id FROM ", json_rows!("$1"), " STRAIGHT_JOIN incident AS i ON i.id = k.id FOR UPDATE"),
    }

    /// Takes the alerts of these incidents away, with their history.
    FORGET_ALERTS_OF_INCIDENTS = {
        sqlite: "DELETE FROM alert WHERE incident_id IN (SELECT i.id FROM incident AS i
                 WHERE i.id IN (SELECT value FROM json_each($1)) AND i.open_key IS NULL AND i.firing = 0
                     AND i.acknowledged = 0 AND NOT EXISTS (SELECT 1 FROM run AS r WHERE r.incident_id = i.id))",
        postgres: "DELETE FROM alert WHERE incident_id IN (SELECT i.id FROM incident AS i
                 WHERE i.id = ANY (ARRAY(SELECT json_array_elements_text($1::json))) AND i.open_key IS NULL AND i.firing = 0
                     AND i.acknowledged = 0 AND NOT EXISTS (SELECT 1 FROM run AS r WHERE r.incident_id = i.id))",
        mysql: concat!("DELETE a FROM ", json_rows!("$1"), " STRAIGHT_JOIN incident AS i ON i.id = k.id
             STRAIGHT_JOIN alert AS a ON a.incident_id = i.id
             WHERE i.open_key IS NULL AND i.firing = 0 AND i.acknowledged = 0
                 AND NOT EXISTS (SELECT 1 FROM run AS r WHERE r.incident_id = i.id)"),
    }

    /// Takes these incidents away, with their history.
    FORGET_INCIDENTS = {
        sqlite: "DELETE FROM incident WHERE id IN (SELECT value FROM json_each($1)) AND open_key IS NULL AND firing = 0
                 AND acknowledged = 0 AND NOT EXISTS (SELECT 1 FROM run AS r WHERE r.incident_id = incident.id)",
        postgres: "DELETE FROM incident WHERE id = ANY (ARRAY(SELECT json_array_elements_text($1::json))) AND open_key IS NULL AND firing = 0
                 AND acknowledged = 0 AND NOT EXISTS (SELECT 1 FROM run AS r WHERE r.incident_id = incident.id)",
        mysql: concat!("DELETE i FROM ", json_rows!("$1"), " STRAIGHT_JOIN incident AS i ON i.id = k.id
             WHERE i.open_key IS NULL AND i.firing = 0 AND i.acknowledged = 0
                 AND NOT EXISTS (SELECT 1 FROM run AS r WHERE r.incident_id = i.id)"),
    }

    /// Alerts that were over when they were first heard of, and not heard of since a time.
    OLD_ALERTS = { any:
        "SELECT a.id FROM alert AS a
         WHERE a.id > $1 AND a.id < $2 AND a.received_at < $3 AND a.incident_id IS NULL AND a.status = 'resolved'
         ORDER BY a.id LIMIT $4" }

    /// Takes these alerts away, with their history.
    FORGET_ALERTS = {
        sqlite: "DELETE FROM alert WHERE id IN (SELECT value FROM json_each($1)) AND incident_id IS NULL
                 AND status = 'resolved'",
        postgres: "DELETE FROM alert WHERE id = ANY (ARRAY(SELECT json_array_elements_text($1::json))) AND incident_id IS NULL
                 AND status = 'resolved'",
        mysql: concat!("DELETE a FROM ", json_rows!("$1"), " STRAIGHT_JOIN alert AS a ON a.id = k.id
             WHERE a.incident_id IS NULL AND a.status = 'resolved'"),
    }
}
