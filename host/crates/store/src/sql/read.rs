//! Column lists, and statements that read alerts, incidents, the inbox and figures.

use super::statements;

/// An alert, of table `a`.
macro_rules! alert_columns {
    () => {
        "a.id, a.source, a.fingerprint, a.name, a.status, a.raw_status, a.severity, a.raw_severity, \
         a.description, a.labels, a.annotations, a.links, a.started_at, a.ended_at, a.received_at, \
         a.incident_id, a.trace_id"
    };
}
pub(crate) use alert_columns;

/// An incident, of table `i`.
macro_rules! incident_columns {
    () => {
        "i.id, i.correlation_key, i.title, i.name, i.instance, i.status, i.severity, i.firing, \
         i.acknowledged, i.opened_at, i.updated_at, i.acknowledged_at, i.resolved_at, i.closed_at"
    };
}
pub(crate) use incident_columns;

/// An inbox row without the request, of tables `i` and `r`.
macro_rules! inbox_columns {
    () => {
        "i.run_id, r.trace_id, i.driver, i.named, i.verified, i.detection, i.delivery_id, i.outcome, i.reason_code, i.reason, i.received_at, \
         i.size_bytes, i.api_key_id"
    };
}

/// The start of the list of alerts; conditions follow.
pub(crate) const LIST_ALERTS: &str = concat!("SELECT ", alert_columns!(), " FROM alert AS a WHERE true");
/// The start of the list of incidents; conditions follow.
pub(crate) const LIST_INCIDENTS: &str =
    concat!("SELECT ", incident_columns!(), " FROM incident AS i WHERE true");
/// The start of the list of quarantined requests; conditions follow.
pub(crate) const LIST_QUARANTINED: &str = concat!(
    "SELECT ",
    inbox_columns!(),
    " FROM inbox AS i JOIN run AS r ON r.id = i.run_id WHERE i.outcome = 'quarantined'"
);

statements! {
    /// One alert.
    ALERT = { any: concat!("SELECT ", alert_columns!(), " FROM alert AS a WHERE a.id = $1") }

    /// The incident that an alert belongs to.
    INCIDENT_OF_ALERT = { any: "SELECT incident_id FROM alert WHERE id = $1" }

    /// Alerts of which something was heard since a time, among those that are known the shortest: as many are
    /// looked at as the first number says, however many there are.
    RECENT_ALERTS = { any: concat!(
        "SELECT ", alert_columns!(), " FROM (SELECT * FROM alert ORDER BY id DESC LIMIT $1) AS a
         WHERE a.received_at >= $2") }

    /// What happened to an alert, newest first.
    ALERT_HISTORY = { any:
        "SELECT event, changed, trace_id, run_id, at FROM alert_history WHERE alert_id = $1
         ORDER BY id DESC LIMIT $2" }

    /// One incident.
    INCIDENT = { any: concat!("SELECT ", incident_columns!(), " FROM incident AS i WHERE i.id = $1") }

    /// What happened to an incident, newest first.
    INCIDENT_HISTORY = { any:
        "SELECT event, status, severity, actor, reason, trace_id, run_id, at FROM incident_history
         WHERE incident_id = $1 ORDER BY id DESC LIMIT $2" }

    /// The alerts of an incident, the worst first.
    INCIDENT_ALERTS = { any: concat!(
        "SELECT ", alert_columns!(), " FROM alert AS a WHERE a.incident_id = $1
         ORDER BY CASE a.status WHEN 'firing' THEN 0 WHEN 'acknowledged' THEN 1 ELSE 2 END,
             CASE a.severity WHEN 'critical' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END, a.name, a.id
         LIMIT $2") }

    /// How many alerts an incident has.
    COUNT_INCIDENT_ALERTS = { any: "SELECT COUNT(*) AS found FROM alert WHERE incident_id = $1" }

    /// Requests in quarantine in the order of arrival, after one. Without a driver of all drivers.
    QUARANTINED_AFTER = { any: concat!(
        "SELECT ", inbox_columns!(), " FROM inbox AS i JOIN run AS r ON r.id = i.run_id
         WHERE i.outcome = 'quarantined' AND i.run_id > $1 AND COALESCE($2, i.driver, '') = COALESCE(i.driver, '')
         ORDER BY i.run_id LIMIT $3") }

    /// A request as it arrived.
    INBOX_REQUEST = { any: "SELECT request FROM inbox WHERE run_id = $1" }

    /// An inbox row without its request.
    INBOX_ENTRY = { any: concat!(
        "SELECT ", inbox_columns!(), " FROM inbox AS i JOIN run AS r ON r.id = i.run_id WHERE i.run_id = $1") }

    /// An artifact.
    ARTIFACT = { any: "SELECT sealed FROM artifact WHERE id = $1" }

    /// The newest of what runs are and put into the outbox; identifiers begin with the time.
    NEWEST = { any:
        "SELECT MAX(id) AS id FROM (SELECT MAX(id) AS id FROM run UNION ALL SELECT MAX(id) AS id FROM delivery) AS newest" }

    /// Whether the database answers.
    PING = { any: "SELECT 1 AS one" }

    /// Size of the database, and how much of it is free, in bytes. Servers do not say what is free.
    FILE_SIZE = {
        sqlite: "SELECT pages.page_count * size.page_size AS bytes, free.freelist_count * size.page_size AS free_bytes
             FROM pragma_page_count AS pages, pragma_freelist_count AS free, pragma_page_size AS size",
        postgres: "SELECT pg_database_size(current_database()) AS bytes, 0::bigint AS free_bytes",
        mysql: "SELECT CAST(COALESCE(SUM(data_length + index_length), 0) AS SIGNED) AS bytes,
                 CAST(COALESCE(SUM(data_free), 0) AS SIGNED) AS free_bytes
             FROM information_schema.tables WHERE table_schema = DATABASE()",
    }

    /// What each table takes of it, with its indexes, in bytes.
    TABLE_SIZES = {
        sqlite: "SELECT s.tbl_name AS name, SUM(d.pgsize) AS bytes
             FROM dbstat AS d JOIN sqlite_schema AS s ON s.name = d.name
             WHERE d.aggregate = TRUE GROUP BY s.tbl_name",
        postgres: "SELECT relname::text AS name, pg_total_relation_size(oid) AS bytes FROM pg_class
             WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace",
        mysql: "SELECT table_name AS name, CAST(data_length + index_length AS SIGNED) AS bytes
             FROM information_schema.tables WHERE table_schema = DATABASE()",
    }

    /// How many runs are not over, at most 10000, and when the first is due.
    RUNS_WAITING = { any:
        "SELECT COUNT(*) AS found, MIN(due_at) AS first FROM
             (SELECT due_at FROM run WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 10000) AS waiting" }

    /// How many deliveries are not final, at most 10000.
    DELIVERIES_WAITING = { any:
        "SELECT COUNT(*) AS found FROM (SELECT id FROM delivery WHERE due_at IS NOT NULL LIMIT 10000) AS waiting" }

    /// When the first delivery to a channel that is on is or was due.
    DELIVERY_DUE = { any:
        "SELECT MIN((SELECT MIN(d.due_at) FROM delivery AS d WHERE d.channel_id = c.id AND d.due_at IS NOT NULL)) AS first
         FROM channel AS c WHERE c.enabled" }

    /// How many deliveries were given up on, at most 10000.
    DEAD_COUNT = { any:
        "SELECT COUNT(*) AS found FROM (SELECT id FROM delivery WHERE status = 'dead' LIMIT 10000) AS dead" }

    /// How many requests are in quarantine, at most 10000, and the size of their bodies.
    QUARANTINE_SIZE = {
        any: "SELECT COUNT(*) AS found, COALESCE(SUM(size_bytes), 0) AS bytes FROM
                 (SELECT size_bytes FROM inbox WHERE outcome = 'quarantined' LIMIT 10000) AS quarantined",
        // Sums of 64-bit numbers have no bound there.
        postgres: "SELECT COUNT(*) AS found, COALESCE(SUM(size_bytes), 0)::bigint AS bytes FROM
                 (SELECT size_bytes FROM inbox WHERE outcome = 'quarantined' LIMIT 10000) AS quarantined",
        mysql: "SELECT COUNT(*) AS found, CAST(COALESCE(SUM(size_bytes), 0) AS SIGNED) AS bytes FROM
                 (SELECT size_bytes FROM inbox WHERE outcome = 'quarantined' LIMIT 10000) AS quarantined",
    }

    /// What is wrong with the file: broken pages and indexes, and rows that refer to nothing. Servers have
    /// tools of their own for it.
    DAMAGE = { sqlite:
        "SELECT integrity_check AS problem FROM pragma_integrity_check WHERE integrity_check <> 'ok'
         UNION ALL SELECT 'a row of ' || \"table\" || ' refers to nothing in ' || parent AS problem
         FROM pragma_foreign_key_check" }
}
