//! `watchbell incident …`

use anyhow::Result;
use clap::Subcommand;
use domain::act::Act;
use domain::alert::{Alert, Severity};
use domain::id::IncidentId;
use domain::incident::{Incident, IncidentStatus};
use domain::life::Action;
use domain::time::Timestamp;
use serde_json::json;
use store::{IncidentDetail, IncidentFilter, IncidentHistory, PageRequest, Store};

use super::output::{self, Usage};
use super::part::Part;
use super::person;
use crate::app;
use crate::clock::{self, Ids};
use crate::config::Config;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List incidents, the newest first
    List {
        /// Only those in this state: open, acknowledged, resolved, closed
        #[arg(long)]
        status: Option<IncidentStatus>,
        /// Only those exactly this bad: info, warning, critical
        #[arg(long)]
        severity: Option<Severity>,
        /// Only those of alerts of this name
        #[arg(long)]
        name: Option<String>,
        /// Only those on this machine or service
        #[arg(long)]
        instance: Option<String>,
        #[command(flatten)]
        part: Part,
        /// Print {"incidents":[…],"next"}
        #[arg(long)]
        json: bool,
    },
    /// Show one with its alerts and its history
    Show {
        /// Its identifier
        id: IncidentId,
        /// Print it as the API does
        #[arg(long)]
        json: bool,
    },
    /// Take it; its channels are told
    Acknowledge(Words),
    /// Give it back; its channels are told
    Unacknowledge(Words),
    /// Say that it is over; its channels are told. It opens again if an alert of it gets worse or fires anew
    Resolve(Words),
    /// Put it away; it opens again only if an alert of it fires anew
    Close(Words),
    /// Say something about it; nobody is told
    Comment(Words),
}

#[derive(clap::Args)]
pub(super) struct Words {
    /// The incident
    id: IncidentId,
    /// Why, in your own words; kept in its history
    reason: Option<String>,
    /// Print {"incident","changed","run_id","trace_id"}
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(command: Command, config: &Config) -> Result<()> {
    let (store, _) = app::open(config).await?;
    let (action, words) = match command {
        Command::List { status, severity, name, instance, part, json } => {
            let filter = IncidentFilter { status, severity, name, instance };
            return list(&store, &filter, &part.into(), json).await;
        }
        Command::Show { id, json } => return show(&store.incident(id).await?, json),
        Command::Acknowledge(words) => (Action::Acknowledge, words),
        Command::Unacknowledge(words) => (Action::Unacknowledge, words),
        Command::Resolve(words) => (Action::Resolve, words),
        Command::Close(words) => (Action::Close, words),
        Command::Comment(words) => (Action::Comment, words),
    };
    act(&store, action, words).await
}

async fn list(store: &Store, filter: &IncidentFilter, page: &PageRequest, json: bool) -> Result<()> {
    let page = store.incidents(filter, page).await?;
    if json {
        return output::json(&json!({ "incidents": page.items, "next": page.next }));
    }
    let rows: Vec<_> = page.items.iter().map(row).collect();
    output::table(["ID", "STATUS", "SEVERITY", "FIRING", "SINCE", "TITLE"], &rows)?;
    output::more(page.next.as_deref())
}

fn row(incident: &Incident) -> [String; 6] {
    [
        incident.id.to_string(),
        incident.status.to_string(),
        incident.severity.to_string(),
        incident.firing.to_string(),
        incident.opened_at.to_string(),
        incident.title.clone(),
    ]
}

fn show(detail: &IncidentDetail, json: bool) -> Result<()> {
    if json {
        return output::json(detail);
    }
    let incident = &detail.incident;
    output::line(&format!("{} ({})", incident.title, incident.id))?;
    output::line(&format!("{}, {}, since {}", incident.status, incident.severity, incident.opened_at))?;
    let when = |what: &str, time: Option<Timestamp>| match time {
        Some(time) => output::line(&format!("{what} {time}")),
        None => Ok(()),
    };
    when("acknowledged", incident.acknowledged_at)?;
    when("resolved", incident.resolved_at)?;
    when("closed", incident.closed_at)?;
    let alert = |alert: &Alert| {
        [alert.status.to_string(), alert.severity.to_string(), alert.source.to_string(), alert.id.to_string()]
    };
    output::table(
        ["ALERT", "SEVERITY", "SOURCE", "ID"],
        &detail.alerts.iter().map(alert).collect::<Vec<_>>(),
    )?;
    let line = |line: &IncidentHistory| {
        let reason = line.reason.clone().unwrap_or_default();
        let state = format!("{} {}", line.status, line.severity);
        [line.at.to_string(), line.event.to_string(), state, line.actor.clone(), reason]
    };
    let lines: Vec<_> = detail.history.iter().map(line).collect();
    output::table(["WHEN", "WHAT", "THEN", "WHO", "WHY"], &lines)
}

async fn act(store: &Store, action: Action, words: Words) -> Result<()> {
    let act = Act::new(action, person::actor(), words.reason.as_deref()).map_err(Usage)?;
    let acted = store.act(words.id, &act, &mut Ids, clock::now()).await?;
    let (run_id, trace_id) = acted.run.unzip();
    if words.json {
        return output::json(&json!({
            "incident": acted.incident, "changed": acted.changed, "run_id": run_id, "trace_id": trace_id,
        }));
    }
    let (incident, status) = (&acted.incident.id, acted.incident.status);
    output::line(&match (acted.changed, run_id) {
        (false, _) => format!("incident {incident} was {status} already"),
        (true, Some(run)) => format!("incident {incident} is {status}; run {run} tells its channels"),
        (true, None) => format!("noted; incident {incident} is {status}, and nobody is told"),
    })
}
