//! Counters in a cache that several processes share.

use std::time::{Duration, Instant};

use super::breaker::Breaker;
use super::memcached::Memcached;
use super::redis::Redis;
use crate::config::CacheAddress;
use crate::telemetry::{chain, metrics};

/// A cache and whether it is asked.
pub(super) struct Shared {
    kind: &'static str,
    cache: Cache,
    breaker: Breaker,
    /// How long a request waits.
    timeout: Duration,
}

enum Cache {
    Redis(Redis),
    Memcached(Memcached),
}

impl Shared {
    /// The cache of this address; nothing is connected yet.
    pub(super) fn new(address: &CacheAddress, timeout: Duration) -> anyhow::Result<Self> {
        let cache = match address {
            CacheAddress::Redis(url) => Cache::Redis(Redis::new(url)?),
            CacheAddress::Memcached { host, port } => Cache::Memcached(Memcached::new(host.clone(), *port)),
            CacheAddress::Local => anyhow::bail!("`CACHE_URL` names no cache"),
        };
        Ok(Self { kind: address.name(), cache, breaker: Breaker::default(), timeout })
    }

    /// Counts one more; returns how many that makes, or nothing if the cache does not say so in time.
    pub(super) async fn increment(&self, name: &str) -> Option<u64> {
        if !self.breaker.may_ask(Instant::now()) {
            metrics::uncounted_request("left-alone");
            return None;
        }
        let asked = async {
            match &self.cache {
                Cache::Redis(redis) => redis.increment(name).await.map_err(|error| chain(&error)),
                Cache::Memcached(memcached) => memcached.increment(name).await.map_err(|error| chain(&error)),
            }
        };
        let (cause, detail) = match tokio::time::timeout(self.timeout, asked).await {
            Ok(Ok(count)) => {
                if self.breaker.answered() {
                    tracing::info!("`CACHE_URL`: {} answers again; rate limits hold", self.kind);
                }
                return Some(count);
            }
            Ok(Err(error)) => ("error", error),
            Err(_) => ("timeout", format!("no answer within {} ms", self.timeout.as_millis())),
        };
        metrics::uncounted_request(cause);
        if self.breaker.failed(Instant::now()) {
            tracing::warn!(
                error.r#type = cause,
                "`CACHE_URL`: {} does not count, so requests pass without a limit: {detail}",
                self.kind
            );
        }
        None
    }
}
