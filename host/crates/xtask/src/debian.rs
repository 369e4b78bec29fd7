//! Installing Debian packages, only ever on a person's or a CI's explicit word.

use std::process::Command;

use anyhow::bail;

use crate::{env, process, say};

/// Whether system packages may be installed here: asked for by `--install`, or by `CI`.
pub(crate) fn may_install(flag: bool) -> bool {
    flag || env::is_ci()
}

/// The command that a person types to install packages.
pub(crate) fn command_line(packages: &[&str]) -> String {
    format!("apt-get update && apt-get install -y --no-install-recommends {}", packages.join(" "))
}

/// Whether a package is installed.
pub(crate) fn is_installed(package: &str) -> bool {
    process::output(Command::new("dpkg-query").args(["--show", "--showformat=${Status}", package]))
        .is_ok_and(|status| status == "install ok installed")
}

/// Installs packages without starting the services they bring.
///
/// Debian starts a service as soon as its package is installed, unless `policy-rc.d` forbids it; the
/// file is put there for the time of the installation if there is none.
///
/// # Errors
/// This is no Debian, there is no way to become root without a question, or `apt-get` fails.
pub(crate) fn install(packages: &[&str]) -> anyhow::Result<()> {
    if process::find_program("apt-get").is_none() {
        bail!(
            "no `apt-get` here to install {}\nhint: install the programs of these packages by hand",
            packages.join(", ")
        );
    }
    let script = format!(
        "set -e
        policy=/usr/sbin/policy-rc.d
        if [ ! -e $policy ]; then
            trap 'rm -f $policy' EXIT
            printf '#!/bin/sh\\nexit 101\\n' > $policy
            chmod 755 $policy
        fi
        export DEBIAN_FRONTEND=noninteractive
        {}",
        command_line(packages)
    );
    say::progress(&format!("installing {}", packages.join(", ")));
    let is_root = process::output(Command::new("id").arg("-u")).is_ok_and(|id| id == "0");
    let mut command = if is_root {
        Command::new("sh")
    } else {
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "sh"]);
        sudo
    };
    if process::run(command.args(["-c", &script])).is_err() {
        bail!("`apt-get` did not install {}\nhint: run `{}`", packages.join(", "), command_line(packages));
    }
    Ok(())
}
