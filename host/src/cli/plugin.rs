//! `watchbell plugin …`

mod call;
mod test;

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use domain::plugin::{self, PluginKind, PluginName};
use serde_json::{Value, json};

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
    /// List the plugins that load
    List {
        /// Print {"plugins":[…]}
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

impl AsWhat {
    fn target(self, what: String) -> Target {
        let kind = self.kind.map(|kind| match kind {
            Kind::Driver => PluginKind::Driver,
            Kind::Notifier => PluginKind::Notifier,
            Kind::Provider => PluginKind::Intelligence,
        });
        let wasi = self.wasi.map(|wasi| match wasi {
            Wasi::None => plugin::Wasi::None,
            Wasi::Virtual => plugin::Wasi::Virtual,
        });
        Target { what, kind, rather: None, name: self.name, wasi }
    }
}

impl Command {
    /// Whether it looks at plugins alone, without database or secret key.
    pub(super) const fn needs_no_secrets(&self) -> bool {
        !matches!(self, Self::List { .. })
    }
}

/// The commands that need no secrets.
pub(super) fn look(command: Command) -> Result<()> {
    let settings = || anyhow::Ok(PluginSettings::without_secrets(&Source::load()?)?);
    match command {
        Command::Wit | Command::List { .. } => wit(),
        Command::Inspect { target, as_what, json } => inspect(&settings()?, &as_what.target(target), json),
        Command::Check { target, as_what } => {
            // A line that cannot be printed has nobody to read it.
            plugins::check(&settings()?, &as_what.target(target), &|step| drop(output::line(step)))?;
            output::line("ok")
        }
        Command::Call(options) => call::run(options),
        Command::Test(options) => test::run(options),
    }
}

fn inspect(settings: &PluginSettings, target: &Target, json: bool) -> Result<()> {
    let inspection = plugins::inspect(settings, target)?;
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
    let Command::List { json } = command else { return look(command) };
    let all = plugins::start(&config.plugins, |_, _| true).await?.describe();
    if json {
        return output::json(&json!({ "plugins": all }));
    }
    let text =
        |plugin: &Value, key: &str| plugin.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let rows: Vec<_> = all
        .iter()
        .map(|plugin| ["kind", "name", "version", "summary"].map(|key| text(plugin, key)))
        .collect();
    output::table(["KIND", "NAME", "VERSION", "WHAT FOR"], &rows)
}
