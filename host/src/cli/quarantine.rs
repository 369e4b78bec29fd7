//! `watchbell quarantine …`

use anyhow::{Result, ensure};
use clap::{Args, Subcommand};
use domain::id::RunId;
use domain::plugin::PluginName;
use domain::run::IngestOutcome;
use serde_json::json;
use store::{InboxEntry, QuarantineFilter};

use super::part::Part;
use super::{output, person};
use crate::app;
use crate::config::Config;
use crate::ingest::{self, Again, AgainError, Failed, Reparsed, Round};

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
        #[command(flatten)]
        part: Part,
        /// Print {"requests":[…],"next"}
        #[arg(long)]
        json: bool,
    },
    /// Print a stored request: why it is kept, its headers, its body
    Show {
        /// The `run_id` that the sender was answered
        run_id: RunId,
        /// Print {"about","request","body"}; the body as text, or in hexadecimal where it is none
        #[arg(long)]
        json: bool,
    },
    /// Read requests again: after a driver was mended or added
    Reparse {
        #[command(flatten)]
        which: Which,
        /// Read one request by this driver, whoever it was sent to
        #[arg(long = "as", value_name = "DRIVER", conflicts_with = "all")]
        by: Option<String>,
        /// Print one line of JSON per request: {"run_id","outcome",…} or {"run_id","error"}
        #[arg(long)]
        json: bool,
    },
    /// Take requests out of quarantine for good, with their content
    Discard {
        #[command(flatten)]
        which: Which,
        /// Print one line of JSON per request: {"run_id"} or {"run_id","error"}
        #[arg(long)]
        json: bool,
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
        Command::List { driver, reason_code, part, json } => {
            list(config, &QuarantineFilter { driver, reason_code }, part, json).await
        }
        Command::Show { run_id, json } => show(config, run_id, json).await,
        Command::Reparse { which, by, json } => {
            which.check()?;
            let again = app::again(config).await?;
            let tell = |done: &Reparsed| if json { output::json(done) } else { output::line(&told(done)) };
            let count = match which.run_id {
                Some(run_id) => one(again.reparse(run_id, by.as_deref(), &person::actor()).await, &tell)?,
                None => {
                    let round =
                        async |after| again.reparse_all(which.driver.as_ref(), after, &person::actor()).await;
                    several(round, &tell, json).await?
                }
            };
            if json { Ok(()) } else { output::line(&format!("requests read again: {count}")) }
        }
        Command::Discard { which, json } => {
            which.check()?;
            let again = app::again_unread(config).await?;
            let count = discard(&again, &which, json).await?;
            if json { Ok(()) } else { output::line(&format!("requests discarded: {count}")) }
        }
    }
}

async fn list(config: &Config, filter: &QuarantineFilter, part: Part, json: bool) -> Result<()> {
    let (store, _) = app::open(config).await?;
    let page = store.quarantined(filter, &part.into()).await?;
    if json {
        return output::json(&json!({ "requests": page.items, "next": page.next }));
    }
    let rows: Vec<_> = page.items.iter().map(row).collect();
    output::table(["RUN", "RECEIVED", "DRIVER", "BYTES", "WHY"], &rows)?;
    output::more(page.next.as_deref())
}

async fn show(config: &Config, run_id: RunId, json: bool) -> Result<()> {
    let again = app::again_unread(config).await?;
    let (about, request) = again.open(run_id, &person::actor()).await?;
    if json {
        let body = ingest::shown(&request.body);
        return output::json(&json!({ "about": about, "request": request, "body": body }));
    }
    output::json(&json!({ "about": about, "request": request }))?;
    output::bytes(&request.body)
}

async fn discard(again: &Again, which: &Which, json: bool) -> Result<usize> {
    let tell = |run_id: &RunId| if json { output::json(&json!({ "run_id": run_id })) } else { Ok(()) };
    match which.run_id {
        Some(run_id) => one(again.discard(run_id, &person::actor()).await, &tell),
        None => {
            let round = async |after| again.discard_all(which.driver.as_ref(), after, &person::actor()).await;
            several(round, &tell, json).await
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
async fn several<T>(
    round: impl AsyncFn(Option<RunId>) -> Result<Round<T>, AgainError>,
    tell: &dyn Fn(&T) -> Result<()>,
    json: bool,
) -> Result<usize> {
    let (mut count, mut failed, mut after) = (0_usize, 0_usize, None);
    loop {
        let round = round(after).await?;
        round.done.iter().try_for_each(tell)?;
        for failed in &round.failed {
            let Failed { run_id, error } = failed;
            if json { output::json(failed)? } else { output::line(&format!("{run_id}: {error}"))? }
        }
        count = count.saturating_add(round.done.len());
        failed = failed.saturating_add(round.failed.len());
        after = round.next;
        if after.is_none() {
            break;
        }
    }
    ensure!(failed == 0, "{count} requests are done, {failed} are not");
    Ok(count)
}

fn told(done: &Reparsed) -> String {
    let Reparsed { run_id, outcome, alerts, runs, .. } = done;
    let driver = done.driver.as_ref().map_or("nobody", PluginName::as_str);
    let why = output::first_line(done.reason.as_deref());
    match outcome {
        IngestOutcome::Parsed => {
            format!("{run_id}: parsed by {driver}, {alerts} alerts, {} downstream runs{why}", runs.len())
        }
        IngestOutcome::Ignored => format!("{run_id}: ignored by {driver}{why}"),
        IngestOutcome::Quarantined => format!("{run_id}: still in quarantine, read by {driver}{why}"),
    }
}

fn row(entry: &InboxEntry) -> [String; 5] {
    let driver = entry.driver.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    let why = entry.reason.clone().unwrap_or_default();
    let line = why.lines().next().unwrap_or_default().to_owned();
    [entry.run_id.to_string(), entry.received_at.to_string(), driver, entry.size_bytes.to_string(), line]
}
