//! Statements of the ingest transaction. Each takes a whole batch as one JSON array.
//!
//! `jsonb_each` (SQLite 3.51) parses the array once and hands on rows in binary form; with `json_each`
//! every `->>` would find its way through the text of its row again, which doubles the cost of a batch.
//! PostgreSQL makes rows of the array by its columns' names.
//!
//! On servers, what plans are built on is locked as it is read, in one order for all hosts: alerts, then
//! incidents, each by identifier. What is new is written in the order of its unique key. `FOR NO KEY UPDATE`
//! leaves alone those who only refer to a row.
//!
//! MySQL locks rows as it comes to them, which `STRAIGHT_JOIN` makes the order of the array: that of their
//! unique keys. Its upsert would take another row with the same unique key for the one that is meant, so there
//! what is known is changed and what is missing is added.

use super::read::{alert_columns, incident_columns};
use super::{json_rows, statements};

/// The alerts of a batch.
macro_rules! alerts_by_key {
    (sqlite) => {
        concat!(
            "SELECT ",
            alert_columns!(),
            " FROM jsonb_each($1) AS k
             CROSS JOIN alert AS a ON a.source = k.value ->> 'source' AND a.fingerprint = k.value ->> 'fingerprint'"
        )
    };
    (postgres) => {
        concat!(
            "SELECT ",
            alert_columns!(),
            " FROM json_to_recordset($1::json) AS k (source text, fingerprint text)
             JOIN alert AS a ON a.source = k.source AND a.fingerprint = k.fingerprint ORDER BY a.id"
        )
    };
    (mysql) => {
        concat!(
            "SELECT ",
            alert_columns!(),
            " FROM ",
            json_rows!("$1": source key, fingerprint key),
            " STRAIGHT_JOIN alert AS a ON a.source = k.source AND a.fingerprint = k.fingerprint"
        )
    };
}

/// The incidents of a batch, and how MySQL locks them.
macro_rules! incidents_by_id_or_key {
    (sqlite) => {
        concat!(
            "SELECT ",
            incident_columns!(),
            " FROM jsonb_each($1) AS k CROSS JOIN incident AS i ON i.id = k.value
             UNION
             SELECT ",
            incident_columns!(),
            " FROM jsonb_each($2) AS k CROSS JOIN incident AS i ON i.open_key = k.value"
        )
    };
    (postgres) => {
        concat!(
            "SELECT ",
            incident_columns!(),
            " FROM incident AS i WHERE i.id = ANY (ARRAY(SELECT json_array_elements_text($1::json)))
                 OR i.open_key = ANY (ARRAY(SELECT json_array_elements_text($2::json)))
             ORDER BY i.id"
        )
    };
    (mysql $lock:literal) => {
        concat!(
            "(SELECT ",
            incident_columns!(),
            " FROM ",
            json_rows!("$1"),
            " STRAIGHT_JOIN incident AS i ON i.id = k.id ",
            $lock,
            ") UNION (SELECT ",
            incident_columns!(),
            " FROM ",
            json_rows!("$2"),
            " STRAIGHT_JOIN incident AS i ON i.open_key = k.id ",
            $lock,
            ")"
        )
    };
}

/// Incidents to be written, for MySQL.
macro_rules! incident_rows {
    () => {
        json_rows!("$1": id text, correlation_key text, open_key text, title text, name text, instance text,
                status text, severity text, firing int, acknowledged int, opened_at int, updated_at
                int, acknowledged_at int, resolved_at int, closed_at int)
    };
}

/// Alerts to be written, for MySQL.
macro_rules! alert_rows {
    () => {
        json_rows!("$1": id text, source text, fingerprint text, name text, status text, raw_status text,
                severity text, raw_severity text, description text, labels json, annotations json,
                links json, started_at int, ended_at int, received_at int, incident_id text,
                trace_id text)
    };
}

statements! {
    /// Which delivery ids were seen before. Parameter: `[{"driver", "delivery_id"}]`.
    SEEN_DELIVERIES = {
        sqlite: "SELECT i.driver, i.delivery_id, i.run_id, i.outcome, r.trace_id, r.alerts
             FROM jsonb_each($1) AS k
             CROSS JOIN inbox AS i ON i.driver = k.value ->> 'driver' AND i.delivery_id = k.value ->> 'delivery_id'
             JOIN run AS r ON r.id = i.run_id",
        postgres: "SELECT i.driver, i.delivery_id, i.run_id, i.outcome, r.trace_id, r.alerts
             FROM json_to_recordset($1::json) AS k (driver text, delivery_id text)
             JOIN inbox AS i ON i.driver = k.driver AND i.delivery_id = k.delivery_id
             JOIN run AS r ON r.id = i.run_id",
        mysql: concat!("SELECT i.driver, i.delivery_id, i.run_id, i.outcome, r.trace_id, r.alerts
             FROM ", json_rows!("$1": driver key, delivery_id key), "
             STRAIGHT_JOIN inbox AS i ON i.driver = k.driver AND i.delivery_id = k.delivery_id
             STRAIGHT_JOIN run AS r ON r.id = i.run_id"),
    }

    /// Alerts by identity, as a plan that is to be written needs them. Parameter: `[{"source", "fingerprint"}]`,
    /// each once.
    ALERTS_BY_KEY = {
        sqlite: alerts_by_key!(sqlite),
        postgres: concat!(alerts_by_key!(postgres), " FOR NO KEY UPDATE OF a"),
        mysql: concat!(alerts_by_key!(mysql), " FOR UPDATE"),
    }

    /// The same for a plan that nobody writes.
    SEE_ALERTS_BY_KEY = {
        sqlite: alerts_by_key!(sqlite),
        postgres: alerts_by_key!(postgres),
        mysql: alerts_by_key!(mysql),
    }

    /// Incidents by identifier, and open ones by correlation key, as a plan that is to be written needs them.
    /// Parameters: lists of each.
    INCIDENTS_BY_ID_OR_KEY = {
        sqlite: incidents_by_id_or_key!(sqlite),
        postgres: concat!(incidents_by_id_or_key!(postgres), " FOR NO KEY UPDATE OF i"),
        mysql: incidents_by_id_or_key!(mysql "FOR UPDATE"),
    }

    /// The same for a plan that nobody writes.
    SEE_INCIDENTS_BY_ID_OR_KEY = {
        sqlite: incidents_by_id_or_key!(sqlite),
        postgres: incidents_by_id_or_key!(postgres),
        mysql: incidents_by_id_or_key!(mysql ""),
    }

    /// The newest run about any of these incidents, by identifier. Parameter: a list of incidents.
    NEWEST_RUN_ABOUT = {
        postgres: "SELECT MAX(r.id) AS id FROM json_array_elements_text($1::json) AS k (id)
             CROSS JOIN LATERAL (SELECT id FROM run WHERE incident_id = k.id ORDER BY id DESC LIMIT 1) AS r",
        mysql: concat!("SELECT MAX((SELECT r.id FROM run AS r WHERE r.incident_id = k.id ORDER BY r.id DESC LIMIT 1)) AS id
             FROM ", json_rows!("$1")),
    }

    /// Takes their keys from the incidents that are no longer open, before another takes one: MySQL changes
    /// rows in an order of its own.
    GIVE_UP_KEYS = {
        mysql: concat!("UPDATE ", incident_rows!(), " STRAIGHT_JOIN incident AS t ON t.id = k.id
             SET t.open_key = NULL WHERE k.open_key IS NULL AND t.open_key IS NOT NULL"),
    }

    /// Changes the incidents that are there, where [`UPSERT_INCIDENTS`] only adds.
    UPDATE_INCIDENTS = {
        mysql: concat!("UPDATE ", incident_rows!(), " STRAIGHT_JOIN incident AS t ON t.id = k.id
             SET t.open_key = k.open_key, t.status = k.status, t.severity = k.severity, t.firing = k.firing,
                t.acknowledged = k.acknowledged, t.opened_at = k.opened_at, t.updated_at = k.updated_at,
                t.acknowledged_at = k.acknowledged_at, t.resolved_at = k.resolved_at, t.closed_at = k.closed_at"),
    }

    /// Writes incidents as they are now.
    UPSERT_INCIDENTS = {
        sqlite: "INSERT INTO incident (id, correlation_key, open_key, title, name, instance, status, severity, firing,
                 acknowledged, opened_at, updated_at, acknowledged_at, resolved_at, closed_at)
             SELECT value ->> 'id', value ->> 'correlation_key', value ->> 'open_key', value ->> 'title',
                 value ->> 'name', value ->> 'instance', value ->> 'status', value ->> 'severity',
                 value ->> 'firing', value ->> 'acknowledged', value ->> 'opened_at', value ->> 'updated_at',
                 value ->> 'acknowledged_at', value ->> 'resolved_at', value ->> 'closed_at'
             FROM jsonb_each($1) WHERE true
             ON CONFLICT (id) DO UPDATE SET open_key = excluded.open_key, status = excluded.status,
                 severity = excluded.severity, firing = excluded.firing, acknowledged = excluded.acknowledged,
                 opened_at = excluded.opened_at, updated_at = excluded.updated_at,
                 acknowledged_at = excluded.acknowledged_at, resolved_at = excluded.resolved_at,
                 closed_at = excluded.closed_at",
        postgres: "INSERT INTO incident (id, correlation_key, open_key, title, name, instance, status,
                severity, firing, acknowledged, opened_at, updated_at, acknowledged_at, resolved_at,
                closed_at)
             SELECT v.id, v.correlation_key, v.open_key, v.title, v.name, v.instance, v.status,
                v.severity, v.firing, v.acknowledged, v.opened_at, v.updated_at, v.acknowledged_at,
                v.resolved_at, v.closed_at
             FROM json_to_recordset($1::json) AS v (id text, correlation_key text, open_key text, title
                text, name text, instance text, status text, severity text, firing bigint, acknowledged
                bigint, opened_at bigint, updated_at bigint, acknowledged_at bigint, resolved_at bigint,
                closed_at bigint)
             ORDER BY v.open_key IS NOT NULL, v.open_key
             ON CONFLICT (id) DO UPDATE SET open_key = excluded.open_key, status = excluded.status,
                severity = excluded.severity, firing = excluded.firing, acknowledged =
                excluded.acknowledged, opened_at = excluded.opened_at, updated_at = excluded.updated_at,
                acknowledged_at = excluded.acknowledged_at, resolved_at = excluded.resolved_at, closed_at =
                excluded.closed_at",
        // The others are changed already.
        mysql: concat!("INSERT INTO incident (id, correlation_key, open_key, title, name, instance, status, severity, firing, acknowledged,
                opened_at, updated_at, acknowledged_at, resolved_at, closed_at)
             SELECT k.id, k.correlation_key, k.open_key, k.title, k.name, k.instance, k.status, k.severity, k.firing,
                k.acknowledged, k.opened_at, k.updated_at, k.acknowledged_at, k.resolved_at, k.closed_at
             FROM ", incident_rows!(), "
             LEFT JOIN incident AS t ON t.id = k.id WHERE t.id IS NULL ORDER BY k.open_key IS NOT NULL, k.open_key"),
    }

    /// Changes the alerts that are there, where [`UPSERT_ALERTS`] only adds.
    UPDATE_ALERTS = {
        mysql: concat!("UPDATE ", alert_rows!(), " STRAIGHT_JOIN alert AS t ON t.id = k.id
             SET t.name = k.name, t.status = k.status, t.raw_status = k.raw_status, t.severity = k.severity,
                t.raw_severity = k.raw_severity, t.description = k.description, t.labels = k.labels, t.annotations =
                k.annotations, t.links = k.links, t.started_at = k.started_at, t.ended_at = k.ended_at,
                t.received_at = k.received_at, t.incident_id = k.incident_id, t.trace_id = k.trace_id"),
    }

    /// Writes alerts as they are now.
    UPSERT_ALERTS = {
        sqlite: "INSERT INTO alert (id, source, fingerprint, name, status, raw_status, severity, raw_severity,
                 description, labels, annotations, links, started_at, ended_at, received_at, incident_id, trace_id)
             SELECT value ->> 'id', value ->> 'source', value ->> 'fingerprint', value ->> 'name',
                 value ->> 'status', value ->> 'raw_status', value ->> 'severity', value ->> 'raw_severity',
                 value ->> 'description', value ->> 'labels', value ->> 'annotations', value ->> 'links',
                 value ->> 'started_at', value ->> 'ended_at', value ->> 'received_at', value ->> 'incident_id',
                 value ->> 'trace_id'
             FROM jsonb_each($1) WHERE true
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, status = excluded.status,
                 raw_status = excluded.raw_status, severity = excluded.severity,
                 raw_severity = excluded.raw_severity, description = excluded.description,
                 labels = excluded.labels, annotations = excluded.annotations, links = excluded.links,
                 started_at = excluded.started_at, ended_at = excluded.ended_at,
                 received_at = excluded.received_at, incident_id = excluded.incident_id,
                 trace_id = excluded.trace_id",
        postgres: "INSERT INTO alert (id, source, fingerprint, name, status, raw_status, severity,
                raw_severity, description, labels, annotations, links, started_at, ended_at, received_at,
                incident_id, trace_id)
             SELECT v.id, v.source, v.fingerprint, v.name, v.status, v.raw_status, v.severity,
                v.raw_severity, v.description, v.labels, v.annotations, v.links, v.started_at, v.ended_at,
                v.received_at, v.incident_id, v.trace_id
             FROM json_to_recordset($1::json) AS v (id text, source text, fingerprint text, name text,
                status text, raw_status text, severity text, raw_severity text, description text, labels
                text, annotations text, links text, started_at bigint, ended_at bigint, received_at bigint,
                incident_id text, trace_id text)
             ORDER BY v.source, v.fingerprint
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, status = excluded.status, raw_status =
                excluded.raw_status, severity = excluded.severity, raw_severity = excluded.raw_severity,
                description = excluded.description, labels = excluded.labels, annotations =
                excluded.annotations, links = excluded.links, started_at = excluded.started_at, ended_at =
                excluded.ended_at, received_at = excluded.received_at, incident_id = excluded.incident_id,
                trace_id = excluded.trace_id",
        // The others are changed already.
        mysql: concat!("INSERT INTO alert (id, source, fingerprint, name, status, raw_status, severity, raw_severity, description, labels,
                annotations, links, started_at, ended_at, received_at, incident_id, trace_id)
             SELECT k.id, k.source, k.fingerprint, k.name, k.status, k.raw_status, k.severity, k.raw_severity,
                k.description, k.labels, k.annotations, k.links, k.started_at, k.ended_at, k.received_at,
                k.incident_id, k.trace_id
             FROM ", alert_rows!(), "
             LEFT JOIN alert AS t ON t.id = k.id WHERE t.id IS NULL ORDER BY k.source, k.fingerprint"),
    }

    /// Writes runs: those that ingest, and those downstream of them.
    INSERT_RUNS = {
        sqlite: "INSERT INTO run (id, trace_id, parent_id, status, current_stage, origin, source, incident_id, moment,
                 outcome, alerts, reason, total_attempts, intelligence_fallback_used, normalized_payload_ref,
                 error_type, error_message, due_at, created_at, started_at, completed_at)
             SELECT value ->> 'id', value ->> 'trace_id', value ->> 'parent_id', value ->> 'status',
                 value ->> 'current_stage', value ->> 'origin', value ->> 'source', value ->> 'incident_id',
                 value ->> 'moment', value ->> 'outcome', value ->> 'alerts', value ->> 'reason',
                 value ->> 'total_attempts', 0, value ->> 'normalized_payload_ref', value ->> 'error_type',
                 value ->> 'error_message', value ->> 'due_at', value ->> 'created_at', value ->> 'started_at',
                 value ->> 'completed_at'
             FROM jsonb_each($1)",
        postgres: "INSERT INTO run (id, trace_id, parent_id, status, current_stage, origin, source,
                incident_id, moment, outcome, alerts, reason, total_attempts, intelligence_fallback_used,
                normalized_payload_ref, error_type, error_message, due_at, created_at, started_at,
                completed_at)
             SELECT v.id, v.trace_id, v.parent_id, v.status, v.current_stage, v.origin, v.source,
                v.incident_id, v.moment, v.outcome, v.alerts, v.reason, v.total_attempts, false,
                v.normalized_payload_ref, v.error_type, v.error_message, v.due_at, v.created_at,
                v.started_at, v.completed_at
             FROM json_to_recordset($1::json) AS v (id text, trace_id text, parent_id text, status text,
                current_stage text, origin text, source text, incident_id text, moment text, outcome text,
                alerts bigint, reason text, total_attempts bigint, normalized_payload_ref text, error_type
                text, error_message text, due_at bigint, created_at bigint, started_at bigint, completed_at
                bigint)",
        // Of JSON there is a `null` beside NULL.
        mysql: concat!("INSERT INTO run (id, trace_id, parent_id, status, current_stage, origin, source, incident_id, moment, outcome,
                alerts, reason, total_attempts, intelligence_fallback_used, normalized_payload_ref, error_type,
                error_message, due_at, created_at, started_at, completed_at)
             SELECT k.id, k.trace_id, k.parent_id, k.status, k.current_stage, k.origin, k.source, k.incident_id,
                NULLIF(CAST(k.moment AS CHAR), 'null'), k.outcome, k.alerts, k.reason, k.total_attempts, FALSE, k.normalized_payload_ref,
                k.error_type, k.error_message, k.due_at, k.created_at, k.started_at, k.completed_at
             FROM ", json_rows!("$1": id text, trace_id text, parent_id text, status text, current_stage text, origin
                text, source text, incident_id text, moment json, outcome text, alerts int, reason
                text, total_attempts int, normalized_payload_ref text, error_type text,
                error_message text, due_at int, created_at int, started_at int, completed_at int)),
    }

    /// Writes requests. Parameters: all of them one after the other, and rows with `start` (from 1)
    /// and `length` of each therein: bytes need no text form that way. A part of nothing is NULL here,
    /// not empty.
    INSERT_INBOX = {
        sqlite: "INSERT INTO inbox (request, run_id, driver, named, verified, detection, delivery_id, outcome, reason_code, reason, received_at,
                 size_bytes, api_key_id)
             SELECT COALESCE(substr($1, value ->> 'start', value ->> 'length'), x''), value ->> 'run_id', value ->> 'driver',
                 value ->> 'named', value ->> 'verified', value ->> 'detection', value ->> 'delivery_id', value ->> 'outcome', value ->> 'reason_code', value ->> 'reason',
                 value ->> 'received_at', value ->> 'size_bytes', value ->> 'api_key_id'
             FROM jsonb_each($2)",
        postgres: "INSERT INTO inbox (request, run_id, driver, named, verified, detection, delivery_id,
                outcome, reason_code, reason, received_at, size_bytes, api_key_id)
             SELECT substring($1::bytea FROM v.start FOR v.length), v.run_id, v.driver, v.named, v.verified,
                v.detection, v.delivery_id, v.outcome, v.reason_code, v.reason, v.received_at, v.size_bytes,
                v.api_key_id
             FROM json_to_recordset($2::json) AS v (start int, length int, run_id text, driver text,
                named boolean, verified boolean, detection text, delivery_id text, outcome text, reason_code
                text, reason text, received_at bigint, size_bytes bigint, api_key_id text)",
        mysql: concat!("INSERT INTO inbox (request, run_id, driver, named, verified, detection, delivery_id, outcome, reason_code, reason,
                received_at, size_bytes, api_key_id)
             SELECT SUBSTRING($1, k.start, k.length), k.run_id, k.driver, k.named, k.verified, k.detection,
                k.delivery_id, k.outcome, k.reason_code, k.reason, k.received_at, k.size_bytes, k.api_key_id
             FROM ", json_rows!("$2": start int, length int, run_id text, driver text, named flag, verified flag,
                detection text, delivery_id text, outcome text, reason_code text, reason text,
                received_at int, size_bytes int, api_key_id text)),
    }

    /// Writes what happened to alerts.
    INSERT_ALERT_HISTORY = {
        sqlite: "INSERT INTO alert_history (id, alert_id, event, changed, trace_id, run_id, at)
             SELECT value ->> 'id', value ->> 'alert_id', value ->> 'event', value ->> 'changed',
                 value ->> 'trace_id', value ->> 'run_id', value ->> 'at'
             FROM jsonb_each($1)",
        postgres: "INSERT INTO alert_history (id, alert_id, event, changed, trace_id, run_id, at)
             SELECT v.id, v.alert_id, v.event, v.changed, v.trace_id, v.run_id, v.at
             FROM json_to_recordset($1::json) AS v (id text, alert_id text, event text, changed text,
                trace_id text, run_id text, at bigint)",
        mysql: concat!("INSERT INTO alert_history (id, alert_id, event, changed, trace_id, run_id, at)
             SELECT k.id, k.alert_id, k.event, k.changed, k.trace_id, k.run_id, k.at
             FROM ", json_rows!("$1": id text, alert_id text, event text, changed json, trace_id text, run_id text, at int)),
    }

    /// Writes what happened to incidents.
    INSERT_INCIDENT_HISTORY = {
        sqlite: "INSERT INTO incident_history (id, incident_id, event, status, severity, actor, reason, trace_id, run_id,
                 at)
             SELECT value ->> 'id', value ->> 'incident_id', value ->> 'event', value ->> 'status',
                 value ->> 'severity', value ->> 'actor', value ->> 'reason', value ->> 'trace_id',
                 value ->> 'run_id', value ->> 'at'
             FROM jsonb_each($1)",
        postgres: "INSERT INTO incident_history (id, incident_id, event, status, severity, actor, reason,
                trace_id, run_id, at)
             SELECT v.id, v.incident_id, v.event, v.status, v.severity, v.actor, v.reason, v.trace_id,
                v.run_id, v.at
             FROM json_to_recordset($1::json) AS v (id text, incident_id text, event text, status text,
                severity text, actor text, reason text, trace_id text, run_id text, at bigint)",
        mysql: concat!("INSERT INTO incident_history (id, incident_id, event, status, severity, actor, reason, trace_id, run_id, at)
             SELECT k.id, k.incident_id, k.event, k.status, k.severity, k.actor, k.reason, k.trace_id, k.run_id, k.at
             FROM ", json_rows!("$1": id text, incident_id text, event text, status text, severity text, actor text,
                reason text, trace_id text, run_id text, at int)),
    }

    /// What became of a request that was read again.
    SETTLE_INBOX = { any:
        "UPDATE inbox SET driver = $1, detection = $2, delivery_id = $3, outcome = $4, reason_code = $5, reason = $6
         WHERE run_id = $7 AND outcome = $8" }

    /// The same for the run that ingests it.
    SETTLE_INGEST = { any:
        "UPDATE run SET status = $1, source = $2, outcome = $3, alerts = $4, reason = $5, error_type = $6,
             error_message = $7, total_attempts = total_attempts + 1, completed_at = $8
         WHERE id = $9" }

    /// Takes a request out of quarantine and its content away.
    DISCARD_INBOX = {
        sqlite: "UPDATE inbox SET outcome = 'ignored', reason_code = 'discarded', reason = $1, request = x''
             WHERE run_id = $2 AND outcome = 'quarantined'",
        postgres: "UPDATE inbox SET outcome = 'ignored', reason_code = 'discarded', reason = $1, request = ''
             WHERE run_id = $2 AND outcome = 'quarantined'",
        mysql: "UPDATE inbox SET outcome = 'ignored', reason_code = 'discarded', reason = $1, request = x''
             WHERE run_id = $2 AND outcome = 'quarantined'",
    }

    /// The same for the run that ingested it.
    DISCARD_INGEST = { any:
        "UPDATE run SET status = 'SKIPPED', outcome = 'ignored', reason = $1, error_type = NULL,
             error_message = NULL, completed_at = $2
         WHERE id = $3" }

    /// Requests in quarantine for what their sender sent, beyond a number of bytes per key and driver,
    /// counted from the newest. What went wrong at our side is kept whatever it takes.
    BEYOND_QUOTA = { any:
        "SELECT run_id FROM
             (SELECT run_id, SUM(length(request)) OVER (PARTITION BY api_key_id, driver ORDER BY run_id DESC) AS up_to
              FROM inbox
              WHERE outcome = 'quarantined' AND reason_code IN ('empty', 'not_json', 'not_an_object',
                  'not_recognised', 'undecodable', 'invalid_input', 'unsupported')) AS q
         WHERE up_to > $1 ORDER BY run_id LIMIT $2" }

    /// How many of these runs are stored: what became of a commit that was not answered.
    COUNT_INBOX = {
        sqlite: "SELECT COUNT(*) AS found FROM inbox WHERE run_id IN (SELECT value FROM jsonb_each($1))",
        postgres: "SELECT COUNT(*) AS found FROM inbox
             WHERE run_id = ANY (ARRAY(SELECT json_array_elements_text($1::json)))",
        mysql: concat!("SELECT COUNT(*) AS found FROM ", json_rows!("$1"), "
             STRAIGHT_JOIN inbox AS i ON i.run_id = k.id"),
    }
}
