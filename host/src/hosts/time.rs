//! The database's time, which hosts share.

use std::time::Duration;

use domain::time::Timestamp;
use store::{Store, StoreError};

use crate::clock::{self, Moment, Skew};
use crate::telemetry::metrics;

/// How often the time of the database is asked for.
pub const MEASURE_EVERY: Duration = Duration::from_secs(30);
/// How often it is asked in a row; the answer that came the fastest says the most.
const TRIES: usize = 3;
/// An answer that took longer says too little to follow, where there was one before.
const SLOWEST: Duration = Duration::from_secs(1);

/// Asks a database server for its time and has [`clock::now`] follow it. Of a SQLite file, whose processes share
/// a machine, nothing is asked.
///
/// # Errors
/// [`StoreError::Unavailable`] if the database does not answer.
pub async fn measure(store: &Store) -> Result<(), StoreError> {
    let mut best: Option<(Duration, Timestamp, Moment, Moment)> = None;
    for _ in 0..TRIES {
        let asked = clock::moment();
        let Some(time) = store.time().await? else { return Ok(()) };
        let answered = clock::moment();
        let took = answered.since(asked);
        if best.is_none_or(|best| took < best.0) {
            best = Some((took, time, asked, answered));
        }
    }
    let before = clock::skew();
    let Some((took, time, asked, answered)) = best else { return Ok(()) };
    if took > SLOWEST && before.is_some() {
        tracing::debug!("the database took {took:?} to tell the time; the last one is kept");
        return Ok(());
    }
    let skew = clock::follow(time, asked, answered);
    metrics::clock_skew(skew.seconds());
    tell(before, skew);
    Ok(())
}

fn tell(before: Option<Skew>, skew: Skew) {
    match (before.is_some_and(|before| before.is_too_large()), skew.is_too_large()) {
        (false, true) => tracing::error!(
            error.r#type = "clock",
            "{skew}: nothing is claimed and the hub is not ready until it is set right"
        ),
        (true, false) => tracing::info!("this machine's clock agrees with the database's again"),
        _ => {}
    }
}
