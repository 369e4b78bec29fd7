//! Leaves a provider alone that does not answer, so that not every page waits for it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::lanes::{Breaker, BreakerState, Change, End};
use domain::time::Timestamp;

use crate::telemetry::metrics;

/// One breaker for each provider; like those of channels, but that pages do not wait for each other.
#[derive(Debug, Default)]
pub(super) struct Rests(Mutex<BTreeMap<String, Rest>>);

#[derive(Debug, Default)]
struct Rest {
    breaker: Breaker,
    /// Somebody finds out whether it answers again.
    trying: bool,
}

impl Rests {
    /// Leave to ask a provider; none while it is left alone.
    pub(super) fn may_ask(&self, provider: &str, now: Timestamp) -> Option<Leave<'_>> {
        let mut rests = self.lock();
        let rest = rests.entry(provider.to_owned()).or_default();
        let may_ask = match rest.breaker.state(now) {
            BreakerState::Closed => true,
            BreakerState::Open => false,
            BreakerState::HalfOpen => !std::mem::replace(&mut rest.trying, true),
        };
        may_ask.then(|| Leave { rests: self, provider: provider.to_owned() })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Rest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leave to ask a provider once. Who lets go of it without a word, because the call was cut off, makes room
/// for another.
#[derive(Debug)]
pub(super) struct Leave<'a> {
    rests: &'a Rests,
    provider: String,
}

impl Leave<'_> {
    /// Says what came of it.
    pub(super) fn ended(&self, end: End, now: Timestamp, draw: f64) {
        let provider = &self.provider;
        let change = self.rests.lock().entry(provider.clone()).or_default().breaker.ended(end, now, draw);
        match change {
            Some(Change::Opened { until, failures }) => {
                metrics::provider_breaker(provider, true);
                tracing::warn!(
                    plugin.name = provider,
                    count = failures,
                    "provider `{provider}` failed {failures} times in a row and is left alone until {until}"
                );
            }
            Some(Change::Closed) => {
                metrics::provider_breaker(provider, false);
                tracing::info!(plugin.name = provider, "provider `{provider}` answers again");
            }
            None => {}
        }
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if let Some(rest) = self.rests.lock().get_mut(&self.provider) {
            rest.trying = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::lanes::TRIPS_AFTER;

    use super::*;

    #[test]
    fn provider_that_fails_is_left_alone_and_tried_by_one_at_a_time() {
        let (rests, start) = (Rests::default(), Timestamp::from_millis(0));
        let failed = End::Failed { retry_after: None };
        for _ in 0..TRIPS_AFTER {
            rests.may_ask("a", start).unwrap().ended(failed, start, 0.5);
        }
        assert!(rests.may_ask("a", start).is_none());
        assert!(rests.may_ask("b", start).is_some(), "each has its own");
        let later = start.after(Duration::from_secs(600));
        let leave = rests.may_ask("a", later).unwrap();
        assert!(rests.may_ask("a", later).is_none(), "one at a time");
        drop(leave);
        let leave = rests.may_ask("a", later).expect("what was cut off makes room for another");
        leave.ended(End::Answered, later, 0.5);
        assert!(rests.may_ask("a", later).is_some());
        let (first, second) = (rests.may_ask("a", later), rests.may_ask("a", later));
        assert!(first.is_some() && second.is_some(), "pages do not wait for each other");
    }
}
