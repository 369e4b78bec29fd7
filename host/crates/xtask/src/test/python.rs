//! Packages of Python that tests and checks use, each in a folder of ours.

use std::path::Path;
use std::process::Command;

/// The command that installs packages, with blanks between them, into a folder and touches nothing else.
pub(crate) fn install(folder: &Path, packages: &str) -> Command {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]);
    pip.arg(folder).args(packages.split(' '));
    // Into a folder of ours, so the warning about root does not apply.
    pip.env("PIP_ROOT_USER_ACTION", "ignore");
    pip
}
