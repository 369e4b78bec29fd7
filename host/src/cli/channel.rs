//! `watchbell channel …`

mod given;
mod help;

use anyhow::{Context as _, Result};
use clap::Subcommand;
use domain::id::ChannelId;
use domain::plugin::PluginName;
use domain::time::{Timestamp, millis};
use serde_json::json;
use store::Store;

use super::{output, person};
use crate::app;
use crate::clock;
use crate::config::Config;
use crate::deliver::{Change, Channels, ManageError, Parts, Saved, Sender, Shown};
use crate::plugins::ChannelError;
pub(super) use given::Given;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Add a destination; its settings are checked by the notifier and stored encrypted
    Add {
        /// A name of your own, such as ops-slack
        name: String,
        /// The plugin that delivers: slack, generic, …; `watchbell channel settings` says what each asks for
        #[arg(long)]
        notifier: String,
        #[command(flatten)]
        given: Given,
        /// Add it switched off
        #[arg(long)]
        disabled: bool,
        /// Print {"id","name","channel","warnings"}
        #[arg(long)]
        json: bool,
    },
    /// List destinations, where they may go and how they are doing
    List {
        /// Print {"channels":[…]}
        #[arg(long)]
        json: bool,
    },
    /// Show one with its settings; secrets are not shown
    Show {
        /// Its name or identifier
        channel: String,
        /// Print {"channel"}
        #[arg(long)]
        json: bool,
    },
    /// Change settings: those that are named, or all of them by `--settings`
    Update {
        /// Its name or identifier
        channel: String,
        #[command(flatten)]
        given: Given,
        /// Take one setting out; may be repeated
        #[arg(long, value_name = "NAME")]
        unset: Vec<String>,
        /// Print {"channel","warnings"}
        #[arg(long)]
        json: bool,
    },
    /// Send a test now and say what the remote answered
    Test {
        /// Its name or identifier
        channel: String,
        /// Print what the API answers
        #[arg(long)]
        json: bool,
    },
    /// Stop sending to a destination; what waits for it goes on waiting
    Disable {
        /// Its name or identifier
        channel: String,
    },
    /// Send to a destination again
    Enable {
        /// Its name or identifier
        channel: String,
    },
    /// Take a destination away; what waits for it is given up on
    Remove {
        /// Its name or identifier
        channel: String,
    },
    /// Say which settings a notifier takes
    Settings {
        /// The notifier; all of them without
        notifier: Option<String>,
        /// Print {"notifiers":[…]} with the schema of each
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(command: Command, config: &Config) -> Result<()> {
    match command {
        Command::Add { name, notifier, given, disabled, json } => {
            add(config, &name, &notifier, given, !disabled, json).await
        }
        Command::List { json } => list(config, json).await,
        Command::Show { channel, json } => {
            let parts = app::channels(config, |_| true).await?;
            let id = find(&parts.store, &channel).await?;
            show(&Channels::new(parts).one(id).await?, json)
        }
        Command::Update { channel, given, unset, json } => update(config, &channel, given, unset, json).await,
        Command::Test { channel, json } => test(config, &channel, json).await,
        Command::Disable { channel } => switch(config, &channel, false).await,
        Command::Enable { channel } => switch(config, &channel, true).await,
        Command::Remove { channel } => remove(config, &channel).await,
        Command::Settings { notifier, json } => help::settings(config, notifier, json).await,
    }
}

async fn add(
    config: &Config,
    name: &str,
    notifier: &str,
    given: Given,
    enabled: bool,
    json: bool,
) -> Result<()> {
    let parts = app::channels(config, |_| true).await?;
    let channels = Channels::new(parts);
    let entry = channels.notifier(notifier)?;
    let settings = given.all(entry.schema.described())?;
    let saved = channels.add(name, notifier, &settings, enabled, &person::actor()).await;
    let saved = saved.map_err(|error| hinted(error, notifier))?;
    let channel = &saved.channel.state.channel;
    if json {
        let (id, name) = (channel.id, &channel.name);
        warn(&saved);
        return output::json(
            &json!({ "id": id, "name": name, "channel": saved.channel, "warnings": saved.warnings }),
        );
    }
    let grant = saved.channel.grant.join(", ");
    output::line(&format!(
        "channel `{}` ({}) sends through {} and may reach {grant}",
        channel.name, channel.id, channel.notifier
    ))?;
    warn(&saved);
    output::note(&format!("`watchbell channel test {}` sends a test", channel.name));
    Ok(())
}

/// An error of settings with where to read about them.
fn hinted(error: ManageError, notifier: &str) -> anyhow::Error {
    let is_of_settings = matches!(&error, ManageError::Settings { error: ChannelError::Invalid(_), .. });
    let error = anyhow::Error::new(error);
    match is_of_settings {
        true => anyhow::anyhow!("{error:#}\nhint: `watchbell channel settings {notifier}` says what each is"),
        false => error,
    }
}

async fn update(config: &Config, channel: &str, given: Given, unset: Vec<String>, json: bool) -> Result<()> {
    let parts = app::channels(config, |_| true).await?;
    let id = find(&parts.store, channel).await?;
    let notifier = parts.store.channel_state(id).await?.channel.notifier;
    let channels = Channels::new(parts);
    let entry = channels.notifier(notifier.as_str())?;
    let change = match given.is_whole() {
        true => Change::Whole(given.all(entry.schema.described())?),
        false => {
            let set =
                given.pairs(entry.schema.described())?.into_iter().map(|(name, value)| (name, Some(value)));
            Change::Some(set.chain(unset.into_iter().map(|name| (name, None))).collect())
        }
    };
    let saved = channels.change(id, change, &person::actor()).await;
    let saved = saved.map_err(|error| hinted(error, notifier.as_str()))?;
    warn(&saved);
    if json {
        return output::json(&json!({ "channel": saved.channel, "warnings": saved.warnings }));
    }
    show(&saved.channel, false)
}

async fn test(config: &Config, channel: &str, json: bool) -> Result<()> {
    let parts = app::channels(config, |_| true).await?;
    let id = find(&parts.store, channel).await?;
    let name = parts.store.channel_state(id).await?.channel.name;
    let sent = Sender::new(parts).test(&name, &person::actor()).await;
    let sent = sent.with_context(|| format!("the test did not get through channel `{name}`"))?;
    let duration_ms = millis(sent.took);
    if json {
        return output::json(&json!({
            "status": "delivered", "channel": sent.channel, "notifier": sent.notifier, "id": sent.id,
            "remote_ref": sent.remote_ref, "attempts": 1, "duration_ms": duration_ms,
        }));
    }
    let answer = sent.remote_ref.map(|text| format!("; it calls it `{text}`")).unwrap_or_default();
    output::line(&format!("the remote of `{name}` took the test within {duration_ms} ms{answer}"))
}

/// The channel of a name or an identifier.
async fn find(store: &Store, which: &str) -> Result<ChannelId> {
    let channels = store.channels().await?;
    let found = channels.iter().find(|channel| channel.name == which || channel.id.to_string() == which);
    found.map(|channel| channel.id).with_context(|| {
        let names: Vec<String> = channels.iter().map(|channel| format!("`{}`", channel.name)).collect();
        let there = if names.is_empty() { "none yet".to_owned() } else { names.join(", ") };
        format!("there is no channel `{which}`\nhint: there are {there}")
    })
}

async fn switch(config: &Config, channel: &str, enabled: bool) -> Result<()> {
    let parts = none(config).await?;
    let id = find(&parts.store, channel).await?;
    let saved = Channels::new(parts).switch(id, enabled, &person::actor()).await?;
    output::line(if enabled { "on" } else { "off" })?;
    warn(&saved);
    Ok(())
}

async fn remove(config: &Config, channel: &str) -> Result<()> {
    let parts = none(config).await?;
    let id = find(&parts.store, channel).await?;
    let name = Channels::new(parts).remove(id, clock::now(), &person::actor()).await?;
    output::line(&format!("channel `{name}` is gone"))
}

/// What does without notifiers does not wait for them to be loaded.
async fn none(config: &Config) -> Result<Parts> {
    app::channels(config, |_: &PluginName| false).await
}

fn warn(saved: &Saved) {
    for warning in &saved.warnings {
        output::note(&format!("warning: {warning}"));
    }
}

async fn list(config: &Config, json: bool) -> Result<()> {
    let parts = app::channels(config, |_| true).await?;
    let states = parts.store.channel_states().await?;
    let channels = Channels::new(parts);
    let mut shown = Vec::with_capacity(states.len());
    for state in states {
        shown.push(channels.show(state).await?);
    }
    if json {
        return output::json(&json!({ "channels": shown }));
    }
    let heading = [
        "NAME",
        "NOTIFIER",
        "STATE",
        "MAY REACH",
        "LAST SUCCESS",
        "FAILING SINCE",
        "WAITING SINCE",
        "LAST ERROR",
    ];
    output::table(heading, &shown.iter().map(row).collect::<Vec<_>>())
}

fn row(shown: &Shown) -> [String; 8] {
    let (channel, health) = (&shown.state.channel, &shown.state.health);
    let time = |time: Option<Timestamp>| time.map_or_else(|| "-".to_owned(), |time| time.to_string());
    let error = shown.problem.as_deref().or(health.last_error.as_deref());
    [
        channel.name.clone(),
        channel.notifier.to_string(),
        word(shown).to_owned(),
        if shown.grant.is_empty() { "-".to_owned() } else { shown.grant.join(", ") },
        time(health.last_success_at),
        time(health.failing_since),
        time(shown.state.due_at.filter(|due| *due <= clock::now())),
        error.and_then(|error| error.lines().next()).unwrap_or("-").to_owned(),
    ]
}

const fn word(shown: &Shown) -> &'static str {
    match (shown.state.channel.enabled, shown.problem.is_some(), shown.state.health.failing_since) {
        (false, ..) => "off",
        (true, true, _) => "broken",
        (true, false, Some(_)) => "failing",
        (true, false, None) => "on",
    }
}

fn show(shown: &Shown, json: bool) -> Result<()> {
    if json {
        return output::json(&json!({ "channel": shown }));
    }
    output::line(&format!("id             {}", shown.state.channel.id))?;
    let [name, notifier, state, grant, success, failing, waiting, _] = row(shown);
    let error = shown.state.health.last_error.clone().unwrap_or_else(|| "-".to_owned());
    for (what, value) in [
        ("name", name),
        ("notifier", notifier),
        ("state", state),
        ("may reach", grant),
        ("last success", success),
        ("failing since", failing),
        ("waiting since", waiting),
        ("last error", error),
    ] {
        output::line(&format!("{what:14} {value}"))?;
    }
    if let Some(problem) = &shown.problem {
        output::line(&format!("problem        {problem}"))?;
    }
    let settings = shown.settings.as_ref().and_then(|settings| settings.as_object());
    for (name, value) in settings.into_iter().flatten() {
        let mark = value.get("secret").map(|_| value.get("reference").and_then(|text| text.as_str()));
        let value = match (mark, value.as_str()) {
            (Some(reference), _) => {
                reference.map_or_else(|| "(secret)".to_owned(), |text| format!("(secret) {text}"))
            }
            (None, Some(text)) => text.to_owned(),
            (None, None) => value.to_string(),
        };
        output::line(&format!("  {name} = {value}"))?;
    }
    Ok(())
}
