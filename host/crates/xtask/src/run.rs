//! `cargo xtask run`: from a fresh clone to a server that takes a webhook, without a question.

use std::fs::{OpenOptions, Permissions};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use serde::Deserialize;

use crate::workspace::Workspace;
use crate::{artifacts, env, greeting, plugins, process, say};

/// Name of the setting without which the server does not start.
const SECRET_KEY: &str = "WATCHBELL_SECRET_KEY";
/// Where the server listens if nothing is said.
const DEFAULT_BIND: &str = "127.0.0.1:8080";
/// What an Alertmanager sends for one firing alert.
const FIRST_ALERT: &str = include_str!("first_alert.json");

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Build the server as it is shipped: slower to build, faster to run
    #[arg(long)]
    release: bool,
    /// Install the Debian packages that building the plugins may need
    #[arg(long)]
    install: bool,
    /// Arguments for `watchbell serve`
    #[arg(last = true)]
    arguments: Vec<String>,
}

#[derive(Deserialize)]
struct KeyList {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct NewKey {
    token: String,
}

/// Builds, prepares and becomes the server; returns only if that did not work.
///
/// # Errors
/// Something does not build, or the server's own commands refuse the settings.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    plugins::build(workspace, &plugins::Options { install: options.install, way: None })?;
    let server = Server {
        binary: artifacts::build_watchbell(workspace, options.release)?,
        folder: workspace.root.clone(),
    };
    server.ensure_secret_key()?;
    let token = server.ensure_api_key()?;
    match bind_address(server.setting("WATCHBELL_BIND").as_deref()) {
        Some(address) => {
            let text = greeting_text(address, token.as_deref())?;
            greeting::leave(&std::env::current_exe()?, address, &text)?;
        }
        None => say::progress("the server's address is not known before it starts: see its first lines"),
    }
    let error = server.command().arg("serve").args(&options.arguments).exec();
    Err(error).with_context(|| format!("`{}` could not be started", server.binary.display()))
}

/// The built server and the folder it works in.
struct Server {
    binary: PathBuf,
    folder: PathBuf,
}

impl Server {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        for name in env::of_this_cargo_run() {
            command.env_remove(name);
        }
        command.current_dir(&self.folder);
        command
    }

    /// A setting as the server will see it: the environment wins over `.env`.
    fn setting(&self, name: &str) -> Option<String> {
        env::var(name).or_else(|| setting_in(&self.folder.join(".env"), name))
    }

    /// Writes a new secret key to `.env` if none is set anywhere.
    fn ensure_secret_key(&self) -> anyhow::Result<()> {
        if self.setting(SECRET_KEY).is_some() {
            return Ok(());
        }
        let key = process::output(self.command().args(["secrets", "generate"]))?;
        add_setting(&self.folder.join(".env"), SECRET_KEY, &key)?;
        say::progress("wrote a new secret key to `.env`: what the database holds can only be read with it");
        Ok(())
    }

    /// Makes an API key if there is none, and returns its token.
    fn ensure_api_key(&self) -> anyhow::Result<Option<String>> {
        let list = process::output(self.command().args(["key", "list", "--json"]))?;
        let list: KeyList =
            serde_json::from_str(&list).context("`watchbell key list --json` answered in an unknown form")?;
        if !list.keys.is_empty() {
            return Ok(None);
        }
        let key = process::output(self.command().args(["key", "create", "--name", "first", "--json"]))?;
        let key: NewKey = serde_json::from_str(&key)
            .context("`watchbell key create --json` answered in an unknown form")?;
        // Said now: if the server does not start, the key is there all the same.
        say::result(&format!("API key `first`, shown this once: {}", key.token));
        Ok(Some(key.token))
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

/// Where a client on this machine reaches the server; nothing if only the server will know.
fn bind_address(bind: Option<&str>) -> Option<SocketAddr> {
    let mut address: SocketAddr = bind.unwrap_or(DEFAULT_BIND).parse().ok()?;
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    Some(address).filter(|address| address.port() != 0)
}

/// What to try first, as lines that work when pasted into a shell.
fn greeting_text(address: SocketAddr, token: Option<&str>) -> anyhow::Result<String> {
    let payload: serde_json::Value =
        serde_json::from_str(FIRST_ALERT).context("the first alert is no JSON")?;
    let (note, authorization) = match token {
        Some(token) => (String::new(), format!("-H 'Authorization: Bearer {token}'")),
        None => (
            "There is an API key already: put its token into `WATCHBELL_KEY`, or make another by\n  \
             cargo run --bin watchbell -- key create --name second --json\n"
                .to_owned(),
            "-H \"Authorization: Bearer $WATCHBELL_KEY\"".to_owned(),
        ),
    };
    Ok(format!(
        "\nWatchbell answers at http://{address}; Ctrl-C stops it.\n{note}\
         Send it what Alertmanager sends:\n\n\
         curl -sS http://{address}/alerts/webhook/alertmanager/ -H 'Content-Type: application/json' \
         {authorization} -d '{payload}'\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_in_temp(name: &str) -> PathBuf {
        let file = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
        let _ = std::fs::remove_file(&file);
        file
    }

    /// Runs the last line of the greeting in a real shell, with a `curl` that prints its arguments.
    fn arguments_of_curl(greeting: &str) -> Vec<String> {
        let line = greeting.lines().rfind(|line| line.starts_with("curl")).unwrap();
        let script = format!("curl() {{ for a in \"$@\"; do printf '%s\\0' \"$a\"; done; }}; {line}");
        let output =
            Command::new("sh").args(["-c", &script]).env("WATCHBELL_KEY", "from-env").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_terminator('\0').map(str::to_owned).collect()
    }

    #[test]
    fn the_first_request_survives_a_shell() {
        let greeting = greeting_text("127.0.0.1:8080".parse().unwrap(), Some("wbk_token")).unwrap();
        let arguments = arguments_of_curl(&greeting);
        assert!(arguments.contains(&"Authorization: Bearer wbk_token".to_owned()), "{arguments:?}");
        let sent: serde_json::Value = serde_json::from_str(arguments.last().unwrap()).unwrap();
        assert_eq!(sent, serde_json::from_str::<serde_json::Value>(FIRST_ALERT).unwrap());
    }

    #[test]
    fn without_a_new_key_the_request_takes_it_from_the_shell() {
        let greeting = greeting_text("127.0.0.1:8080".parse().unwrap(), None).unwrap();
        assert!(arguments_of_curl(&greeting).contains(&"Authorization: Bearer from-env".to_owned()));
    }

    #[test]
    fn a_server_on_all_addresses_is_reached_on_the_local_one() {
        assert_eq!(bind_address(Some("0.0.0.0:9000")), "127.0.0.1:9000".parse().ok());
        assert_eq!(bind_address(Some("[::]:9000")), "[::1]:9000".parse().ok());
        assert_eq!(bind_address(None), "127.0.0.1:8080".parse().ok());
        assert_eq!(bind_address(Some("127.0.0.1:0")), None);
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
