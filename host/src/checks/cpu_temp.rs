//! How hot the processors are.

use super::about::{About, Thresholds};
use super::root::Root;
use super::{Look, hwmon};

/// Drivers of sensors in processors.
const CHIPS: &[&str] = &[
    "coretemp",
    "k8temp",
    "k10temp",
    "zenpower",
    "fam15h_power",
    "cpu_thermal",
    "cpu-thermal",
    "soc_thermal",
];
/// Words in the types of thermal zones of processors, for machines without such a driver.
const ZONES: &[&str] = &["cpu", "x86_pkg_temp", "soc"];

/// Processors slow themselves down at about 95 to 100 °C.
pub(super) const ABOUT: About = About {
    meaning: "The hottest sensor of the processors.",
    unit: "°C",
    source: "`/sys/class/hwmon`, else `/sys/class/thermal`; virtual machines have neither",
    thresholds: Thresholds { warning: 85.0, critical: 95.0 },
    options: &[],
};

pub(super) fn look(thresholds: Thresholds, root: Root) -> Look {
    Box::new(move || {
        let mut sensors = hwmon::chips(&root, |chip| CHIPS.contains(&chip));
        if sensors.is_empty() {
            sensors = hwmon::zones(&root, |kind| ZONES.iter().any(|word| kind.contains(word)));
        }
        hwmon::judge(sensors, thresholds, "processor", "this machine tells no temperature of its processors")
    })
}

#[cfg(test)]
mod tests {
    use super::super::CheckStatus;
    use super::super::root::fake::Fake;
    use super::*;

    #[test]
    fn the_hottest_core_decides() {
        let fake = Fake::new(&[
            ("/sys/class/hwmon/hwmon0/name", "coretemp\n"),
            ("/sys/class/hwmon/hwmon0/temp1_input", "61000\n"),
            ("/sys/class/hwmon/hwmon0/temp1_label", "Package id 0\n"),
            ("/sys/class/hwmon/hwmon0/temp2_input", "88500\n"),
            ("/sys/class/hwmon/hwmon0/temp2_label", "Core 1\n"),
            ("/sys/class/hwmon/hwmon0/temp3_input", "255000\n"),
            ("/sys/class/hwmon/hwmon1/name", "nvme\n"),
            ("/sys/class/hwmon/hwmon1/temp1_input", "99000\n"),
            ("/sys/class/thermal/thermal_zone0/type", "x86_pkg_temp\n"),
            ("/sys/class/thermal/thermal_zone0/temp", "97000\n"),
        ]);
        let found = look(ABOUT.thresholds, fake.root())();
        assert_eq!((found.status, found.value), (CheckStatus::Warning, Some(88.5)));
        assert_eq!(found.message, "too hot: `coretemp Core 1` 88 °C");
        assert_eq!(found.metrics["sensors"].as_array().unwrap().len(), 2, "not what is no temperature");
    }

    #[test]
    fn thermal_zones_stand_in_and_others_are_not_processors() {
        let fake = Fake::new(&[
            ("/sys/class/thermal/thermal_zone0/type", "cpu-thermal\n"),
            ("/sys/class/thermal/thermal_zone0/temp", "45250\n"),
            ("/sys/class/thermal/thermal_zone1/type", "battery\n"),
            ("/sys/class/thermal/thermal_zone1/temp", "96000\n"),
        ]);
        let found = look(ABOUT.thresholds, fake.root())();
        assert_eq!((found.status, found.value), (CheckStatus::Ok, Some(45.3)));
        assert_eq!(look(ABOUT.thresholds, Fake::new(&[]).root())().status, CheckStatus::Skipped);
    }
}
