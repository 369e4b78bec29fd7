//! Statements of runs and their stages.

use super::statements;

/// A run.
macro_rules! run_columns {
    () => {
        "id, trace_id, parent_id, status, current_stage, origin, source, incident_id, moment, outcome, \
         alerts, reason, route, total_attempts, failures, intelligence_fallback_used, normalized_payload_ref, \
         checker_output_ref, intelligence_output_ref, notify_output_ref, error_type, error_message, \
         created_at, started_at, completed_at"
    };
}

/// How many deliveries of a run were given up on.
macro_rules! dead {
    () => {
        "(SELECT COUNT(*) FROM delivery AS d WHERE d.run_id = run.id AND d.status = 'dead')"
    };
}

/// The start of the list of runs; conditions follow.
pub(crate) const LIST_RUNS: &str = concat!("SELECT ", run_columns!(), " FROM run AS r WHERE true");

statements! {
    /// Leases due runs. A leased run is due again when its lease ends. A run waits for every earlier one
    /// about its incident, so that what they tell people keeps its order.
    CLAIM_RUNS = {
        sqlite: "UPDATE run SET lease = $1, due_at = $2, started_at = COALESCE(started_at, $3)
             WHERE id IN (SELECT r.id FROM run AS r WHERE r.due_at <= $4 AND NOT EXISTS (
                     SELECT 1 FROM run AS e
                     WHERE e.incident_id = r.incident_id AND e.id < r.id AND e.due_at IS NOT NULL)
                 ORDER BY r.due_at, r.id LIMIT $5)",
        // An array is found once; a list could be found, and locked, again for every row.
        postgres: "UPDATE run SET lease = $1, due_at = $2, started_at = COALESCE(started_at, $3)
             WHERE id = ANY (ARRAY(SELECT r.id FROM run AS r WHERE r.due_at <= $4 AND NOT EXISTS (
                     SELECT 1 FROM run AS e
                     WHERE e.incident_id = r.incident_id AND e.id < r.id AND e.due_at IS NOT NULL)
                 ORDER BY r.due_at, r.id LIMIT $5 FOR NO KEY UPDATE OF r SKIP LOCKED))",
        mysql: "UPDATE (SELECT r.id FROM run AS r WHERE r.due_at <= $4 AND NOT EXISTS (
                     SELECT 1 FROM run AS e
                     WHERE e.incident_id = r.incident_id AND e.id < r.id AND e.due_at IS NOT NULL)
                 ORDER BY r.due_at, r.id LIMIT $5 FOR UPDATE SKIP LOCKED) AS due
             STRAIGHT_JOIN run AS t ON t.id = due.id
             SET t.lease = $1, t.due_at = $2, t.started_at = COALESCE(t.started_at, $3)",
    }

    /// What was just leased: found by the end of the lease, which is indexed, and the token.
    CLAIMED_RUNS = { any: concat!(
        "SELECT ", run_columns!(), " FROM run WHERE due_at = $1 AND lease = $2 ORDER BY id") }

    /// When the next run is due.
    NEXT_RUN_DUE = { any: "SELECT MIN(due_at) AS due_at FROM run WHERE due_at IS NOT NULL" }

    /// Notes that a stage begins.
    BEGIN_STAGE = { any:
        "UPDATE run SET current_stage = $1, total_attempts = total_attempts + 1, route = COALESCE($2, route),
             reason = COALESCE($3, reason)
         WHERE id = $4 AND lease = $5" }

    /// Counts a route that a run takes: once, before it is noted on the run.
    COUNT_ROUTE = { any:
        "UPDATE route SET hits = hits + 1, last_hit_at = $1
         WHERE name = $2 AND EXISTS (SELECT 1 FROM run WHERE id = $3 AND lease = $4 AND route IS NULL)" }

    /// How often a stage was tried.
    LAST_ATTEMPT = { any:
        "SELECT COALESCE(MAX(attempt), 0) AS attempt FROM stage_execution WHERE run_id = $1 AND stage = $2" }

    /// Writes the next try at a stage.
    INSERT_STAGE = { any:
        "INSERT INTO stage_execution (run_id, stage, attempt, status, started_at)
         SELECT $1, $2, COALESCE(MAX(attempt), 0) + 1, 'started', $3 FROM stage_execution
         WHERE run_id = $4 AND stage = $5" }

    /// Ends a try at a stage.
    END_STAGE = { any:
        "UPDATE stage_execution SET status = $1, summary = $2, error_type = $3, error_message = $4,
             completed_at = $5
         WHERE run_id = $6 AND stage = $7 AND attempt = $8" }

    /// Moves a run on after a stage; tries are counted for each stage.
    ADVANCE_RUN = { any:
        "UPDATE run SET status = COALESCE($1, status), checker_output_ref = COALESCE($2, checker_output_ref),
             intelligence_output_ref = COALESCE($3, intelligence_output_ref),
             notify_output_ref = COALESCE($4, notify_output_ref),
             intelligence_fallback_used = COALESCE($5, intelligence_fallback_used), failures = 0
         WHERE id = $6 AND lease = $7" }

    /// Keeps what a stage made.
    INSERT_ARTIFACT = { any:
        "INSERT INTO artifact (id, run_id, kind, sealed, created_at) VALUES ($1, $2, $3, $4, $5)" }

    /// Lets go of a run until it is due again.
    RETRY_RUN = { any:
        "UPDATE run SET status = 'RETRYING', failures = failures + 1, due_at = $1, lease = NULL, error_type = $2,
             error_message = $3
         WHERE id = $4 AND lease = $5" }

    /// Lengthens a lease.
    RENEW_RUN = { any: "UPDATE run SET due_at = $1 WHERE id = $2 AND lease = $3 AND due_at IS NOT NULL" }

    /// Ends the tries at stages that an error cut off.
    FAIL_STAGES = { any:
        "UPDATE stage_execution SET status = 'failed', error_type = $1, error_message = $2, completed_at = $3
         WHERE run_id = $4 AND status = 'started'" }

    /// Lets go of a run whose deliveries decide what becomes of it.
    RELEASE_RUN = { any:
        "UPDATE run SET due_at = NULL, lease = NULL, error_type = NULL, error_message = NULL
         WHERE id = $1 AND lease = $2" }

    /// Ends a run.
    FINISH_RUN = { any:
        "UPDATE run SET status = $1, error_type = $2, error_message = $3, completed_at = $4, due_at = NULL,
             lease = NULL
         WHERE id = $5 AND lease = $6" }

    /// Has a run to ourselves, so that of two deliveries that become final at once the later one ends it.
    LOCK_RUN = {
        postgres: "SELECT id FROM run WHERE id = $1 FOR NO KEY UPDATE",
        mysql: "SELECT id FROM run WHERE id = $1 FOR UPDATE",
    }

    /// Has the incident of a run to ourselves: nobody plans or takes up another run about it meanwhile.
    LOCK_INCIDENT_OF_RUN = {
        postgres: "SELECT i.id FROM incident AS i JOIN run AS r ON r.incident_id = i.id
             WHERE r.id = $1 FOR UPDATE OF i",
        mysql: "SELECT id FROM incident WHERE id = (SELECT r.incident_id FROM run AS r WHERE r.id = $1) FOR UPDATE",
    }

    /// Ends a run whose deliveries are all final: notified, or failed where one was given up on.
    SETTLE_RUN = { any: concat!(
        "UPDATE run SET status = CASE WHEN ", dead!(), " = 0 THEN 'NOTIFIED' ELSE 'FAILED' END,
             error_type = CASE WHEN ", dead!(), " > 0 THEN 'delivery_dead' END,
             error_message = CASE WHEN ", dead!(), " > 0 THEN CONCAT(", dead!(), ",
                 ' of its deliveries were given up on; see them for the reasons') END,
             completed_at = $1
         WHERE id = $2 AND due_at IS NULL AND NOT EXISTS (
             SELECT 1 FROM delivery AS d WHERE d.run_id = run.id AND d.due_at IS NOT NULL)") }

    /// How far a run has come.
    RUN_STATUS = { any: "SELECT status FROM run WHERE id = $1" }

    /// Waits again for deliveries that are tried again.
    REOPEN_RUN = { any:
        "UPDATE run SET status = 'RETRYING', error_type = NULL, error_message = NULL, completed_at = NULL
         WHERE id = $1 AND due_at IS NULL" }

    /// Where the last run about an incident came from.
    LAST_OF_INCIDENT = { any:
        "SELECT source, moment FROM run WHERE incident_id = $1 ORDER BY id DESC LIMIT 1" }

    /// A later run about the same incident.
    NEWER_RUN = { any: "SELECT id FROM run WHERE incident_id = $1 AND id > $2 ORDER BY id LIMIT 1" }

    /// Makes a run due again that has ended.
    RESUME_RUN = { any:
        "UPDATE run SET status = 'RETRYING', failures = 0, error_type = NULL, error_message = NULL,
             completed_at = NULL, due_at = $1
         WHERE id = $2 AND due_at IS NULL AND status IN ('FAILED', 'SKIPPED')" }

    /// One run.
    RUN = { any: concat!("SELECT ", run_columns!(), " FROM run WHERE id = $1") }

    /// Tries at stages, in the order of time.
    STAGE_EXECUTIONS = { any:
        "SELECT stage, attempt, status, summary, error_type, error_message, started_at, completed_at
         FROM stage_execution WHERE run_id = $1 ORDER BY started_at, stage, attempt" }
}
