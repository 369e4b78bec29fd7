//! Timers: what is done now and then and not for anybody's request.

mod channels;
mod checks;
mod plugins;
mod retention;

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::host::BEAT_EVERY;
use metrics_exporter_prometheus::PrometheusHandle;
use store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::auth::Authenticator;
use crate::clock;
use crate::hosts::{MEASURE_EVERY, Presence, measure};
use crate::ingest::WebhookSecrets;
use crate::rotation::Rotation;
use crate::telemetry::{chain, metrics};

pub use channels::ChannelWatch;
pub use checks::SelfCheck;
pub use plugins::PluginWatch;
pub use retention::Retention;

/// How often the write-ahead log is worked into the database file, off the path of commits.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);
/// How often the times of last use are written down.
const LAST_USED_EVERY: Duration = Duration::from_secs(30);
/// How often old things are looked for.
const RETENTION_EVERY: Duration = Duration::from_secs(60);
/// How often keys at rest are looked at; docs/METRICS.md says so.
const KEYS_EVERY: Duration = Duration::from_secs(5);
/// How often it is looked what operators decided about plugins, and whether these trap: those who decide are told
/// that it takes 2 s.
const PLUGINS_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked whether channels work.
const CHANNELS_EVERY: Duration = Duration::from_secs(5);
/// How often it is counted what waits; docs/METRICS.md says so.
const GAUGES_EVERY: Duration = Duration::from_secs(15);

/// Says that this process is there, at once and then until stopped.
pub async fn hosts(presence: Arc<Presence>, stop: CancellationToken) {
    at_once_and_every(BEAT_EVERY, "hosts", stop, || presence.round()).await;
}

/// Follows the database's time, at once and then until stopped.
pub async fn time(store: Store, stop: CancellationToken) {
    at_once_and_every(MEASURE_EVERY, "the database's time", stop, || measure(&store)).await;
}

/// Works the write-ahead log off until stopped.
pub async fn checkpoints(store: Store, stop: CancellationToken) {
    every(CHECKPOINT_EVERY, "checkpoint", stop, || async {
        store.checkpoint().await.map(|checkpoint| metrics::wal(checkpoint.log_bytes))
    })
    .await;
}

/// Counts what waits, at once and then until stopped, and keeps the histograms small.
pub async fn gauges(store: Store, handle: PrometheusHandle, stop: CancellationToken) {
    let look = || async {
        handle.run_upkeep();
        sample(&store).await
    };
    at_once_and_every(GAUGES_EVERY, "what waits was not counted", stop, look).await;
}

async fn sample(store: &Store) -> Result<(), StoreError> {
    let found = store.backlog().await?;
    let now = clock::now();
    let lag = |due: Option<domain::time::Timestamp>| due.map_or(Duration::ZERO, |due| now.since(due));
    metrics::backlog(&metrics::Backlog {
        runs: found.runs,
        run_lag: lag(found.run_due_at),
        deliveries: found.deliveries,
        delivery_lag: lag(found.delivery_due_at),
        dead: found.dead,
        quarantined: found.quarantined,
        quarantined_bytes: found.quarantined_bytes,
        database_bytes: found.database_bytes,
    });
    for state in store.channel_states().await? {
        let figures = metrics::ChannelFigures {
            lag: lag(state.due_at),
            failing: lag(state.health.failing_since),
            is_on: state.channel.enabled,
        };
        metrics::channel(&state.channel.name, &figures);
    }
    Ok(())
}

/// Writes down when keys were last used, until stopped and once more then.
pub async fn last_used(authenticator: Arc<Authenticator>, stop: CancellationToken) {
    every(LAST_USED_EVERY, "last used times", stop, || authenticator.flush_last_used()).await;
    told("last used times were not written", authenticator.flush_last_used().await);
}

/// Takes over data keys and webhook secrets that others made and wraps again what is left to be, at once
/// and then until stopped.
pub async fn keys(rotation: Rotation, secrets: Arc<WebhookSecrets>, stop: CancellationToken) {
    let said = Mutex::new(None);
    let look = || async {
        let trouble = rotation.round().await.err().map(|error| format!("{error:#}"));
        say_once(&said, trouble);
        // What is wrong with one is said there.
        secrets.refresh().await.map(drop)
    };
    at_once_and_every(KEYS_EVERY, "keys at rest", stop, look).await;
}

/// Not every few seconds.
fn say_once(said: &Mutex<Option<String>>, trouble: Option<String>) {
    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(trouble) = trouble.as_ref().filter(|trouble| said.as_ref() != Some(*trouble)) {
        tracing::error!(error.r#type = "keys", error = trouble, "keys at rest: {trouble}");
    }
    *said = trouble;
}

/// Takes away what is kept no longer, at once and then until stopped: a hub that never runs for long keeps
/// nothing for longer than one that does.
pub async fn retention(retention: Retention, stop: CancellationToken) {
    let round = || retention.round(clock::now(), &stop);
    at_once_and_every(RETENTION_EVERY, "retention", stop.clone(), round).await;
}

/// Raises alerts about channels that fail, until stopped.
pub async fn channels(watch: ChannelWatch, stop: CancellationToken) {
    every(CHANNELS_EVERY, "channels were not looked at", stop, || watch.round(clock::now())).await;
}

/// Follows what operators decide about plugins, and leaves components that trap, until stopped.
pub async fn plugins(watch: PluginWatch, stop: CancellationToken) {
    every(PLUGINS_EVERY, "plugins were not looked at", stop, || watch.round(clock::now())).await;
}

async fn every<F, W>(pause: Duration, what: &str, stop: CancellationToken, work: F)
where
    F: Fn() -> W,
    W: Future<Output = Result<(), StoreError>>,
{
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        told(what, work().await);
    }
}

async fn at_once_and_every<F, W>(pause: Duration, what: &str, stop: CancellationToken, work: F)
where
    F: Fn() -> W,
    W: Future<Output = Result<(), StoreError>>,
{
    told(what, work().await);
    every(pause, what, stop, work).await;
}

/// The next round finds what this one left.
fn told(what: &str, result: Result<(), StoreError>) {
    if let Err(error) = result {
        tracing::warn!(error.r#type = error.kind(), "{what}: {}", chain(&error));
    }
}
