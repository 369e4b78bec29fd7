//! `watchbell plugin …`

mod call;
mod decide;
mod test;

use std::path::Path;

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use domain::plugin::{self, PluginKind, PluginName};
use serde_json::Value;

use super::output;
use crate::config::{Config, PluginSettings, Source};
use crate::plugins::{self, Target};

/// The contract, in the order in which it reads best.
const WIT: [&str; 6] = [
    include_str!("../../../wit/package.wit"),
    include_str!("../../../wit/types.wit"),
    include_str!("../../../wit/driver.wit"),
    include_str!("../../../wit/notifier.wit"),
    include_str!("../../../wit/intelligence.wit"),
    include_str!("../../../wit/host.wit"),
];

#[derive(Subcommand)]
pub(super) enum Command {
    /// Print the contract that plugins are built against
    Wit,
    /// List plugins, what becomes of each, and why
    List {
        /// Print {"plugins":[…],"files":[…],"manifest"}
        #[arg(long)]
        json: bool,
    },
    /// Show what a plugin is, asks for and may use, as far as it can be read
    Inspect {
        /// A component, or the name of a plugin that the hub loads
        #[arg(value_name = "FILE|NAME")]
        target: String,
        #[command(flatten)]
        as_what: AsWhat,
        /// Print all of it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Let the component that is there run, with all that it asks for and no more
    ///
    /// A notifier or provider needs it for every new component; a driver for taking part in detection, and when
    /// a new one asks for more. What `plugins.toml` names needs none. Running hubs know within 2 s.
    Approve {
        #[command(flatten)]
        which: decide::Which,
        /// Only if the component has this SHA-256, in hexadecimal
        #[arg(long)]
        sha256: Option<String>,
    },
    /// Switch a plugin off; running hubs know within 2 s
    Disable {
        #[command(flatten)]
        which: decide::Which,
    },
    /// Switch a plugin on again
    Enable {
        #[command(flatten)]
        which: decide::Which,
    },
    /// Go back to an earlier component, also after its file was overwritten
    ///
    /// It holds until the file is replaced once more, or approved.
    Rollback {
        #[command(flatten)]
        which: decide::Which,
        /// SHA-256 of the component to go back to, in hexadecimal; the newest that is kept unless it is said
        #[arg(long = "to", value_name = "SHA256")]
        to: Option<String>,
    },
    /// Do what the hub does when it loads this component, and say how it went
    Check {
        /// A component
        #[arg(value_name = "FILE")]
        target: String,
        #[command(flatten)]
        as_what: AsWhat,
    },
    /// Make one call in the sandbox and print what comes of it
    #[command(after_help = call::HELP)]
    Call(call::Options),
    /// Compare what a plugin makes of a folder of cases with what is expected
    #[command(after_help = test::HELP)]
    Test(test::Options),
}

#[derive(Args)]
pub(super) struct AsWhat {
    /// What it must be; without this, what it says it is
    #[arg(long)]
    kind: Option<Kind>,
    /// The name to load a file under; without this, the file's own
    #[arg(long)]
    name: Option<PluginName>,
    /// What a driver is given of WASI; without this, what plugins.toml says
    #[arg(long)]
    wasi: Option<Wasi>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Wasi {
    None,
    Virtual,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    Driver,
    Notifier,
    Provider,
}

impl Kind {
    const fn of_contract(self) -> PluginKind {
        match self {
            Self::Driver => PluginKind::Driver,
            Self::Notifier => PluginKind::Notifier,
            Self::Provider => PluginKind::Intelligence,
        }
    }
}

impl AsWhat {
    fn target(self, what: String) -> Target {
        let wasi = self.wasi.map(|wasi| match wasi {
            Wasi::None => plugin::Wasi::None,
            Wasi::Virtual => plugin::Wasi::Virtual,
        });
        Target { what, kind: self.kind.map(Kind::of_contract), rather: None, name: self.name, wasi }
    }
}

impl Command {
    /// Whether it looks at plugins alone, without database or secret key.
    pub(super) fn needs_no_secrets(&self) -> bool {
        match self {
            Self::Wit | Self::Check { .. } | Self::Call(_) | Self::Test(_) => true,
            // What was decided about a name is shown where that can be read.
            Self::Inspect { target, .. } => {
                Path::new(target).is_file()
                    || Source::load().ok().and_then(|source| Config::read(&source).ok()).is_none()
            }
            Self::List { .. }
            | Self::Approve { .. }
            | Self::Disable { .. }
            | Self::Enable { .. }
            | Self::Rollback { .. } => false,
        }
    }
}

/// The commands that need no secrets.
pub(super) fn look(command: Command) -> Result<()> {
    let settings = || anyhow::Ok(PluginSettings::without_secrets(&Source::load()?)?);
    match command {
        Command::Inspect { target, as_what, json } => {
            inspect(&settings()?, &as_what.target(target), None, json)
        }
        Command::Check { target, as_what } => {
            // A line that cannot be printed has nobody to read it.
            plugins::check(&settings()?, &as_what.target(target), &|step| drop(output::line(step)))?;
            output::line("ok")
        }
        Command::Call(options) => call::run(options),
        Command::Test(options) => test::run(options),
        Command::Wit
        | Command::List { .. }
        | Command::Approve { .. }
        | Command::Disable { .. }
        | Command::Enable { .. }
        | Command::Rollback { .. } => wit(),
    }
}

fn inspect(settings: &PluginSettings, target: &Target, decided: Option<Value>, json: bool) -> Result<()> {
    let mut inspection = plugins::inspect(settings, target)?;
    if let (Some(decided), Some(report)) = (decided, inspection.report.as_object_mut()) {
        report.insert("hub".to_owned(), decided);
    }
    if json {
        output::json(&inspection.report)?;
    } else {
        let mut rows = Vec::new();
        flatten("", &inspection.report, &mut rows);
        rows.retain(|[key, _]| !key.starts_with("error"));
        output::table(["WHAT", "FOUND"], &rows)?;
    }
    inspection.error.map_or(Ok(()), Err)
}

/// One row for each value, under its path. Texts of a file may hold anything, so they are escaped.
fn flatten(path: &str, value: &Value, rows: &mut Vec<[String; 2]>) {
    let shown = match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(&path, value, rows);
            }
            return;
        }
        Value::Array(values) if !values.is_empty() => {
            values.iter().for_each(|value| flatten(path, value, rows));
            return;
        }
        Value::Array(_) => "none".to_owned(),
        Value::Null => "-".to_owned(),
        Value::String(text) => text.chars().flat_map(char::escape_debug).collect(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    };
    rows.push([path.to_owned(), shown]);
}

/// Prints the contract as one file.
pub(super) fn wit() -> Result<()> {
    output::text(&WIT.join("\n"))
}

pub(super) async fn run(command: Command, config: &Config) -> Result<()> {
    match command {
        Command::List { json } => decide::list(config, json).await,
        Command::Approve { which, sha256 } => {
            decide::decide(config, &which, decide::Step::Approve { sha256 }).await
        }
        Command::Disable { which } => {
            decide::decide(config, &which, decide::Step::Switch { enabled: false }).await
        }
        Command::Enable { which } => {
            decide::decide(config, &which, decide::Step::Switch { enabled: true }).await
        }
        Command::Rollback { which, to } => {
            decide::decide(config, &which, decide::Step::RollBack { to }).await
        }
        Command::Inspect { target, as_what, json } => {
            let kind = as_what.kind.map(Kind::of_contract);
            let decided = match target.parse() {
                Ok(name) => Some(decide::about(config, kind, &name).await?),
                Err(_) => None,
            };
            inspect(&config.plugins, &as_what.target(target), decided, json)
        }
        command => look(command),
    }
}
