//! `watchbell delivery …`

use anyhow::Result;
use clap::Subcommand;
use domain::delivery::{Delivery, DeliveryStatus};
use domain::id::{DeliveryId, RunId};
use domain::time::Timestamp;
use serde_json::json;
use store::{Attempt, DeadFilter, DeliveryDetail, DeliveryFilter, Retry};

use super::part::Part;
use super::{output, person};
use crate::app;
use crate::clock;
use crate::config::Config;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List deliveries, the newest first
    List {
        /// Only those that are pending, sending, delivered, dead or stale
        #[arg(long)]
        status: Option<DeliveryStatus>,
        /// Only those to this channel
        #[arg(long)]
        channel: Option<String>,
        /// Only those of this run
        #[arg(long)]
        run: Option<RunId>,
        #[command(flatten)]
        part: Part,
        /// Print {"deliveries":[…],"next"}
        #[arg(long)]
        json: bool,
    },
    /// Show one delivery: each attempt and what came of it, and who had it tried again
    Show {
        /// The delivery
        id: DeliveryId,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Send again what was given up on, under the same idempotency key
    #[command(override_usage = "watchbell delivery retry <ID>\n       \
                                watchbell delivery retry --all [--channel <CHANNEL>] [--since <SINCE>]")]
    Retry {
        /// One delivery
        #[arg(required_unless_present = "all")]
        id: Option<DeliveryId>,
        /// All that were given up on
        #[arg(long, conflicts_with = "id")]
        all: bool,
        /// Of all, only those to this channel
        #[arg(long, requires = "all")]
        channel: Option<String>,
        /// Of all, only those made at this time or later, such as 2026-01-31T12:00:00Z
        #[arg(long, requires = "all", value_parser = time)]
        since: Option<Timestamp>,
        /// Print {"due","stale"}
        #[arg(long)]
        json: bool,
    },
}

fn time(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| "expected a time such as 2026-01-31T12:00:00Z".to_owned())
}

pub(super) async fn run(command: Command, config: &Config) -> Result<()> {
    let (store, _) = app::open(config).await?;
    match command {
        Command::List { status, channel, run, part, json } => {
            let filter = DeliveryFilter { status, channel, run_id: run };
            let page = store.deliveries(&filter, &part.into()).await?;
            if json {
                return output::json(&json!({ "deliveries": page.items, "next": page.next }));
            }
            let rows: Vec<_> = page.items.iter().map(row).collect();
            output::table(["ID", "CHANNEL", "TELLS", "STATUS", "ATTEMPTS", "LAST ERROR"], &rows)?;
            output::more(page.next.as_deref())
        }
        Command::Show { id, json } => {
            let detail = store.delivery(id).await?;
            if json { output::json(&detail) } else { show(&detail) }
        }
        Command::Retry { id: Some(id), json, .. } => {
            store.retry_delivery(id, &person::actor(), clock::now()).await?;
            if json {
                return output::json(&json!({ "due": 1, "stale": 0 }));
            }
            output::line("1 delivery is due again")
        }
        Command::Retry { id: None, channel, since, json, .. } => {
            let filter = DeadFilter { channel, since };
            let revived = store.retry_dead_deliveries(&filter, &person::actor(), clock::now()).await?;
            if json {
                return output::json(&revived);
            }
            output::line(&format!("{} deliveries are due again", revived.due))?;
            if revived.stale > 0 {
                let stale = revived.stale;
                output::line(&format!("{stale} are stale: something newer was told, or is about to be"))?;
            }
            Ok(())
        }
    }
}

fn show(detail: &DeliveryDetail) -> Result<()> {
    let DeliveryDetail { delivery, tries, retries } = detail;
    let Delivery { id, channel, tells, status, incident_id, run_id, trace_id, created_at, .. } = delivery;
    output::line(&format!("delivery {id} to `{channel}` tells `{tells}` of incident {incident_id}"))?;
    output::line(&format!("run {run_id}, trace {trace_id}, made {created_at}"))?;
    output::line(&match (delivery.superseded_by, status.is_final()) {
        (Some(by), _) => format!("{status}: {by} tells something newer"),
        (None, true) => format!("{status} since {}", delivery.due_at),
        (None, false) => format!("{status}, due {}", delivery.due_at),
    })?;
    for tried in tries {
        for retry in retries.iter().filter(|retry| retry.attempts.saturating_add(1) == tried.attempt) {
            output::line(&retried(retry))?;
        }
        output::line(&attempt(tried))?;
    }
    let last = tries.len();
    let late =
        retries.iter().filter(|retry| usize::try_from(retry.attempts).is_ok_and(|before| before >= last));
    late.map(retried).try_for_each(|line| output::line(&line))
}

fn attempt(tried: &Attempt) -> String {
    let Attempt { attempt, outcome, started_at, .. } = tried;
    let error = tried.error_message.as_deref().and_then(|error| error.lines().next());
    let what = error.or(tried.remote_ref.as_deref()).map(|text| format!(": {text}")).unwrap_or_default();
    format!("{started_at}  attempt {attempt} {outcome}{what}")
}

fn retried(retry: &Retry) -> String {
    format!("{}  due again by {}", retry.at, retry.actor)
}

fn row(delivery: &Delivery) -> [String; 6] {
    let error = delivery.error_message.clone().unwrap_or_default();
    let line = error.lines().next().unwrap_or_default().to_owned();
    [
        delivery.id.to_string(),
        delivery.channel.clone(),
        delivery.tells.to_string(),
        delivery.status.to_string(),
        delivery.attempts.to_string(),
        line,
    ]
}
