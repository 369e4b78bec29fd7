//! Leaves a component alone whose calls trap, by how many of the last ones did.

use std::time::Duration;

use crate::lanes::{Breaker, BreakerState, Change, End};
use crate::time::Timestamp;

/// How many calls have to trap within the window before a component is left alone.
pub const TRAPS: u32 = 5;
/// What part of the calls within the window has to trap: one in so many.
pub const ONE_IN: u32 = 2;
/// How far back calls count.
pub const WINDOW: Duration = Duration::from_secs(60);

/// Into how many parts the window is cut.
const PARTS: usize = 6;
/// How long a part is.
const PART_MICROS: i64 = 10_000_000;

/// What is counted within a part of the window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Part {
    /// Which one, since 1970.
    number: i64,
    calls: u32,
    traps: u32,
}

/// The breaker of one component: opens when [`TRAPS`] calls within [`WINDOW`] trapped and these are at least one
/// in [`ONE_IN`], then lets one call at a time find out whether it still does.
///
/// What the plugin reports itself is no trap, however often.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TrapBreaker {
    breaker: Breaker,
    parts: [Part; PARTS],
    /// Somebody finds out.
    trying: bool,
}

impl TrapBreaker {
    /// Whether a call may be made; one that may has to be told of by [`TrapBreaker::ended`].
    pub fn begin(&mut self, now: Timestamp) -> bool {
        match self.breaker.state(now) {
            BreakerState::Closed => true,
            BreakerState::Open => false,
            BreakerState::HalfOpen => !std::mem::replace(&mut self.trying, true),
        }
    }

    /// What it lets through.
    pub fn state(&self, now: Timestamp) -> BreakerState {
        self.breaker.state(now)
    }

    /// Until when nothing passes; none while everything does.
    pub const fn until(&self) -> Option<Timestamp> {
        self.breaker.until()
    }

    /// How many of the calls within the window trapped, and how many there were.
    pub fn counted(&self, now: Timestamp) -> (u32, u32) {
        let oldest = part(now) - PARTS as i64;
        let live = self.parts.iter().filter(|part| part.number > oldest);
        live.fold((0, 0), |(traps, calls), part| (traps + part.traps, calls + part.calls))
    }

    /// Takes note of the end of a call: whether it trapped, or nothing where it was cut off. `draw` in `0.0..1.0`
    /// spreads the pause.
    pub fn ended(&mut self, trapped: Option<bool>, now: Timestamp, draw: f64) -> Option<Change> {
        self.trying = false;
        let trapped = trapped?;
        self.count(trapped, now);
        match (self.breaker.state(now), trapped) {
            (BreakerState::Closed, true) => {
                let (traps, calls) = self.counted(now);
                let opens = traps >= TRAPS && traps.saturating_mul(ONE_IN) >= calls;
                opens.then(|| self.open(now, draw))
            }
            (BreakerState::HalfOpen, true) => Some(self.open(now, draw)),
            (BreakerState::HalfOpen, false) => {
                self.parts = [Part::default(); PARTS];
                self.breaker.ended(End::Answered, now, draw)
            }
            // What was under way when it opened says nothing new.
            (BreakerState::Open, _) | (BreakerState::Closed, false) => None,
        }
    }

    fn open(&mut self, now: Timestamp, draw: f64) -> Change {
        let (traps, _) = self.counted(now);
        match self.breaker.open(None, now, draw) {
            Change::Opened { until, .. } => Change::Opened { until, failures: traps },
            Change::Closed => Change::Closed,
        }
    }

    fn count(&mut self, trapped: bool, now: Timestamp) {
        let number = part(now);
        let index = usize::try_from(number.rem_euclid(PARTS as i64)).unwrap_or_default();
        let Some(part) = self.parts.get_mut(index) else { return };
        if part.number != number {
            *part = Part { number, ..Part::default() };
        }
        part.calls = part.calls.saturating_add(1);
        part.traps = part.traps.saturating_add(u32::from(trapped));
    }
}

const fn part(now: Timestamp) -> i64 {
    now.as_micros() / PART_MICROS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000).after(Duration::from_secs(seconds))
    }

    fn call(breaker: &mut TrapBreaker, trapped: bool, now: u64) -> Option<Change> {
        assert!(breaker.begin(at(now)));
        breaker.ended(Some(trapped), at(now), 0.5)
    }

    #[test]
    fn opens_at_the_fifth_trap_and_lets_one_at_a_time_find_out() {
        let mut breaker = TrapBreaker::default();
        for _ in 1..TRAPS {
            assert_eq!(call(&mut breaker, true, 0), None);
        }
        assert!(matches!(call(&mut breaker, true, 0), Some(Change::Opened { failures: TRAPS, .. })));
        assert!(!breaker.begin(at(1)));
        let later = 600;
        assert!(breaker.begin(at(later)));
        assert!(!breaker.begin(at(later)), "one at a time");
        assert_eq!(breaker.ended(None, at(later), 0.5), None, "cut off: makes room for another");
        assert!(matches!(call(&mut breaker, true, later), Some(Change::Opened { .. })));
        assert!(!breaker.begin(at(later + 1)));
        assert_eq!(call(&mut breaker, false, 2 * later), Some(Change::Closed));
        assert_eq!(call(&mut breaker, true, 2 * later), None, "counts anew");
        assert!(breaker.begin(at(2 * later)) && breaker.begin(at(2 * later)));
    }

    #[test]
    fn a_few_traps_among_many_calls_or_over_a_long_time_do_not_open_it() {
        let mut breaker = TrapBreaker::default();
        for _ in 0..100 {
            assert_eq!(call(&mut breaker, false, 0), None);
            assert_eq!(call(&mut breaker, false, 0), None);
            assert_eq!(call(&mut breaker, true, 0), None);
        }
        assert_eq!(breaker.counted(at(0)), (100, 300));
        let mut breaker = TrapBreaker::default();
        for number in 0..100 {
            assert_eq!(call(&mut breaker, true, number * 15), None, "four within a window");
        }
    }

    #[test]
    fn what_ends_after_it_opened_does_not_open_it_once_more() {
        let mut breaker = TrapBreaker::default();
        for _ in 0..7 {
            assert!(breaker.begin(at(0)));
        }
        let changes: Vec<_> = (0..7).filter_map(|_| breaker.ended(Some(true), at(0), 0.5)).collect();
        assert_eq!(changes.len(), 1);
    }
}
