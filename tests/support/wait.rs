//! Waiting for what will be true, with a deadline.

use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval, timeout};

/// How long a test waits for anything that should take a moment: long enough for a slow machine that
/// does three other things.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(25);

/// Looks until there is something, and returns it.
///
/// # Panics
/// When there is nothing `within` that time; `what` says in the message what was waited for.
pub async fn wait_for<T>(what: &str, within: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let mut looks = interval(PAUSE);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let found = timeout(within, async {
        loop {
            looks.tick().await;
            if let Some(found) = look().await {
                return found;
            }
        }
    });
    found.await.unwrap_or_else(|_| panic!("{what}: not within {}s", within.as_secs()))
}

/// The same where nothing can be awaited, within [`PATIENCE`].
///
/// # Panics
/// When there is nothing in that time.
pub(crate) fn wait_blocking<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {}s", PATIENCE.as_secs());
        std::thread::sleep(PAUSE);
    }
}
