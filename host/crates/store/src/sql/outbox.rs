//! Statements of deliveries and their attempts.

use super::statements;

/// What makes a delivery claimable, apart from its time and its channel: no earlier delivery for the same
/// incident and channel is unfinished. Order is kept that way.
macro_rules! claimable {
    () => {
        "NOT EXISTS (
             SELECT 1 FROM delivery AS e WHERE e.incident_id = d.incident_id
                 AND e.channel_id = d.channel_id AND e.id < d.id AND e.due_at IS NOT NULL)"
    };
}

/// A delivery as it is shown, of tables `d` and `c`. A final one was last due when it became final.
macro_rules! delivery_columns {
    () => {
        "d.id, d.run_id, d.trace_id, d.incident_id, c.name AS channel, d.tells, d.status, d.attempts, \
         COALESCE(d.due_at, d.completed_at, d.created_at) AS due_at, d.error_type, d.error_message, \
         d.superseded_by, d.created_at, d.completed_at"
    };
}

/// The start of the list of deliveries; conditions follow.
pub(crate) const LIST_DELIVERIES: &str = concat!(
    "SELECT ",
    delivery_columns!(),
    " FROM delivery AS d JOIN channel AS c ON c.id = d.channel_id WHERE true"
);

statements! {
    /// Puts a delivery into the outbox.
    INSERT_DELIVERY = { any:
        "INSERT INTO delivery (id, run_id, trace_id, incident_id, channel_id, notification, tells, status, attempts,
             due_at, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, 'pending', 0, $8, $9)" }

    /// What is not final for an incident and a channel, the oldest first.
    UNFINISHED_DELIVERIES = {
        any: "SELECT id, run_id, tells, status, attempts FROM delivery
             WHERE incident_id = $1 AND channel_id = $2 AND due_at IS NOT NULL ORDER BY id",
        // Nobody claims or records one while we decide what becomes of it.
        postgres: "SELECT id, run_id, tells, status, attempts FROM delivery
             WHERE incident_id = $1 AND channel_id = $2 AND due_at IS NOT NULL ORDER BY id FOR NO KEY UPDATE",
        // It would walk, and lock, all of the incident's to spare itself the sorting.
        mysql: "SELECT id, run_id, tells, status, attempts FROM delivery FORCE INDEX (delivery_unfinished)
             WHERE incident_id = $1 AND channel_id = $2 AND due_at IS NOT NULL ORDER BY id FOR UPDATE",
    }

    /// What a channel was last told of an incident, or may have been: the newest final delivery of which an
    /// attempt was begun.
    LAST_TOLD = { any:
        "SELECT d.tells FROM run AS r JOIN delivery AS d ON d.run_id = r.id
         WHERE r.incident_id = $1 AND d.channel_id = $2 AND d.due_at IS NULL AND d.attempts > 0
         ORDER BY r.id DESC, d.id DESC LIMIT 1" }

    /// Makes a delivery stale that a newer one has overtaken.
    SUPERSEDE = { any:
        "UPDATE delivery SET status = 'stale', due_at = NULL, lease = NULL, superseded_by = $1, completed_at = $2
         WHERE id = $3" }

    /// Leases due deliveries to a channel and begins their next try.
    CLAIM_DELIVERIES = {
        sqlite: concat!(
            "UPDATE delivery SET status = 'sending', lease = $1, due_at = $2, attempts = attempts + 1
             WHERE id IN (SELECT d.id FROM delivery AS d
                 WHERE d.channel_id = $3 AND d.due_at <= $4 AND ", claimable!(), "
                     AND EXISTS (SELECT 1 FROM channel AS c WHERE c.id = d.channel_id AND c.enabled)
                 ORDER BY d.due_at, d.id LIMIT $5)"),
        // An array is found once; a list could be found, and locked, again for every row.
        postgres: concat!(
            "UPDATE delivery SET status = 'sending', lease = $1, due_at = $2, attempts = attempts + 1
             WHERE id = ANY (ARRAY(SELECT d.id FROM delivery AS d
                 WHERE d.channel_id = $3 AND d.due_at <= $4 AND ", claimable!(), "
                     AND EXISTS (SELECT 1 FROM channel AS c WHERE c.id = d.channel_id AND c.enabled)
                 ORDER BY d.due_at, d.id LIMIT $5 FOR NO KEY UPDATE OF d SKIP LOCKED))"),
        mysql: concat!(
            "UPDATE (SELECT d.id FROM delivery AS d
                 WHERE d.channel_id = $3 AND d.due_at <= $4 AND ", claimable!(), "
                     AND EXISTS (SELECT 1 FROM channel AS c WHERE c.id = d.channel_id AND c.enabled)
                 ORDER BY d.due_at, d.id LIMIT $5 FOR UPDATE SKIP LOCKED) AS due
             STRAIGHT_JOIN delivery AS t ON t.id = due.id
             SET t.status = 'sending', t.lease = $1, t.due_at = $2, t.attempts = t.attempts + 1"),
    }

    /// Writes the tries that were just begun, before anybody is called.
    INSERT_ATTEMPTS = { any:
        "INSERT INTO attempt (delivery_id, attempt, outcome, started_at)
         SELECT id, attempts, 'started', $1 FROM delivery WHERE channel_id = $2 AND due_at = $3 AND lease = $4" }

    /// What was just leased.
    CLAIMED_DELIVERIES = { any:
        "SELECT d.id, d.run_id, d.trace_id, d.incident_id, d.notification, d.attempts, d.attempts_before, d.created_at,
             c.id AS channel_id, c.name, c.notifier, c.enabled, c.settings, c.created_at AS channel_created_at,
             (SELECT p.remote_ref FROM delivery AS p WHERE p.incident_id = d.incident_id
                  AND p.channel_id = d.channel_id AND p.remote_ref IS NOT NULL
              ORDER BY p.id DESC LIMIT 1) AS previous_ref
         FROM delivery AS d JOIN channel AS c ON c.id = d.channel_id
         WHERE d.channel_id = $1 AND d.due_at = $2 AND d.lease = $3 ORDER BY d.id" }

    /// Each enabled channel, and when the next delivery to it can be claimed.
    CHANNELS_DUE = { any: concat!(
        "SELECT c.id, (SELECT d.due_at FROM delivery AS d
             WHERE d.channel_id = c.id AND d.due_at IS NOT NULL AND ", claimable!(), "
             ORDER BY d.due_at, d.id LIMIT 1) AS due_at
         FROM channel AS c WHERE c.enabled ORDER BY c.id") }

    /// Records how a try ended; only the holder of the lease may.
    RECORD_DELIVERY = { any:
        "UPDATE delivery SET status = $1, due_at = $2, lease = NULL, remote_ref = $3, error_type = $4,
             error_message = $5, completed_at = $6
         WHERE id = $7 AND lease = $8" }

    /// Has the incident of a delivery to ourselves: nobody puts anything about it into the outbox meanwhile.
    LOCK_INCIDENT_OF_DELIVERY = {
        postgres: "SELECT i.id FROM incident AS i JOIN delivery AS d ON d.incident_id = i.id
             WHERE d.id = $1 FOR UPDATE OF i",
        mysql: "SELECT id FROM incident WHERE id = (SELECT d.incident_id FROM delivery AS d WHERE d.id = $1) FOR UPDATE",
    }

    /// Whose a delivery is, and how far it has come.
    DELIVERY_PLACE = { any:
        "SELECT run_id, attempts, status FROM delivery WHERE id = $1" }

    /// The newest delivery for an incident and a channel that is not final.
    NEWEST_UNFINISHED = { any:
        "SELECT id FROM delivery WHERE incident_id = $1 AND channel_id = $2 AND due_at IS NOT NULL
         ORDER BY id DESC LIMIT 1" }

    /// Ends a try.
    END_ATTEMPT = { any:
        "UPDATE attempt SET outcome = $1, remote_ref = $2, error_type = $3, error_message = $4,
             completed_at = $5
         WHERE delivery_id = $6 AND attempt = $7" }

    /// Lengthens a lease.
    RENEW_DELIVERY = { any:
        "UPDATE delivery SET due_at = $1 WHERE id = $2 AND lease = $3 AND due_at IS NOT NULL" }

    /// The newest delivery that tells the same channel something newer of the same incident, if it is not stale.
    OVERTAKEN_BY = { any:
        "SELECT n.id FROM delivery AS d
             JOIN run AS r ON r.incident_id = d.incident_id AND r.id > d.run_id
             JOIN delivery AS n ON n.run_id = r.id AND n.channel_id = d.channel_id AND n.status <> 'stale'
         WHERE d.id = $1 ORDER BY n.id DESC LIMIT 1" }

    /// Notes who has a delivery tried again.
    INSERT_RETRY = { any:
        "INSERT INTO delivery_retry (delivery_id, attempts, actor, at) VALUES ($1, $2, $3, $4)" }

    /// Who had a delivery tried again.
    RETRIES = { any:
        "SELECT attempts, actor, at FROM delivery_retry WHERE delivery_id = $1 ORDER BY attempts" }

    /// Makes a dead delivery due again, with all its tries before it.
    REVIVE_DELIVERY = { any:
        "UPDATE delivery SET status = 'pending', due_at = $1, completed_at = NULL, attempts_before = attempts
         WHERE id = $2 AND status = 'dead'
             AND EXISTS (SELECT 1 FROM channel AS c WHERE c.id = channel_id AND c.taken_name IS NOT NULL)" }

    /// The oldest dead deliveries after one, to one channel or to all.
    DEAD_DELIVERIES = { any:
        "SELECT d.id FROM delivery AS d WHERE d.status = 'dead' AND d.id > $1
             AND EXISTS (SELECT 1 FROM channel AS c
                 WHERE c.id = d.channel_id AND c.taken_name = COALESCE($2, c.taken_name))
         ORDER BY d.id LIMIT $3" }

    /// The dead deliveries of a run.
    DEAD_DELIVERIES_OF_RUN = { any:
        "SELECT id FROM delivery WHERE run_id = $1 AND status = 'dead' ORDER BY id" }

    /// One delivery.
    DELIVERY = { any: concat!(
        "SELECT ", delivery_columns!(), " FROM delivery AS d JOIN channel AS c ON c.id = d.channel_id
         WHERE d.id = $1") }

    /// The deliveries of a run.
    DELIVERIES_OF_RUN = { any: concat!(
        "SELECT ", delivery_columns!(), " FROM delivery AS d JOIN channel AS c ON c.id = d.channel_id
         WHERE d.run_id = $1 ORDER BY d.id LIMIT $2") }

    /// Tries at a delivery.
    ATTEMPTS = { any:
        "SELECT attempt, outcome, remote_ref, error_type, error_message, started_at, completed_at FROM attempt
         WHERE delivery_id = $1 ORDER BY attempt" }

    /// How many deliveries are in which state.
    COUNT_DELIVERIES = { any: "SELECT status, COUNT(*) AS found FROM delivery GROUP BY status" }
}
