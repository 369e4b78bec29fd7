-- The first schema, as `../sqlite/0001_start.sql` has it, column by column: for MariaDB and MySQL.
--
-- BIGINT holds numbers, and times as microseconds since 1970 in UTC; identifiers are ULIDs of 26
-- characters made by the program; JSON is text that the database never looks into; LONGBLOB is sealed
-- by the program before it comes here, unless its column says otherwise. Lengths are those at which the
-- program bounds values, so that an index of them stays below InnoDB's 3072 bytes; the rest is LONGTEXT.
--
-- Texts compare by their bytes, as SQLite's do: case and blanks at the end tell them apart. The
-- collation that does so has another name on either server, and `utf8mb4_bin` ignores blanks at the
-- end on both. Each server reads the comment that is written for it: `/*M! */` is MariaDB's, and what
-- has a number from 50700 to 99999 is MySQL's alone.
--
-- Every statement that defines something commits by itself here, so each can be run again: a file that
-- was cut off in the middle is begun anew. There are no partial indexes: an index that is one elsewhere
-- has the column of its condition among its own, or is left out where another does the same.

-- Keys that seal stored payloads and secrets, themselves wrapped by a key derived from the secret key.
CREATE TABLE IF NOT EXISTS data_key (
    id         VARCHAR(26) NOT NULL PRIMARY KEY,
    purpose    VARCHAR(32) NOT NULL, -- what it seals: `payload`, `channel`, ...
    generation BIGINT      NOT NULL, -- counts from 1 per purpose; the newest seals, all of them open
    kek_id     VARCHAR(64) NOT NULL, -- which secret key wrapped it
    wrapped    LONGBLOB    NOT NULL, -- the wrapped key
    created_at BIGINT      NOT NULL,
    UNIQUE (purpose, generation)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 /*M! COLLATE utf8mb4_nopad_bin */ /*!80017 COLLATE utf8mb4_0900_bin */;

-- Secret keys that hosts have had in use, by their public identifiers: never the key.
CREATE TABLE IF NOT EXISTS secret_key (
    kek_id   VARCHAR(64) NOT NULL PRIMARY KEY,
    turn     BIGINT      NOT NULL UNIQUE, -- counts from 1; data keys are wrapped under the last
    taken_at BIGINT      NOT NULL         -- when a host first had it in use
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 /*M! COLLATE utf8mb4_nopad_bin */ /*!80017 COLLATE utf8mb4_0900_bin */;

-- Secrets that senders sign with, where they are not settings of the host.
CREATE TABLE IF NOT EXISTS secret (
    name       VARCHAR(64) NOT NULL, -- `webhook/<driver>`
    version    BIGINT      NOT NULL, -- the last is the current one; one before it is accepted too
    sealed     LONGBLOB    NOT NULL,
    created_at BIGINT      NOT NULL,
    PRIMARY KEY (name, version)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 /*M! COLLATE utf8mb4_nopad_bin */ /*!80017 COLLATE utf8mb4_0900_bin */;

-- API keys: never the token, only its digest.
CREATE TABLE IF NOT EXISTS api_key (
    id                VARCHAR(26)   NOT NULL PRIMARY KEY,
    name              LONGTEXT      NOT NULL,        -- for people; two keys may share one while they are rotated
    prefix            VARCHAR(16)   NOT NULL,        -- first 8 characters of the token
    digest            VARBINARY(32) NOT NULL UNIQUE, -- SHA-256 of the token, 32 bytes, not sealed
    allowed_endpoints LONGTEXT      NOT NULL,        -- JSON list of path prefixes; empty: the API prefixes
    manage            TINYINT(1)    NOT NULL,        -- boolean: may call the management API
    created_at        BIGINT        NOT NULL,
    expires_at        BIGINT,
    revoked_at        BIGINT,
    last_used_at      BIGINT                         -- give or take a minute; written in batches
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 /*M! COLLATE utf8mb4_nopad_bin */ /*!80017 COLLATE utf8mb4_0900_bin */;

-- Incidents: alerts that belong together.
CREATE TABLE IF NOT EXISTS incident (
    id              VARCHAR(26)  NOT NULL PRIMARY KEY,
    correlation_key VARCHAR(64)  NOT NULL, -- what its alerts have in common
    open_key        VARCHAR(64)  UNIQUE,   -- the correlation key while it is open, else NULL: one open incident per key
    title           LONGTEXT     NOT NULL,
    name            VARCHAR(255) NOT NULL, -- the alerts' name
    instance        LONGTEXT,              -- machine or service, where the alerts name one
    status          VARCHAR(16)  NOT NULL, -- open, acknowledged, resolved, closed
    severity        VARCHAR(16)  NOT NULL, -- info, warning, critical; only rises while open
    firing          BIGINT       NOT NULL, -- how many of its alerts fire
    acknowledged    BIGINT       NOT NULL, -- how many of its alerts somebody has taken
    opened_at       BIGINT       NOT NULL,
    updated_at      BIGINT       NOT NULL,
    acknowledged_at BIGINT,
    resolved_at     BIGINT,
    closed_at       BIGINT,
    INDEX incident_status (status, id),
    INDEX incident_name (name, id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 /*M! COLLATE utf8mb4_nopad_bin */ /*!80017 COLLATE utf8mb4_0900_bin */;

-- Alerts: the last known state of each.
CREATE TABLE IF NOT EXISTS alert (
    id           VARCHAR(26)  NOT NULL PRIMARY KEY,
    source       VARCHAR(32)  NOT NULL, -- the driver's name, set by the host
    fingerprint  VARCHAR(255) NOT NULL, -- identity within the source
    name         VARCHAR(255) NOT NULL,
    status       VARCHAR(16)  NOT NULL, -- firing, acknowledged, resolved
    raw_status   VARCHAR(64)  NOT NULL, -- the sender's word
    severity     VARCHAR(16)  NOT NULL, -- info, warning, critical
    raw_severity VARCHAR(64)  NOT NULL, -- the sender's word
    description  LONGTEXT     NOT NULL,
    labels       LONGTEXT     NOT NULL, -- JSON object of texts
    annotations  LONGTEXT     NOT NULL, -- JSON object of texts
    links        LONGTEXT     NOT NULL, -- JSON object of texts
    started_at   BIGINT       NOT NULL,
    ended_at     BIGINT,                -- NULL while it holds
    received_at  BIGINT       NOT NULL, -- when it was last heard of
    incident_id  VARCHAR(26),           -- NULL if it was over when first heard of
    trace_id     VARCHAR(32)  NOT NULL, -- the webhook that last told of it
    UNIQUE (fingerprint, source),
    INDEX alert_incident (incident_id, id),
    INDEX alert_name (name, id),
    INDEX alert_trace (trace_id),
    FOREIGN KEY (incident_id) REFERENCES incident (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 /*M! COLLATE utf8mb4_nopad_bin */ /*!80017 COLLATE utf8mb4_0900_bin */;

-- What happened to each alert; a steady repeat leaves no row.
CREATE TABLE IF NOT EXISTS alert_history (
    id       VARCHAR(26) NOT NULL,
    alert_id VARCHAR(26) NOT NULL,
    event    VARCHAR(32) NOT NULL, -- created, updated, resolved, acknowledged, refired, late
    changed  LONGTEXT    NOT NULL, -- JSON: {"field": [old, new]}
    trace_id VARCHAR(32) NOT NULL,
    run_id   VARCHAR(26) NOT NULL, -- the run that ingested the webhook; may be gone by retention
    at       BIGINT      NOT NULL,
    PRIMARY KEY (alert_id, id),
    INDEX alert_history_trace (trace_id),
    FOREIGN KEY (alert_id) REFERENCES alert (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 /*M! COLLATE utf8mb4_nopad_bin */ /*!80017 COLLATE utf8mb4_0900_bin */;

-- What happened to each incident.
CREATE TABLE IF NOT EXISTS incident_history (
    id          VARCHAR(26) NOT NULL,
    incident_id VARCHAR(26) NOT NULL,
    event       VARCHAR(32) NOT NULL, -- created, reopened, severity, status, context; acknowledged, unacknowledged, resolved, closed, commented by a person
    status      VARCHAR(16) NOT NULL, -- as it was then
    severity    VARCHAR(16) NOT NULL, -- as it was then
    actor       LONGTEXT    NOT NULL, -- who: `driver:<name>`, or a person as `key:<name>`, `cli:<user>`, `anonymous`
    reason      LONGTEXT,             -- a person's words
    trace_id    VARCHAR(32),          -- NULL for what a person did and nobody is told of
    run_id      VARCHAR(26),          -- the same
    at          BIGINT      NOT NULL,
    PRIMARY KEY (incident_id, id),
    FOREIGN KEY (incident_id) REFERENCES incident (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 /*M! COLLATE utf8mb4_nopad_bin */ /*!80017 COLLATE utf8mb4_0900_bin */;

-- Runs: one passage through the pipeline each. References, not payloads.
CREATE TABLE IF NOT EXISTS run (
    id                         VARCHAR(26) NOT NULL PRIMARY KEY,
    trace_id                   VARCHAR(32) NOT NULL,           -- shared by all that came of one webhook
    parent_id                  VARCHAR(26),                    -- the run that caused it; may be gone by retention
    status                     VARCHAR(16) NOT NULL,           -- PENDING, INGESTED, CHECKED, ANALYZED, NOTIFIED, FAILED, RETRYING, SKIPPED
    current_stage              VARCHAR(16),                    -- ingest, check, analyze, notify
    origin                     VARCHAR(32) NOT NULL,           -- what started it
    source                     VARCHAR(32),                    -- the driver, where one was found
    incident_id                VARCHAR(26),                    -- what it is about
    moment                     LONGTEXT,                       -- JSON: the incident as it was when the run was planned
    outcome                    VARCHAR(16),                    -- parsed, ignored, quarantined; NULL for runs without a webhook
    alerts                     BIGINT      NOT NULL,           -- how many alerts the webhook held
    reason                     LONGTEXT,                       -- why ignored, quarantined; why this route
    route                      VARCHAR(64),                    -- name of the route that was taken
    total_attempts             BIGINT      NOT NULL,           -- tries of all stages together
    intelligence_fallback_used TINYINT(1)  NOT NULL,           -- boolean
    failures                   BIGINT      NOT NULL DEFAULT 0, -- how often it was put off after an error
    normalized_payload_ref     VARCHAR(64),                    -- `inbox/<run id>`
    checker_output_ref         VARCHAR(64),                    -- artifact
    intelligence_output_ref    VARCHAR(64),                    -- artifact
    notify_output_ref          VARCHAR(64),                    -- artifact
    error_type                 VARCHAR(64),                    -- one word
    error_message              LONGTEXT,
    due_at                     BIGINT,                         -- when a worker may claim it: a lease's end while one has it, NULL if nothing is left to claim
    lease                      VARCHAR(26),                    -- token of the worker that has it
    created_at                 BIGINT      NOT NULL,
    started_at                 BIGINT,
    completed_at               BIGINT,
    INDEX run_due (due_at, id),
    INDEX run_trace (trace_id, id),
    INDEX run_status (status, id),
    INDEX run_incident (incident_id, id),
    INDEX run_unfinished (incident_id, due_at, id),
    FOREIGN KEY (incident_id) REFERENCES incident (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 /*M! COLLATE utf8mb4_nopad_bin */ /*!80017 COLLATE utf8mb4_0900_bin */;

-- Requests as they arrived: receiving is durable because of these rows.
CREATE TABLE IF NOT EXISTS inbox (
    run_id      VARCHAR(26)  NOT NULL PRIMARY KEY,
    driver      VARCHAR(32),           -- NULL if none recognised it
    named       TINYINT(1)   NOT NULL, -- boolean: the sender named the driver
    verified    TINYINT(1)   NOT NULL, -- boolean: it was signed with a secret of that driver
    detection   LONGTEXT     NOT NULL, -- why this driver, or none
    delivery_id VARCHAR(255),          -- the sender's id, the same when it tries again
    outcome     VARCHAR(16)  NOT NULL, -- parsed, ignored, quarantined
    reason_code VARCHAR(64),           -- one word
    reason      LONGTEXT,
    received_at BIGINT       NOT NULL,
    size_bytes  BIGINT       NOT NULL, -- of the body as received
    api_key_id  VARCHAR(26),           -- NULL where keys are off
    request     LONGBLOB     NOT NULL, -- method, headers and body
    UNIQUE (driver, delivery_id),
    INDEX inbox_quarantined (outcome, run_id),
    INDEX inbox_api_key (api_key_id),  -- the reference would make one without a name
    FOREIGN KEY (run_id) REFERENCES run (id) ON DELETE CASCADE,
    FOREIGN KEY (api_key_id) REFERENCES api_key (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 /*M! COLLATE utf8mb4_nopad_bin */ /*!80017 COLLATE utf8mb4_0900_bin */;

-- Tries at the stages of runs.
CREATE TABLE IF NOT EXISTS stage_execution (
    run_id        VARCHAR(26) NOT NULL,
    stage         VARCHAR(16) NOT NULL,
    attempt       BIGINT      NOT NULL, -- counts from 1 per stage
    status        VARCHAR(16) NOT NULL, -- started, succeeded, failed, skipped
    summary       LONGTEXT,
    error_type    VARCHAR(64),
    error_message LONGTEXT,
    started_at    BIGINT      NOT NULL,
    completed_at  BIGINT,
    PRIMARY KEY (run_id, stage, attempt),
    FOREIGN KEY (run_id) REFERENCES run (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 /*M! COLLATE utf8mb4_nopad_bin */ /*!80017 COLLATE utf8mb4_0900_bin */;

-- Stored results of stages; runs refer to them.
CREATE TABLE IF NOT EXISTS artifact (
    id         VARCHAR(26) NOT NULL PRIMARY KEY,
    run_id     VARCHAR(26) NOT NULL,
    kind       VARCHAR(16) NOT NULL, -- the stage it came from
    sealed     LONGBLOB    NOT NULL,
    created_at BIGINT      NOT NULL,
    INDEX artifact_run (run_id),
    FOREIGN KEY (run_id) REFERENCES run (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 /*M! COLLATE utf8mb4_nopad_bin */ /*!80017 COLLATE utf8mb4_0900_bin */;

-- Rules that pick a run's stages and channels; the lowest priority is asked first.
CREATE TABLE IF NOT EXISTS route (
    id          VARCHAR(26) NOT NULL PRIMARY KEY,
    name        VARCHAR(64) NOT NULL UNIQUE,
    priority    BIGINT      NOT NULL,
    conditions  LONGTEXT    NOT NULL,           -- JSON list of {"field", "op", "value"}; all must hold
    stages      LONGTEXT    NOT NULL,           -- JSON list, in order
    channels    LONGTEXT    NOT NULL,           -- JSON list of names; empty: every enabled channel
    enabled     TINYINT(1)  NOT NULL,           -- boolean
    hits        BIGINT      NOT NULL DEFAULT 0, -- how many runs have taken it
    last_hit_at BIGINT                          -- when the last of them did
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 /*M! COLLATE utf8mb4_nopad_bin */ /*!80017 COLLATE utf8mb4_0900_bin */;

INSERT INTO route (id, name, priority, conditions, stages, channels, enabled) VALUES
    ('01J0000000R0VTE00000000040', 'resolved-all-clear', 40,
     '[{"field":"status","op":"is","value":"resolved"}]', '["notify"]', '[]', 1),
    ('01J0000000R0VTE00000001000', 'catch-all', 1000,
     '[]', '["check","analyze","notify"]', '[]', 1)
    ON DUPLICATE KEY UPDATE id = id;

-- Configured destinations.
CREATE TABLE IF NOT EXISTS channel (
    id         VARCHAR(26) NOT NULL PRIMARY KEY,
    name       VARCHAR(64) NOT NULL, -- a removed one keeps it, for its deliveries
    taken_name VARCHAR(64) UNIQUE,   -- the same while the channel is there; NULL once it is removed
    notifier   VARCHAR(32) NOT NULL, -- the plugin that delivers
    settings   LONGBLOB    NOT NULL, -- empty once it is removed
    enabled    TINYINT(1)  NOT NULL, -- boolean
    created_at BIGINT      NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 /*M! COLLATE utf8mb4_nopad_bin */ /*!80017 COLLATE utf8mb4_0900_bin */;

-- Providers of intelligence that were set up or chosen while the hub ran; others are as `plugins.toml` says.
CREATE TABLE IF NOT EXISTS provider (
    name       VARCHAR(32) NOT NULL PRIMARY KEY, -- the plugin
    settings   LONGBLOB    NOT NULL,             -- empty: those of `plugins.toml`
    active     BIGINT      UNIQUE,               -- 1 for the active one, else NULL: at most one
    updated_at BIGINT      NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 /*M! COLLATE utf8mb4_nopad_bin */ /*!80017 COLLATE utf8mb4_0900_bin */;

-- What operators decided about plugins while the hub ran; `plugins.toml` goes before it.
CREATE TABLE IF NOT EXISTS plugin_decision (
    kind        VARCHAR(16) NOT NULL, -- driver, notifier, provider
    name        VARCHAR(32) NOT NULL, -- the plugin
    approved    VARCHAR(64),          -- SHA-256 of the component that is approved, in hexadecimal; NULL: none
    grants      LONGTEXT,             -- JSON: what it may use
    disabled    TINYINT(1)  NOT NULL,
    rolled_to   VARCHAR(64),          -- SHA-256 of the earlier component that runs in the place of `rolled_from`
    rolled_from VARCHAR(64),
    updated_at  BIGINT      NOT NULL,
    PRIMARY KEY (kind, name)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 /*M! COLLATE utf8mb4_nopad_bin */ /*!80017 COLLATE utf8mb4_0900_bin */;

-- Who decided what, and when.
CREATE TABLE IF NOT EXISTS plugin_history (
    id     VARCHAR(26) NOT NULL,
    kind   VARCHAR(16) NOT NULL,
    name   VARCHAR(32) NOT NULL,
    event  VARCHAR(32) NOT NULL, -- approved, disabled, enabled, rolled_back, left_alone, works_again
    sha256 VARCHAR(64),          -- of the component that it is about
    grants LONGTEXT,             -- JSON: what was granted
    actor  LONGTEXT    NOT NULL, -- who: `key:<name>`, `cli:<user>`, `anonymous`, or `hub` for what its breaker did
    reason LONGTEXT,
    at     BIGINT      NOT NULL,
    PRIMARY KEY (kind, name, id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 /*M! COLLATE utf8mb4_nopad_bin */ /*!80017 COLLATE utf8mb4_0900_bin */;

-- Processes that serve on this database, or did until lately: each writes its row now and then.
CREATE TABLE IF NOT EXISTS host (
    id            VARCHAR(26)  NOT NULL PRIMARY KEY, -- drawn at its start
    name          VARCHAR(255) NOT NULL, -- for people; several may have one name
    version       VARCHAR(64)  NOT NULL, -- of the program
    schema_number BIGINT       NOT NULL, -- the last migration that it knows
    plugins       LONGTEXT     NOT NULL, -- JSON list: kind, name, digest and grants of each
    started_at    BIGINT       NOT NULL,
    seen_at       BIGINT       NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 /*M! COLLATE utf8mb4_nopad_bin */ /*!80017 COLLATE utf8mb4_0900_bin */;

-- Tokens that providers used, by day: a budget that hubs share and that outlives them.
CREATE TABLE IF NOT EXISTS token_use (
    day           BIGINT      NOT NULL, -- days since 1970 in UTC
    provider      VARCHAR(32) NOT NULL, -- the plugin; it may be gone
    input_tokens  BIGINT      NOT NULL,
    output_tokens BIGINT      NOT NULL,
    PRIMARY KEY (day, provider)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 /*M! COLLATE utf8mb4_nopad_bin */ /*!80017 COLLATE utf8mb4_0900_bin */;

-- How each channel is doing; a row of its own, so that settings are not written again with every attempt.
CREATE TABLE IF NOT EXISTS channel_health (
    channel_id      VARCHAR(26) NOT NULL PRIMARY KEY,
    last_success_at BIGINT,   -- give or take a minute
    last_error_at   BIGINT,
    last_error      LONGTEXT, -- in words
    failing_since   BIGINT,   -- the first failure since the last success; NULL while it works
    FOREIGN KEY (channel_id) REFERENCES channel (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 /*M! COLLATE utf8mb4_nopad_bin */ /*!80017 COLLATE utf8mb4_0900_bin */;

-- The outbox: one notification to one channel each.
CREATE TABLE IF NOT EXISTS delivery (
    id              VARCHAR(26)  NOT NULL PRIMARY KEY, -- also the idempotency key; its order is the order of sending
    run_id          VARCHAR(26)  NOT NULL,
    trace_id        VARCHAR(32)  NOT NULL,
    incident_id     VARCHAR(26)  NOT NULL,
    channel_id      VARCHAR(26)  NOT NULL,
    notification    LONGBLOB     NOT NULL,
    tells           VARCHAR(16)  NOT NULL,             -- the state of the incident that it tells: firing, acknowledged, resolved
    status          VARCHAR(16)  NOT NULL,             -- pending, sending, delivered, dead, stale
    attempts        BIGINT       NOT NULL,             -- tries begun
    attempts_before BIGINT       NOT NULL DEFAULT 0,   -- tries begun before a person had it tried again
    due_at          BIGINT,                            -- when a worker may claim it: a lease's end while one has it, NULL once it is final
    lease           VARCHAR(26),                       -- token of the worker that has it
    remote_ref      VARCHAR(512),                      -- the remote's identifier, once delivered
    error_type      VARCHAR(64),                       -- what went wrong last, in one word
    error_message   LONGTEXT,
    superseded_by   VARCHAR(26),                       -- the newer delivery that made it stale
    created_at      BIGINT       NOT NULL,
    completed_at    BIGINT,
    INDEX delivery_due (channel_id, due_at, id),
    INDEX delivery_unfinished (incident_id, channel_id, due_at, id),
    INDEX delivery_remote (incident_id, channel_id, id),
    INDEX delivery_incident (incident_id, id),
    INDEX delivery_run (run_id, id),
    INDEX delivery_status (status, id),
    FOREIGN KEY (run_id) REFERENCES run (id),
    FOREIGN KEY (incident_id) REFERENCES incident (id),
    FOREIGN KEY (channel_id) REFERENCES channel (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 /*M! COLLATE utf8mb4_nopad_bin */ /*!80017 COLLATE utf8mb4_0900_bin */;

-- Tries at deliveries. The row is written before the remote is called.
CREATE TABLE IF NOT EXISTS attempt (
    delivery_id   VARCHAR(26)  NOT NULL,
    attempt       BIGINT       NOT NULL, -- counts from 1
    outcome       VARCHAR(16)  NOT NULL, -- started, delivered, retry, refused
    remote_ref    VARCHAR(512),
    error_type    VARCHAR(64),
    error_message LONGTEXT,
    started_at    BIGINT       NOT NULL,
    completed_at  BIGINT,                -- NULL if a crash cut it off: the remote may have seen it
    PRIMARY KEY (delivery_id, attempt),
    FOREIGN KEY (delivery_id) REFERENCES delivery (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 /*M! COLLATE utf8mb4_nopad_bin */ /*!80017 COLLATE utf8mb4_0900_bin */;

-- When a person had a dead delivery tried again.
CREATE TABLE IF NOT EXISTS delivery_retry (
    delivery_id VARCHAR(26) NOT NULL,
    attempts    BIGINT      NOT NULL, -- tries before it
    actor       LONGTEXT    NOT NULL, -- who
    at          BIGINT      NOT NULL,
    PRIMARY KEY (delivery_id, attempts),
    FOREIGN KEY (delivery_id) REFERENCES delivery (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 /*M! COLLATE utf8mb4_nopad_bin */ /*!80017 COLLATE utf8mb4_0900_bin */;
