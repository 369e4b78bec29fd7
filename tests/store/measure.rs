//! What group commit is worth. A ratio within one run; no figure is a condition, because the machine
//! is shared.

use std::time::{Duration, Instant};

use store::IngestWrite;

use crate::fixture::{World, at, firing, on_every_database};

on_every_database! {
    webhooks_that_share_a_transaction_are_stored_faster,
}

/// Webhooks per second when `size` of them share a transaction.
async fn rate(world: &mut World, round: usize, size: usize, webhooks: usize) -> f64 {
    let writes: Vec<IngestWrite> = (0..webhooks)
        .map(|n| world.webhook(n as i64, vec![firing("DiskFull", &format!("db{round}-{size}-{n}"))]))
        .collect();
    let mut busy = Duration::ZERO;
    for batch in writes.chunks(size) {
        let begin = Instant::now();
        let results = world.store.ingest(batch, &mut world.mint, at(0)).await;
        busy += begin.elapsed();
        assert!(results.iter().all(Result::is_ok));
    }
    webhooks as f64 / busy.as_secs_f64()
}

async fn webhooks_that_share_a_transaction_are_stored_faster(mut world: World) {
    let (mut single, mut shared) = (Vec::new(), Vec::new());
    for round in 0..3 {
        single.push(rate(&mut world, round, 1, 128).await);
        shared.push(rate(&mut world, round, 64, 1024).await);
    }
    let median = |rates: &mut Vec<f64>| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    };
    let (single, shared) = (median(&mut single), median(&mut shared));
    let ratio = shared / single;
    // Shown with `--no-capture`.
    #[expect(clippy::print_stdout, reason = "a measurement is for people")]
    {
        println!("one by one {single:.0}/s, 64 per transaction {shared:.0}/s: {ratio:.1} times");
    }
    assert!(ratio > 1.0, "{ratio}");
}
