//! `watchbell quarantine …`

use anyhow::{Result, bail, ensure};
use clap::{Args, Subcommand};
use domain::id::RunId;
use domain::plugin::PluginName;
use serde::Serialize;
use serde_json::json;
use store::{InboxEntry, PageRequest, QuarantineFilter};

use super::output;
use crate::app;
use crate::config::Config;
use crate::ingest::{self, Again, AgainError, Failed, Reparsed, Round};

/// How many rows a list shows.
const SHOWN: u32 = 100;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List what is in quarantine and why, the newest first
    List {
        /// Only for this driver
        #[arg(long)]
        driver: Option<PluginName>,
        /// Only with this reason, one word: not_recognised, not_json, trap.cpu, …
        #[arg(long)]
        reason_code: Option<String>,
        /// Print {"requests":[…]}
        #[arg(long)]
        json: bool,
    },
    /// Print a stored request: why it is kept, its headers, its body
    Show {
        /// The `run_id` that the sender was answered
        run_id: RunId,
    },
    /// Read requests again: after a driver was mended or added
    Reparse {
        #[command(flatten)]
        which: Which,
        /// Read one request by this driver, whoever it was sent to
        #[arg(long = "as", value_name = "DRIVER", conflicts_with = "all")]
        by: Option<String>,
        /// Print one line of JSON per request
        #[arg(long)]
        json: bool,
    },
    /// Take requests out of quarantine for good, with their content
    Discard {
        #[command(flatten)]
        which: Which,
    },
}

/// Which requests are meant.
#[derive(Args)]
pub(super) struct Which {
    /// One request, by the `run_id` that the sender was answered
    run_id: Option<RunId>,
    /// All in quarantine, the oldest first
    #[arg(long, conflicts_with = "run_id")]
    all: bool,
    /// With --all: only those for this driver
    #[arg(long, requires = "all")]
    driver: Option<PluginName>,
}

pub(super) async fn run(command: Command, config: &Config) -> Result<()> {
    match command {
        Command::List { driver, reason_code, json } => {
            list(config, &QuarantineFilter { driver, reason_code }, json).await
        }
        Command::Show { run_id } => show(config, run_id).await,
        Command::Reparse { which, by, json } => {
            which.check()?;
            let again = app::again(config).await?;
            let tell = |done: &Reparsed| if json { output::json(done) } else { output::line(&told(done)) };
            let count = match which.run_id {
                Some(run_id) => one(again.reparse(run_id, by.as_deref()).await, &tell)?,
                None => {
                    several(async |after| again.reparse_all(which.driver.as_ref(), after).await, &tell)
                        .await?
                }
            };
            if json { Ok(()) } else { output::line(&format!("{count} requests were read again")) }
        }
        Command::Discard { which } => {
            which.check()?;
            let again = app::again(config).await?;
            let count = discard(&again, &which).await?;
            output::line(&format!("{count} requests were discarded"))
        }
    }
}

async fn list(config: &Config, filter: &QuarantineFilter, json: bool) -> Result<()> {
    let (store, _) = app::open(config).await?;
    let page = store.quarantined(filter, &PageRequest { limit: SHOWN, cursor: None }).await?;
    if json {
        return output::json(&json!({ "requests": page.items, "next": page.next }));
    }
    let rows: Vec<_> = page.items.iter().map(row).collect();
    output::table(["RUN", "RECEIVED", "DRIVER", "BYTES", "WHY"], &rows)
}

async fn show(config: &Config, run_id: RunId) -> Result<()> {
    let (store, keys) = app::open(config).await?;
    let about = store.inbox_entry(run_id).await?;
    let request = ingest::open_request(&keys, run_id, &store.inbox_request(run_id).await?)?;
    output::json(&json!({ "about": about, "request": request }))?;
    output::line(&String::from_utf8_lossy(&request.body))
}

async fn discard(again: &Again, which: &Which) -> Result<usize> {
    const WHY: &str = "discarded on the command line";
    let tell = |_: &RunId| Ok(());
    match which.run_id {
        Some(run_id) => one(again.discard(run_id, WHY).await, &tell),
        None => {
            several(async |after| again.discard_all(which.driver.as_ref(), after, WHY).await, &tell).await
        }
    }
}

impl Which {
    fn check(&self) -> Result<()> {
        ensure!(self.all || self.run_id.is_some(), "name a run, or say --all");
        Ok(())
    }
}

fn one<T>(result: Result<T, AgainError>, tell: &dyn Fn(&T) -> Result<()>) -> Result<usize> {
    tell(&result?)?;
    Ok(1)
}

/// Round after round to the end. What goes wrong with one stops no other.
async fn several<T: Serialize>(
    round: impl AsyncFn(Option<RunId>) -> Result<Round<T>, AgainError>,
    tell: &dyn Fn(&T) -> Result<()>,
) -> Result<usize> {
    let (mut count, mut failed, mut after) = (0_usize, Vec::new(), None);
    loop {
        let round = round(after).await?;
        round.done.iter().try_for_each(tell)?;
        count = count.saturating_add(round.done.len());
        failed.extend(round.failed);
        after = round.next;
        if after.is_none() {
            break;
        }
    }
    for Failed { run_id, error } in &failed {
        output::line(&format!("{run_id}: {error}"))?;
    }
    match failed.len() {
        0 => Ok(count),
        failed => bail!("{count} requests are done, {failed} are not"),
    }
}

fn told(done: &Reparsed) -> String {
    let Reparsed { run_id, outcome, alerts, runs, .. } = done;
    let driver = done.driver.as_ref().map_or("nobody", PluginName::as_str);
    let why = done.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    format!("{run_id}: {outcome} by {driver}, {alerts} alerts, {} downstream runs{why}", runs.len())
}

fn row(entry: &InboxEntry) -> [String; 5] {
    let driver = entry.driver.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    let why = entry.reason.clone().unwrap_or_default();
    let line = why.lines().next().unwrap_or_default().to_owned();
    [entry.run_id.to_string(), entry.received_at.to_string(), driver, entry.size_bytes.to_string(), line]
}
