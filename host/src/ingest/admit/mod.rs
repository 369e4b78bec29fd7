//! Whether a caller has requests left in the current minute.
//!
//! Counted in this process, or in a cache that several share. A cache that does not answer lets requests
//! pass: an alert that is taken once too often is better than one that is lost.

mod breaker;
mod memcached;
mod redis;
mod shared;

use domain::rate::{Identity, Rules, Standing, Window};
use domain::time::Timestamp;
use moka::sync::Cache;

use crate::config::{CacheAddress, LimitSettings};
use crate::counters::Counters;
use crate::telemetry::metrics;
use shared::Shared;

/// The most callers remembered as having none left; beyond it the cache is asked again.
const REMEMBERED: u64 = 100_000;

/// Counts requests against their limits.
pub struct Admission {
    rules: Option<Rules>,
    counted: Counted,
}

enum Counted {
    Here(Counters<String>),
    Shared {
        cache: Box<Shared>,
        /// Counters that are over their limit: refusing needs no question to the cache.
        used_up: Cache<String, ()>,
    },
}

impl Admission {
    /// With these limits, counted where the settings say. Connects when the first request is counted.
    ///
    /// # Errors
    /// The address of the cache cannot be used.
    pub fn new(settings: &LimitSettings) -> anyhow::Result<Self> {
        let counted = match &settings.cache {
            CacheAddress::Local => Counted::Here(Counters::default()),
            address => Counted::Shared {
                cache: Box::new(Shared::new(address, settings.cache_timeout)?),
                used_up: Cache::builder().max_capacity(REMEMBERED).time_to_live(Window::KEPT_FOR).build(),
            },
        };
        Ok(Self { rules: settings.rules.clone(), counted })
    }

    /// Counts one request. Nothing where this path has no limit, or where it could not be counted.
    pub async fn admit(&self, identity: Identity, path: &str, now: Timestamp) -> Option<Standing> {
        let (prefix, limit) = self.rules.as_ref()?.find(path)?;
        let name = format!("watchbell:{prefix}:{identity}:{}", Window::of(now).number());
        let count = match &self.counted {
            Counted::Here(counters) => counters.increment(name),
            Counted::Shared { used_up, .. } if used_up.contains_key(&name) => u64::MAX,
            Counted::Shared { cache, used_up } => {
                let count = cache.increment(&name).await?;
                if count >= u64::from(limit.get()) {
                    used_up.insert(name, ());
                }
                count
            }
        };
        let standing = Standing::after(count, limit, now);
        if !standing.admitted {
            metrics::rate_limited(prefix);
        }
        Some(standing)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use domain::client::Client;
    use domain::id::KeyId;

    use super::*;

    fn admission(overrides: &[&str]) -> Admission {
        let rules = Some(Rules::parse(overrides).unwrap());
        Admission { rules, counted: Counted::Here(Counters::default()) }
    }

    fn client(address: &str) -> Identity {
        Identity::Client(Client::from(address.parse::<IpAddr>().unwrap()))
    }

    async fn admitted(admission: &Admission, identity: Identity, path: &str, second: i64) -> Option<bool> {
        let now = Timestamp::from_micros(second * 1_000_000);
        admission.admit(identity, path, now).await.map(|standing| standing.admitted)
    }

    #[tokio::test]
    async fn each_caller_has_its_own_count_for_each_prefix_and_minute() {
        let admission = admission(&["/alerts/=2", "/alerts/webhook/=1"]);
        let (one, two) = (client("192.0.2.1"), Identity::Key(KeyId::from(ulid::Ulid(1))));
        let ask = async |identity, path, second| admitted(&admission, identity, path, second).await;
        assert_eq!(ask(one, "/alerts", 0).await, Some(true));
        assert_eq!(ask(one, "/alerts/1", 59).await, Some(true));
        assert_eq!(ask(one, "/alerts", 59).await, Some(false));
        assert_eq!(ask(one, "/alerts/webhook", 59).await, Some(true));
        assert_eq!(ask(one, "/alerts/webhook/x", 59).await, Some(false));
        assert_eq!(ask(two, "/alerts", 59).await, Some(true));
        assert_eq!(ask(one, "/alerts", 60).await, Some(true));
        assert_eq!(ask(one, "/incidents", 60).await, None);
    }

    #[tokio::test]
    async fn switched_off_nothing_is_counted() {
        let admission = Admission { rules: None, counted: Counted::Here(Counters::default()) };
        assert_eq!(admitted(&admission, client("192.0.2.1"), "/alerts", 0).await, None);
    }
}
