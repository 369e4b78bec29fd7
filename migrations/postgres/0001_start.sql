-- The first schema, as `../sqlite/0001_start.sql` has it, column by column.
--
-- BIGINT holds numbers, and times as microseconds since 1970 in UTC; identifiers are ULIDs of 26
-- characters made by the program; JSON is text that the database never looks into; BYTEA is sealed by
-- the program before it comes here, unless its column says otherwise. Lengths are those at which the
-- program bounds values; what has no bound that is worth naming is TEXT.
--
-- Texts that are looked up or sorted compare by their bytes (`COLLATE "C"`), as SQLite's do: an index
-- then never depends on the locales of the machine, which an update of it may change.

-- Keys that seal stored payloads and secrets, themselves wrapped by a key derived from the secret key.
CREATE TABLE data_key (
    id         VARCHAR(26) COLLATE "C" NOT NULL PRIMARY KEY,
    purpose    VARCHAR(32) COLLATE "C" NOT NULL, -- what it seals: `payload`, `channel`, ...
    generation BIGINT                  NOT NULL, -- counts from 1 per purpose; the newest seals, all of them open
    kek_id     VARCHAR(64)             NOT NULL, -- which secret key wrapped it
    wrapped    BYTEA                   NOT NULL, -- the wrapped key
    created_at BIGINT                  NOT NULL,
    UNIQUE (purpose, generation)
);

-- Secret keys that hosts have had in use, by their public identifiers: never the key.
CREATE TABLE secret_key (
    kek_id   VARCHAR(64) COLLATE "C" NOT NULL PRIMARY KEY,
    turn     BIGINT                  NOT NULL UNIQUE, -- counts from 1; data keys are wrapped under the last
    taken_at BIGINT                  NOT NULL         -- when a host first had it in use
);

-- Secrets that senders sign with, where they are not settings of the host.
CREATE TABLE secret (
    name       VARCHAR(64) COLLATE "C" NOT NULL, -- `webhook/<driver>`
    version    BIGINT                  NOT NULL, -- the last is the current one; one before it is accepted too
    sealed     BYTEA                   NOT NULL,
    created_at BIGINT                  NOT NULL,
    PRIMARY KEY (name, version)
);

-- API keys: never the token, only its digest.
CREATE TABLE api_key (
    id                VARCHAR(26) COLLATE "C" NOT NULL PRIMARY KEY,
    name              TEXT                    NOT NULL,        -- for people; two keys may share one while they are rotated
    prefix            VARCHAR(16)             NOT NULL,        -- first 8 characters of the token
    digest            BYTEA                   NOT NULL UNIQUE, -- SHA-256 of the token, 32 bytes, not sealed
    allowed_endpoints TEXT                    NOT NULL,        -- JSON list of path prefixes; empty: the API prefixes
    manage            BOOLEAN                 NOT NULL,        -- boolean: may call the management API
    created_at        BIGINT                  NOT NULL,
    expires_at        BIGINT,
    revoked_at        BIGINT,
    last_used_at      BIGINT                                   -- give or take a minute; written in batches
);

-- Incidents: alerts that belong together.
CREATE TABLE incident (
    id              VARCHAR(26) COLLATE "C"  NOT NULL PRIMARY KEY,
    correlation_key VARCHAR(64)              NOT NULL, -- what its alerts have in common
    open_key        VARCHAR(64) COLLATE "C",           -- the correlation key while it is open, else NULL: one open incident per key
    title           TEXT                     NOT NULL,
    name            VARCHAR(255) COLLATE "C" NOT NULL, -- the alerts' name
    instance        TEXT,                              -- machine or service, where the alerts name one
    status          VARCHAR(16) COLLATE "C"  NOT NULL, -- open, acknowledged, resolved, closed
    severity        VARCHAR(16)              NOT NULL, -- info, warning, critical; only rises while open
    firing          BIGINT                   NOT NULL, -- how many of its alerts fire
    acknowledged    BIGINT                   NOT NULL, -- how many of its alerts somebody has taken
    opened_at       BIGINT                   NOT NULL,
    updated_at      BIGINT                   NOT NULL,
    acknowledged_at BIGINT,
    resolved_at     BIGINT,
    closed_at       BIGINT
);
-- Partial, so that it is no key of the table: to open or close an incident then waits for nobody who only
-- refers to it.
CREATE UNIQUE INDEX incident_open_key ON incident (open_key) WHERE open_key IS NOT NULL;
CREATE INDEX incident_status ON incident (status, id);
CREATE INDEX incident_name ON incident (name, id);

-- Alerts: the last known state of each.
CREATE TABLE alert (
    id           VARCHAR(26) COLLATE "C"  NOT NULL PRIMARY KEY,
    source       VARCHAR(32) COLLATE "C"  NOT NULL,                 -- the driver's name, set by the host
    fingerprint  VARCHAR(255) COLLATE "C" NOT NULL,                 -- identity within the source
    name         VARCHAR(255) COLLATE "C" NOT NULL,
    status       VARCHAR(16)              NOT NULL,                 -- firing, acknowledged, resolved
    raw_status   VARCHAR(64)              NOT NULL,                 -- the sender's word
    severity     VARCHAR(16)              NOT NULL,                 -- info, warning, critical
    raw_severity VARCHAR(64)              NOT NULL,                 -- the sender's word
    description  TEXT                     NOT NULL,
    labels       TEXT                     NOT NULL,                 -- JSON object of texts
    annotations  TEXT                     NOT NULL,                 -- JSON object of texts
    links        TEXT                     NOT NULL,                 -- JSON object of texts
    started_at   BIGINT                   NOT NULL,
    ended_at     BIGINT,                                            -- NULL while it holds
    received_at  BIGINT                   NOT NULL,                 -- when it was last heard of
    incident_id  VARCHAR(26) COLLATE "C"  REFERENCES incident (id), -- NULL if it was over when first heard of
    trace_id     VARCHAR(32) COLLATE "C"  NOT NULL,                 -- the webhook that last told of it
    UNIQUE (fingerprint, source)
);
CREATE INDEX alert_incident ON alert (incident_id, id) WHERE incident_id IS NOT NULL;
CREATE INDEX alert_alone ON alert (id) WHERE incident_id IS NULL;
CREATE INDEX alert_name ON alert (name, id);
CREATE INDEX alert_trace ON alert (trace_id);

-- What happened to each alert; a steady repeat leaves no row.
CREATE TABLE alert_history (
    id       VARCHAR(26) COLLATE "C" NOT NULL,
    alert_id VARCHAR(26) COLLATE "C" NOT NULL REFERENCES alert (id) ON DELETE CASCADE,
    event    VARCHAR(32)             NOT NULL, -- created, updated, resolved, acknowledged, refired, late
    changed  TEXT                    NOT NULL, -- JSON: {"field": [old, new]}
    trace_id VARCHAR(32) COLLATE "C" NOT NULL,
    run_id   VARCHAR(26)             NOT NULL, -- the run that ingested the webhook; may be gone by retention
    at       BIGINT                  NOT NULL,
    PRIMARY KEY (alert_id, id)
);
CREATE INDEX alert_history_trace ON alert_history (trace_id);

-- What happened to each incident.
CREATE TABLE incident_history (
    id          VARCHAR(26) COLLATE "C" NOT NULL,
    incident_id VARCHAR(26) COLLATE "C" NOT NULL REFERENCES incident (id) ON DELETE CASCADE,
    event       VARCHAR(32)             NOT NULL, -- created, reopened, severity, status, context; acknowledged, unacknowledged, resolved, closed, commented by a person
    status      VARCHAR(16)             NOT NULL, -- as it was then
    severity    VARCHAR(16)             NOT NULL, -- as it was then
    actor       TEXT                    NOT NULL, -- who: `driver:<name>`, or a person as `key:<name>`, `cli:<user>`, `anonymous`
    reason      TEXT,                             -- a person's words
    trace_id    VARCHAR(32),                      -- NULL for what a person did and nobody is told of
    run_id      VARCHAR(26),                      -- the same
    at          BIGINT                  NOT NULL,
    PRIMARY KEY (incident_id, id)
);

-- Runs: one passage through the pipeline each. References, not payloads.
CREATE TABLE run (
    id                         VARCHAR(26) COLLATE "C" NOT NULL PRIMARY KEY,
    trace_id                   VARCHAR(32) COLLATE "C" NOT NULL,           -- shared by all that came of one webhook
    parent_id                  VARCHAR(26),                                -- the run that caused it; may be gone by retention
    status                     VARCHAR(16) COLLATE "C" NOT NULL,           -- PENDING, INGESTED, CHECKED, ANALYZED, NOTIFIED, FAILED, RETRYING, SKIPPED
    current_stage              VARCHAR(16),                                -- ingest, check, analyze, notify
    origin                     VARCHAR(32)             NOT NULL,           -- what started it
    source                     VARCHAR(32),                                -- the driver, where one was found
    incident_id                VARCHAR(26) COLLATE "C" REFERENCES incident (id), -- what it is about
    moment                     TEXT,                                       -- JSON: the incident as it was when the run was planned
    outcome                    VARCHAR(16),                                -- parsed, ignored, quarantined; NULL for runs without a webhook
    alerts                     BIGINT                  NOT NULL,           -- how many alerts the webhook held
    reason                     TEXT,                                       -- why ignored, quarantined; why this route
    route                      VARCHAR(64),                                -- name of the route that was taken
    total_attempts             BIGINT                  NOT NULL,           -- tries of all stages together
    intelligence_fallback_used BOOLEAN                 NOT NULL,           -- boolean
    failures                   BIGINT                  NOT NULL DEFAULT 0, -- how often it was put off after an error
    normalized_payload_ref     VARCHAR(64),                                -- `inbox/<run id>`
    checker_output_ref         VARCHAR(64),                                -- artifact
    intelligence_output_ref    VARCHAR(64),                                -- artifact
    notify_output_ref          VARCHAR(64),                                -- artifact
    error_type                 VARCHAR(64),                                -- one word
    error_message              TEXT,
    due_at                     BIGINT,                                     -- when a worker may claim it: a lease's end while one has it, NULL if nothing is left to claim
    lease                      VARCHAR(26),                                -- token of the worker that has it
    created_at                 BIGINT                  NOT NULL,
    started_at                 BIGINT,
    completed_at               BIGINT
);
CREATE INDEX run_due ON run (due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX run_trace ON run (trace_id, id);
CREATE INDEX run_status ON run (status, id);
CREATE INDEX run_incident ON run (incident_id, id) WHERE incident_id IS NOT NULL;
CREATE INDEX run_unfinished ON run (incident_id, id) WHERE due_at IS NOT NULL;

-- Requests as they arrived: receiving is durable because of these rows.
CREATE TABLE inbox (
    run_id      VARCHAR(26) COLLATE "C"  NOT NULL PRIMARY KEY REFERENCES run (id) ON DELETE CASCADE,
    driver      VARCHAR(32) COLLATE "C",                          -- NULL if none recognised it
    named       BOOLEAN                  NOT NULL,                -- boolean: the sender named the driver
    verified    BOOLEAN                  NOT NULL,                -- boolean: it was signed with a secret of that driver
    detection   TEXT                     NOT NULL,                -- why this driver, or none
    delivery_id VARCHAR(255) COLLATE "C",                         -- the sender's id, the same when it tries again
    outcome     VARCHAR(16)              NOT NULL,                -- parsed, ignored, quarantined
    reason_code VARCHAR(64),                                      -- one word
    reason      TEXT,
    received_at BIGINT                   NOT NULL,
    size_bytes  BIGINT                   NOT NULL,                -- of the body as received
    api_key_id  VARCHAR(26)              REFERENCES api_key (id), -- NULL where keys are off
    request     BYTEA                    NOT NULL,                -- method, headers and body
    UNIQUE (driver, delivery_id)
);
CREATE INDEX inbox_quarantined ON inbox (run_id) WHERE outcome = 'quarantined';

-- Tries at the stages of runs.
CREATE TABLE stage_execution (
    run_id        VARCHAR(26) COLLATE "C" NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    stage         VARCHAR(16) COLLATE "C" NOT NULL,
    attempt       BIGINT                  NOT NULL, -- counts from 1 per stage
    status        VARCHAR(16)             NOT NULL, -- started, succeeded, failed, skipped
    summary       TEXT,
    error_type    VARCHAR(64),
    error_message TEXT,
    started_at    BIGINT                  NOT NULL,
    completed_at  BIGINT,
    PRIMARY KEY (run_id, stage, attempt)
);

-- Stored results of stages; runs refer to them.
CREATE TABLE artifact (
    id         VARCHAR(26) COLLATE "C" NOT NULL PRIMARY KEY,
    run_id     VARCHAR(26) COLLATE "C" NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    kind       VARCHAR(16)             NOT NULL, -- the stage it came from
    sealed     BYTEA                   NOT NULL,
    created_at BIGINT                  NOT NULL
);
CREATE INDEX artifact_run ON artifact (run_id);

-- Rules that pick a run's stages and channels; the lowest priority is asked first.
CREATE TABLE route (
    id          VARCHAR(26) COLLATE "C" NOT NULL PRIMARY KEY,
    name        VARCHAR(64) COLLATE "C" NOT NULL UNIQUE,
    priority    BIGINT                  NOT NULL,
    conditions  TEXT                    NOT NULL,           -- JSON list of {"field", "op", "value"}; all must hold
    stages      TEXT                    NOT NULL,           -- JSON list, in order
    channels    TEXT                    NOT NULL,           -- JSON list of names; empty: every enabled channel
    enabled     BOOLEAN                 NOT NULL,           -- boolean
    hits        BIGINT                  NOT NULL DEFAULT 0, -- how many runs have taken it
    last_hit_at BIGINT                                      -- when the last of them did
);

INSERT INTO route (id, name, priority, conditions, stages, channels, enabled) VALUES
    ('01J0000000R0VTE00000000040', 'resolved-all-clear', 40,
     '[{"field":"status","op":"is","value":"resolved"}]', '["notify"]', '[]', true),
    ('01J0000000R0VTE00000001000', 'catch-all', 1000,
     '[]', '["check","analyze","notify"]', '[]', true);

-- Configured destinations.
CREATE TABLE channel (
    id         VARCHAR(26) COLLATE "C" NOT NULL PRIMARY KEY,
    name       VARCHAR(64) COLLATE "C" NOT NULL, -- a removed one keeps it, for its deliveries
    taken_name VARCHAR(64) COLLATE "C" UNIQUE,   -- the same while the channel is there; NULL once it is removed
    notifier   VARCHAR(32)             NOT NULL, -- the plugin that delivers
    settings   BYTEA                   NOT NULL, -- empty once it is removed
    enabled    BOOLEAN                 NOT NULL, -- boolean
    created_at BIGINT                  NOT NULL
);

-- Providers of intelligence that were set up or chosen while the hub ran; others are as `plugins.toml` says.
CREATE TABLE provider (
    name       VARCHAR(32) COLLATE "C" NOT NULL PRIMARY KEY, -- the plugin
    settings   BYTEA                   NOT NULL,             -- empty: those of `plugins.toml`
    active     BIGINT                  UNIQUE,               -- 1 for the active one, else NULL: at most one
    updated_at BIGINT                  NOT NULL
);

-- What operators decided about plugins while the hub ran; `plugins.toml` goes before it.
CREATE TABLE plugin_decision (
    kind        VARCHAR(16) COLLATE "C" NOT NULL, -- driver, notifier, provider
    name        VARCHAR(32) COLLATE "C" NOT NULL, -- the plugin
    approved    VARCHAR(64),                      -- SHA-256 of the component that is approved, in hexadecimal; NULL: none
    grants      TEXT,                             -- JSON: what it may use
    disabled    BOOLEAN                 NOT NULL,
    rolled_to   VARCHAR(64),                      -- SHA-256 of the earlier component that runs in the place of `rolled_from`
    rolled_from VARCHAR(64),
    updated_at  BIGINT                  NOT NULL,
    PRIMARY KEY (kind, name)
);

-- Who decided what, and when.
CREATE TABLE plugin_history (
    id     VARCHAR(26) COLLATE "C" NOT NULL,
    kind   VARCHAR(16) COLLATE "C" NOT NULL,
    name   VARCHAR(32) COLLATE "C" NOT NULL,
    event  VARCHAR(32)             NOT NULL, -- approved, disabled, enabled, rolled_back, left_alone, works_again
    sha256 VARCHAR(64),                      -- of the component that it is about
    grants TEXT,                             -- JSON: what was granted
    actor  TEXT                    NOT NULL, -- who: `key:<name>`, `cli:<user>`, `anonymous`, or `hub` for what its breaker did
    reason TEXT,
    at     BIGINT                  NOT NULL,
    PRIMARY KEY (kind, name, id)
);

-- Processes that serve on this database, or did until lately: each writes its row now and then.
CREATE TABLE host (
    id            VARCHAR(26) COLLATE "C" NOT NULL PRIMARY KEY, -- drawn at its start
    name          VARCHAR(255)            NOT NULL, -- for people; several may have one name
    version       VARCHAR(64)             NOT NULL, -- of the program
    schema_number BIGINT                  NOT NULL, -- the last migration that it knows
    plugins       TEXT                    NOT NULL, -- JSON list: kind, name, digest and grants of each
    started_at    BIGINT                  NOT NULL,
    seen_at       BIGINT                  NOT NULL
);

-- Tokens that providers used, by day: a budget that hubs share and that outlives them.
CREATE TABLE token_use (
    day           BIGINT                  NOT NULL, -- days since 1970 in UTC
    provider      VARCHAR(32) COLLATE "C" NOT NULL, -- the plugin; it may be gone
    input_tokens  BIGINT                  NOT NULL,
    output_tokens BIGINT                  NOT NULL,
    PRIMARY KEY (day, provider)
);

-- How each channel is doing; a row of its own, so that settings are not written again with every attempt.
CREATE TABLE channel_health (
    channel_id      VARCHAR(26) COLLATE "C" NOT NULL PRIMARY KEY REFERENCES channel (id) ON DELETE CASCADE,
    last_success_at BIGINT, -- give or take a minute
    last_error_at   BIGINT,
    last_error      TEXT,   -- in words
    failing_since   BIGINT  -- the first failure since the last success; NULL while it works
);

-- The outbox: one notification to one channel each.
CREATE TABLE delivery (
    id              VARCHAR(26) COLLATE "C" NOT NULL PRIMARY KEY, -- also the idempotency key; its order is the order of sending
    run_id          VARCHAR(26) COLLATE "C" NOT NULL REFERENCES run (id),
    trace_id        VARCHAR(32)             NOT NULL,
    incident_id     VARCHAR(26) COLLATE "C" NOT NULL REFERENCES incident (id),
    channel_id      VARCHAR(26) COLLATE "C" NOT NULL REFERENCES channel (id),
    notification    BYTEA                   NOT NULL,
    tells           VARCHAR(16)             NOT NULL,             -- the state of the incident that it tells: firing, acknowledged, resolved
    status          VARCHAR(16) COLLATE "C" NOT NULL,             -- pending, sending, delivered, dead, stale
    attempts        BIGINT                  NOT NULL,             -- tries begun
    attempts_before BIGINT                  NOT NULL DEFAULT 0,   -- tries begun before a person had it tried again
    due_at          BIGINT,                                       -- when a worker may claim it: a lease's end while one has it, NULL once it is final
    lease           VARCHAR(26),                                  -- token of the worker that has it
    remote_ref      VARCHAR(512),                                 -- the remote's identifier, once delivered
    error_type      VARCHAR(64),                                  -- what went wrong last, in one word
    error_message   TEXT,
    superseded_by   VARCHAR(26),                                  -- the newer delivery that made it stale
    created_at      BIGINT                  NOT NULL,
    completed_at    BIGINT
);
CREATE INDEX delivery_due ON delivery (channel_id, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX delivery_unfinished ON delivery (incident_id, channel_id, id) WHERE due_at IS NOT NULL;
CREATE INDEX delivery_remote ON delivery (incident_id, channel_id, id) WHERE remote_ref IS NOT NULL;
CREATE INDEX delivery_incident ON delivery (incident_id, id);
CREATE INDEX delivery_run ON delivery (run_id, id);
CREATE INDEX delivery_status ON delivery (status, id);

-- Tries at deliveries. The row is written before the remote is called.
CREATE TABLE attempt (
    delivery_id   VARCHAR(26) COLLATE "C" NOT NULL REFERENCES delivery (id) ON DELETE CASCADE,
    attempt       BIGINT                  NOT NULL, -- counts from 1
    outcome       VARCHAR(16)             NOT NULL, -- started, delivered, retry, refused
    remote_ref    VARCHAR(512),
    error_type    VARCHAR(64),
    error_message TEXT,
    started_at    BIGINT                  NOT NULL,
    completed_at  BIGINT,                           -- NULL if a crash cut it off: the remote may have seen it
    PRIMARY KEY (delivery_id, attempt)
);

-- When a person had a dead delivery tried again.
CREATE TABLE delivery_retry (
    delivery_id VARCHAR(26) COLLATE "C" NOT NULL REFERENCES delivery (id) ON DELETE CASCADE,
    attempts    BIGINT                  NOT NULL, -- tries before it
    actor       TEXT                    NOT NULL, -- who
    at          BIGINT                  NOT NULL,
    PRIMARY KEY (delivery_id, attempts)
);
