//! `watchbell replay …`

use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use domain::id::RunId;
use serde_json::{Map, Value, json};

use super::{output, person};
use crate::app;
use crate::config::Config;
use crate::ingest::{By, Change, Difference, Named, Reading, Reparsed, Replayed};
use crate::plugins;

/// How much of a value a line shows.
const SHOWN_CHARS: usize = 60;

#[derive(Args)]
pub(super) struct Command {
    /// The `run_id` that the sender was answered
    run_id: RunId,
    /// Read it by this component instead of the driver that is loaded
    #[arg(long, value_name = "FILE")]
    plugin: Option<String>,
    /// Read it by this driver, whoever it was sent to
    #[arg(long = "as", value_name = "DRIVER", conflicts_with = "plugin")]
    by: Option<String>,
    /// Write what was found; alerts that only the earlier reading had (marked `-`) stay as they are
    #[arg(long, conflicts_with = "plugin")]
    apply: bool,
    /// Print all of it as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(command: Command, config: &Config) -> Result<()> {
    let Command { run_id, plugin, by, apply, json } = command;
    let other = match &plugin {
        Some(file) => Some(Arc::new(plugins::driver(&config.plugins, file).await?)),
        None => None,
    };
    let again = app::again(config).await?;
    let (replayed, result) = if apply {
        let (replayed, result) = again.apply(run_id, by.as_deref(), &person::actor()).await?;
        (replayed, Some(result))
    } else {
        let by = other.map_or(By::Loaded(by.as_deref()), By::Other);
        (again.replay(run_id, by, &person::actor()).await?, None)
    };
    if json {
        return output::json(&json!({ "replayed": replayed, "result": result }));
    }
    lines(&replayed, result.as_ref()).iter().try_for_each(|line| output::line(line))
}

/// What was found, for people.
fn lines(replayed: &Replayed, result: Option<&Reparsed>) -> Vec<String> {
    let Replayed { stored, reading, loaded, difference, would_change, .. } = replayed;
    let mut lines = vec![
        format!("run {} of {}: {}", stored.run_id, stored.received_at, stored.outcome),
        format!("driver: {}", replayed.detection),
        format!("now: {}", read(reading)),
    ];
    let compared_with = match loaded {
        Some(loaded) => {
            lines.push(format!("loaded: {}", read(loaded)));
            "what the loaded driver finds"
        }
        None => "what is stored",
    };
    lines.push(format!("alerts, compared with {compared_with}:"));
    lines.extend(differences(difference));
    match result {
        Some(Reparsed { outcome, alerts, incidents, runs, .. }) => lines.push(format!(
            "written: {outcome}, {alerts} alerts, {} incidents touched, {} downstream runs",
            incidents.len(),
            runs.len()
        )),
        None => {
            lines.push("would change now:".to_owned());
            lines.extend(changes(would_change));
            lines.push("nothing was written".to_owned());
        }
    }
    lines
}

fn read(reading: &Reading) -> String {
    let driver = reading.driver.as_ref().map_or("nobody", |driver| driver.as_str());
    let version = reading.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    let why = output::first_line(reading.reason.as_deref());
    format!("{} by {driver}{version}, {} alerts{why}", reading.outcome, reading.alerts)
}

fn differences(difference: &Difference) -> Vec<String> {
    let named = |sign: char, alert: &Named| format!("  {sign} {} [{}]", alert.name, alert.fingerprint);
    let mut lines: Vec<String> = difference.removed.iter().map(|alert| named('-', alert)).collect();
    lines.extend(difference.added.iter().map(|alert| named('+', alert)));
    for changed in &difference.changed {
        lines.push(named('~', &changed.alert));
        lines.extend(fields(&changed.fields));
    }
    lines.push(format!("  {} alike", difference.same));
    lines
}

fn changes(change: &Change) -> Vec<String> {
    let mut lines = Vec::new();
    for step in &change.alerts {
        lines.push(format!("  alert {} [{}]: {}", step.alert.name, step.alert.fingerprint, step.event));
        lines.extend(step.fields.as_object().map(fields).unwrap_or_default());
    }
    for step in &change.incidents {
        let what: Vec<&str> = step.reasons.iter().map(|reason| reason.as_str()).collect();
        let what = if what.is_empty() { "counts".to_owned() } else { what.join(", ") };
        lines.push(format!("  incident {}: {what}", step.title));
    }
    lines.push(format!("  {} downstream runs", change.runs));
    lines
}

/// A line for each field: `name: before -> now`.
fn fields(fields: &Map<String, Value>) -> Vec<String> {
    let line = |(key, values): (&String, &Value)| {
        let value = |at: usize| {
            let text = values.get(at).map(Value::to_string).unwrap_or_default();
            match text.char_indices().nth(SHOWN_CHARS) {
                Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
                None => text,
            }
        };
        format!("      {key}: {} -> {}", value(0), value(1))
    };
    fields.iter().map(line).collect()
}
