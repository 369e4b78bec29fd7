//! Webhooks while their driver is swapped again and again, beside the same without.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::bench::Bench;
use crate::bench::home::Home;
use crate::bench::ingest::WEBHOOK;
use crate::bench::load::{Figures, Load, Mode};
use crate::bench::report::Report;

pub(super) const SECTION: &str = "swap";
pub(super) const STILL: &str = "hub, no swap";
pub(super) const SWAPPED: &str = "hub, driver swapped";
/// What their ratio is called.
pub(super) const RATIO: &str = "p99 of no swap";

/// How many requests are under way at a time.
const CONNECTIONS: u32 = 64;
/// From one swap to the next: a hundred of them in the time of a figure.
const PAUSE: Duration = Duration::from_millis(30);
const DRIVER: &str = "alertmanager.wasm";
/// What a file of a driver has behind its end to have another digest: a custom section that nobody reads.
const NOTE: &[u8] = b"\0\x05\x04swap";

/// Measures both rows.
///
/// # Errors
/// The hub does not start or refuses a request, or the driver was hardly ever swapped.
pub(super) fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let home = Home::prepare(bench, "swap")?;
    let settings = home.path("plugins.toml");
    let mut text = std::fs::read_to_string(&settings).context("the hub has a `plugins.toml`")?;
    text.push_str(&format!("\n[driver.alertmanager]\nfile = \"{DRIVER}\"\n"));
    std::fs::write(&settings, text).context("`plugins.toml` cannot be written")?;
    let plain = std::fs::read(bench.drivers.join(DRIVER)).context("the driver is built")?;
    std::fs::write(home.path(DRIVER), &plain).context("no copy of the driver")?;
    let builds = [[&plain, NOTE].concat(), plain];
    let template = bench.peer.payload(bench, "alertmanager", 1)?;
    bench.interleave(SECTION, &[STILL, SWAPPED], |row| {
        let copy = home.copy(bench, "swap-row")?;
        let server = copy.serve()?;
        let path = WEBHOOK;
        let load = Load {
            path,
            token: &home.token,
            template: &template,
            mode: Mode::Join,
            connections: CONNECTIONS,
        };
        let figures = if *row == STILL {
            load.run(bench, &server)?
        } else {
            let log = copy.path("hub.log");
            let (figures, swaps) = swapping(&copy.path(DRIVER), &builds, &log, || load.run(bench, &server))?;
            report.add(SECTION, row, "swaps", swaps);
            figures
        };
        for (measure, value) in [("req/s", figures.rate), ("p50 ms", figures.p50), ("p99 ms", figures.p99)] {
            report.add(SECTION, row, measure, value);
        }
        Ok(())
    })?;
    report.ratio(SECTION, SWAPPED, STILL, "p99 ms", RATIO);
    Ok(())
}

/// Puts one build in place of the other while `work` is done; returns how often the hub took it.
fn swapping(
    file: &Path,
    builds: &[Vec<u8>; 2],
    log: &Path,
    work: impl FnOnce() -> anyhow::Result<Figures>,
) -> anyhow::Result<(Figures, f64)> {
    let (is_over, puts) = (AtomicBool::new(false), AtomicU32::new(0));
    let figures = std::thread::scope(|scope| {
        let swapper = scope.spawn(|| -> anyhow::Result<()> {
            let aside = file.with_extension("part");
            for build in builds.iter().cycle() {
                if is_over.load(Relaxed) {
                    return Ok(());
                }
                std::fs::write(&aside, build).context("no new build of the driver")?;
                std::fs::rename(&aside, file).context("no new build of the driver")?;
                puts.fetch_add(1, Relaxed);
                std::thread::sleep(PAUSE);
            }
            Ok(())
        });
        let figures = work();
        is_over.store(true, Relaxed);
        let swapped = swapper.join().map_err(|_| anyhow::anyhow!("swapping broke off"))?;
        swapped.and(figures)
    })?;
    let said = std::fs::read_to_string(log).context("the hub has a log")?;
    let swaps = said.matches("driver `alertmanager` runs as generation").count();
    ensure!(swaps > 20, "of {} builds the hub took only {swaps}", puts.into_inner());
    Ok((figures, swaps as f64))
}
