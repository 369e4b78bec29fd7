//! `watchbell provider …`

use anyhow::{Result, bail};
use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::channel::Given;
use super::{output, person};
use crate::app;
use crate::config::Config;
use crate::intelligence::{Intelligence, SettingsFrom, ShownProvider};

#[derive(Subcommand)]
pub(super) enum Command {
    /// List providers, and which one is active
    List {
        /// Print {"providers":[…],"active"}
        #[arg(long)]
        json: bool,
    },
    /// Show how one is set up, without secrets
    Show {
        /// Its name
        provider: String,
        /// Print {"provider","config_schema"}
        #[arg(long)]
        json: bool,
    },
    /// Change settings of one; they are checked by the provider and stored encrypted
    ///
    /// What is not named stays; `null` in `--settings` takes one out. Secrets may be references: env:NAME or file:/path, as the hub sees them. Running
    /// hubs know within seconds.
    Set {
        /// Its name
        provider: String,
        #[command(flatten)]
        given: Given,
        /// Print {"provider"}
        #[arg(long)]
        json: bool,
    },
    /// Make one the provider that analyses incidents
    Activate {
        /// Its name
        provider: String,
    },
    /// Go back to what plugins.toml says of one, and to INTELLIGENCE_PROVIDER if it was active
    Reset {
        /// Its name
        provider: String,
    },
    /// Ask one about a made-up incident; it costs what a real question does
    Test {
        /// Its name
        provider: String,
        /// Print {"provider","ok","duration_ms","analysis","error_type","error_message"}
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(command: Command, config: &Config) -> Result<()> {
    let intelligence = app::intelligence(config).await?;
    match command {
        Command::List { json } => list(&intelligence, json).await,
        Command::Show { provider, json } => {
            let (shown, schema) = intelligence.show(&provider).await?;
            if json {
                return output::json(&json!({ "provider": shown, "config_schema": schema }));
            }
            show(&shown)
        }
        Command::Set { provider, given, json } => {
            let changes = changes(&intelligence, &provider, &given).await?;
            let shown = intelligence.change(&provider, &changes, &person::actor()).await?;
            if json {
                return output::json(&json!({ "provider": shown }));
            }
            output::line(&format!("provider `{}` is set up; it may reach {}", shown.name, reach(&shown)))
        }
        Command::Activate { provider } => {
            let shown = intelligence.activate(&provider, &person::actor()).await?;
            output::line(&format!("provider `{}` analyses incidents", shown.name))
        }
        Command::Reset { provider } => {
            intelligence.reset(&provider, &person::actor()).await?;
            output::line(&format!(
                "provider `{provider}` is as plugins.toml says; `{}` is active",
                intelligence.active().await?
            ))
        }
        Command::Test { provider, json } => test(&intelligence, &provider, json).await,
    }
}

/// What `--set` and `--settings` say.
async fn changes(intelligence: &Intelligence, provider: &str, given: &Given) -> Result<Map<String, Value>> {
    let (_, schema) = intelligence.show(provider).await?;
    match given.all(&schema)? {
        Value::Object(changes) if !changes.is_empty() => Ok(changes),
        _ => bail!(output::Usage("nothing to set: `--set NAME=VALUE` or `--settings FILE`".to_owned())),
    }
}

async fn list(intelligence: &Intelligence, json: bool) -> Result<()> {
    let (providers, active) = (intelligence.list().await?, intelligence.active().await?);
    if json {
        return output::json(&json!({ "providers": providers, "active": active }));
    }
    let row = |shown: &ShownProvider| {
        let state = if shown.active { "active" } else { "-" };
        [shown.name.clone(), state.to_owned(), from(shown).to_owned(), reach(shown), shown.summary.clone()]
    };
    let rows: Vec<_> = providers.iter().map(row).collect();
    output::table(["NAME", "STATE", "SETTINGS", "MAY REACH", "WHAT IT IS"], &rows)?;
    if !providers.iter().any(|shown| shown.active) {
        output::note(&format!("warning: the active provider `{active}` is not loaded; `local` answers"));
    }
    Ok(())
}

fn show(shown: &ShownProvider) -> Result<()> {
    let settings = shown.settings.to_string();
    let tasks = shown.tasks.join(", ");
    for (what, value) in [
        ("name", shown.name.as_str()),
        ("active", if shown.active { "yes" } else { "no" }),
        ("what", shown.summary.as_str()),
        ("tasks", tasks.as_str()),
        ("may reach", reach(shown).as_str()),
        ("settings", settings.as_str()),
        ("from", from(shown)),
    ] {
        output::line(&format!("{what:9} {value}"))?;
    }
    Ok(())
}

const fn from(shown: &ShownProvider) -> &'static str {
    match shown.settings_from {
        SettingsFrom::File => "plugins.toml",
        SettingsFrom::Stored => "stored",
    }
}

fn reach(shown: &ShownProvider) -> String {
    if shown.origins.is_empty() { "nothing".to_owned() } else { shown.origins.join(", ") }
}

async fn test(intelligence: &Intelligence, provider: &str, json: bool) -> Result<()> {
    let trial = intelligence.try_out(provider).await?;
    if json {
        output::json(&trial)?;
    }
    let why = trial.error_message.unwrap_or_default();
    anyhow::ensure!(trial.ok, "provider `{provider}` gave no answer after {} ms: {why}", trial.duration_ms);
    if let Some(analysis) = trial.analysis.filter(|_| !json) {
        let tokens = analysis.usage.map_or_else(String::new, |usage| {
            format!(", {} tokens in and {} out", usage.input_tokens, usage.output_tokens)
        });
        let model = &analysis.model;
        output::line(&format!("answered after {} ms by {model}{tokens}", trial.duration_ms))?;
        output::line(&analysis.summary)?;
    }
    Ok(())
}
