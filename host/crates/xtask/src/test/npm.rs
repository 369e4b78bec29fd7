//! Packages of Node.js that tests use, in a folder of ours.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

use crate::process;

/// Installs what a lock file names into a folder, which is there only when all of it is.
///
/// # Errors
/// `npm` is not here or does not succeed, or a file cannot be copied.
pub(crate) fn install(locked_by: &Path, folder: &Path) -> anyhow::Result<()> {
    let partial = folder.with_extension("partial");
    std::fs::create_dir_all(&partial).with_context(|| format!("`{}`", partial.display()))?;
    for file in ["package.json", "package-lock.json"] {
        std::fs::copy(locked_by.join(file), partial.join(file)).with_context(|| format!("`{file}`"))?;
    }
    // Scripts of packages are not run: what is installed needs none. Not `npm ci`, which wants the packages of other
    // systems in the lock file, too.
    let mut npm = Command::new("npm");
    npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&partial);
    process::run(&mut npm)?;
    std::fs::rename(&partial, folder).with_context(|| format!("`{}`", folder.display()))
}
