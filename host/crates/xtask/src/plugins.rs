//! `cargo xtask plugins`: every plugin of the workspace as a component, where the host embeds it from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::toolchain::{Toolchain, Way};
use crate::workspace::{Package, Workspace};
use crate::{artifacts, process, say};

/// Folders under `plugins/` that hold plugins; `plugins/sdk` is a library.
const KINDS: [&str; 3] = ["drivers", "notifiers", "intelligence"];

#[derive(clap::Args, Default)]
pub(crate) struct Options {
    /// Install the Debian packages that are missing
    #[arg(long)]
    pub(crate) install: bool,
    /// Take this compiler instead of the first that works
    #[arg(long, hide = true)]
    pub(crate) way: Option<Way>,
}

/// A plugin of the workspace.
#[derive(Debug, PartialEq, Eq)]
struct Plugin {
    package: String,
    /// Folder of its kind, one of [`KINDS`].
    kind: String,
    /// Its own folder, which is also its name.
    name: String,
}

/// Builds all plugins and copies the components to `target/components/<kind>/<name>.wasm`.
///
/// # Errors
/// No compiler for components here, a plugin does not compile, or a file cannot be written.
pub(crate) fn build(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    let metadata = workspace.metadata()?;
    let plugins: BTreeMap<PathBuf, Plugin> = metadata
        .packages
        .into_iter()
        .filter_map(|package| Some((package.manifest_path.clone(), plugin_of(&workspace.root, &package)?)))
        .collect();
    if plugins.is_empty() {
        bail!(
            "no workspace member lies under `plugins/drivers`, `plugins/notifiers` or `plugins/intelligence`"
        );
    }
    let toolchain = Toolchain::find(workspace, &metadata.target_directory, options.way, options.install)?;
    let mut command = process::cargo(&workspace.root);
    command.arg("build");
    toolchain.apply(&mut command);
    for plugin in plugins.values() {
        command.args(["-p", &plugin.package]);
    }
    let built: BTreeMap<PathBuf, PathBuf> = artifacts::build(&mut command)?
        .into_iter()
        .filter_map(|artifact| Some((artifact.manifest_path, component_of(artifact.filenames)?)))
        .collect();

    // Fixed, whatever `CARGO_TARGET_DIR` says: the host's build script looks here.
    let folder = workspace.root.join("target/components");
    let mut changed = 0;
    for (manifest, plugin) in &plugins {
        let component = built.get(manifest).with_context(|| {
            format!(
                "package `{}` made no component\nhint: its `[lib]` needs `crate-type = [\"cdylib\", \"rlib\"]`",
                plugin.package
            )
        })?;
        let target = folder.join(&plugin.kind).join(format!("{}.wasm", plugin.name));
        changed += usize::from(copy_if_changed(component, &target)?);
    }
    let dropped = drop_stale(&folder, plugins.values())?;
    say::progress(&format!(
        "{} components in `target/components` by way of `{:?}`: {changed} changed, {dropped} dropped",
        plugins.len(),
        toolchain.way
    ));
    Ok(())
}

/// What plugin a package is, by the folder it lies in.
fn plugin_of(root: &Path, package: &Package) -> Option<Plugin> {
    let relative = package.manifest_path.strip_prefix(root).ok()?;
    let parts: Vec<&str> = relative.iter().map(|part| part.to_str().unwrap_or_default()).collect();
    match parts.as_slice() {
        ["plugins", kind, name, "Cargo.toml"] if KINDS.contains(kind) => {
            let (kind, name) = ((*kind).to_owned(), (*name).to_owned());
            Some(Plugin { package: package.name.clone(), kind, name })
        }
        _ => None,
    }
}

/// The component among the files that were made from one target.
fn component_of(files: Vec<PathBuf>) -> Option<PathBuf> {
    files.into_iter().find(|file| file.extension().is_some_and(|extension| extension == "wasm"))
}

/// Copies a file unless the target has the same bytes, so that nothing that embeds it is rebuilt.
fn copy_if_changed(source: &Path, target: &Path) -> anyhow::Result<bool> {
    let bytes = std::fs::read(source).with_context(|| format!("`{}` is not readable", source.display()))?;
    if std::fs::read(target).is_ok_and(|present| present == bytes) {
        return Ok(false);
    }
    if let Some(folder) = target.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("folder `{}` could not be made", folder.display()))?;
    }
    // Written beside and renamed: a build that reads at this moment sees the old or the new, never half.
    let partial = target.with_extension("partial");
    std::fs::write(&partial, bytes)
        .and_then(|()| std::fs::rename(&partial, target))
        .with_context(|| format!("`{}` could not be written", target.display()))?;
    Ok(true)
}

/// Removes components of plugins that the workspace no longer has, so that they are not embedded.
fn drop_stale<'a>(folder: &Path, plugins: impl Iterator<Item = &'a Plugin>) -> anyhow::Result<usize> {
    let wanted: Vec<PathBuf> =
        plugins.map(|plugin| folder.join(&plugin.kind).join(format!("{}.wasm", plugin.name))).collect();
    let mut dropped = 0;
    for kind in KINDS {
        let Ok(files) = std::fs::read_dir(folder.join(kind)) else { continue };
        for path in files.flatten().map(|file| file.path()).filter(|path| !wanted.contains(path)) {
            std::fs::remove_file(&path)
                .with_context(|| format!("`{}` could not be removed", path.display()))?;
            dropped += 1;
        }
    }
    Ok(dropped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, manifest: &str) -> Package {
        Package { name: name.to_owned(), manifest_path: manifest.into(), targets: Vec::new() }
    }

    #[test]
    fn a_package_two_folders_below_plugins_is_a_plugin() {
        let package = package("driver-grafana", "/w/plugins/drivers/grafana/Cargo.toml");
        let plugin = plugin_of(Path::new("/w"), &package).unwrap();
        assert_eq!((plugin.kind.as_str(), plugin.name.as_str()), ("drivers", "grafana"));
        assert_eq!(plugin.package, "driver-grafana");
    }

    #[test]
    fn the_sdk_and_the_host_are_no_plugins() {
        for manifest in ["/w/plugins/sdk/Cargo.toml", "/w/host/Cargo.toml", "/w/plugins/drivers/Cargo.toml"] {
            assert_eq!(plugin_of(Path::new("/w"), &package("x", manifest)), None);
        }
    }

    #[test]
    fn a_component_with_the_same_bytes_is_not_written_again() {
        let folder = std::env::temp_dir().join(format!("xtask-copy-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (source, target) = (folder.join("built.wasm"), folder.join("drivers/a.wasm"));
        std::fs::write(&source, b"one").unwrap();
        assert!(copy_if_changed(&source, &target).unwrap());
        let written = std::fs::metadata(&target).unwrap().modified().unwrap();
        assert!(!copy_if_changed(&source, &target).unwrap());
        assert_eq!(std::fs::metadata(&target).unwrap().modified().unwrap(), written);
        std::fs::write(&source, b"two").unwrap();
        assert!(copy_if_changed(&source, &target).unwrap());
        assert_eq!(std::fs::read(&target).unwrap(), b"two");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_component_without_a_plugin_is_dropped() {
        let folder = std::env::temp_dir().join(format!("xtask-stale-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("drivers")).unwrap();
        for name in ["kept.wasm", "gone.wasm"] {
            std::fs::write(folder.join("drivers").join(name), b"").unwrap();
        }
        let kept = Plugin { package: String::new(), kind: "drivers".to_owned(), name: "kept".to_owned() };
        assert_eq!(drop_stale(&folder, [&kept].into_iter()).unwrap(), 1);
        assert!(folder.join("drivers/kept.wasm").is_file() && !folder.join("drivers/gone.wasm").exists());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
