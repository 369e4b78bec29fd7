//! The workspace as cargo sees it.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;

use crate::process;

/// The checkout that this tool was built from.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
}

/// The part of `cargo metadata` that the tooling uses.
#[derive(Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) target_directory: PathBuf,
}

/// One member of the workspace.
#[derive(Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest_path: PathBuf,
    pub(crate) targets: Vec<Target>,
}

/// One thing that cargo builds from a package.
#[derive(Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: Vec<String>,
    pub(crate) src_path: PathBuf,
}

impl Workspace {
    /// The workspace this tool was compiled in.
    ///
    /// # Errors
    /// Its folder is gone.
    pub(crate) fn here() -> anyhow::Result<Self> {
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = own.ancestors().nth(3).context("xtask lies three folders below the workspace root")?;
        let root = root
            .canonicalize()
            .with_context(|| format!("the workspace `{}` is no longer there", root.display()))?;
        Ok(Self { root })
    }

    /// What cargo knows about the members.
    ///
    /// # Errors
    /// Cargo refuses the manifests, or answers in a form that is not known here.
    pub(crate) fn metadata(&self) -> anyhow::Result<Metadata> {
        let mut command = process::cargo(&self.root);
        command.args(["metadata", "--no-deps", "--locked", "--format-version", "1"]);
        let text = process::output(&mut command)?;
        serde_json::from_str(&text).context("`cargo metadata` answered in another form than expected")
    }
}
