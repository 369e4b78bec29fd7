//! Leaves a cache alone that does not answer, so that its deadline is not added to every request.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many questions in a row go unanswered before no more are asked.
const FAILURES: u32 = 3;
/// How long it is left alone before one request asks again.
const PAUSE: Duration = Duration::from_secs(1);
/// How often somebody is told.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// Whether a cache is asked.
#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    next_try: Option<Instant>,
    warned: Option<Instant>,
    /// Whether somebody was told that it does not answer, and not yet that it does again.
    told: bool,
}

impl Breaker {
    /// Whether to ask. After a pause one request may, and the others go on without.
    pub(super) fn may_ask(&self, now: Instant) -> bool {
        let mut state = self.state();
        match state.next_try {
            Some(next_try) if now < next_try => false,
            Some(_) => {
                state.next_try = now.checked_add(PAUSE);
                true
            }
            None => true,
        }
    }

    /// It answered. True if somebody should be told so.
    pub(super) fn answered(&self) -> bool {
        let mut state = self.state();
        state.failures = 0;
        state.next_try = None;
        std::mem::take(&mut state.told)
    }

    /// It did not. True if somebody should be told so.
    pub(super) fn failed(&self, now: Instant) -> bool {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES {
            state.next_try = now.checked_add(PAUSE);
        }
        if state.warned.is_some_and(|warned| now.saturating_duration_since(warned) < WARN_EVERY) {
            return false;
        }
        state.warned = Some(now);
        state.told = true;
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_three_failures_one_request_a_pause_asks_until_there_is_an_answer() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        for _ in 0..FAILURES {
            assert!(breaker.may_ask(start));
            breaker.failed(start);
        }
        assert!(!breaker.may_ask(start));
        let later = start + PAUSE;
        assert!(breaker.may_ask(later));
        assert!(!breaker.may_ask(later), "one at a time");
        breaker.failed(later);
        assert!(!breaker.may_ask(later));
        let again = later + PAUSE;
        assert!(breaker.may_ask(again));
        breaker.answered();
        assert!(breaker.may_ask(again) && breaker.may_ask(again));
    }

    #[test]
    fn a_request_that_gives_up_while_it_asks_blocks_nobody_for_longer_than_a_pause() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        for _ in 0..FAILURES {
            breaker.failed(start);
        }
        assert!(breaker.may_ask(start + PAUSE));
        assert!(breaker.may_ask(start + PAUSE * 2));
    }

    #[test]
    fn a_failure_is_told_once_a_minute_and_its_end_once() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        assert!(!breaker.answered());
        assert!(breaker.failed(start));
        assert!(!breaker.failed(start + PAUSE));
        assert!(breaker.answered());
        assert!(!breaker.answered());
        assert!(!breaker.failed(start + PAUSE));
        assert!(breaker.failed(start + WARN_EVERY));
    }
}
