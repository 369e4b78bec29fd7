//! Counters in Redis.

use std::time::Duration;

use anyhow::Context as _;
use domain::rate::Window;
use domain::secret::Secret;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisResult};

/// How long connecting may take; each request waits for its own deadline only.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// One connection for all requests, made again when it breaks.
pub(super) struct Redis(ConnectionManager);

impl Redis {
    /// Nothing is connected before the first question.
    pub(super) fn new(url: &Secret<String>) -> anyhow::Result<Self> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(Some(CONNECT_WITHIN))
            // Requests themselves ask again, as often as they are let.
            .set_number_of_retries(0);
        // The cause may show the address, which may hold a password.
        let client = Client::open(url.expose().as_str()).ok();
        let manager = client.and_then(|client| ConnectionManager::new_lazy_with_config(client, config).ok());
        manager.map(Self).context(
            "`CACHE_URL` is not an address that Redis is reached at\n\
             hint: redis://[user[:password]@]host[:port][/database]",
        )
    }

    /// Counts one more, in one step that either happens whole or not at all.
    pub(super) async fn increment(&self, name: &str) -> RedisResult<u64> {
        let kept_s = i64::try_from(Window::KEPT_FOR.as_secs()).unwrap_or(i64::MAX);
        let mut steps = redis::pipe();
        steps.atomic().incr(name, 1).expire(name, kept_s).ignore();
        let (count,): (u64,) = steps.query_async(&mut self.0.clone()).await?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_that_cannot_be_used_is_not_shown() {
        let error = Redis::new(&Secret::new("redis://:hunter2@cache/nodatabase".to_owned())).err().unwrap();
        assert!(error.to_string().contains("CACHE_URL") && !format!("{error:?}").contains("hunter2"));
        assert!(Redis::new(&Secret::new("rediss://:hunter2@cache:6379/0".to_owned())).is_ok());
    }
}
