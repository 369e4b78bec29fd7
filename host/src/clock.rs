//! The only place that asks what time it is and draws identifiers.
//!
//! Hosts that share a database server share its time: there [`now`] is what the database said last, and what
//! has passed since on a clock that nobody sets. Leases and due times then mean the same on all of them.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::id::{Mint, RunId};
use domain::time::Timestamp;
use rand::RngExt as _;
use rustix::time::{ClockId, clock_gettime};
use ulid::Ulid;

/// How far the clock is ahead of the machine's: a test lets time pass between two processes, or has the clock
/// of one be wrong.
static AHEAD: OnceLock<Duration> = OnceLock::new();

/// Has the clock be ahead of the machine's. Once for a process, at its start; without debug assertions nothing
/// happens.
pub fn go_ahead(by: Duration) {
    if cfg!(debug_assertions) {
        // A second one finds the place taken: the first holds.
        let _taken = AHEAD.set(by);
    }
}

/// Stands for a time that nobody has told.
const UNKNOWN: i64 = i64::MIN;

/// How far the database's time is ahead of [`moment`], in microseconds.
static DATABASE: AtomicI64 = AtomicI64::new(UNKNOWN);
/// How far the machine's clock was ahead of the database's when that was measured, in microseconds.
static SKEW: AtomicI64 = AtomicI64::new(UNKNOWN);

/// A machine whose clock is further off is not to be trusted with claims: something is wrong with one of the
/// two clocks, and nobody knows with which.
const SKEW_TAKEN: Duration = Duration::from_secs(2);

/// Now: the database's time where one is followed, otherwise the machine's.
pub fn now() -> Timestamp {
    match DATABASE.load(Ordering::Relaxed) {
        UNKNOWN => machine(),
        ahead => Timestamp::from_micros(moment().0.saturating_add(ahead)),
    }
}

/// A moment on a clock that only runs on, also while the machine sleeps, and that nobody sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(i64);

impl Moment {
    /// How long after `earlier` this is.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// The moment that is now.
pub fn moment() -> Moment {
    #[cfg(any(target_os = "linux", target_os = "freebsd"))]
    let clock = ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
    let clock = ClockId::Monotonic;
    let time = clock_gettime(clock);
    Moment(time.tv_sec.saturating_mul(1_000_000).saturating_add(time.tv_nsec / 1000))
}

/// How far the machine's clock is from the database's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skew(i64);

impl Skew {
    /// How far it is ahead, in seconds; less than 0 where it is behind.
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// Whether it is more than can be explained.
    pub fn is_too_large(self) -> bool {
        Duration::from_micros(self.0.unsigned_abs()) > SKEW_TAKEN
    }
}

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = if self.0 < 0 { "behind" } else { "ahead of" };
        let seconds = self.seconds().abs();
        write!(f, "this machine's clock is {seconds:.1} s {side} the database's; at most 2 s are taken")
    }
}

/// Has [`now`] follow the time of a database, which told it between these two moments. Returns how far the
/// machine's clock is from it.
pub fn follow(database: Timestamp, asked: Moment, answered: Moment) -> Skew {
    let half = answered.0.saturating_sub(asked.0) / 2;
    let ahead = database.as_micros().saturating_sub(asked.0.saturating_add(half));
    let skew = machine().as_micros().saturating_sub(moment().0.saturating_add(ahead));
    DATABASE.store(ahead, Ordering::Relaxed);
    SKEW.store(skew, Ordering::Relaxed);
    Skew(skew)
}

/// How far the machine's clock was from the database's when that was measured last; none where no database's
/// time is followed.
pub fn skew() -> Option<Skew> {
    Some(SKEW.load(Ordering::Relaxed)).filter(|skew| *skew != UNKNOWN).map(Skew)
}

/// Why nothing may be claimed: the machine's clock is too far off.
pub fn astray() -> Option<Skew> {
    skew().filter(|skew| skew.is_too_large())
}

/// What the machine's clock says; in a test of crashes perhaps later.
#[expect(clippy::disallowed_methods, reason = "this is the clock that the rule points to")]
fn machine() -> Timestamp {
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
    fn skew_says_which_clock_is_ahead_and_from_when_it_is_too_much() {
        assert!(!Skew(2_000_000).is_too_large() && !Skew(-2_000_000).is_too_large());
        assert!(Skew(2_000_001).is_too_large() && Skew(-2_000_001).is_too_large());
        assert!(Skew(3_240_000).to_string().contains("3.2 s ahead of the database's"));
        assert!(Skew(-60_000_000).to_string().contains("60.0 s behind the database's"));
    }

    #[test]
    fn moments_only_grow() {
        let (first, second) = (moment(), moment());
        assert!(first <= second && first.since(second).is_zero());
    }

    #[test]
    fn identifiers_only_grow() {
        let made: Vec<Ulid> = (0..10_000).map(|_| Ids.mint()).collect();
        assert!(made.is_sorted_by(|a, b| a < b));
    }
}
