//! What sharing a commit is worth.

use std::path::Path;
use std::time::Instant;

use anyhow::ensure;
use bench::sample;
use store::{IngestWrite, Options, Store};

use crate::report;

/// How many webhooks wait while the commit before them runs, under load.
const WAITING: usize = 64;

/// Measures and prints both rows.
///
/// # Errors
/// The store refuses something.
pub(crate) async fn measure(folder: &Path, webhooks: u64) -> anyhow::Result<()> {
    report::row(
        "a commit per webhook",
        &[("req/s", rate(folder, "single", 1, webhooks.div_ceil(16)).await?)],
    );
    report::row("64 webhooks per commit", &[("req/s", rate(folder, "shared", WAITING, webhooks).await?)]);
    Ok(())
}

/// Webhooks per second when `size` of them share a commit.
async fn rate(folder: &Path, name: &str, size: usize, webhooks: u64) -> anyhow::Result<f64> {
    let store = open(&folder.join(format!("{name}.sqlite3"))).await?;
    let mut mint = sample::counter();
    let driver = sample::driver()?;
    let writes: Vec<IngestWrite> = (0..webhooks)
        .map(|number| sample::write(sample::webhook(&driver, &mut mint, vec![sample::alert(number)])))
        .collect();
    let begin = Instant::now();
    for batch in writes.chunks(size) {
        let results = store.ingest(batch, &mut mint, sample::RECEIVED_AT).await;
        ensure!(results.iter().all(Result::is_ok), "the store refused a webhook");
    }
    let rate = webhooks as f64 / begin.elapsed().as_secs_f64();
    store.close().await;
    Ok(rate)
}

/// Opens a database and brings it up to date.
///
/// # Errors
/// As the store's.
pub(crate) async fn open(file: &Path) -> anyhow::Result<Store> {
    let store = Store::open(&format!("sqlite://{}", file.display()), Options::default()).await?;
    store.migrate(sample::RECEIVED_AT).await?;
    Ok(store)
}
