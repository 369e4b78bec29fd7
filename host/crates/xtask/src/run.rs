//! `cargo xtask run`: from a fresh clone to a server that takes a webhook, without a question.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::process::CommandExt;

use anyhow::Context;

use crate::hub::Hub;
use crate::workspace::Workspace;
use crate::{artifacts, greeting, plugins, say};

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

/// Builds, prepares and becomes the server; returns only if that did not work.
///
/// # Errors
/// Something does not build, or the server's own commands refuse the settings.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    plugins::build(workspace, &plugins::Options { install: options.install, way: None })?;
    let hub = Hub::of_this_checkout(artifacts::build_watchbell(workspace, options.release)?, workspace);
    if hub.ensure_secret_key()? {
        say::progress("wrote a new secret key to `.env`: what the database holds can only be read with it");
    }
    let token = hub.ensure_api_key("first")?;
    if let Some(token) = &token {
        // Said now: if the server does not start, the key is there all the same.
        say::result(&format!("API key `first`, shown this once: {token}"));
    }
    match bind_address(hub.setting("WATCHBELL_BIND").as_deref()) {
        Some(address) => {
            let text = greeting_text(address, token.as_deref())?;
            greeting::leave(&std::env::current_exe()?, address, &text)?;
        }
        None => say::progress("the server's address is not known before it starts: see its first lines"),
    }
    let error = hub.command().arg("serve").args(&options.arguments).exec();
    Err(error).with_context(|| format!("`{}` could not be started", hub.binary.display()))
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
    use std::process::Command;

    use super::*;

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
}
