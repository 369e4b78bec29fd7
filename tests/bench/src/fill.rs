//! A database with history.

use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use bench::sample;
use store::IngestWrite;

use crate::{report, storing};

/// Webhooks of one transaction.
const BATCH: u64 = 256;
/// Alerts that are over, of one webhook.
const TOGETHER: u64 = 100;
/// Until the downstream runs of what is put in are due: longer than any measurement.
const HELD_BACK: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Puts in as many open incidents, with one alert each, and as many alerts that are over.
///
/// # Errors
/// The store refuses something.
pub(crate) async fn fill(database: &Path, incidents: u64, over: u64) -> anyhow::Result<()> {
    let store = storing::open(database).await?;
    let mut mint = sample::counter();
    let driver = sample::driver()?;
    let mut next = 0;
    while next < incidents {
        let end = (next + BATCH).min(incidents);
        let writes: Vec<IngestWrite> = (next..end)
            .map(|number| sample::write(sample::webhook(&driver, &mut mint, vec![sample::alert(number)])))
            .collect();
        let results = store.ingest(&writes, &mut mint, sample::RECEIVED_AT).await;
        ensure!(results.iter().all(Result::is_ok), "the store refused a webhook");
        // Claimed by a worker that never comes back: there, but nothing that the hub would do.
        store.claim_runs(sample::RECEIVED_AT, HELD_BACK, u32::MAX, &mut mint).await?;
        next = end;
    }
    next = 0;
    while next < over {
        let end = (next + BATCH * TOGETHER).min(over);
        let writes: Vec<IngestWrite> = (next..end)
            .step_by(TOGETHER as usize)
            .map(|first| (first..(first + TOGETHER).min(end)).map(|number| sample::over(incidents + number)))
            .map(|alerts| sample::write(sample::webhook(&driver, &mut mint, alerts.collect())))
            .collect();
        let results = store.ingest(&writes, &mut mint, sample::RECEIVED_AT).await;
        ensure!(results.iter().all(Result::is_ok), "the store refused a webhook");
        store.checkpoint().await?;
        next = end;
    }
    store.checkpoint().await?;
    store.close().await;
    report::row("filled", &[("incidents", incidents as f64), ("alerts that are over", over as f64)]);
    Ok(())
}
