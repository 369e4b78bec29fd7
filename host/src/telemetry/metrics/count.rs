//! What is counted where: one function for each thing that happens.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::Hash;
use std::thread::LocalKey;
use std::time::Duration;

use domain::limits::Spent;
use domain::plugin::{PluginKind, PluginName};
use metrics::{Counter, Histogram, counter, gauge, histogram};

use super::names;

/// What is counted for every webhook, by words of closed sets and one text of a bounded set. Without it
/// counting would cost a webhook 2 % of its time: nearly all of that is making labels to look a counter
/// up by.
type Known<K, H> = RefCell<HashMap<K, HashMap<Box<str>, H>>>;

thread_local! {
    static REQUESTS: Known<(&'static str, u16), (Counter, Histogram)> = RefCell::default();
    static WEBHOOKS: Known<&'static str, (Counter, Counter)> = RefCell::default();
    static CALLS: Known<(PluginKind, &'static str), Counter> = RefCell::default();
    static SPENT: Known<PluginKind, Spending> = RefCell::default();
}

/// What every call of a plugin adds to.
struct Spending {
    cpu: Histogram,
    wall: Histogram,
    memory: Histogram,
    bytes_in: Counter,
    bytes_out: Counter,
    lines_taken: Counter,
    lines_dropped: Counter,
}

impl Spending {
    fn of(kind: PluginKind, plugin: &PluginName) -> Self {
        let labels = [("kind", kind.as_str().to_owned()), ("plugin", plugin.to_string())];
        let histogram = |name: &'static str| histogram!(name, &labels);
        let counter = |name: &'static str, key: &'static str, value: &'static str| {
            let [kind, plugin] = labels.clone();
            counter!(name, &[kind, plugin, (key, value.to_owned())])
        };
        Self {
            cpu: histogram(names::PLUGIN_CPU),
            wall: histogram(names::PLUGIN_WALL),
            memory: histogram(names::PLUGIN_MEMORY),
            bytes_in: counter(names::PLUGIN_BYTES, "direction", "in"),
            bytes_out: counter(names::PLUGIN_BYTES, "direction", "out"),
            lines_taken: counter(names::PLUGIN_LOG_LINES, "outcome", "taken"),
            lines_dropped: counter(names::PLUGIN_LOG_LINES, "outcome", "dropped"),
        }
    }
}

/// Uses what is known under these labels; it is made at its first use on a thread.
fn with<K: Eq + Hash, H>(
    known: &'static LocalKey<Known<K, H>>,
    key: K,
    text: &str,
    make: impl FnOnce() -> H,
    count: impl FnOnce(&H),
) {
    known.with_borrow_mut(|known| {
        let by_text = known.entry(key).or_default();
        match by_text.get(text) {
            Some(handle) => count(handle),
            None => count(by_text.entry(text.into()).or_insert_with(make)),
        }
    });
}

/// A request was answered.
pub fn request(method: &'static str, route: &str, status: u16, took: Duration) {
    let make = || {
        let (route, status) = (route.to_owned(), status.to_string());
        let duration = histogram!(names::HTTP_DURATION, "method" => method, "route" => route.clone());
        (counter!(names::HTTP_REQUESTS, "method" => method, "route" => route, "status" => status), duration)
    };
    with(&REQUESTS, (method, status), route, make, |(requests, duration)| {
        requests.increment(1);
        duration.record(took);
    });
}

/// A notification was sent at once, or not.
pub fn sent(notifier: &PluginName, outcome: &'static str, took: Duration) {
    let notifier = notifier.to_string();
    counter!(names::SENDS, "notifier" => notifier.clone(), "outcome" => outcome).increment(1);
    histogram!(names::SEND_DURATION, "notifier" => notifier).record(took);
}

/// A checker of this machine said something.
pub fn check(checker: &'static str, state: f64) {
    gauge!(names::CHECK_STATE, "checker" => checker).set(state);
}

/// A webhook is on disk.
pub fn webhook(driver: Option<&PluginName>, outcome: &'static str, alerts: u32) {
    let driver = driver.map_or("none", PluginName::as_str);
    let make = || {
        let webhooks = counter!(names::WEBHOOKS, "driver" => driver.to_owned(), "outcome" => outcome);
        (webhooks, counter!(names::ALERTS, "driver" => driver.to_owned()))
    };
    with(&WEBHOOKS, outcome, driver, make, |(webhooks, read)| {
        webhooks.increment(1);
        read.increment(alerts.into());
    });
}

/// Nothing of a webhook was stored.
pub fn webhook_refused(cause: &'static str) {
    counter!(names::WEBHOOKS_REFUSED, "cause" => cause).increment(1);
}

/// A sender used a word for `field` that its driver does not know.
pub fn unmapped_word(driver: &PluginName, field: &'static str) {
    counter!(names::UNMAPPED_WORDS, "driver" => driver.to_string(), "field" => field).increment(1);
}

/// This many of a kind were taken away: for their `age`, or beyond the `quota`.
pub fn forgotten(kind: &'static str, cause: &'static str, count: usize) {
    counter!(names::FORGOTTEN, "kind" => kind, "cause" => cause).increment(amount(count));
}

/// A call of a plugin ended: `ok`, a kind of error, or of trap.
pub fn plugin_call(kind: PluginKind, plugin: &PluginName, end: &'static str) {
    let labels =
        || [("kind", kind.as_str().to_owned()), ("plugin", plugin.to_string()), ("end", end.to_owned())];
    with(
        &CALLS,
        (kind, end),
        plugin.as_str(),
        || counter!(names::PLUGIN_CALLS, &labels()),
        |calls| {
            calls.increment(1);
        },
    );
}

/// What a call used of its limits, and what went through it.
pub fn plugin_spent(kind: PluginKind, plugin: &PluginName, spent: &Spent) {
    with(
        &SPENT,
        kind,
        plugin.as_str(),
        || Spending::of(kind, plugin),
        |spending| {
            spending.cpu.record(spent.cpu);
            spending.wall.record(spent.wall);
            spending.memory.record(spent.memory_bytes as f64);
            spending.bytes_in.increment(amount(spent.input_bytes));
            spending.bytes_out.increment(amount(spent.output_bytes));
            spending.lines_taken.increment(spent.log_lines.into());
            spending.lines_dropped.increment(spent.dropped_lines.into());
        },
    );
    if let Some(waited) = spent.waited {
        let (kind, plugin) = (kind.as_str(), plugin.to_string());
        histogram!(names::PLUGIN_WAIT, "kind" => kind, "plugin" => plugin).record(waited);
    }
}

fn amount(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// A component is left alone, or works again.
pub fn plugin_breaker(kind: PluginKind, plugin: &PluginName, open: bool) {
    let labels = [("kind", kind.as_str().to_owned()), ("plugin", plugin.to_string())];
    gauge!(names::PLUGIN_BREAKER_OPEN, &labels).set(if open { 1.0 } else { 0.0 });
}

/// A plugin was put back to an earlier component.
pub fn plugin_rollback(kind: PluginKind, plugin: &PluginName) {
    let labels = [("kind", kind.as_str().to_owned()), ("plugin", plugin.to_string())];
    counter!(names::PLUGIN_ROLLBACKS, &labels).increment(1);
}

/// A passage of a downstream run ended.
pub fn run(end: &str) {
    counter!(names::RUNS, "end" => end.to_ascii_lowercase()).increment(1);
}

/// A stage of a downstream run ended.
pub fn stage(stage: &'static str, status: &'static str, took: Duration) {
    counter!(names::STAGES, "stage" => stage, "status" => status).increment(1);
    histogram!(names::STAGE_DURATION, "stage" => stage).record(took);
}

/// An attempt at a delivery ended: `delivered`, `retry`, `dead` or `stale`.
pub fn attempt(notifier: &PluginName, outcome: &'static str, took: Duration) {
    let notifier = notifier.to_string();
    histogram!(names::ATTEMPT_DURATION, "notifier" => notifier.clone()).record(took);
    counter!(names::ATTEMPTS, "notifier" => notifier, "outcome" => outcome).increment(1);
}

/// A template could not be used.
pub fn template_failed(template: &'static str, notifier: &PluginName) {
    counter!(names::TEMPLATES_FAILED, "template" => template, "notifier" => notifier.to_string())
        .increment(1);
}

/// A channel is left alone, or answers again.
pub fn breaker(channel: &str, is_open: bool) {
    gauge!(names::BREAKER_OPEN, "channel" => channel.to_owned()).set(f64::from(u8::from(is_open)));
}

/// A provider said what it used.
pub fn provider_tokens(provider: &str, input: u64, output: u64) {
    for (direction, tokens) in [("input", input), ("output", output)] {
        counter!(names::PROVIDER_TOKENS, "provider" => provider.to_owned(), "direction" => direction)
            .increment(tokens);
    }
}

/// A provider was not asked.
pub fn provider_spared(provider: &str, cause: &'static str) {
    counter!(names::PROVIDER_SPARED, "provider" => provider.to_owned(), "cause" => cause).increment(1);
}

/// Which generation of a plugin runs; 0 for none.
pub fn plugin_generation(kind: PluginKind, plugin: &PluginName, generation: u64) {
    #[expect(clippy::cast_precision_loss, reason = "no plugin has 2^53 generations")]
    let generation = generation as f64;
    gauge!(names::PLUGIN_GENERATION, "kind" => kind.as_str(), "plugin" => plugin.to_string()).set(generation);
}

/// A component was loaded, or not.
pub fn plugin_load(kind: PluginKind, is_loaded: bool) {
    let outcome = if is_loaded { "loaded" } else { "refused" };
    counter!(names::PLUGIN_LOADS, "kind" => kind.as_str(), "outcome" => outcome).increment(1);
}

/// The breaker of a provider moved.
pub fn provider_breaker(provider: &str, is_open: bool) {
    gauge!(names::PROVIDER_BREAKER_OPEN, "provider" => provider.to_owned()).set(f64::from(u8::from(is_open)));
}

/// How a channel is doing, as it was sampled.
#[derive(Debug, Clone, Copy)]
pub struct ChannelFigures {
    /// How long the first of its deliveries has been due.
    pub lag: Duration,
    /// How long it has taken nothing.
    pub failing: Duration,
    /// Whether anything is sent to it.
    pub is_on: bool,
}

/// Shows how a channel is doing.
pub fn channel(name: &str, figures: &ChannelFigures) {
    let labels = [("channel", name.to_owned())];
    gauge!(names::CHANNEL_LAG, &labels).set(figures.lag.as_secs_f64());
    gauge!(names::CHANNEL_FAILING, &labels).set(figures.failing.as_secs_f64());
    gauge!(names::CHANNEL_ON, &labels).set(f64::from(u8::from(figures.is_on)));
}

/// A request of a plugin ended: a class of status, or a kind of error.
pub fn egress_call(kind: PluginKind, plugin: &PluginName, outcome: &'static str, took: Duration) {
    let (kind, plugin) = (kind.as_str(), plugin.to_string());
    histogram!(names::EGRESS_DURATION, "kind" => kind, "plugin" => plugin.clone()).record(took);
    counter!(names::EGRESS_CALLS, "kind" => kind, "plugin" => plugin, "outcome" => outcome).increment(1);
}

/// Bodies went out and came back.
pub fn egress_bytes(kind: PluginKind, plugin: &PluginName, sent: usize, received: usize) {
    for (direction, bytes) in [("sent", sent), ("received", received)] {
        let (kind, plugin) = (kind.as_str(), plugin.to_string());
        counter!(names::EGRESS_BYTES, "kind" => kind, "plugin" => plugin, "direction" => direction)
            .increment(amount(bytes));
    }
}

/// A plugin was kept from a request: `origin`, `address`, `redirect`, `budget` or `secret`.
pub fn egress_refused(kind: PluginKind, plugin: &PluginName, reason: &'static str) {
    let (kind, plugin) = (kind.as_str(), plugin.to_string());
    counter!(names::EGRESS_REFUSED, "kind" => kind, "plugin" => plugin, "reason" => reason).increment(1);
}

/// So many webhooks wait to be written.
pub fn queue(waiting: usize) {
    gauge!(names::COMMIT_QUEUE).set(waiting as f64);
}

/// Webhooks were written together.
pub fn commit(batch: usize, took: Duration) {
    histogram!(names::COMMIT_BATCH).record(batch as f64);
    histogram!(names::COMMIT_DURATION).record(took);
}

/// So much of the write-ahead log is in use.
pub fn wal(bytes: u64) {
    gauge!(names::WAL_SIZE).set(bytes as f64);
}

/// What is waiting in the database, as it was sampled.
#[derive(Debug, Clone, Copy)]
pub struct Backlog {
    /// Runs that are not over.
    pub runs: u64,
    /// How long the first of them has been due.
    pub run_lag: Duration,
    /// Deliveries that are not final.
    pub deliveries: u64,
    /// How long the first of them has been due.
    pub delivery_lag: Duration,
    /// Deliveries given up on.
    pub dead: u64,
    /// Webhooks in quarantine.
    pub quarantined: u64,
    /// The size of their bodies.
    pub quarantined_bytes: u64,
    /// The size of the database.
    pub database_bytes: u64,
}

/// Shows what is waiting.
pub fn backlog(backlog: &Backlog) {
    gauge!(names::RUNS_DUE).set(backlog.runs as f64);
    gauge!(names::RUN_LAG).set(backlog.run_lag.as_secs_f64());
    gauge!(names::OUTBOX_DEPTH).set(backlog.deliveries as f64);
    gauge!(names::OUTBOX_LAG).set(backlog.delivery_lag.as_secs_f64());
    gauge!(names::DEAD_DELIVERIES).set(backlog.dead as f64);
    gauge!(names::QUARANTINE_REQUESTS).set(backlog.quarantined as f64);
    gauge!(names::QUARANTINE_BYTES).set(backlog.quarantined_bytes as f64);
    gauge!(names::DATABASE_SIZE).set(backlog.database_bytes as f64);
}

/// So many processes serve, and whether one of them has other plugins than this one.
pub fn hosts(live: usize, differ: bool) {
    gauge!(names::HOSTS_LIVE).set(live as f64);
    gauge!(names::HOSTS_DIFFER).set(f64::from(u8::from(differ)));
}

/// The machine's clock is so many seconds ahead of the database's.
pub fn clock_skew(seconds: f64) {
    gauge!(names::CLOCK_SKEW).set(seconds);
}

/// So many data keys are not yet wrapped under the last secret key.
pub fn data_keys_left(left: usize) {
    gauge!(names::DATA_KEYS_LEFT).set(left as f64);
}

/// A request was over its limit; prefixes come from the settings.
pub fn rate_limited(prefix: &str) {
    counter!(names::RATE_LIMITED, "prefix" => format!("{prefix}/")).increment(1);
}

/// A request passed uncounted: `error`, `timeout`, or `left-alone` where the cache is not asked for a while.
pub fn uncounted_request(cause: &'static str) {
    counter!(names::UNCOUNTED_REQUESTS, "cause" => cause).increment(1);
}

/// A request was turned away: `unauthenticated`, `forbidden`, `too-many-failures` or `unavailable`.
pub fn refused_caller(cause: &'static str) {
    counter!(names::REFUSED_CALLERS, "cause" => cause).increment(1);
}
