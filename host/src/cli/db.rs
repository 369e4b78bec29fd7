//! `watchbell db …`

use anyhow::Result;
use clap::Subcommand;
use store::TableStats;

use super::output;
use crate::app;
use crate::config::Config;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Say how large the database is, and which table takes how much of it; reads all of it
    Stats {
        /// Print {"size_bytes","free_bytes","tables":[{"table","rows","bytes"}]}
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(command: Command, config: &Config) -> Result<()> {
    let Command::Stats { json } = command;
    let (store, _) = app::open(config).await?;
    let mut stats = store.stats().await?;
    if json {
        return output::json(&stats);
    }
    stats.tables.sort_by_key(|found| std::cmp::Reverse(found.bytes));
    let row = |found: &TableStats| [found.table.to_owned(), found.rows.to_string(), kib(found.bytes)];
    output::table(["TABLE", "ROWS", "KIB"], &stats.tables.iter().map(row).collect::<Vec<_>>())?;
    output::line(&format!(
        "{} KiB in all, {} KiB of it free for new rows",
        kib(stats.size_bytes),
        kib(stats.free_bytes)
    ))?;
    let days = |kept: std::time::Duration| kept.as_secs() / (24 * 60 * 60);
    let kept = &config.retention;
    output::line(&format!(
        "kept: content of webhooks {} days, results of stages {}, ended runs {}, incidents that are over {}",
        days(kept.requests),
        days(kept.results),
        days(kept.runs),
        days(kept.incidents)
    ))
}

fn kib(bytes: u64) -> String {
    bytes.div_ceil(1024).to_string()
}
