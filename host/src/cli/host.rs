//! `watchbell host …`

use anyhow::Result;
use clap::Subcommand;

use super::output;
use crate::app;
use crate::clock;
use crate::config::Config;
use crate::hosts::{self, ShownHost};

#[derive(Subcommand)]
pub(super) enum Command {
    /// List the processes that serve on this database, and say where their plugins differ
    List {
        /// Print {"hosts":[…],"same_plugins","differences":[…]}
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(command: Command, config: &Config) -> Result<()> {
    let Command::List { json } = command;
    let (store, _) = app::open(config).await?;
    let found = hosts::list(&store, clock::now()).await?;
    if json {
        return output::json(&found);
    }
    let row = |host: &ShownHost| {
        let state = if host.live { "live" } else { "gone" };
        [
            host.id.to_string(),
            host.name.clone(),
            state.to_owned(),
            host.version.clone(),
            host.short_set().to_owned(),
            host.started_at.to_string(),
            host.seen_at.to_string(),
        ]
    };
    let rows: Vec<_> = found.hosts.iter().map(row).collect();
    output::table(["ID", "NAME", "STATE", "VERSION", "PLUGINS", "STARTED", "LAST SEEN"], &rows)?;
    for line in &found.differences {
        output::note(&format!("warning: {line}"));
    }
    Ok(())
}
