//! `watchbell channel …`

use std::io::Read as _;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use domain::delivery::Channel;
use domain::id::{ChannelId, RunId, TraceId};
use domain::plugin::{PluginKind, PluginName};
use domain::time::Timestamp;
use serde_json::{Map, Value, json};
use store::{ChannelState, Store};

use super::output;
use crate::app;
use crate::clock::{self, Ids};
use crate::config::Config;
use crate::crypto::{KeyRing, Place, Purpose};
use crate::egress::{Egress, Grants};
use crate::plugins::{self, CallLog, Catalogue, ChannelSettings, NotifierEntry, Outside};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Add a destination; its settings are checked by the notifier and stored encrypted
    Add {
        /// A name of your own, such as ops-slack
        name: String,
        /// The plugin that delivers: slack, generic, …
        #[arg(long)]
        notifier: String,
        /// One setting; may be repeated
        #[arg(long = "set", value_name = "NAME=VALUE")]
        set: Vec<String>,
        /// All settings as a JSON object; `-` reads it from standard input
        #[arg(long, value_name = "JSON")]
        config: Option<String>,
        /// Print {"id","name"}
        #[arg(long)]
        json: bool,
    },
    /// List destinations and how they are doing; settings are not shown
    List {
        /// Print {"channels":[…]}
        #[arg(long)]
        json: bool,
    },
    /// Stop sending to a destination
    Disable {
        /// Its name
        name: String,
    },
    /// Send to a destination again
    Enable {
        /// Its name
        name: String,
    },
}

pub(super) async fn run(command: Command, config: &Config) -> Result<()> {
    match command {
        Command::Add { name, notifier, set, config: text, json } => {
            let settings = settings(text, &set)?;
            let added = add(config, &name, &notifier, &settings).await?;
            if json {
                return output::json(&json!({ "id": added.id, "name": added.name }));
            }
            output::line(&format!("channel `{}` ({}) sends through {}", added.name, added.id, added.notifier))
        }
        Command::List { json } => list(config, json).await,
        Command::Disable { name } => switch(config, &name, false).await,
        Command::Enable { name } => switch(config, &name, true).await,
    }
}

async fn list(config: &Config, json: bool) -> Result<()> {
    let (store, _) = app::open(config).await?;
    let channels = store.channel_states().await?;
    if json {
        return output::json(&json!({ "channels": channels }));
    }
    let rows: Vec<_> = channels.iter().map(row).collect();
    output::table(
        ["NAME", "NOTIFIER", "STATE", "LAST SUCCESS", "FAILING SINCE", "WAITING SINCE", "LAST ERROR"],
        &rows,
    )
}

fn row(state: &ChannelState) -> [String; 7] {
    let ChannelState { channel, health, due_at } = state;
    let time = |time: Option<Timestamp>| time.map_or_else(|| "-".to_owned(), |time| time.to_string());
    let word = match (channel.enabled, health.failing_since) {
        (false, _) => "off",
        (true, Some(_)) => "failing",
        (true, None) => "on",
    };
    let error = health.last_error.as_deref().and_then(|error| error.lines().next()).unwrap_or("-");
    [
        channel.name.clone(),
        channel.notifier.to_string(),
        word.to_owned(),
        time(health.last_success_at),
        time(health.failing_since),
        time(due_at.filter(|due| *due <= clock::now())),
        error.to_owned(),
    ]
}

async fn switch(config: &Config, name: &str, enabled: bool) -> Result<()> {
    let (store, _) = app::open(config).await?;
    store.enable_channel(name, enabled).await?;
    output::line(if enabled { "on" } else { "off" })
}

/// The settings from `--config` with those of `--set` over them.
fn settings(text: Option<String>, set: &[String]) -> Result<Value> {
    let text = match text.as_deref() {
        Some("-") => {
            let mut input = String::new();
            std::io::stdin().read_to_string(&mut input).context("standard input cannot be read")?;
            Some(input)
        }
        _ => text,
    };
    // The parser's own error is kept out: it may show a part of a secret.
    let whole =
        text.map(|text| serde_json::from_str(&text).map_err(|_| anyhow::anyhow!("`--config` is not JSON")));
    let mut settings = match whole.transpose()?.unwrap_or_else(|| Value::Object(Map::new())) {
        Value::Object(settings) => settings,
        _ => bail!("`--config` must be a JSON object"),
    };
    for (place, pair) in set.iter().enumerate() {
        let Some((name, value)) = pair.split_once('=') else {
            bail!("`--set` number {} must be NAME=VALUE", place.saturating_add(1));
        };
        settings.insert(name.trim().to_owned(), Value::String(value.to_owned()));
    }
    Ok(Value::Object(settings))
}

async fn add(config: &Config, name: &str, notifier: &str, settings: &Value) -> Result<Channel> {
    if name.trim().is_empty() || name.len() > 64 || name.chars().any(char::is_control) {
        bail!("a channel's name has 1 to 64 bytes and no control characters");
    }
    let entry = entry(config, notifier).await?;
    check(config, &entry, settings).await?;
    let (store, keys) = app::open(config).await?;
    let channel = Channel {
        id: ChannelId::mint(&mut Ids),
        name: name.trim().to_owned(),
        notifier: entry.notifier.info().plugin.name.clone(),
        enabled: true,
        created_at: clock::now(),
    };
    let row = channel.id.to_string();
    let place = Place { table: "channel", column: "settings", row: &row };
    let sealed = keys.seal(Purpose::Channel, place, settings.to_string().as_bytes())?;
    store.add_channel(&channel, &sealed).await.map_err(|error| match error {
        store::StoreError::Conflict(_) => anyhow::anyhow!("there is a channel `{}` already", channel.name),
        other => other.into(),
    })?;
    Ok(channel)
}

async fn entry(config: &Config, notifier: &str) -> Result<Arc<NotifierEntry>> {
    let wanted: PluginName = notifier.parse()?;
    let only = wanted.clone();
    let is_wanted = move |kind, name: &PluginName| kind == PluginKind::Notifier && *name == only;
    let catalogue = plugins::start(&config.plugins, is_wanted).await?;
    catalogue.notifier(&wanted).with_context(|| {
        format!("there is no notifier `{wanted}`\nhint: `watchbell plugin list` shows what there is")
    })
}

/// Whether a stored channel can send: its notifier is there and takes its settings.
pub(super) async fn check_stored(
    config: &Config,
    catalogue: &Catalogue,
    store: &Store,
    keys: &KeyRing,
    channel: &Channel,
) -> Result<()> {
    let entry = catalogue
        .notifier(&channel.notifier)
        .with_context(|| format!("its notifier `{}` is not loaded", channel.notifier))?;
    let row = channel.id.to_string();
    let place = Place { table: "channel", column: "settings", row: &row };
    let opened = keys.open_value(Purpose::Channel, place, &store.channel_settings(channel.id).await?)?;
    let settings: Value = serde_json::from_slice(&opened).context("its settings are not JSON")?;
    check(config, &entry, &settings).await
}

/// Asks the host's own rules and then the plugin whether the settings can work.
async fn check(config: &Config, entry: &NotifierEntry, settings: &Value) -> Result<()> {
    let info = entry.notifier.info();
    let split = ChannelSettings::split(&info.config_schema, settings, &config.references)?;
    let plugin = &info.plugin.name;
    let log = CallLog::new(PluginKind::Notifier, plugin, RunId::mint(&mut Ids), TraceId::mint(&mut Ids));
    let egress = Arc::new(Egress::open(&config.egress)?);
    let grants = Grants {
        plugin: plugin.clone(),
        channel: None,
        origins: split.origins,
        secrets: split.secrets,
        trace: None,
    };
    let outside = Arc::new(Outside::new(log, egress, grants, entry.notifier.limits().egress, None));
    let problems = entry.notifier.validate_config(&split.config, outside).await?;
    if problems.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> =
        problems.iter().map(|problem| format!("`{}`: {}", problem.path, problem.message)).collect();
    bail!("notifier `{}` does not take these settings:\n{}", info.plugin.name, lines.join("\n"))
}
