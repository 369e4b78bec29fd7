//! `watchbell plugin …`

use anyhow::Result;
use clap::Subcommand;
use serde_json::{Value, json};

use super::output;
use crate::config::Config;
use crate::plugins;

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
}

/// Prints the contract as one file.
pub(super) fn wit() -> Result<()> {
    output::text(&WIT.join("\n"))
}

pub(super) async fn run(command: Command, config: &Config) -> Result<()> {
    let Command::List { json } = command else { return wit() };
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
