//! Signs of work, passed on to other hosts and taken from them.

use std::sync::Arc;
use std::time::Duration;

use domain::id::HostId;
use store::{LeftOver, Listener, Sign, Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::telemetry::chain;
use crate::wake::Wakes;

/// The pause after a sign was sent: under load there is always more than one host takes, and a few signs
/// say as much as many.
const SAY_EVERY: Duration = Duration::from_millis(50);
/// How long to wait before it is tried again to listen.
const LISTEN_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Passes signs on until stopped. Where the database passes none, workers find what is left when they look.
pub async fn pass_on(store: Store, me: HostId, wakes: Arc<Wakes>, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = hear(&store, me, &wakes) => {}
        () = say(&store, me, &wakes) => {}
    }
}

/// Never ends.
async fn hear(store: &Store, me: HostId, wakes: &Wakes) {
    let mut is_said = false;
    loop {
        let error = match store.listen().await {
            Ok(None) => std::future::pending().await,
            Ok(Some(listener)) => {
                if std::mem::take(&mut is_said) {
                    tracing::info!("signs of work from other hosts are heard again");
                }
                follow(listener, me, wakes).await
            }
            Err(error) => error,
        };
        if !std::mem::replace(&mut is_said, true) {
            let why = chain(&error);
            tracing::warn!(
                error.r#type = error.kind(),
                "no signs of work from other hosts are heard, it is looked for instead: {why}"
            );
        }
        tokio::time::sleep(LISTEN_AGAIN_AFTER).await;
    }
}

/// Until nothing can be heard.
async fn follow(mut listener: Listener, me: HostId, wakes: &Wakes) -> StoreError {
    // What was said before is lost.
    wakes.runs.hear();
    wakes.deliveries.hear();
    loop {
        match listener.hear().await {
            Ok(Some(sign)) if sign.from == me => {}
            Ok(Some(Sign { left_over: LeftOver::Runs, .. })) => wakes.runs.hear(),
            Ok(Some(Sign { left_over: LeftOver::Deliveries, .. })) => wakes.deliveries.hear(),
            Ok(None) => {
                wakes.runs.hear();
                wakes.deliveries.hear();
            }
            Err(error) => return error,
        }
    }
}

/// Never ends.
async fn say(store: &Store, from: HostId, wakes: &Wakes) {
    loop {
        let left_over = tokio::select! {
            () = wakes.runs.left() => LeftOver::Runs,
            () = wakes.deliveries.left() => LeftOver::Deliveries,
        };
        if let Err(error) = store.say(Sign { left_over, from }).await {
            tracing::debug!(error.r#type = error.kind(), "other hosts were not told: {}", chain(&error));
        }
        tokio::time::sleep(SAY_EVERY).await;
    }
}
