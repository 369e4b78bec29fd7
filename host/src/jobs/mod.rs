//! Timers: what is done now and then and not for anybody's request.

mod retention;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::auth::Authenticator;
use crate::clock;
use crate::telemetry::chain;

pub use retention::Retention;

/// How often the write-ahead log is worked into the database file, off the path of commits.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);
/// How often the times of last use are written down.
const LAST_USED_EVERY: Duration = Duration::from_secs(30);
/// How often old things are looked for.
const RETENTION_EVERY: Duration = Duration::from_secs(60);

/// Works the write-ahead log off until stopped.
pub async fn checkpoints(store: Store, stop: CancellationToken) {
    every(CHECKPOINT_EVERY, "checkpoint", stop, || async { store.checkpoint().await.map(drop) }).await;
}

/// Writes down when keys were last used, until stopped and once more then.
pub async fn last_used(authenticator: Arc<Authenticator>, stop: CancellationToken) {
    every(LAST_USED_EVERY, "last used times", stop, || authenticator.flush_last_used()).await;
    if let Err(error) = authenticator.flush_last_used().await {
        tracing::warn!(error.r#type = error.kind(), "last used times were not written: {}", chain(&error));
    }
}

/// Takes away what is kept no longer, until stopped.
pub async fn retention(retention: Retention, stop: CancellationToken) {
    every(RETENTION_EVERY, "retention", stop, || retention.round(clock::now())).await;
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
        if let Err(error) = work().await {
            tracing::warn!(error.r#type = error.kind(), "{what}: {}", chain(&error));
        }
    }
}
