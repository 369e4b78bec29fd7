//! `cargo xtask corpus`: payloads of real senders through the built drivers, beside what another system
//! made of them (package `corpus`).

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::workspace::Workspace;
use crate::{artifacts, plugins, process};

/// Where the payloads are kept that are not ours to publish, as seen from the root of the workspace.
pub(crate) const BESIDE: &str = "../shared/corpus";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Folder of the payloads
    folder: PathBuf,
    /// Show every deliberate difference, not only how many there are
    #[arg(long)]
    all: bool,
    /// Install the Debian packages that building the plugins may need
    #[arg(long)]
    install: bool,
}

/// Builds the plugins and prints the report.
///
/// # Errors
/// Something does not build, or the drivers are wrong about a payload.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    plugins::build(workspace, &plugins::Options { install: options.install, way: None })?;
    let folder = &options.folder;
    let folder =
        folder.canonicalize().with_context(|| format!("there is no folder `{}`", folder.display()))?;
    report(workspace, &folder, options.all)
}

/// The payloads beside this checkout, where they are.
pub(crate) fn beside(workspace: &Workspace) -> Option<PathBuf> {
    workspace.root.join(BESIDE).canonicalize().ok().filter(|folder| folder.is_dir())
}

/// Prints the report over plugins that are built.
///
/// # Errors
/// The program does not build, or the drivers are wrong about a payload.
pub(crate) fn report(workspace: &Workspace, folder: &Path, all: bool) -> anyhow::Result<()> {
    let mut build = process::cargo(&workspace.root);
    // With the features of the whole workspace, as tests have them: nothing is compiled twice.
    build.args(["build", "--locked", "--workspace", "--bin", "corpus-report"]);
    let mut command = Command::new(artifacts::executable(&mut build, "corpus-report")?);
    command.arg(folder).arg(workspace.root.join("target/components/drivers"));
    if all {
        command.arg("--all");
    }
    process::run(&mut command)
}
