//! Metrics: one table with all of them, and the text that Prometheus reads.
//!
//! Labels are bounded: names of plugins that are loaded and of channels, templates of routes, words of closed sets;
//! never an identifier, an address or anything that a sender can choose. `docs/METRICS.md` is made from
//! the table.

mod count;

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use domain::time::Timestamp;
use metrics::{Unit, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

pub use count::{
    Backlog, ChannelFigures, attempt, backlog, breaker, channel, check, clock_skew, commit, data_keys_left,
    egress_bytes, egress_call, egress_refused, forgotten, hosts, plugin_breaker, plugin_call,
    plugin_generation, plugin_load, plugin_rollback, plugin_spent, provider_breaker, provider_spared,
    provider_tokens, queue, rate_limited, refused_caller, request, run, sent, stage, template_failed,
    uncounted_request, unmapped_word, wal, webhook, webhook_refused,
};

/// What a figure does over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, until the next start.
    Counter,
    /// It goes up and down.
    Gauge,
    /// How many observations were at most so large.
    Histogram,
}

/// One metric with all its labels.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    /// As Prometheus has it; the unit is in it.
    pub name: &'static str,
    /// What it does over time.
    pub kind: Kind,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// What it counts or measures.
    pub meaning: &'static str,
}

macro_rules! families {
    ($($constant:ident = $kind:ident $name:literal [$($label:literal),*] $meaning:literal;)+) => {
        mod names {
            $(pub(super) const $constant: &str = $name;)+
        }
        /// Every metric there is.
        pub const FAMILIES: &[Family] =
            &[$(Family { name: $name, kind: Kind::$kind, labels: &[$($label),*], meaning: $meaning }),+];
    };
}

families! {
    HTTP_REQUESTS = Counter "watchbell_http_requests_total" ["method", "route", "status"]
        "Requests answered. `route` is the template of the path, `unmatched` where there is none.";
    HTTP_DURATION = Histogram "watchbell_http_request_duration_seconds" ["method", "route"]
        "From the head of a request to the head of its answer.";
    WEBHOOKS = Counter "watchbell_webhooks_total" ["driver", "outcome"]
        "Webhooks that are on disk: `parsed`, `ignored`, `quarantined`, or `duplicate` of one that was there. \
         `driver` is `none` where none was found.";
    WEBHOOKS_REFUSED = Counter "watchbell_webhooks_refused_total" ["cause"]
        "Webhooks of which nothing was stored: `unknown_driver`, `signature`, `key`, `unavailable`, and for their \
         body `too-large`, `too-slow`, `broken-body`, `unknown-encoding`, or `busy` where there was no room for it.";
    RATE_LIMITED = Counter "watchbell_rate_limited_total" ["prefix"]
        "Requests over their limit, by the path prefix at which it stands.";
    UNCOUNTED_REQUESTS = Counter "watchbell_rate_limit_uncounted_total" ["cause"]
        "Requests that passed without a limit because the cache did not count them: `error`, `timeout`, or \
         `left-alone` where it is not asked for a while.";
    REFUSED_CALLERS = Counter "watchbell_refused_callers_total" ["cause"]
        "Requests turned away for their API key: `unauthenticated`, `forbidden`, `too-many-failures`, `unavailable`.";
    ALERTS = Counter "watchbell_alerts_total" ["driver"] "Alerts read from webhooks that were stored.";
    UNMAPPED_WORDS = Counter "watchbell_unmapped_words_total" ["driver", "field"]
        "Words of senders that are in no table of the driver: of a `status` or a `severity`.";
    FORGOTTEN = Counter "watchbell_forgotten_total" ["kind", "cause"]
        "What was taken away for its `age` or beyond the `quota`: content of `requests`, `results` of stages, \
         `runs`, `incidents`, `alerts` without one.";
    PLUGIN_CALLS = Counter "watchbell_plugin_calls_total" ["kind", "plugin", "end"]
        "Calls of plugins: `ok`, the kind of error that the plugin gave, `timeout`, or `trap.` with what stopped it.";
    PLUGIN_CPU = Histogram "watchbell_plugin_cpu_seconds" ["kind", "plugin"]
        "Processor time of one call.";
    PLUGIN_WALL = Histogram "watchbell_plugin_wall_seconds" ["kind", "plugin"]
        "Time of one call in all, with what the host did for it.";
    PLUGIN_MEMORY = Histogram "watchbell_plugin_memory_bytes" ["kind", "plugin"]
        "Memory of one call at its end; it never shrinks within one.";
    PLUGIN_BYTES = Counter "watchbell_plugin_boundary_bytes_total" ["kind", "plugin", "direction"]
        "Bytes of texts and bodies across the boundary: `in` to functions of the plugin, `out` in their results. \
         Requests and log lines are counted by themselves.";
    PLUGIN_LOG_LINES = Counter "watchbell_plugin_log_lines_total" ["kind", "plugin", "outcome"]
        "Lines that plugins logged: `taken`, or `dropped` beyond the limit of a call.";
    PLUGIN_WAIT = Histogram "watchbell_plugin_wait_seconds" ["kind", "plugin"]
        "How long a call waited for an instance. Long calls of drivers wait; every other call has one at once or \
         ends as `trap.busy`.";
    PLUGIN_GENERATION = Gauge "watchbell_plugin_generation" ["kind", "plugin"]
        "Which generation of a plugin calls get; it counts up with everything that changes about it. 0 where none runs.";
    PLUGIN_LOADS = Counter "watchbell_plugin_loads_total" ["kind", "outcome"]
        "Components that came while the hub runs: `loaded`, or `refused`.";
    PLUGIN_BREAKER_OPEN = Gauge "watchbell_plugin_breaker_open" ["kind", "plugin"]
        "1 from when a component is left alone because its calls trap until it works again or another one takes its \
         place. Missing for a plugin that never was, of this process.";
    PLUGIN_ROLLBACKS = Counter "watchbell_plugin_rollbacks_total" ["kind", "plugin"]
        "Times that a plugin was put back to an earlier component because the calls of a newer one trapped.";
    RUNS = Counter "watchbell_runs_total" ["end"]
        "Passages of downstream runs: `retrying`, `notifying` once their deliveries are in the outbox, and the \
         status they ended with, which the last of these decides: `notified`, `failed` or `skipped`.";
    STAGES = Counter "watchbell_stages_total" ["stage", "status"] "Stages of downstream runs: `ended`, with or without a result, or `failed` with the run.";
    STAGE_DURATION = Histogram "watchbell_stage_duration_seconds" ["stage"] "How long a stage took.";
    RUNS_DUE = Gauge "watchbell_runs_due" [] "Runs that are not over, at most 10000. Sampled.";
    RUN_LAG = Gauge "watchbell_run_lag_seconds" [] "How long the run that is due first has been due. Sampled.";
    ATTEMPTS = Counter "watchbell_delivery_attempts_total" ["notifier", "outcome"]
        "Attempts at deliveries: `delivered`, `retry`, `dead` when it was the last, or `stale` when it failed and \
         something newer waits.";
    TEMPLATES_FAILED = Counter "watchbell_template_failures_total" ["template", "notifier"]
        "Templates that could not be used, so that others' words were sent: for a `title`, a `text`, an `html` or a \
         `payload`.";
    ATTEMPT_DURATION = Histogram "watchbell_delivery_attempt_duration_seconds" ["notifier"]
        "How long an attempt took.";
    SENDS = Counter "watchbell_sends_total" ["notifier", "outcome"]
        "Notifications sent at once, for `/notify/` or as a test of a channel: `delivered`, or why not: `settings`, \
         `denied`, `refused`, `rate_limited`, `unavailable`, `timeout`, `broken`, `busy`.";
    SEND_DURATION = Histogram "watchbell_send_duration_seconds" ["notifier"] "How long that took.";
    OUTBOX_DEPTH = Gauge "watchbell_outbox_depth" []
        "Deliveries that are not final, at most 10000. Sampled.";
    OUTBOX_LAG = Gauge "watchbell_outbox_lag_seconds" []
        "How long the delivery that is due first has been due, of channels that are on. Sampled.";
    CHANNEL_LAG = Gauge "watchbell_channel_lag_seconds" ["channel"]
        "How long the delivery that is due first has been due. Sampled.";
    CHANNEL_FAILING = Gauge "watchbell_channel_failing_seconds" ["channel"]
        "How long the channel has taken nothing, from the first attempt that failed; 0 while it works. Sampled.";
    CHANNEL_ON = Gauge "watchbell_channel_on" ["channel"]
        "1, or 0 for a channel that is switched off: what waits for it is held. Sampled.";
    BREAKER_OPEN = Gauge "watchbell_channel_breaker_open" ["channel"]
        "1 from when a channel is left alone because attempts in a row failed until it answers again. Missing for \
         one that never was, of this process.";
    PROVIDER_TOKENS = Counter "watchbell_provider_tokens_total" ["provider", "direction"]
        "Tokens that providers say they used: `input` was read, `output` was written.";
    PROVIDER_SPARED = Counter "watchbell_provider_spared_total" ["provider", "cause"]
        "Times that a provider was not asked: `reused` an answer about the same state, `left_alone` because it \
         failed, `token_budget` was used up.";
    PROVIDER_BREAKER_OPEN = Gauge "watchbell_provider_breaker_open" ["provider"]
        "1 from when a provider is left alone because calls in a row failed until it answers again. Missing for \
         one that never was, of this process.";
    DEAD_DELIVERIES = Gauge "watchbell_dead_deliveries" [] "Deliveries given up on, at most 10000. Sampled.";
    QUARANTINE_REQUESTS = Gauge "watchbell_quarantine_requests" []
        "Webhooks in quarantine, at most 10000. Sampled.";
    QUARANTINE_BYTES = Gauge "watchbell_quarantine_bytes" []
        "Size of the bodies of these, as they were received. Sampled.";
    EGRESS_CALLS = Counter "watchbell_egress_calls_total" ["kind", "plugin", "outcome"]
        "Requests of plugins: the class of the answer such as `2xx`, `connected` for mail, or why there is none.";
    EGRESS_DURATION = Histogram "watchbell_egress_duration_seconds" ["kind", "plugin"]
        "From a plugin's request to the whole answer.";
    EGRESS_BYTES = Counter "watchbell_egress_bytes_total" ["kind", "plugin", "direction"]
        "Bytes of bodies and mails: `sent`, and of answers `received`. What of one was too much counts, too.";
    EGRESS_REFUSED = Counter "watchbell_egress_refused_total" ["kind", "plugin", "reason"]
        "Requests and mails that plugins were refused: an `origin` that is not granted, a private `address`, a \
         `redirect` to elsewhere, more than the `budget` of a call, or a `secret` that was on its way to where it is \
         not bound, of which anything but 0 wants a look at the plugin. With two reasons it counts for both.";
    COMMIT_BATCH = Histogram "watchbell_commit_batch_size" [] "Webhooks written together.";
    COMMIT_DURATION = Histogram "watchbell_commit_duration_seconds" [] "How long it took to write them.";
    COMMIT_QUEUE = Gauge "watchbell_commit_queue_depth" []
        "Webhooks that waited when the last were taken to be written; 1024 is full.";
    CHECK_STATE = Gauge "watchbell_check_state" ["checker"]
        "What a checker of this machine said last: 0 ok, 1 warning, 2 critical, -1 no answer, -2 not to be had here. \
         Set when checks are made: by schedule, and while runs are worked off.";
    DATABASE_SIZE = Gauge "watchbell_database_size_bytes" [] "Size of the database file. Sampled.";
    WAL_SIZE = Gauge "watchbell_database_wal_bytes" []
        "What of the write-ahead log is in use. Sampled.";
    DATA_KEYS_LEFT = Gauge "watchbell_data_keys_left" []
        "Data keys that are not yet wrapped under the secret key that was taken into use last. Looked at every 5 s.";
    HOSTS_LIVE = Gauge "watchbell_hosts_live" []
        "Processes that serve on this database, this one too. Looked at every 10 s.";
    HOSTS_DIFFER = Gauge "watchbell_hosts_plugins_differ" []
        "1 where another of these has other plugins than this one, or lets them do something else; the log and \
         `watchbell host list` say which. Looked at every 10 s.";
    CLOCK_SKEW = Gauge "watchbell_clock_skew_seconds" []
        "How far this machine's clock is ahead of the database server's; below 0: behind. Beyond 2 s nothing is \
         claimed. Missing on SQLite. Looked at every 30 s.";
    START_TIME = Gauge "process_start_time_seconds" [] "When this process started, in seconds since 1970.";
    BUILD = Gauge "watchbell_build_info" ["version"] "Always 1; the version is in the label.";
}

/// Bounds of histograms of times: from a driver's call to a remote that never answers, in seconds.
const SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Bounds of histograms of memory: from one page of a guest to its largest memory.
const BYTES: &[f64] = &[65_536.0, 262_144.0, 1_048_576.0, 4_194_304.0, 16_777_216.0, 67_108_864.0];
/// Bounds of the histogram of batches, up to the largest that is written.
const COUNTS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// Starts counting; the handle gives the text.
///
/// # Errors
/// When something else counts in this process already.
pub fn start(now: Timestamp) -> Result<PrometheusHandle> {
    let mut builder = PrometheusBuilder::new();
    for family in FAMILIES.iter().filter(|family| family.kind == Kind::Histogram) {
        let bounds = match unit(family.name) {
            Some(Unit::Seconds) => SECONDS,
            Some(_) => BYTES,
            None => COUNTS,
        };
        builder = builder.set_buckets_for_metric(Matcher::Full(family.name.to_owned()), bounds)?;
    }
    let handle = builder.install_recorder().context("metrics could not be started")?;
    for Family { name, kind, meaning, .. } in FAMILIES {
        match kind {
            Kind::Counter => describe_counter!(*name, *meaning),
            Kind::Gauge => describe_gauge!(*name, *meaning),
            Kind::Histogram => describe_histogram!(*name, *meaning),
        }
    }
    gauge!(names::BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    gauge!(names::START_TIME).set(now.as_micros() as f64 / 1e6);
    Ok(handle)
}

fn unit(name: &str) -> Option<Unit> {
    match name.rsplit('_').next() {
        Some("seconds") => Some(Unit::Seconds),
        Some("bytes") => Some(Unit::Bytes),
        _ => None,
    }
}

/// Every metric, as the text of `docs/METRICS.md`.
pub fn reference() -> String {
    let mut text = String::from(
        "# Metrics\n\n\
         `GET /metrics`, with an API key, answers in the text form of Prometheus. Labels are bounded: names of\n\
         plugins and channels, templates of routes, words of closed sets. Figures marked \"sampled\" are looked up in the\n\
         database every 15 seconds and not for each request; a count that has no end is cut at 10000.\n\
         Histograms have buckets (`_bucket`, `_sum`, `_count`).\n\n\
         Generated: `watchbell config metrics > docs/METRICS.md`.\n\n\
         | name | type | labels | meaning |\n|---|---|---|---|\n",
    );
    for Family { name, kind, labels, meaning } in FAMILIES {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        // Writing to a text cannot go wrong.
        let _ = writeln!(text, "| `{name}` | {kind} | {} | {meaning} |", labels.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_is_what_the_table_says() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/METRICS.md");
        let found = std::fs::read_to_string(file).unwrap_or_default();
        assert!(
            found == reference(),
            "docs/METRICS.md is out of date\nhint: `watchbell config metrics > docs/METRICS.md`"
        );
    }

    #[test]
    fn names_say_what_they_are() {
        for Family { name, kind, meaning, .. } in FAMILIES {
            assert_eq!(*kind == Kind::Counter, name.ends_with("_total"), "{name}");
            assert!(meaning.ends_with('.'), "{name}");
            assert!(name.starts_with("watchbell_") || name.starts_with("process_"), "{name}");
        }
        let mut names: Vec<_> = FAMILIES.iter().map(|family| family.name).collect();
        names.sort_unstable();
        assert!(names.is_sorted_by(|a, b| a < b), "a name is there twice");
    }
}
