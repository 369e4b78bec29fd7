//! The only place that asks what time it is and draws identifiers.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::id::{Mint, RunId};
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

/// How far ahead of the clock something stored may be and still be taken for the past. What is further ahead
/// was stored with a clock that was wrong, and everything after it would be kept as long as that.
const BELIEVED: Duration = Duration::from_secs(24 * 60 * 60);

impl Ids {
    /// Has every identifier from now on be greater than `stored`, the newest of a database: order is theirs,
    /// also where the machine's clock was set back since, or another process on this machine made it.
    pub fn go_on_after(stored: RunId) {
        let stored = Ulid(stored.bits());
        let then = Timestamp::from_millis(i64::try_from(stored.timestamp_ms()).unwrap_or(i64::MAX));
        if then > now().after(BELIEVED) {
            return;
        }
        // Random, so that two processes do not go on with the same one.
        let next = Ulid::from_parts(stored.timestamp_ms().saturating_add(1), rand::rng().random());
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        *last = next.max(*last);
    }
}

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
    fn identifiers_go_on_after_what_is_stored_unless_a_wrong_clock_stored_it() {
        let at = |ahead: u64| {
            let millis = u64::try_from(now().as_millis()).unwrap();
            Ulid::from_parts(millis + ahead, u128::MAX)
        };
        let (hour, year) = (at(3_600_000), at(365 * 86_400_000));
        Ids::go_on_after(hour.into());
        assert!(Ids.mint() > hour);
        Ids::go_on_after(at(0).into());
        assert!(Ids.mint() > hour);
        Ids::go_on_after(year.into());
        assert!(Ids.mint() < year);
    }

    #[test]
    fn identifiers_only_grow() {
        let made: Vec<Ulid> = (0..10_000).map(|_| Ids.mint()).collect();
        assert!(made.is_sorted_by(|a, b| a < b));
    }
}
