//! `watchbell why …` and `watchbell trace …`

use anyhow::Result;
use clap::Args;
use domain::id::TraceId;
use domain::time::Timestamp;

use super::output;
use crate::app;
use crate::config::Config;
use crate::explain::{self, Explanation};

#[derive(Args)]
pub(super) struct Why {
    /// A run, an alert, an incident, a delivery or a trace, by its identifier
    id: String,
    /// Print {"kind","id","title","told","verdict","steps":[…],"more"}
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct Trace {
    /// What the sender was answered as `trace_id`
    trace_id: TraceId,
    /// Print {"kind","id","title","told","verdict","steps":[…],"more"}
    #[arg(long)]
    json: bool,
}

pub(super) async fn why(command: Why, config: &Config) -> Result<()> {
    let (store, _) = app::open(config).await?;
    show(&explain::why(&store, &command.id).await?, command.json)
}

pub(super) async fn trace(command: Trace, config: &Config) -> Result<()> {
    let (store, _) = app::open(config).await?;
    show(&explain::trace(&store, command.trace_id).await?, command.json)
}

fn show(explanation: &Explanation, json: bool) -> Result<()> {
    if json {
        return output::json(explanation);
    }
    let Explanation { id, title, verdict, steps, more, .. } = explanation;
    output::line(&format!("{} {id}: {title}", explanation.kind.as_str()))?;
    output::line(verdict)?;
    output::line("")?;
    let mut last: Option<Timestamp> = None;
    let blank = |text: &str| " ".repeat(text.len());
    for step in steps {
        let (at, what) = (step.at.to_string(), step.what.as_str());
        let shown = if last == Some(step.at) { blank(&at) } else { at.clone() };
        last = Some(step.at);
        for (index, text) in step.text.lines().enumerate() {
            let (shown, what) = if index == 0 { (shown.as_str(), what) } else { (&*blank(&at), "") };
            output::line(&format!("{shown}  {what:<11}  {text}"))?;
        }
    }
    if *more {
        output::line("there is more than what was looked at: ask for one of the runs")?;
    }
    Ok(())
}
