//! `watchbell route …`

use std::io::Read as _;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Subcommand;
use domain::id::RouteId;
use domain::route::{Condition, Operator, Route};
use domain::run::Stage;
use serde_json::{Value, json};
use store::{BrokenRoute, KeptRoute, Routes, Store};

use super::output;
use crate::app;
use crate::clock::{self, Ids};
use crate::config::Config;
use crate::pipeline::routes::{self, Asked, Saved, Trial, Wish};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Add a route
    Add {
        /// A name of your own
        name: String,
        #[command(flatten)]
        rule: Rule,
        /// Add it switched off
        #[arg(long)]
        disabled: bool,
        /// Print {"route","warnings"}
        #[arg(long)]
        json: bool,
    },
    /// List routes in the order in which they are asked
    List {
        /// Print {"routes":[…],"broken":[…]}
        #[arg(long)]
        json: bool,
    },
    /// Show one
    Show {
        /// Its name or identifier
        route: String,
        /// Print {"route"}
        #[arg(long)]
        json: bool,
    },
    /// Change one: what is named, and nothing else
    Edit {
        /// Its name or identifier
        route: String,
        /// Another name
        #[arg(long, value_name = "NAME")]
        rename: Option<String>,
        #[command(flatten)]
        rule: Rule,
        /// Let it match everything
        #[arg(long, conflicts_with = "conditions")]
        always: bool,
        /// Let it tell every enabled channel
        #[arg(long, conflicts_with = "channels")]
        every_channel: bool,
        /// Print {"route","warnings"}
        #[arg(long)]
        json: bool,
    },
    /// Take one away
    Remove {
        /// Its name or identifier
        route: String,
    },
    /// Let one take part again
    Enable {
        /// Its name or identifier
        route: String,
    },
    /// Let one take no part
    Disable {
        /// Its name or identifier
        route: String,
    },
    /// Read an alert as JSON from standard input, and say what each route says and what would be done
    Test {
        /// Print {"trials":[…]}
        #[arg(long)]
        json: bool,
    },
}

#[derive(clap::Args)]
pub(super) struct Rule {
    /// The lowest is asked first; a new one has 100
    #[arg(long, allow_negative_numbers = true)]
    priority: Option<i32>,
    /// A condition, such as `severity is critical` or `label:team in db,web`; may be repeated, and all must hold
    #[arg(long = "when", value_name = "FIELD OP VALUE", value_parser = condition)]
    conditions: Vec<Condition>,
    /// The stages: check, analyze, notify
    #[arg(long, value_delimiter = ',', value_name = "STAGES")]
    stages: Vec<Stage>,
    /// A channel that is told; may be repeated. Without any, every enabled one is
    #[arg(long = "channel", value_name = "NAME")]
    channels: Vec<String>,
}

impl Rule {
    /// What is said; what is not stays or has its default.
    fn wish(self) -> Wish {
        let Self { priority, conditions, stages, channels } = self;
        Wish {
            name: None,
            priority,
            conditions: (!conditions.is_empty()).then_some(conditions),
            stages: (!stages.is_empty()).then_some(stages),
            channels: (!channels.is_empty()).then_some(channels),
            enabled: None,
        }
    }
}

/// `field op value`; the value goes on to the end, and commas part those of a list.
fn condition(text: &str) -> Result<Condition, String> {
    let mut words = text.trim().splitn(3, ' ');
    let (Some(field), Some(op), Some(value)) = (words.next(), words.next(), words.next()) else {
        return Err("a condition is written as FIELD OP VALUE, such as `severity is critical`".to_owned());
    };
    let op: Operator = op.parse().map_err(|error| format!("operator: {error}"))?;
    let value = match op {
        Operator::Is | Operator::IsNot => Value::from(value.trim()),
        Operator::In | Operator::NotIn => value.split(',').map(|value| value.trim()).collect(),
    };
    Ok(Condition { field: field.to_owned(), op, value })
}

pub(super) async fn run(command: Command, config: &Config) -> Result<()> {
    let (store, _) = app::open(config).await?;
    match command {
        Command::Add { name, rule, disabled, json } => {
            let wish = Wish { name: Some(name), enabled: Some(!disabled), ..rule.wish() };
            saved(&routes::add(&store, wish, &mut Ids, clock::now()).await?, json)
        }
        Command::List { json } => list(&store.routes().await?, json),
        Command::Show { route, json } => show(&routes::find(&store, &route).await?, json),
        Command::Edit { route, rename, rule, always, every_channel, json } => {
            let mut wish = Wish { name: rename, ..rule.wish() };
            wish.conditions = wish.conditions.or_else(|| always.then(Vec::new));
            wish.channels = wish.channels.or_else(|| every_channel.then(Vec::new));
            change(&store, &route, wish, json).await
        }
        Command::Remove { route } => remove(&store, &route).await,
        Command::Enable { route } => switch(&store, &route, true).await,
        Command::Disable { route } => switch(&store, &route, false).await,
        Command::Test { json } => test(&store, json).await,
    }
}

async fn change(store: &Store, which: &str, wish: Wish, json: bool) -> Result<()> {
    let id = routes::find(store, which).await?.route.id;
    saved(&routes::change(store, id, wish, clock::now()).await?, json)
}

async fn switch(store: &Store, which: &str, enabled: bool) -> Result<()> {
    change(store, which, Wish { enabled: Some(enabled), ..Wish::default() }, false).await
}

async fn remove(store: &Store, which: &str) -> Result<()> {
    let Routes { routes, broken } = store.routes().await?;
    let known = routes.into_iter().map(|kept| (kept.route.id.to_string(), kept.route.name));
    let mut known = known.chain(broken.into_iter().map(|broken| (broken.id, broken.name)));
    let (id, name) = known
        .find(|(id, name)| id == which || name == which)
        .with_context(|| format!("there is no route `{which}`"))?;
    let id: RouteId = id.parse()?;
    let warnings = routes::remove(store, id, clock::now()).await?;
    output::line(&format!("route `{name}` is gone"))?;
    warn(&warnings);
    Ok(())
}

fn saved(saved: &Saved, json: bool) -> Result<()> {
    if json {
        return output::json(&json!({ "route": saved.route, "warnings": saved.warnings }));
    }
    let state = if saved.route.enabled { "on" } else { "off" };
    output::line(&format!("route `{}` ({}) is {state}", saved.route.name, saved.route.id))?;
    warn(&saved.warnings);
    Ok(())
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        output::note(&format!("warning: {warning}"));
    }
}

fn list(routes: &Routes, json: bool) -> Result<()> {
    if json {
        return output::json(routes);
    }
    let rows: Vec<_> = routes.routes.iter().map(row).collect();
    output::table(["PRIORITY", "NAME", "WHEN", "STAGES", "CHANNELS", "HITS", "LAST HIT"], &rows)?;
    for BrokenRoute { name, problem, .. } in &routes.broken {
        output::note(&format!("warning: route `{name}` cannot be understood and matches nothing: {problem}"));
    }
    Ok(())
}

fn show(kept: &KeptRoute, json: bool) -> Result<()> {
    if json {
        return output::json(&json!({ "route": kept }));
    }
    output::line(&format!("id        {}", kept.route.id))?;
    let [priority, name, when, stages, channels, hits, last] = row(kept);
    for (what, value) in [
        ("name", name),
        ("priority", priority),
        ("when", when),
        ("stages", stages),
        ("channels", channels),
        ("hits", hits),
        ("last hit", last),
    ] {
        output::line(&format!("{what:9} {value}"))?;
    }
    Ok(())
}

fn row(kept: &KeptRoute) -> [String; 7] {
    let KeptRoute { route, hits, last_hit_at } = kept;
    let last = last_hit_at.map_or_else(|| "never".to_owned(), |time| time.to_string());
    let name = if route.enabled { route.name.clone() } else { format!("{} (off)", route.name) };
    [
        route.priority.to_string(),
        name,
        when(route),
        stages(&route.stages),
        channels(route),
        hits.to_string(),
        last,
    ]
}

fn when(route: &Route) -> String {
    let conditions: Vec<String> = route.conditions.iter().map(ToString::to_string).collect();
    if conditions.is_empty() { "always".to_owned() } else { conditions.join(" and ") }
}

fn stages(stages: &[Stage]) -> String {
    stages.iter().map(|stage| stage.as_str()).collect::<Vec<_>>().join(", ")
}

fn channels(route: &Route) -> String {
    if route.channels.is_empty() { "every enabled".to_owned() } else { route.channels.join(", ") }
}

async fn test(store: &Store, json: bool) -> Result<()> {
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input).context("standard input cannot be read")?;
    let alerts: Value = serde_json::from_str(&input).map_err(|error| {
        anyhow!("standard input is not JSON: {error}\nhint: watchbell route test < alert.json")
    })?;
    let probes = routes::probes(&alerts).map_err(anyhow::Error::msg)?;
    if probes.is_empty() {
        bail!("there is no alert in this");
    }
    let trials = routes::try_out(store, probes).await?;
    if json {
        return output::json(&json!({ "trials": trials }));
    }
    trials.iter().try_for_each(tell)
}

/// What becomes of one alert.
fn tell(trial: &Trial) -> Result<()> {
    let alert = &trial.alert;
    let instance = alert.instance.as_deref().unwrap_or("no instance");
    output::line(&format!("{}, {}, {}, {instance}", alert.source, alert.severity, alert.status))?;
    let row = |asked: &Asked| {
        let verdict = match (asked.enabled, asked.matches) {
            (false, _) => "off",
            (true, true) => "yes",
            (true, false) => "no",
        };
        [asked.priority.to_string(), asked.name.clone(), verdict.to_owned(), asked.because.join(" and ")]
    };
    output::table(
        ["PRIORITY", "ROUTE", "MATCHES", "BECAUSE"],
        &trial.routes.iter().map(row).collect::<Vec<_>>(),
    )?;
    for name in &trial.broken {
        output::line(&format!("route `{name}` is not asked: it cannot be understood"))?;
    }
    output::line(&match &trial.route {
        None => "no route matches: the run fails as `no_route`, and nobody is told".to_owned(),
        Some(route) if !trial.stages.contains(&Stage::Notify) => {
            format!("route `{route}` is taken: {}, and nobody is told", stages(&trial.stages))
        }
        Some(route) if trial.channels.is_empty() => {
            format!("route `{route}` is taken: {}, but no channel of it is enabled", stages(&trial.stages))
        }
        Some(route) => {
            format!("route `{route}` is taken: {}, to {}", stages(&trial.stages), trial.channels.join(", "))
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn conditions_are_written_as_they_are_read() {
        let read = |text| condition(text).map(|read| json!(read));
        assert_eq!(
            read("severity is critical"),
            Ok(json!({"field": "severity", "op": "is", "value": "critical"}))
        );
        assert_eq!(
            read("label:team not-in db, web"),
            Ok(json!({"field": "label:team", "op": "not-in", "value": ["db", "web"]}))
        );
        assert_eq!(read("instance is two words").unwrap()["value"], "two words");
        assert!(read("severity critical").unwrap_err().contains("FIELD OP VALUE"));
        assert!(read("severity like crit").unwrap_err().contains("`not-in`"));
    }
}
