//! `watchbell secrets …`

use std::io::Read as _;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use clap::Subcommand;
use domain::plugin::{PluginKind, PluginName};
use domain::secret::Secret;
use serde_json::json;

use super::{output, person};
use crate::app;
use crate::config::{Config, SecretText};
use crate::ingest::{ShownSecret, WebhookSecrets};
use crate::plugins::{self, Approvals};
use crate::rotation::{KnownKey, Role, Rotation, Status, Verified};

/// Longer input is no secret, in bytes.
const MAX_INPUT: u64 = 64 * 1024;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Print a fresh value for WATCHBELL_SECRET_KEY
    Generate,
    /// Wrap the data keys under WATCHBELL_SECRET_KEY; running hubs do the same by themselves
    Rotate {
        /// Also make new data keys, for what is sealed from now on
        #[arg(long)]
        data: bool,
        /// Go back to this secret key although another host has replaced it
        #[arg(long)]
        back: bool,
        /// Print {"left","data_keys","secret_keys"} at the end, and nothing else
        #[arg(long)]
        json: bool,
    },
    /// Keep the secret that a sender signs with, encrypted; it is read from standard input
    ///
    /// The one before is accepted too until it is removed. Running hubs know within seconds.
    Set {
        /// `webhook/<driver>`, such as webhook/grafana
        #[arg(value_parser = driver)]
        name: PluginName,
        /// Where it is kept, instead of itself: env:NAME or file:/path, as the hub sees them
        #[arg(long, value_name = "REFERENCE")]
        reference: Option<String>,
        /// Refuse the one before from now on
        #[arg(long)]
        replace: bool,
        /// Print {"name","created_at","previous_created_at","overridden"}
        #[arg(long)]
        json: bool,
    },
    /// List the secrets that are kept, without what they are
    List {
        /// Print {"secrets":[…]}
        #[arg(long)]
        json: bool,
    },
    /// Remove a secret; without one, webhooks of its driver are taken unsigned
    Remove {
        /// `webhook/<driver>`
        #[arg(value_parser = driver)]
        name: PluginName,
        /// Only the one before the current one
        #[arg(long)]
        previous: bool,
    },
    /// Show which secret keys wrap how many data keys; the keys themselves are never shown
    Status {
        /// Also open everything that is sealed, and tell what cannot be opened
        #[arg(long)]
        verify: bool,
        /// Print {"left","data_keys","secret_keys","verified"}
        #[arg(long)]
        json: bool,
    },
}

/// The driver of `webhook/<driver>`.
fn driver(name: &str) -> Result<PluginName, String> {
    let driver = name.strip_prefix("webhook/").ok_or("a secret is named `webhook/<driver>`")?;
    driver.parse().map_err(|error| format!("`{driver}`: {error}"))
}

pub(super) async fn run(command: Command, config: &Config) -> Result<()> {
    match command {
        Command::Generate => Ok(()),
        Command::Rotate { data, back, json } => {
            let (_, rotation) = app::open_rotation(config).await?;
            rotate(&rotation, data, back, json).await
        }
        Command::Set { name, reference, replace, json } => {
            let value = value(reference)?;
            let secrets = open(config, Some(&name)).await?;
            let shown = secrets.set(name.as_str(), &value, replace, &person::actor()).await?;
            if json {
                return output::json(&shown);
            }
            output::line(&format!("secret `{}` is kept; running hubs use it within seconds", shown.name))?;
            if shown.overridden {
                output::note(
                    "a `WEBHOOK_SECRET_…` is set for this driver where this command runs, and wins there",
                );
            }
            Ok(())
        }
        Command::List { json } => {
            let secrets = open(config, None).await?;
            list(&secrets, json).await
        }
        Command::Remove { name, previous } => {
            let removed = open(config, None).await?.remove(name.as_str(), previous, &person::actor()).await?;
            output::line(&format!("removed, {removed} in all"))
        }
        Command::Status { verify, json } => {
            let (_, rotation) = app::open_rotation(config).await?;
            let verified = if verify { Some(rotation.verify().await?) } else { None };
            status(&rotation.status().await?, verified, json)
        }
    }
}

/// The stored secrets, with as many drivers as it takes.
async fn open(config: &Config, only: Option<&PluginName>) -> Result<Arc<WebhookSecrets>> {
    let (store, keys) = app::open(config).await?;
    let catalogue = match only.cloned() {
        Some(only) => {
            let wanted = move |kind, name: &PluginName| kind == PluginKind::Driver && *name == only;
            plugins::start(&config.plugins, Approvals::stored(&store).await?, wanted).await?
        }
        None => Arc::default(),
    };
    app::webhook_secrets(config, &store, &keys, &catalogue).await
}

/// What is to be kept: a reference, or what standard input holds, without its last line break. Arguments
/// can be read by everybody on this machine.
fn value(reference: Option<String>) -> Result<Secret<String>> {
    let Some(reference) = reference else {
        let mut text = String::new();
        std::io::stdin()
            .take(MAX_INPUT)
            .read_to_string(&mut text)
            .context("standard input cannot be read")?;
        text.truncate(text.trim_end_matches(['\n', '\r']).len());
        return Ok(Secret::new(text));
    };
    let is_one = SecretText::parse("--reference", &reference)?.reference().is_some();
    ensure!(
        is_one,
        "`--reference` begins with `env:` or `file:`\nhint: a secret itself is read from standard input"
    );
    Ok(Secret::new(reference))
}

async fn list(secrets: &WebhookSecrets, json: bool) -> Result<()> {
    let secrets = secrets.list().await?;
    if json {
        return output::json(&json!({ "secrets": secrets }));
    }
    let row = |secret: &ShownSecret| {
        let previous = secret.previous_created_at.map_or_else(|| "-".to_owned(), |at| at.to_string());
        let used = if secret.overridden { "no, a setting is" } else { "yes" };
        [secret.name.clone(), secret.created_at.to_string(), previous, used.to_owned()]
    };
    output::table(["NAME", "SET", "BEFORE THAT", "USED"], &secrets.iter().map(row).collect::<Vec<_>>())
}

async fn rotate(rotation: &Rotation, data: bool, back: bool, json: bool) -> Result<()> {
    let say = |text: &str| if json { Ok(()) } else { output::line(text) };
    rotation.take_turn(back).await?;
    if data {
        for (id, purpose) in rotation.renew().await? {
            say(&format!("made data key {id} ({purpose})"))?;
        }
    }
    let wrapped =
        |key: &crate::crypto::WrappedKey| say(&format!("wrapped data key {} ({})", key.id, key.purpose));
    rotation.rewrap(wrapped).await?;
    status(&rotation.status().await?, None, json)
}

fn status(status: &Status, verified: Option<Verified>, json: bool) -> Result<()> {
    if json {
        let mut shown = json!(status);
        if let (Some(verified), Some(shown)) = (&verified, shown.as_object_mut()) {
            shown.insert("verified".to_owned(), json!(verified));
        }
        output::json(&shown)?;
    } else {
        let rows: Vec<_> = status.secret_keys.iter().map(row).collect();
        output::table(["SECRET KEY", "HERE", "TAKEN INTO USE", "DATA KEYS"], &rows)?;
        output::line(&in_words(status))?;
    }
    let Some(Verified { values, unreadable, first }) = verified else { return Ok(()) };
    if !json {
        for value in &first {
            output::line(&format!("{} of {}: {}", value.column, value.row, value.error))?;
        }
        output::line(&format!("{values} values tried, {unreadable} of them cannot be opened"))?;
    }
    ensure!(unreadable == 0, "{unreadable} of {values} values cannot be opened");
    Ok(())
}

fn row(key: &KnownKey) -> [String; 4] {
    let role = match key.role {
        Role::Current => "current",
        Role::Previous => "previous",
        Role::Unknown => "unknown",
    };
    let taken = key.taken_at.map_or_else(|| "never".to_owned(), |at| at.to_string());
    [key.kek_id.clone(), role.to_owned(), taken, key.data_keys.to_string()]
}

fn in_words(status: &Status) -> String {
    let Status { left, data_keys, .. } = status;
    match status.ahead() {
        Some(ahead) => {
            format!(
                "{left} of {data_keys} data keys are left; swap the keys here: `{}` is in use",
                ahead.kek_id
            )
        }
        None if *left > 0 => {
            format!("{left} of {data_keys} data keys are left: keep the previous secret keys")
        }
        None => {
            let needless: Vec<_> = status.needless().map(|key| format!("`{}`", key.kek_id)).collect();
            match needless.as_slice() {
                [] => format!("0 of {data_keys} data keys are left"),
                keys => format!(
                    "0 of {data_keys} data keys are left: once every host has swapped, {} can go",
                    keys.join(", ")
                ),
            }
        }
    }
}
