//! Calls into the sandbox, and what they are compared with, in processor time of one thread.

use std::path::Path;

use anyhow::{Context, ensure};
use bench::clock::{micros_per_call, thread_time};
use bench::{native, payload, sample};
use domain::limits::Limits;
use domain::plugin::{Incoming, PluginKind, PluginName};
use domain::shape::{Shape, ShapeSet};
use sandbox::{Driver, LogLevel, PluginLog, Sandbox, Settings};

use crate::report;

/// Makes a payload with so many alerts.
type Payload = fn(usize) -> String;

const DRIVERS: [(&str, Payload); 3] =
    [("alertmanager", payload::alertmanager), ("grafana", payload::grafana), ("generic", payload::generic)];
/// A body that no driver has to do anything for: what is left is the life of an instance.
const NOTHING: &str = "{}";
const CPU: &str = "cpu us/call";

struct Silence;

impl PluginLog for Silence {
    fn log(&self, _: LogLevel, _: &str) {}
}

/// Measures and prints all rows.
///
/// # Errors
/// A driver is missing or does not read its payload.
pub(crate) async fn measure(folder: &Path, calls: u32) -> anyhow::Result<()> {
    let sandbox = Sandbox::new(&Settings::default())?;
    for (name, make) in DRIVERS {
        let driver = load(&sandbox, folder, name)?;
        row(&driver, &format!("{name}: no alert"), NOTHING.to_owned(), false, calls).await?;
        for alerts in [1, 20] {
            let label = format!("{name}: {alerts} alerts");
            row(&driver, &label, payload::filled(&make(alerts), 1), true, calls).await?;
        }
    }
    for alerts in [1, 20] {
        let body = payload::filled(&payload::alertmanager(alerts), 1).into_bytes();
        native::parse(&body).context("the payload is a webhook of Alertmanager")?;
        let cpu = micros_per_call(calls, || {
            let _ = std::hint::black_box(native::parse(&body));
        });
        report::row(&format!("native typed: {alerts} alerts"), &[(CPU, cpu)]);
    }
    for drivers in [8, 64] {
        let cpu = choosing(drivers, calls)?;
        report::row(&format!("choose among {drivers} drivers"), &[(CPU, cpu)]);
    }
    Ok(())
}

fn load(sandbox: &Sandbox, folder: &Path, name: &str) -> anyhow::Result<Driver> {
    let file = folder.join(format!("{name}.wasm"));
    let bytes = std::fs::read(&file).with_context(|| {
        format!("`{}` is not readable\nhint: `cargo xtask plugins` builds it", file.display())
    })?;
    let name: PluginName = name.parse()?;
    Ok(sandbox.load_driver(&name, &bytes, Limits::of(PluginKind::Driver))?)
}

async fn row(driver: &Driver, label: &str, body: String, must_parse: bool, calls: u32) -> anyhow::Result<()> {
    let incoming = sample::incoming(body.into_bytes());
    if must_parse {
        parse(driver, &incoming).await.with_context(|| format!("`{label}` is not read"))?;
    }
    // A driver answers at once while it stays within its tick, so this thread does all the work.
    for _ in 0..calls.div_ceil(10) {
        let _ = driver.parse(&incoming, "{}", &Silence).await;
    }
    let begin = thread_time();
    for _ in 0..calls {
        let _ = std::hint::black_box(driver.parse(&incoming, "{}", &Silence).await);
    }
    let cpu = (thread_time() - begin).as_secs_f64() * 1e6 / f64::from(calls.max(1));
    report::row(label, &[(CPU, cpu)]);
    Ok(())
}

async fn parse(driver: &Driver, incoming: &Incoming) -> anyhow::Result<()> {
    let parsed = driver.parse(incoming, "{}", &Silence).await?;
    ensure!(parsed.warnings.is_empty(), "warnings: {}", parsed.warnings.join("; "));
    Ok(())
}

/// The time to choose among the built drivers' like: as many shapes as there are drivers.
fn choosing(drivers: usize, calls: u32) -> anyhow::Result<f64> {
    let named: Vec<(PluginName, Vec<Shape>)> = sample::shapes(drivers)
        .into_iter()
        .map(|(name, shapes)| Ok((name.parse()?, shapes)))
        .collect::<anyhow::Result<_>>()?;
    let set = ShapeSet::new(named.iter().map(|(name, shapes)| (name, shapes.as_slice())));
    let body = payload::filled(&payload::alertmanager(1), 1).into_bytes();
    Ok(micros_per_call(calls, || {
        let _ = std::hint::black_box(set.matches("application/json", |_| false, &body));
    }))
}
