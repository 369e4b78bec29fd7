//! Temperatures as the kernel's drivers tell them (`/sys/class/hwmon`, `/sys/class/thermal`).

use serde_json::json;

use super::about::Thresholds;
use super::root::Root;
use super::{CheckStatus, Finding, some, tenth};

const HWMON: &str = "/sys/class/hwmon";
const THERMAL: &str = "/sys/class/thermal";
/// What a sensor of a running machine can mean, in degrees Celsius; others are not connected.
const PLAUSIBLE: std::ops::RangeInclusive<f64> = -40.0..=150.0;
/// The most sensors kept in the figures, the hottest first.
const MAX_METRICS: usize = 32;
/// The most sensors named in a message.
const MAX_NAMED: usize = 3;

/// One temperature.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sensor {
    /// What is that hot.
    pub(super) name: String,
    pub(super) celsius: f64,
}

/// The temperatures of the chips whose driver is `wanted`.
pub(super) fn chips(root: &Root, wanted: impl Fn(&str) -> bool) -> Vec<Sensor> {
    let mut sensors = Vec::new();
    for folder in root.list(HWMON) {
        let folder = format!("{HWMON}/{folder}");
        let chip = root.read(&format!("{folder}/name")).unwrap_or_default();
        let chip = chip.trim();
        if !wanted(chip) {
            continue;
        }
        let device = device(root, &folder).unwrap_or_else(|| chip.to_owned());
        for file in root.list(&folder) {
            let Some(number) = file.strip_suffix("_input").filter(|name| name.starts_with("temp")) else {
                continue;
            };
            let Some(celsius) = celsius(root, &format!("{folder}/{file}")) else { continue };
            let label = root.read(&format!("{folder}/{number}_label")).unwrap_or_default();
            let name = match label.trim() {
                "" => device.clone(),
                label => format!("{device} {label}"),
            };
            sensors.push(Sensor { name, celsius });
        }
    }
    sensors
}

/// The temperatures of the thermal zones whose type is `wanted`.
pub(super) fn zones(root: &Root, wanted: impl Fn(&str) -> bool) -> Vec<Sensor> {
    let zone = |folder: String| {
        let folder = format!("{THERMAL}/{folder}");
        let kind = root.read(&format!("{folder}/type"))?.trim().to_owned();
        let celsius = wanted(&kind).then(|| celsius(root, &format!("{folder}/temp")))??;
        Some(Sensor { name: kind, celsius })
    };
    root.list(THERMAL).into_iter().filter_map(zone).collect()
}

/// What the chip belongs to: `sda` for a disk, `nvme0` for one of these.
fn device(root: &Root, folder: &str) -> Option<String> {
    let block = root.list(&format!("{folder}/device/block")).into_iter().next();
    block.or_else(|| root.link(&format!("{folder}/device")))
}

/// The kernel tells thousandths of a degree.
fn celsius(root: &Root, file: &str) -> Option<f64> {
    let thousandths: f64 = root.read(file)?.trim().parse().ok()?;
    Some(tenth(thousandths / 1000.0)).filter(|celsius| PLAUSIBLE.contains(celsius))
}

/// Holds the hottest against the limits; `what` are they, `missing` if there are none.
pub(super) fn judge(mut sensors: Vec<Sensor>, limits: Thresholds, what: &str, missing: &str) -> Finding {
    sensors.sort_by(|a, b| b.celsius.total_cmp(&a.celsius).then_with(|| a.name.cmp(&b.name)));
    let Some(hottest) = sensors.first() else { return Finding::skipped(missing) };
    let named = |sensor: &Sensor| format!("`{}` {:.0} °C", sensor.name, sensor.celsius);
    let over = sensors.iter().filter(|sensor| limits.judge(sensor.celsius) > CheckStatus::Ok);
    let over: Vec<String> = over.map(named).collect();
    let message = match over.as_slice() {
        [] => format!("the hottest {what} is {}", named(hottest)),
        hot => format!("too hot: {}", some(hot, MAX_NAMED)),
    };
    let figures = sensors.iter().take(MAX_METRICS);
    let figures = figures.map(|sensor| json!({ "sensor": sensor.name, "celsius": sensor.celsius }));
    Finding::judged(hottest.celsius, limits, message)
        .with("celsius", hottest.celsius)
        .with("sensors", figures.collect::<Vec<_>>())
}
