//! Callers without a good key, counted by address.

use std::time::Duration;

use domain::client::Client;
use domain::rate::Window;
use domain::time::Timestamp;
use moka::sync::Cache;

use crate::counters::Counters;

/// How long a token is remembered as good after its last use.
const PROVEN_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// The most tokens remembered as good, 32 bytes each.
const PROVEN: u64 = 10_000;

/// Counts failed authentications, and says when an address had too many of them.
///
/// Tokens that were good here before are looked up whatever others did from the same address: an attacker
/// behind the same proxy must not lock a sender out (docs/decisions/0010).
pub(super) struct Failures {
    limit: Option<u32>,
    counters: Counters<(Window, Client)>,
    proven: Cache<[u8; 32], ()>,
}

impl Failures {
    /// So many a minute for one address.
    pub(super) fn new(limit: Option<u32>) -> Self {
        let proven = Cache::builder().max_capacity(PROVEN).time_to_idle(PROVEN_FOR).build();
        Self { limit, counters: Counters::default(), proven }
    }

    /// Whether this address had so many that a token is not even looked up.
    pub(super) fn refuses(&self, client: Client, digest: Option<&[u8; 32]>, now: Timestamp) -> bool {
        let Some(limit) = self.limit else { return false };
        let over = self.counters.get(&(Window::of(now), client)) >= u64::from(limit);
        over && digest.is_none_or(|digest| !self.is_proven(digest))
    }

    /// Whether this token was good here before. Without a limit nobody has to prove anything.
    pub(super) fn is_proven(&self, digest: &[u8; 32]) -> bool {
        self.limit.is_none() || self.proven.get(digest).is_some()
    }

    /// One more.
    pub(super) fn count(&self, client: Client, now: Timestamp) {
        if self.limit.is_some() {
            self.counters.increment((Window::of(now), client));
        }
    }

    /// The token was good.
    pub(super) fn prove(&self, digest: &[u8; 32]) {
        if !self.is_proven(digest) {
            self.proven.insert(*digest, ());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn client(address: &str) -> Client {
        Client::from(address.parse::<IpAddr>().unwrap())
    }

    #[test]
    fn an_address_that_failed_too_often_waits_for_the_next_minute_and_no_other_does() {
        let failures = Failures::new(Some(2));
        let (now, later) = (Timestamp::from_micros(0), Timestamp::from_micros(60_000_000));
        let (bad, other) = (client("192.0.2.1"), client("192.0.2.2"));
        for _ in 0..2 {
            assert!(!failures.refuses(bad, None, now));
            failures.count(bad, now);
        }
        assert!(failures.refuses(bad, None, now) && failures.refuses(bad, Some(&[1; 32]), now));
        assert!(!failures.refuses(other, None, now));
        assert!(!failures.refuses(bad, None, later));
    }

    #[test]
    fn a_token_that_was_good_before_is_looked_up_all_the_same() {
        let failures = Failures::new(Some(1));
        let (now, bad) = (Timestamp::from_micros(0), client("192.0.2.1"));
        failures.prove(&[7; 32]);
        failures.count(bad, now);
        assert!(!failures.refuses(bad, Some(&[7; 32]), now));
        assert!(failures.refuses(bad, Some(&[8; 32]), now));
    }

    #[test]
    fn without_a_limit_nothing_is_refused() {
        let (failures, now) = (Failures::new(None), Timestamp::from_micros(0));
        (0..1000).for_each(|_| failures.count(client("192.0.2.1"), now));
        assert!(!failures.refuses(client("192.0.2.1"), None, now));
    }
}
