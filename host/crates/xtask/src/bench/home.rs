//! Folders for hubs: prepared once, copied for each measurement, so that every one begins the same.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::bench::Bench;
use crate::bench::server::{Server, free_address};
use crate::hub::Hub;
use crate::process;

/// Where a hub keeps its data within its folder, unless told otherwise.
pub(super) const DATABASE: &str = "watchbell.sqlite3";

/// A folder in which a hub can be started.
pub(super) struct Home {
    hub: Hub,
    /// Its API key.
    pub(super) token: String,
}

impl Home {
    /// A new one with a secret key and an API key. It was started once, so that whatever a hub keeps
    /// of its first start is there.
    ///
    /// # Errors
    /// The hub's own commands do not succeed, or it does not start.
    pub(super) fn prepare(bench: &Bench, name: &str) -> anyhow::Result<Self> {
        let mut home = Self::fresh(bench, name)?;
        home.hub.ensure_api_key("bench")?.context("a new hub has no keys").map(|token| home.token = token)?;
        home.serve()?.stop()?;
        Ok(home)
    }

    /// A new one with nothing but a secret key and the plugins' grants.
    ///
    /// # Errors
    /// As [`Home::prepare`].
    pub(super) fn fresh(bench: &Bench, name: &str) -> anyhow::Result<Self> {
        let folder = bench.scratch.folder(name)?;
        std::fs::copy(&bench.plugins_file, folder.join("plugins.toml"))
            .with_context(|| format!("`{}` could not be copied", bench.plugins_file.display()))?;
        let hub = Hub::private(bench.hub.clone(), folder);
        hub.ensure_secret_key()?;
        Ok(Self { hub, token: String::new() })
    }

    /// The same in a folder of its own. The hub of the original must not be running.
    ///
    /// # Errors
    /// A file cannot be copied.
    pub(super) fn copy(&self, bench: &Bench, name: &str) -> anyhow::Result<Self> {
        let folder = bench.scratch.folder(name)?;
        copy_all(&self.hub.folder, &folder)?;
        Ok(Self { hub: self.hub.moved_to(folder), token: self.token.clone() })
    }

    /// Starts the hub on a free port.
    ///
    /// # Errors
    /// It does not become ready.
    pub(super) fn serve(&self) -> anyhow::Result<Server> {
        let address = free_address()?;
        let mut command = self.hub.command();
        // One key sends as fast as it can: that is what is measured.
        command.arg("serve").env("WATCHBELL_BIND", address.to_string()).env("RATE_LIMIT_ENABLED", "0");
        // What is filled in is as old as it says: nothing of it is to go while something is measured.
        for kind in ["REQUESTS", "RESULTS", "RUNS", "INCIDENTS"] {
            command.env(format!("WATCHBELL_KEEP_{kind}_DAYS"), "3650");
        }
        Server::start(&mut command, address, "/readyz", &self.hub.folder.join("hub.log"))
    }

    /// Sets a setting of the hub.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn set(&self, name: &str, value: &str) -> anyhow::Result<()> {
        self.hub.set(name, value)
    }

    /// Runs one of the hub's commands.
    ///
    /// # Errors
    /// It does not succeed.
    pub(super) fn command(&self, arguments: &[&str]) -> anyhow::Result<String> {
        process::output(self.hub.command().args(arguments))
    }

    /// A path in the folder.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.hub.folder.join(name)
    }
}

fn copy_all(from: &Path, to: &Path) -> anyhow::Result<()> {
    let cannot = |path: &Path| format!("`{}` could not be copied", path.display());
    for entry in std::fs::read_dir(from).with_context(|| cannot(from))? {
        let source = entry.with_context(|| cannot(from))?.path();
        let Some(name) = source.file_name() else { continue };
        let target = to.join(name);
        if source.is_dir() {
            std::fs::create_dir_all(&target).with_context(|| cannot(&source))?;
            // The hub trusts a cache only in a folder that is its owner's alone.
            let mode = source.metadata().with_context(|| cannot(&source))?.permissions();
            std::fs::set_permissions(&target, mode).with_context(|| cannot(&source))?;
            copy_all(&source, &target)?;
        } else {
            std::fs::copy(&source, &target).with_context(|| cannot(&source))?;
        }
    }
    Ok(())
}
