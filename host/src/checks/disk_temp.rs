//! How hot the disks are, as their drivers tell; no tools and no rights of root.

use super::about::{About, Thresholds};
use super::root::Root;
use super::{Look, hwmon};

/// Drivers of sensors in disks; `drivetemp` is a kernel module that may have to be loaded.
const CHIPS: &[&str] = &["drivetemp", "nvme"];

/// Makers name 60 °C as the most for spinning disks and 70 to 85 °C for others.
pub(super) const ABOUT: About = About {
    meaning: "The hottest disk.",
    unit: "°C",
    source: "`/sys/class/hwmon`: the kernel modules `nvme` and `drivetemp`",
    thresholds: Thresholds { warning: 60.0, critical: 70.0 },
    options: &[],
};

pub(super) fn look(thresholds: Thresholds, root: Root) -> Look {
    Box::new(move || {
        let sensors = hwmon::chips(&root, |chip| CHIPS.contains(&chip));
        hwmon::judge(sensors, thresholds, "disk", "no disk of this machine tells its temperature")
    })
}

#[cfg(test)]
mod tests {
    use super::super::CheckStatus;
    use super::super::root::fake::Fake;
    use super::*;

    #[test]
    fn disks_are_named_as_the_system_names_them() {
        let fake = Fake::new(&[
            ("/sys/class/hwmon/hwmon0/name", "drivetemp\n"),
            ("/sys/class/hwmon/hwmon0/temp1_input", "41000\n"),
            ("/sys/class/hwmon/hwmon0/device/block/sda/size", "1\n"),
            ("/sys/class/hwmon/hwmon3/name", "nvme\n"),
            ("/sys/class/hwmon/hwmon3/temp1_input", "74850\n"),
            ("/sys/class/hwmon/hwmon3/temp1_label", "Composite\n"),
        ]);
        let nvme = fake.root().path("/sys/class/hwmon/hwmon3/device");
        std::os::unix::fs::symlink("../../nvme0", nvme).unwrap();
        let found = look(ABOUT.thresholds, fake.root())();
        assert_eq!((found.status, found.value), (CheckStatus::Critical, Some(74.9)));
        assert_eq!(found.message, "too hot: `nvme0 Composite` 75 °C");
        assert_eq!(found.metrics["sensors"][1]["sensor"], "sda");
    }

    #[test]
    fn no_disk_with_a_sensor_is_skipped() {
        let fake = Fake::new(&[
            ("/sys/class/hwmon/hwmon0/name", "acpitz\n"),
            ("/sys/class/hwmon/hwmon0/temp1_input", "99000\n"),
        ]);
        assert_eq!(look(ABOUT.thresholds, fake.root())().status, CheckStatus::Skipped);
    }
}
