//! The only place that asks what time it is and draws identifiers.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::id::Mint;
use domain::time::Timestamp;
use rand::RngExt as _;
use ulid::Ulid;

/// How far [`now`] is ahead of the machine's clock: a test lets time pass between two processes.
static AHEAD: OnceLock<Duration> = OnceLock::new();

/// Has [`now`] be ahead of the machine's clock. Once for a process, at its start; without debug assertions
/// nothing happens.
pub fn go_ahead(by: Duration) {
    if cfg!(debug_assertions) {
        // A second one finds the place taken: the first holds.
        let _taken = AHEAD.set(by);
    }
}

/// Now, as the machine's clock has it; in a test of crashes perhaps later.
#[expect(clippy::disallowed_methods, reason = "this is the clock that the rule points to")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX));
    if cfg!(debug_assertions)
        && let Some(by) = AHEAD.get()
    {
        return now.after(*by);
    }
    now
}

/// Now, in the form that files have it.
#[expect(clippy::disallowed_methods, reason = "this is the clock that the rule points to")]
pub fn machine_time() -> SystemTime {
    SystemTime::now()
}

/// Fresh identifiers: the time in milliseconds and 80 random bits, each greater than the one before,
/// so that their order is the order in which this process made things.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ids;

/// The last identifier that was given out.
static LAST: Mutex<Ulid> = Mutex::new(Ulid::nil());

impl Mint for Ids {
    fn mint(&mut self) -> Ulid {
        let millis = u64::try_from(now().as_millis()).unwrap_or_default();
        let fresh = Ulid::from_parts(millis, rand::rng().random());
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        *last = if fresh > *last { fresh } else { Ulid(last.0.saturating_add(1)) };
        *last
    }
}

/// A number in `0.0..1.0` for spreading pauses.
pub fn draw() -> f64 {
    rand::rng().random()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_only_grow() {
        let made: Vec<Ulid> = (0..10_000).map(|_| Ids.mint()).collect();
        assert!(made.is_sorted_by(|a, b| a < b));
    }
}
