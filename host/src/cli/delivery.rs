//! `watchbell delivery …`

use anyhow::{Result, bail};
use clap::Subcommand;
use domain::delivery::{Delivery, DeliveryStatus};
use serde_json::json;
use store::{DeliveryFilter, PageRequest};

use super::output;
use crate::app;
use crate::clock;
use crate::config::Config;

/// How many rows a list shows.
const SHOWN: u32 = 100;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List deliveries, the newest first
    List {
        /// Only those that were given up on
        #[arg(long)]
        dead: bool,
        /// Print {"deliveries":[…]}
        #[arg(long)]
        json: bool,
    },
    /// Send again what was given up on
    Retry {
        /// One delivery
        id: Option<String>,
        /// All that were given up on
        #[arg(long, conflicts_with = "id")]
        all: bool,
    },
}

pub(super) async fn run(command: Command, config: &Config) -> Result<()> {
    let (store, _) = app::open(config).await?;
    match command {
        Command::List { dead, json } => {
            let filter =
                DeliveryFilter { status: dead.then_some(DeliveryStatus::Dead), ..DeliveryFilter::default() };
            let page = store.deliveries(&filter, &PageRequest { limit: SHOWN, cursor: None }).await?;
            if json {
                return output::json(&json!({ "deliveries": page.items, "next": page.next }));
            }
            let rows: Vec<_> = page.items.iter().map(row).collect();
            output::table(["ID", "CHANNEL", "STATUS", "ATTEMPTS", "LAST ERROR"], &rows)
        }
        Command::Retry { id: Some(id), .. } => {
            store.retry_delivery(id.parse()?, clock::now()).await?;
            output::line("1 delivery is due again")
        }
        Command::Retry { id: None, all: true } => {
            let count = store.retry_dead_deliveries(clock::now()).await?;
            output::line(&format!("{count} deliveries are due again"))
        }
        Command::Retry { .. } => bail!("name a delivery, or say --all"),
    }
}

fn row(delivery: &Delivery) -> [String; 5] {
    let error = delivery.error_message.clone().unwrap_or_default();
    let line = error.lines().next().unwrap_or_default().to_owned();
    let attempts = delivery.attempts.to_string();
    [delivery.id.to_string(), delivery.channel.clone(), delivery.status.to_string(), attempts, line]
}
