//! What a `cargo build` made, by what cargo itself says, so that no path is guessed.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::process;
use crate::workspace::Workspace;

/// One thing that was built, or was there and fresh.
#[derive(Deserialize)]
pub(crate) struct Artifact {
    reason: String,
    #[serde(default)]
    pub(crate) manifest_path: PathBuf,
    #[serde(default)]
    pub(crate) filenames: Vec<PathBuf>,
    #[serde(default)]
    executable: Option<PathBuf>,
}

/// Runs a `cargo build`; diagnostics go to this terminal.
///
/// # Errors
/// Cargo cannot be started, or the build does not succeed.
pub(crate) fn build(command: &mut Command) -> anyhow::Result<Vec<Artifact>> {
    let shown = process::shown(command);
    let mut cargo = command
        .args(["--message-format", "json-render-diagnostics"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("`{shown}` could not be started"))?;
    let mut artifacts = Vec::new();
    if let Some(stdout) = cargo.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line.with_context(|| format!("the output of `{shown}` could not be read"))?;
            // Other messages, and lines that build scripts print, have another form.
            let message = serde_json::from_str::<Artifact>(&line);
            artifacts.extend(message.ok().filter(|message| message.reason == "compiler-artifact"));
        }
    }
    let status = cargo.wait().with_context(|| format!("`{shown}` was lost"))?;
    if !status.success() {
        bail!("`{shown}` ended with {status}");
    }
    Ok(artifacts)
}

/// Builds the binary `watchbell` and says where it is.
///
/// In the dev profile with the features of the whole workspace, as tests and clippy have them, so that
/// no dependency is compiled twice. In the release profile with its own features alone: that is what
/// is shipped.
///
/// # Errors
/// As [`build`].
pub(crate) fn build_watchbell(workspace: &Workspace, release: bool) -> anyhow::Result<PathBuf> {
    let mut command = process::cargo(&workspace.root);
    command.args(["build", "--locked", "--bin", "watchbell"]);
    command.args(if release {
        ["--release", "--package=host"].as_slice()
    } else {
        ["--workspace"].as_slice()
    });
    executable(&mut command, "watchbell")
}

/// Runs a `cargo build` and says where the program `name` is that it made.
///
/// # Errors
/// As [`build`], or no such program was made.
pub(crate) fn executable(command: &mut Command, name: &str) -> anyhow::Result<PathBuf> {
    let executables = build(command)?.into_iter().filter_map(|artifact| artifact.executable);
    let mut wanted = executables.filter(|file| file.file_stem().is_some_and(|stem| stem == name));
    wanted.next().with_context(|| format!("the build of `{name}` made no executable"))
}
