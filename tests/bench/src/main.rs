//! What `cargo xtask bench` starts beside the hub: servers to compare with, a sender with a fixed
//! rate, and measurements that need the crates themselves.
//!
//! Measurements are printed as lines of JSON: `{"row": "…", "values": {"<measure>": <number>}}`.

#![forbid(unsafe_code)]

mod fill;
mod pace;
mod parts;
mod report;
mod serve;
mod storing;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve POST requests, doing as much as the row says
    Serve { row: serve::Row, address: SocketAddr },
    /// Print a webhook with places for what makes it unique
    Payload { kind: PayloadKind, alerts: usize },
    /// Measure calls into the sandbox beside native parsing, and the choice of a driver
    Sandbox {
        /// Folder of the built drivers
        drivers: PathBuf,
        /// Calls per row
        calls: u32,
    },
    /// Measure commits of one webhook against commits of many
    Store {
        /// Folder for the databases
        folder: PathBuf,
        /// Webhooks in shared commits; a sixteenth of it is committed singly
        webhooks: u64,
    },
    /// Put open incidents, and alerts that are over, into a database
    Fill {
        /// File of the database; made if missing
        database: PathBuf,
        incidents: u64,
        over: u64,
    },
    /// Send webhooks at a fixed rate and time until the notifications arrive
    Pace(pace::Options),
}

#[derive(Clone, Copy, ValueEnum)]
enum PayloadKind {
    /// Alertmanager's webhook
    Alertmanager,
    /// What Prometheus pushes to an Alertmanager
    Push,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Serve { row, address } => serve::serve(row, address).await,
        Command::Payload { kind, alerts } => {
            report::text(&match kind {
                PayloadKind::Alertmanager => bench::payload::alertmanager(alerts),
                PayloadKind::Push => bench::payload::push(alerts),
            });
            Ok(())
        }
        Command::Sandbox { drivers, calls } => parts::measure(&drivers, calls).await,
        Command::Store { folder, webhooks } => storing::measure(&folder, webhooks).await,
        Command::Fill { database, incidents, over } => fill::fill(&database, incidents, over).await,
        Command::Pace(options) => pace::run(options).await,
    }
}
