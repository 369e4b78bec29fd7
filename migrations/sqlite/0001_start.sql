-- The first schema.
--
-- Types are the portable subset: INTEGER holds 64-bit numbers, booleans as 0 and 1, and times as
-- microseconds since 1970 in UTC; identifiers are ULIDs of 26 characters made by the program; JSON is
-- text that the database never looks into; a BLOB is sealed by the program before it comes here,
-- unless its column says otherwise. What has a fixed set of words (`status` and the like) holds words
-- of the `domain` crate. Lengths are bounded where values enter the program.
--
-- Every index costs each webhook a row, and one whose key is random a page of the log: there are only
-- those that a statement walks. Tables of short rows that are found by their key are WITHOUT ROWID.

-- Keys that seal stored payloads and secrets, themselves wrapped by a key derived from the secret key.
CREATE TABLE data_key (
    id         TEXT    NOT NULL PRIMARY KEY,
    purpose    TEXT    NOT NULL,             -- what it seals: `payload`, `channel`, ...
    generation INTEGER NOT NULL,             -- counts from 1 per purpose; the newest seals, all of them open
    kek_id     TEXT    NOT NULL,             -- which secret key wrapped it
    wrapped    BLOB    NOT NULL,             -- the wrapped key
    created_at INTEGER NOT NULL,
    UNIQUE (purpose, generation)
) STRICT;

-- Secret keys that hosts have had in use, by their public identifiers: never the key.
CREATE TABLE secret_key (
    kek_id   TEXT    NOT NULL PRIMARY KEY,
    turn     INTEGER NOT NULL UNIQUE,        -- counts from 1; data keys are wrapped under the last
    taken_at INTEGER NOT NULL                -- when a host first had it in use
) STRICT;

-- Secrets that senders sign with, where they are not settings of the host.
CREATE TABLE secret (
    name       TEXT    NOT NULL,             -- `webhook/<driver>`
    version    INTEGER NOT NULL,             -- the last is the current one; one before it is accepted too
    sealed     BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (name, version)
) STRICT, WITHOUT ROWID;

-- API keys: never the token, only its digest.
CREATE TABLE api_key (
    id                TEXT    NOT NULL PRIMARY KEY,
    name              TEXT    NOT NULL,      -- for people; two keys may share one while they are rotated
    prefix            TEXT    NOT NULL,      -- first 8 characters of the token
    digest            BLOB    NOT NULL UNIQUE, -- SHA-256 of the token, 32 bytes, not sealed
    allowed_endpoints TEXT    NOT NULL,      -- JSON list of path prefixes; empty: the API prefixes
    manage            INTEGER NOT NULL,      -- boolean: may call the management API
    created_at        INTEGER NOT NULL,
    expires_at        INTEGER,
    revoked_at        INTEGER,
    last_used_at      INTEGER                -- give or take a minute; written in batches
) STRICT;

-- Incidents: alerts that belong together.
CREATE TABLE incident (
    id              TEXT    NOT NULL PRIMARY KEY,
    correlation_key TEXT    NOT NULL,        -- what its alerts have in common
    open_key        TEXT    UNIQUE,          -- the correlation key while it is open, else NULL: one open incident per key
    title           TEXT    NOT NULL,
    name            TEXT    NOT NULL,        -- the alerts' name
    instance        TEXT,                    -- machine or service, where the alerts name one
    status          TEXT    NOT NULL,        -- open, acknowledged, resolved, closed
    severity        TEXT    NOT NULL,        -- info, warning, critical; only rises while open
    firing          INTEGER NOT NULL,        -- how many of its alerts fire
    acknowledged    INTEGER NOT NULL,        -- how many of its alerts somebody has taken
    opened_at       INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    acknowledged_at INTEGER,
    resolved_at     INTEGER,
    closed_at       INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX incident_status ON incident (status, id);
CREATE INDEX incident_name ON incident (name, id);

-- Alerts: the last known state of each.
CREATE TABLE alert (
    id           TEXT    NOT NULL PRIMARY KEY,
    source       TEXT    NOT NULL,           -- the driver's name, set by the host
    fingerprint  TEXT    NOT NULL,           -- identity within the source
    name         TEXT    NOT NULL,
    status       TEXT    NOT NULL,           -- firing, acknowledged, resolved
    raw_status   TEXT    NOT NULL,           -- the sender's word
    severity     TEXT    NOT NULL,           -- info, warning, critical
    raw_severity TEXT    NOT NULL,           -- the sender's word
    description  TEXT    NOT NULL,
    labels       TEXT    NOT NULL,           -- JSON object of texts
    annotations  TEXT    NOT NULL,           -- JSON object of texts
    links        TEXT    NOT NULL,           -- JSON object of texts
    started_at   INTEGER NOT NULL,
    ended_at     INTEGER,                    -- NULL while it holds
    received_at  INTEGER NOT NULL,           -- when it was last heard of
    incident_id  TEXT    REFERENCES incident (id), -- NULL if it was over when first heard of
    trace_id     TEXT    NOT NULL,           -- the webhook that last told of it
    UNIQUE (fingerprint, source)
) STRICT;
CREATE INDEX alert_incident ON alert (incident_id, id) WHERE incident_id IS NOT NULL;
CREATE INDEX alert_alone ON alert (id) WHERE incident_id IS NULL;
CREATE INDEX alert_name ON alert (name, id);
CREATE INDEX alert_trace ON alert (trace_id);

-- What happened to each alert; a steady repeat leaves no row.
CREATE TABLE alert_history (
    id       TEXT    NOT NULL,
    alert_id TEXT    NOT NULL REFERENCES alert (id) ON DELETE CASCADE,
    event    TEXT    NOT NULL,               -- created, updated, resolved, acknowledged, refired, late
    changed  TEXT    NOT NULL,               -- JSON: {"field": [old, new]}
    trace_id TEXT    NOT NULL,
    run_id   TEXT    NOT NULL,               -- the run that ingested the webhook; may be gone by retention
    at       INTEGER NOT NULL,
    PRIMARY KEY (alert_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX alert_history_trace ON alert_history (trace_id);

-- What happened to each incident.
CREATE TABLE incident_history (
    id          TEXT    NOT NULL,
    incident_id TEXT    NOT NULL REFERENCES incident (id) ON DELETE CASCADE,
    event       TEXT    NOT NULL,            -- created, reopened, severity, status, context; acknowledged, unacknowledged, resolved, closed, commented by a person
    status      TEXT    NOT NULL,            -- as it was then
    severity    TEXT    NOT NULL,            -- as it was then
    actor       TEXT    NOT NULL,            -- who: `driver:<name>`, or a person as `key:<name>`, `cli:<user>`, `anonymous`
    reason      TEXT,                        -- a person's words
    trace_id    TEXT,                        -- NULL for what a person did and nobody is told of
    run_id      TEXT,                        -- the same
    at          INTEGER NOT NULL,
    PRIMARY KEY (incident_id, id)
) STRICT, WITHOUT ROWID;

-- Runs: one passage through the pipeline each. References, not payloads.
CREATE TABLE run (
    id                         TEXT    NOT NULL PRIMARY KEY,
    trace_id                   TEXT    NOT NULL, -- shared by all that came of one webhook
    parent_id                  TEXT,             -- the run that caused it; may be gone by retention
    status                     TEXT    NOT NULL, -- PENDING, INGESTED, CHECKED, ANALYZED, NOTIFIED, FAILED, RETRYING, SKIPPED
    current_stage              TEXT,             -- ingest, check, analyze, notify
    origin                     TEXT    NOT NULL, -- what started it
    source                     TEXT,             -- the driver, where one was found
    incident_id                TEXT    REFERENCES incident (id), -- what it is about
    moment                     TEXT,             -- JSON: the incident as it was when the run was planned
    outcome                    TEXT,             -- parsed, ignored, quarantined; NULL for runs without a webhook
    alerts                     INTEGER NOT NULL, -- how many alerts the webhook held
    reason                     TEXT,             -- why ignored, quarantined; why this route
    route                      TEXT,             -- name of the route that was taken
    total_attempts             INTEGER NOT NULL, -- tries of all stages together
    intelligence_fallback_used INTEGER NOT NULL, -- boolean
    failures                   INTEGER NOT NULL DEFAULT 0, -- how often it was put off after an error
    normalized_payload_ref     TEXT,             -- `inbox/<run id>`
    checker_output_ref         TEXT,             -- artifact
    intelligence_output_ref    TEXT,             -- artifact
    notify_output_ref          TEXT,             -- artifact
    error_type                 TEXT,             -- one word
    error_message              TEXT,
    due_at                     INTEGER,          -- when a worker may claim it: a lease's end while one has it, NULL if nothing is left to claim
    lease                      TEXT,             -- token of the worker that has it
    created_at                 INTEGER NOT NULL,
    started_at                 INTEGER,
    completed_at               INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX run_due ON run (due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX run_trace ON run (trace_id, id);
CREATE INDEX run_status ON run (status, id);
CREATE INDEX run_incident ON run (incident_id, id) WHERE incident_id IS NOT NULL;
CREATE INDEX run_unfinished ON run (incident_id, id) WHERE due_at IS NOT NULL;

-- Requests as they arrived: receiving is durable because of these rows.
CREATE TABLE inbox (
    run_id      TEXT    NOT NULL PRIMARY KEY REFERENCES run (id) ON DELETE CASCADE,
    driver      TEXT,                        -- NULL if none recognised it
    named       INTEGER NOT NULL,            -- boolean: the sender named the driver
    verified    INTEGER NOT NULL,            -- boolean: it was signed with a secret of that driver
    detection   TEXT    NOT NULL,            -- why this driver, or none
    delivery_id TEXT,                        -- the sender's id, the same when it tries again
    outcome     TEXT    NOT NULL,            -- parsed, ignored, quarantined
    reason_code TEXT,                        -- one word
    reason      TEXT,
    received_at INTEGER NOT NULL,
    size_bytes  INTEGER NOT NULL,            -- of the body as received
    api_key_id  TEXT    REFERENCES api_key (id), -- NULL where keys are off
    request     BLOB    NOT NULL,            -- method, headers and body
    UNIQUE (driver, delivery_id)
) STRICT;
CREATE INDEX inbox_quarantined ON inbox (run_id) WHERE outcome = 'quarantined';

-- Tries at the stages of runs.
CREATE TABLE stage_execution (
    run_id        TEXT    NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    stage         TEXT    NOT NULL,
    attempt       INTEGER NOT NULL,          -- counts from 1 per stage
    status        TEXT    NOT NULL,          -- started, succeeded, failed, skipped
    summary       TEXT,
    error_type    TEXT,
    error_message TEXT,
    started_at    INTEGER NOT NULL,
    completed_at  INTEGER,
    PRIMARY KEY (run_id, stage, attempt)
) STRICT, WITHOUT ROWID;

-- Stored results of stages; runs refer to them.
CREATE TABLE artifact (
    id         TEXT    NOT NULL PRIMARY KEY,
    run_id     TEXT    NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    kind       TEXT    NOT NULL,             -- the stage it came from
    sealed     BLOB    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX artifact_run ON artifact (run_id);

-- Rules that pick a run's stages and channels; the lowest priority is asked first.
CREATE TABLE route (
    id         TEXT    NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE,
    priority   INTEGER NOT NULL,
    conditions TEXT    NOT NULL,             -- JSON list of {"field", "op", "value"}; all must hold
    stages     TEXT    NOT NULL,             -- JSON list, in order
    channels   TEXT    NOT NULL,             -- JSON list of names; empty: every enabled channel
    enabled    INTEGER NOT NULL,             -- boolean
    hits       INTEGER NOT NULL DEFAULT 0,   -- how many runs have taken it
    last_hit_at INTEGER                      -- when the last of them did
) STRICT;

INSERT INTO route (id, name, priority, conditions, stages, channels, enabled) VALUES
    ('01J0000000R0VTE00000000040', 'resolved-all-clear', 40,
     '[{"field":"status","op":"is","value":"resolved"}]', '["notify"]', '[]', 1),
    ('01J0000000R0VTE00000001000', 'catch-all', 1000,
     '[]', '["check","analyze","notify"]', '[]', 1);

-- Configured destinations.
CREATE TABLE channel (
    id         TEXT    NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL,             -- a removed one keeps it, for its deliveries
    taken_name TEXT    UNIQUE,               -- the same while the channel is there; NULL once it is removed
    notifier   TEXT    NOT NULL,             -- the plugin that delivers
    settings   BLOB    NOT NULL,             -- empty once it is removed
    enabled    INTEGER NOT NULL,             -- boolean
    created_at INTEGER NOT NULL
) STRICT;

-- Providers of intelligence that were set up or chosen while the hub ran; others are as `plugins.toml` says.
CREATE TABLE provider (
    name       TEXT    NOT NULL PRIMARY KEY, -- the plugin
    settings   BLOB    NOT NULL,             -- empty: those of `plugins.toml`
    active     INTEGER UNIQUE,               -- 1 for the active one, else NULL: at most one
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What operators decided about plugins while the hub ran; `plugins.toml` goes before it.
CREATE TABLE plugin_decision (
    kind        TEXT    NOT NULL,            -- driver, notifier, provider
    name        TEXT    NOT NULL,            -- the plugin
    approved    TEXT,                        -- SHA-256 of the component that is approved, in hexadecimal; NULL: none
    grants      TEXT,                        -- JSON: what it may use
    disabled    INTEGER NOT NULL,            -- boolean
    rolled_to   TEXT,                        -- SHA-256 of the earlier component that runs in the place of `rolled_from`
    rolled_from TEXT,
    updated_at  INTEGER NOT NULL,
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;

-- Who decided what, and when.
CREATE TABLE plugin_history (
    id     TEXT    NOT NULL,
    kind   TEXT    NOT NULL,
    name   TEXT    NOT NULL,
    event  TEXT    NOT NULL,                 -- approved, disabled, enabled, rolled_back, left_alone, works_again
    sha256 TEXT,                             -- of the component that it is about
    grants TEXT,                             -- JSON: what was granted
    actor  TEXT    NOT NULL,                 -- who: `key:<name>`, `cli:<user>`, `anonymous`, or `hub` for what its breaker did
    reason TEXT,
    at     INTEGER NOT NULL,
    PRIMARY KEY (kind, name, id)
) STRICT, WITHOUT ROWID;

-- Processes that serve on this database, or did until lately: each writes its row now and then.
CREATE TABLE host (
    id            TEXT    NOT NULL PRIMARY KEY, -- drawn at its start
    name          TEXT    NOT NULL,          -- for people; several may have one name
    version       TEXT    NOT NULL,          -- of the program
    schema_number INTEGER NOT NULL,          -- the last migration that it knows
    plugins       TEXT    NOT NULL,          -- JSON list: kind, name, digest and grants of each
    started_at    INTEGER NOT NULL,
    seen_at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Tokens that providers used, by day: a budget that hubs share and that outlives them.
CREATE TABLE token_use (
    day           INTEGER NOT NULL,          -- days since 1970 in UTC
    provider      TEXT    NOT NULL,          -- the plugin; it may be gone
    input_tokens  INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    PRIMARY KEY (day, provider)
) STRICT, WITHOUT ROWID;

-- How each channel is doing; a row of its own, so that settings are not written again with every attempt.
CREATE TABLE channel_health (
    channel_id      TEXT    NOT NULL PRIMARY KEY REFERENCES channel (id) ON DELETE CASCADE,
    last_success_at INTEGER,                 -- give or take a minute
    last_error_at   INTEGER,
    last_error      TEXT,                    -- in words
    failing_since   INTEGER                  -- the first failure since the last success; NULL while it works
) STRICT, WITHOUT ROWID;

-- The outbox: one notification to one channel each.
CREATE TABLE delivery (
    id            TEXT    NOT NULL PRIMARY KEY, -- also the idempotency key; its order is the order of sending
    run_id        TEXT    NOT NULL REFERENCES run (id),
    trace_id      TEXT    NOT NULL,
    incident_id   TEXT    NOT NULL REFERENCES incident (id),
    channel_id    TEXT    NOT NULL REFERENCES channel (id),
    notification  BLOB    NOT NULL,
    tells         TEXT    NOT NULL,          -- the state of the incident that it tells: firing, acknowledged, resolved
    status        TEXT    NOT NULL,          -- pending, sending, delivered, dead, stale
    attempts      INTEGER NOT NULL,          -- tries begun
    attempts_before INTEGER NOT NULL DEFAULT 0, -- tries begun before a person had it tried again
    due_at        INTEGER,                   -- when a worker may claim it: a lease's end while one has it, NULL once it is final
    lease         TEXT,                      -- token of the worker that has it
    remote_ref    TEXT,                      -- the remote's identifier, once delivered
    error_type    TEXT,                      -- what went wrong last, in one word
    error_message TEXT,
    superseded_by TEXT,                      -- the newer delivery that made it stale
    created_at    INTEGER NOT NULL,
    completed_at  INTEGER
) STRICT;
CREATE INDEX delivery_due ON delivery (channel_id, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX delivery_unfinished ON delivery (incident_id, channel_id, id) WHERE due_at IS NOT NULL;
CREATE INDEX delivery_remote ON delivery (incident_id, channel_id, id) WHERE remote_ref IS NOT NULL;
CREATE INDEX delivery_incident ON delivery (incident_id, id);
CREATE INDEX delivery_run ON delivery (run_id, id);
CREATE INDEX delivery_status ON delivery (status, id);

-- Tries at deliveries. The row is written before the remote is called.
CREATE TABLE attempt (
    delivery_id   TEXT    NOT NULL REFERENCES delivery (id) ON DELETE CASCADE,
    attempt       INTEGER NOT NULL,          -- counts from 1
    outcome       TEXT    NOT NULL,          -- started, delivered, retry, refused
    remote_ref    TEXT,
    error_type    TEXT,
    error_message TEXT,
    started_at    INTEGER NOT NULL,
    completed_at  INTEGER,                   -- NULL if a crash cut it off: the remote may have seen it
    PRIMARY KEY (delivery_id, attempt)
) STRICT, WITHOUT ROWID;

-- When a person had a dead delivery tried again.
CREATE TABLE delivery_retry (
    delivery_id TEXT    NOT NULL REFERENCES delivery (id) ON DELETE CASCADE,
    attempts    INTEGER NOT NULL,            -- tries before it
    actor       TEXT    NOT NULL,            -- who
    at          INTEGER NOT NULL,
    PRIMARY KEY (delivery_id, attempts)
) STRICT, WITHOUT ROWID;
