//! `watchbell run …`

use anyhow::Result;
use clap::Subcommand;
use domain::id::{IncidentId, RunId, TraceId};
use domain::run::{Run, RunStatus};
use serde_json::json;
use store::{Resumed, RunFilter};

use super::part::Part;
use super::{output, person};
use crate::app;
use crate::clock;
use crate::config::Config;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List runs, the newest first
    List {
        /// Only those in this state: PENDING, INGESTED, CHECKED, ANALYZED, NOTIFIED, FAILED, RETRYING, SKIPPED
        #[arg(long, value_parser = status)]
        status: Option<RunStatus>,
        /// Only those about this incident
        #[arg(long)]
        incident: Option<IncidentId>,
        /// Only those of this webhook
        #[arg(long)]
        trace: Option<TraceId>,
        #[command(flatten)]
        part: Part,
        /// Print {"runs":[…],"next"}
        #[arg(long)]
        json: bool,
    },
    /// Print one run as JSON, with its stages and deliveries
    Show {
        /// Its identifier
        run_id: RunId,
        /// Also what its stages made; the log says who looked
        #[arg(long)]
        outputs: bool,
    },
    /// Take up a run that failed, or that had nobody to tell, after its last stage that succeeded
    Resume {
        /// Its identifier
        run_id: RunId,
    },
}

fn status(text: &str) -> Result<RunStatus, domain::alert::WordError> {
    text.to_ascii_uppercase().parse()
}

pub(super) async fn run(command: Command, config: &Config) -> Result<()> {
    match command {
        Command::List { status, incident, trace, part, json } => {
            let filter = RunFilter { status, incident_id: incident, trace_id: trace, ..RunFilter::default() };
            let (store, _) = app::open(config).await?;
            let page = store.runs(&filter, &part.into()).await?;
            if json {
                return output::json(&json!({ "runs": page.items, "next": page.next }));
            }
            let rows: Vec<_> = page.items.iter().map(row).collect();
            output::table(["RUN", "CREATED", "STATUS", "SOURCE", "ABOUT", "WHY"], &rows)?;
            output::more(page.next.as_deref())
        }
        Command::Show { run_id, outputs: false } => {
            let (store, _) = app::open(config).await?;
            output::json(&store.run(run_id).await?)
        }
        Command::Show { run_id, outputs: true } => {
            let (store, outputs) = app::outputs(config).await?;
            let run = store.run(run_id).await?;
            output::json(&json!({ "run": run, "outputs": outputs.open(run_id, &person::actor()).await? }))
        }
        Command::Resume { run_id } => {
            let (store, _) = app::open(config).await?;
            match store.resume_run(run_id, &person::actor(), clock::now()).await? {
                Resumed::Stages => output::line("the run is due again, after its last stage that succeeded"),
                Resumed::Deliveries(count) => {
                    output::line(&format!("deliveries of the run due again: {count}"))
                }
            }
        }
    }
}

fn row(run: &Run) -> [String; 6] {
    let about = match run.incident_id {
        Some(id) => format!("incident {id}"),
        None => run.outcome.map_or_else(String::new, |outcome| format!("webhook, {outcome}")),
    };
    let reasons: Vec<&str> = run.reasons.iter().map(|reason| reason.as_str()).collect();
    let error = run.error_message.as_deref().and_then(|text| text.lines().next());
    let why = error.map_or_else(|| reasons.join(", "), str::to_owned);
    let source = run.source.clone().unwrap_or_default();
    [run.run_id.to_string(), run.created_at.to_string(), run.status.to_string(), source, about, why]
}
