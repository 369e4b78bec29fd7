//! What the database says: schema, keys at rest, API keys, channels, and the time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::time::Timestamp;
use store::{BrokenRoute, KeptRoute, PageRequest, Routes, RunFilter, Store, StoreError};

use super::Findings;
use super::codes::Code;
use super::files;
use crate::app;
use crate::clock;
use crate::config::Config;
use crate::crypto::KeyRing;
use crate::deliver::Channels;
use crate::hosts;
use crate::ingest::{SecretSources, WebhookSecrets};
use crate::plugins::Catalogue;
use crate::rotation::{self, Status};
use crate::telemetry::chain;

/// Before this moment the program did not exist: a clock that says less was never set. 2026-01-01.
const EARLIEST: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// How long something may be due before somebody should look.
const LATE: Duration = Duration::from_secs(5 * 60);

/// Looks at everything that is stored, and changes nothing.
pub(super) async fn look(config: &Config, catalogue: Option<&Arc<Catalogue>>, findings: &mut Findings) {
    if clock::now() < EARLIEST {
        findings.add(Code::Clock, format!("the clock says {}", clock::now()), "set it, with NTP");
    }
    // Looking must not make a database.
    if let Some(file) = files::database_file(config).filter(|file| files::is_missing(file)) {
        let folder = files::folder(&file);
        if files::is_missing(folder) {
            let message = format!("`DATABASE_URL`: there is no folder `{}`", folder.display());
            return findings.add(Code::Database, message, "make it; the hub makes the file alone");
        }
        let message = format!("there is no database at `{}` yet", file.display());
        findings.add(Code::NoDatabase, message, "`watchbell serve` or `watchbell migrate` makes it");
        return;
    }
    let store = match Store::open(&config.database.url, store::Options::default()).await {
        Ok(store) => store,
        Err(error) => return findings.error(Code::Database, &chain(&error)),
    };
    match store.pending_migrations().await {
        Ok(steps) if steps.is_empty() => {
            together(&store, findings).await;
            if let Err(error) = stored(config, &store, catalogue, findings).await {
                findings.error(Code::Database, &chain(&error));
            }
        }
        Ok(steps) => {
            let message = format!("the database waits for {} migrations", steps.len());
            findings.add(Code::Behind, message, "`watchbell migrate`, or the next `watchbell serve`");
        }
        Err(StoreError::Migration(error)) => findings.error(Code::Schema, &error.to_string()),
        Err(error) => findings.error(Code::Database, &chain(&error)),
    }
    store.close().await;
}

/// Whether this machine and the other hosts go together.
async fn together(store: &Store, findings: &mut Findings) {
    match hosts::measure(store).await {
        Ok(()) => {
            if let Some(skew) = clock::astray() {
                findings.add(Code::Skew, skew.to_string(), "set both, with NTP");
            }
        }
        Err(error) => findings.error(Code::Database, &chain(&error)),
    }
    match hosts::list(store, clock::now()).await {
        Ok(found) => {
            for line in found.differences {
                let hint = "give all hosts the same plugin folder and the same `plugins.toml`";
                findings.add(Code::HostsDiffer, line, hint);
            }
        }
        Err(error) => findings.error(Code::Database, &chain(&error)),
    }
}

async fn stored(
    config: &Config,
    store: &Store,
    catalogue: Option<&Arc<Catalogue>>,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    if let Some(error) = catalogue.and_then(|catalogue| app::check_webhook_secrets(config, catalogue).err()) {
        findings.error(Code::WebhookSecret, &format!("{error:#}"));
    }
    let now = clock::now();
    if config.auth.api_key_auth_enabled && !store.api_keys().await?.iter().any(|key| key.is_live(now)) {
        let hint = "`watchbell key create --name <sender>`";
        findings.add(Code::NoKey, "there is no API key that can be used, so nobody can send", hint);
    }
    let latest = store.runs(&RunFilter::default(), &PageRequest { limit: 1, cursor: None }).await?;
    if let Some(run) = latest.items.first().filter(|run| run.created_at > now) {
        let message = format!("the clock says {now}, but something was stored at {}", run.created_at);
        findings.add(Code::Clock, message, "set it, with NTP");
    }
    routes(store, findings).await?;
    let fails = channels_work(store, findings).await?;
    backlog(store, fails, findings).await?;
    match rotation::look(store, &config.crypto).await {
        Ok((keys, status)) => {
            secret_keys(&status, findings);
            let keys = Arc::new(keys);
            stored_secrets(config, store, &keys, catalogue, findings).await?;
            channels(config, store, &keys, catalogue, findings).await?;
        }
        Err(error) => findings.error(Code::Keys, &format!("{error:#}")),
    }
    Ok(())
}

/// Secrets of senders that are not settings.
async fn stored_secrets(
    config: &Config,
    store: &Store,
    keys: &Arc<KeyRing>,
    catalogue: Option<&Arc<Catalogue>>,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    let Some(catalogue) = catalogue else { return Ok(()) };
    let sources =
        SecretSources { set: HashMap::new(), ..app::secret_sources(config, store, keys, catalogue) };
    for trouble in WebhookSecrets::load(sources).await?.refresh().await? {
        findings.error(Code::StoredSecret, &trouble);
    }
    Ok(())
}

/// How far replacing the secret key is.
fn secret_keys(status: &Status, findings: &mut Findings) {
    if let Some(ahead) = status.ahead() {
        let message = format!(
            "another host has taken secret key `{}` into use; here it is a previous one",
            ahead.kek_id
        );
        let hint = "swap the keys here too: make it `WATCHBELL_SECRET_KEY`, and that one the previous key";
        findings.add(Code::KeyAhead, message, hint);
    } else if status.left > 0 {
        let Status { left, data_keys, .. } = status;
        let message =
            format!("{left} of {data_keys} data keys are still wrapped under a previous secret key");
        let hint = "keep `WATCHBELL_SECRET_KEY_PREVIOUS`; a running hub wraps them again, and so does \
                    `watchbell secrets rotate`";
        findings.add(Code::KeysLeft, message, hint);
    }
    for key in status.needless() {
        let message = format!("the previous secret key `{}` opens nothing any more", key.kek_id);
        let hint = "once every host has swapped its keys, take it out of `WATCHBELL_SECRET_KEY_PREVIOUS` and \
                    destroy it";
        findings.add(Code::NeedlessKey, message, hint);
    }
}

/// Routes that do not do what they were made for.
async fn routes(store: &Store, findings: &mut Findings) -> Result<(), StoreError> {
    let (Routes { routes, broken }, channels) = (store.routes().await?, store.channels().await?);
    for BrokenRoute { name, problem, .. } in broken {
        let hint = format!("`watchbell route remove {name}`, and add it anew");
        let message = format!("route `{name}` cannot be understood and matches nothing: {problem}");
        findings.add(Code::BrokenRoute, message, hint);
    }
    for KeptRoute { route, .. } in routes.iter().filter(|kept| kept.route.enabled) {
        for named in &route.channels {
            let (why, hint) = match channels.iter().find(|channel| channel.name == *named) {
                None => ("is not there", format!("`watchbell route edit {}` names others", route.name)),
                Some(channel) if !channel.enabled => {
                    ("is switched off", format!("`watchbell channel enable {named}`"))
                }
                Some(_) => continue,
            };
            findings.add(
                Code::RouteChannel,
                format!("channel `{named}` of route `{}` {why}", route.name),
                hint,
            );
        }
    }
    Ok(())
}

/// Whether channels take what is sent to them; true where one does not.
async fn channels_work(store: &Store, findings: &mut Findings) -> Result<bool, StoreError> {
    let mut fails = false;
    for state in store.channel_states().await? {
        let name = &state.channel.name;
        if !state.channel.enabled {
            if let Some(due) = state.due_at {
                let hint = format!("`watchbell channel enable {name}` sends them, in their order");
                let message = format!("notifications wait for `{name}`, which is off, the first since {due}");
                findings.add(Code::Held, message, &hint);
            }
            continue;
        }
        if let Some(since) = state.health.failing_since {
            fails = true;
            let error = state.health.last_error.unwrap_or_default();
            let error = error.lines().next().unwrap_or_default();
            let hint = format!("`watchbell delivery list --channel {name}` shows what waits");
            findings.add(Code::ChannelFails, format!("`{name}` takes nothing since {since}: {error}"), &hint);
        }
    }
    Ok(fails)
}

/// What should have been done by now. What waits for a channel that fails is said already.
async fn backlog(store: &Store, fails: bool, findings: &mut Findings) -> Result<(), StoreError> {
    let waiting = store.backlog().await?;
    let now = clock::now();
    for (what, count, first) in [
        ("runs", waiting.runs, waiting.run_due_at),
        ("notifications", waiting.deliveries, waiting.delivery_due_at.filter(|_| !fails)),
    ] {
        let late = first.map(|due| now.since(due)).filter(|late| *late > LATE);
        if let Some(late) = late {
            let message = format!("{count} {what} wait, the first for {} minutes", late.as_secs() / 60);
            findings.add(Code::Backlog, message, "is a hub running with `WATCHBELL_WORKERS` above 0?");
        }
    }
    if waiting.dead > 0 {
        let hint = "`watchbell delivery list --status dead` says why, `watchbell delivery retry` sends again; with \
                    `--all` it lets go of what something newer has overtaken";
        findings.add(Code::Dead, format!("{} notifications were given up on", waiting.dead), hint);
    }
    Ok(())
}

async fn channels(
    config: &Config,
    store: &Store,
    keys: &Arc<KeyRing>,
    catalogue: Option<&Arc<Catalogue>>,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    let mut channels = store.channels().await?;
    channels.retain(|channel| channel.enabled);
    if channels.is_empty() {
        let hint = "`watchbell channel add <name> --notifier <notifier> …`";
        findings.add(Code::NoChannel, "no channel is enabled, so nobody is told", hint);
    }
    let Some(catalogue) = catalogue else { return Ok(()) };
    let parts = match app::delivering(config, store.clone(), Arc::clone(keys), Arc::clone(catalogue)) {
        Ok(parts) => Channels::new(parts),
        Err(error) => {
            findings.error(Code::Channel, &format!("{error:#}"));
            return Ok(());
        }
    };
    for channel in channels {
        if let Err(error) = parts.check_stored(&channel).await {
            findings.error(Code::Channel, &format!("channel `{}`: {error}", channel.name));
        }
    }
    Ok(())
}
