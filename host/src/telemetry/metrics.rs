//! Metrics: their names, and the text that Prometheus reads.
//!
//! Labels are bounded: names of plugins, words of closed sets; never an identifier or an address.

use anyhow::{Context as _, Result};
use domain::plugin::PluginName;
use metrics::{counter, describe_counter};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

const UNMAPPED_WORDS: &str = "watchbell_unmapped_words_total";

const FORGOTTEN_REQUESTS: &str = "watchbell_forgotten_requests_total";

const RATE_LIMITED: &str = "watchbell_rate_limited_total";

const UNCOUNTED_REQUESTS: &str = "watchbell_rate_limit_uncounted_total";

const REFUSED_CALLERS: &str = "watchbell_refused_callers_total";

/// Starts counting; the handle gives the text.
///
/// # Errors
/// When something else counts in this process already.
pub fn start() -> Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new().install_recorder().context("metrics could not be started")?;
    describe_counter!(
        UNMAPPED_WORDS,
        "Words of senders that are in no table of the driver, by driver and field"
    );
    describe_counter!(FORGOTTEN_REQUESTS, "Stored webhooks whose content was taken away, by cause");
    describe_counter!(RATE_LIMITED, "Requests over their limit, by the path prefix that it stands at");
    describe_counter!(
        UNCOUNTED_REQUESTS,
        "Requests that passed without a limit because the cache did not count them, by cause"
    );
    describe_counter!(REFUSED_CALLERS, "Requests turned away for their API key, by cause");
    Ok(handle)
}

/// A sender used a word for `field` that its driver does not know.
pub fn unmapped_word(driver: &PluginName, field: &'static str) {
    counter!(UNMAPPED_WORDS, "driver" => driver.to_string(), "field" => field).increment(1);
}

/// The content of this many stored webhooks was taken away: `age` or `quota`.
pub fn forgotten_requests(cause: &'static str, count: usize) {
    counter!(FORGOTTEN_REQUESTS, "cause" => cause).increment(u64::try_from(count).unwrap_or(u64::MAX));
}

/// A request was over its limit; prefixes come from the settings.
pub fn rate_limited(prefix: &str) {
    counter!(RATE_LIMITED, "prefix" => format!("{prefix}/")).increment(1);
}

/// A request passed uncounted: `error`, `timeout`, or `left-alone` where the cache is not asked for a while.
pub fn uncounted_request(cause: &'static str) {
    counter!(UNCOUNTED_REQUESTS, "cause" => cause).increment(1);
}

/// A request was turned away: `unauthenticated`, `forbidden`, `too-many-failures` or `unavailable`.
pub fn refused_caller(cause: &'static str) {
    counter!(REFUSED_CALLERS, "cause" => cause).increment(1);
}
