//! The built server, the folder it works in, and what has to be there before it starts.

use std::fs::{OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use serde::Deserialize;

use crate::workspace::Workspace;
use crate::{env, process};

/// Name of the setting without which the server does not start.
const SECRET_KEY: &str = "WATCHBELL_SECRET_KEY";

#[derive(Deserialize)]
struct KeyList {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct NewKey {
    token: String,
}

/// A server and the folder it works in.
pub(crate) struct Hub {
    pub(crate) binary: PathBuf,
    pub(crate) folder: PathBuf,
    /// Whether settings come from its own `.env` alone, and not from the environment.
    is_private: bool,
}

impl Hub {
    /// The one that works in this checkout, with the settings of whoever calls.
    pub(crate) fn of_this_checkout(binary: PathBuf, workspace: &Workspace) -> Self {
        Self { binary, folder: workspace.root.clone(), is_private: false }
    }

    /// One that works in a folder of its own and never sees the caller's settings or database.
    pub(crate) const fn private(binary: PathBuf, folder: PathBuf) -> Self {
        Self { binary, folder, is_private: true }
    }

    /// The same in another folder.
    pub(crate) fn moved_to(&self, folder: PathBuf) -> Self {
        Self { binary: self.binary.clone(), folder, is_private: self.is_private }
    }

    /// The server's program with its settings, still without arguments.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.current_dir(&self.folder);
        if self.is_private {
            command.env_clear().envs(env::of_every_program());
        } else {
            for name in env::of_this_cargo_run() {
                command.env_remove(name);
            }
        }
        command
    }

    /// A setting as the server will see it: the environment wins over `.env`.
    pub(crate) fn setting(&self, name: &str) -> Option<String> {
        let of_caller = if self.is_private { None } else { env::var(name) };
        of_caller.or_else(|| setting_in(&self.settings_file(), name))
    }

    /// Sets a setting in `.env`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn set(&self, name: &str, value: &str) -> anyhow::Result<()> {
        add_setting(&self.settings_file(), name, value)
    }

    /// Writes a new secret key to `.env` if none is set anywhere; says whether it did.
    ///
    /// # Errors
    /// The server makes none, or the file cannot be written.
    pub(crate) fn ensure_secret_key(&self) -> anyhow::Result<bool> {
        if self.setting(SECRET_KEY).is_some() {
            return Ok(false);
        }
        let key = process::output(self.command().args(["secrets", "generate"]))?;
        self.set(SECRET_KEY, &key)?;
        Ok(true)
    }

    /// Makes an API key if there is none, and returns its token.
    ///
    /// # Errors
    /// The server's own commands refuse the settings.
    pub(crate) fn ensure_api_key(&self, name: &str) -> anyhow::Result<Option<String>> {
        let list = process::output(self.command().args(["key", "list", "--json"]))?;
        let list: KeyList =
            serde_json::from_str(&list).context("`watchbell key list --json` answered in an unknown form")?;
        if !list.keys.is_empty() {
            return Ok(None);
        }
        let key = process::output(self.command().args(["key", "create", "--name", name, "--json"]))?;
        let key: NewKey = serde_json::from_str(&key)
            .context("`watchbell key create --json` answered in an unknown form")?;
        Ok(Some(key.token))
    }

    fn settings_file(&self) -> PathBuf {
        self.folder.join(".env")
    }
}

/// The value of a setting in a file of settings; nothing if it is missing or empty.
fn setting_in(file: &Path, name: &str) -> Option<String> {
    let entries = dotenvy::from_path_iter(file).ok()?;
    let mut values = entries.flatten().filter(|(key, value)| key == name && !value.is_empty());
    values.next().map(|(_, value)| value)
}

/// Sets a setting in a file that only its owner may read, and makes the file if need be.
fn add_setting(file: &Path, name: &str, value: &str) -> anyhow::Result<()> {
    let present = std::fs::read_to_string(file).unwrap_or_default();
    let empty = format!("{name}=");
    // The first line of a name counts, so a line that leaves it empty has to go.
    let mut lines: Vec<&str> = present.lines().filter(|line| line.trim() != empty).collect();
    let line = format!("{name}={value}");
    lines.push(&line);
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file)
        .and_then(|mut opened| {
            // A file that was there keeps its mode when it is opened.
            opened.set_permissions(Permissions::from_mode(0o600))?;
            writeln!(opened, "{}", lines.join("\n"))
        })
        .with_context(|| format!("`{}` could not be written", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_in_temp(name: &str) -> PathBuf {
        let file = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
        let _ = std::fs::remove_file(&file);
        file
    }

    #[test]
    fn a_new_file_of_settings_is_its_owners_alone() {
        let file = file_in_temp("new-env");
        add_setting(&file, "KEY", "value").unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(setting_in(&file, "KEY").as_deref(), Some("value"));
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn settings_that_were_there_stay() {
        let file = file_in_temp("old-env");
        std::fs::write(&file, "# first\nA=1\nB=").unwrap();
        add_setting(&file, "B", "2").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "# first\nA=1\nB=2\n");
        assert_eq!(setting_in(&file, "C"), None);
        std::fs::remove_file(file).unwrap();
    }
}
