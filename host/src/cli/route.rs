//! `watchbell route …`

use anyhow::Result;
use clap::Subcommand;
use domain::route::Route;
use serde_json::{Value, json};

use super::output;
use crate::app;
use crate::config::Config;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List routes in the order in which they are asked
    List {
        /// Print {"routes":[…]}
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(command: Command, config: &Config) -> Result<()> {
    let Command::List { json } = command;
    let (store, _) = app::open(config).await?;
    let routes = store.routes().await?;
    if json {
        return output::json(&json!({ "routes": routes }));
    }
    let rows: Vec<_> = routes.iter().map(row).collect();
    output::table(["PRIORITY", "NAME", "WHEN", "STAGES", "CHANNELS"], &rows)
}

fn row(route: &Route) -> [String; 5] {
    let conditions = route.conditions.iter().map(|condition| {
        let op = serde_json::to_value(condition.op).unwrap_or(Value::Null);
        format!("{} {} {}", condition.field, op.as_str().unwrap_or_default(), condition.value)
    });
    let when = conditions.collect::<Vec<_>>().join(" and ");
    let stages: Vec<&str> = route.stages.iter().map(|stage| stage.as_str()).collect();
    let channels =
        if route.channels.is_empty() { "every enabled".to_owned() } else { route.channels.join(", ") };
    let name = if route.enabled { route.name.clone() } else { format!("{} (off)", route.name) };
    let when = if when.is_empty() { "always".to_owned() } else { when };
    [route.priority.to_string(), name, when, stages.join(", "), channels]
}
