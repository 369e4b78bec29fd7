//! Metrics: their names, and the text that Prometheus reads.
//!
//! Labels are bounded: names of plugins, words of closed sets; never an identifier or an address.

use anyhow::{Context as _, Result};
use domain::plugin::PluginName;
use metrics::{counter, describe_counter};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

const UNMAPPED_WORDS: &str = "watchbell_unmapped_words_total";

const FORGOTTEN_REQUESTS: &str = "watchbell_forgotten_requests_total";

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
