//! `watchbell quarantine …`

use anyhow::{Context as _, Result};
use clap::Subcommand;
use domain::id::RunId;
use serde_json::json;
use store::{InboxEntry, PageRequest};

use super::output;
use crate::app;
use crate::config::Config;
use crate::ingest;

/// How many rows a list shows.
const SHOWN: u32 = 100;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List what is in quarantine and why, the newest first
    List {
        /// Print {"requests":[…]}
        #[arg(long)]
        json: bool,
    },
    /// Print a stored request: why it is kept, its headers, its body
    Show {
        /// The `run_id` that the sender was answered
        run_id: String,
    },
}

pub(super) async fn run(command: Command, config: &Config) -> Result<()> {
    let (store, keys) = app::open(config).await?;
    match command {
        Command::List { json } => {
            let page = store.quarantined(&PageRequest { limit: SHOWN, cursor: None }).await?;
            if json {
                return output::json(&json!({ "requests": page.items, "next": page.next }));
            }
            let rows: Vec<_> = page.items.iter().map(row).collect();
            output::table(["RUN", "RECEIVED", "DRIVER", "BYTES", "WHY"], &rows)
        }
        Command::Show { run_id } => {
            let run_id: RunId = run_id.parse().context("`<RUN_ID>`")?;
            let about = store.inbox_entry(run_id).await?;
            let request = ingest::open_request(&keys, run_id, &store.inbox_request(run_id).await?)?;
            output::json(&json!({ "about": about, "request": request }))?;
            output::line(&String::from_utf8_lossy(&request.body))
        }
    }
}

fn row(entry: &InboxEntry) -> [String; 5] {
    let driver = entry.driver.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    let why = entry.reason.clone().unwrap_or_default();
    let line = why.lines().next().unwrap_or_default().to_owned();
    [entry.run_id.to_string(), entry.received_at.to_string(), driver, entry.size_bytes.to_string(), line]
}
