//! Channels as people manage them: checked before they are kept, and shown without their secrets.

use std::sync::Arc;

use domain::delivery::Channel;
use domain::id::{ChannelId, RunId, TraceId};
use domain::plugin::{PluginKind, PluginName, Problem};
use domain::time::Timestamp;
use sandbox::CallError;
use serde::Serialize;
use serde_json::Value;
use store::{ChannelState, StoreError};

use super::call;
use super::seal;
use super::worker::Parts;
use crate::clock::{self, Ids};
use crate::egress::{Grants, Origin};
use crate::plugins::{CallLog, ChannelError, NotifierEntry, Outside, keep_secrets, mark_secrets};
use crate::template::{Recipient, Templates};

/// How long a name may be, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// Manages channels.
pub struct Channels {
    parts: Parts,
}

/// A channel as it is shown.
#[derive(Debug, Clone, Serialize)]
pub struct Shown {
    /// The channel, and how it is doing.
    #[serde(flatten)]
    pub state: ChannelState,
    /// Its settings, with a mark in the place of each secret; none where they cannot be opened, or where it
    /// is not known which of them are secrets.
    pub settings: Option<Value>,
    /// Where it may go: the origins of its own addresses, and those that `plugins.toml` grants its notifier.
    pub grant: Vec<String>,
    /// Why it cannot send.
    pub problem: Option<String>,
}

/// A channel that was kept.
#[derive(Debug, Clone)]
pub struct Saved {
    /// The channel.
    pub channel: Shown,
    /// What may not be meant.
    pub warnings: Vec<String>,
}

/// How settings are changed.
#[derive(Debug, Clone)]
pub enum Change {
    /// These take the place of all; a mark in the place of a secret keeps the one that is stored.
    Whole(Value),
    /// These names, with their values, or with nothing to take them out; all others stay.
    Some(Vec<(String, Option<Value>)>),
}

/// Why a channel is not kept or changed.
#[derive(Debug, thiserror::Error)]
pub enum ManageError {
    /// The name cannot be one.
    #[error("a channel's name has 1 to 64 bytes, no control characters, and no spaces around it")]
    Name,
    /// There is no such notifier.
    #[error("there is no notifier `{name}`\nhint: there are {known}")]
    NoNotifier {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// Its notifier is there no more.
    #[error("notifier `{0}` is not loaded\nhint: `watchbell plugin list` shows what is")]
    NotLoaded(PluginName),
    /// They do not fit.
    #[error("notifier `{notifier}`: {error}")]
    Settings {
        /// Whose settings.
        notifier: PluginName,
        /// Why.
        error: ChannelError,
    },
    /// The plugin broke while it looked at them.
    #[error("the settings could not be checked: {0}")]
    Broken(String),
    /// Routes send to it.
    #[error("channel `{name}` is named by {routes}\nhint: take it out of there first, or switch it off")]
    Named {
        /// The channel.
        name: String,
        /// The routes.
        routes: String,
    },
    /// The stored settings cannot be opened.
    #[error("the stored settings cannot be opened: {0}")]
    Sealed(String),
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Channels {
    /// For these parts.
    pub const fn new(parts: Parts) -> Self {
        Self { parts }
    }

    /// Keeps a new channel.
    ///
    /// # Errors
    /// [`ManageError`]; one for settings names each that is wrong, and never a value.
    pub async fn add(
        &self,
        name: &str,
        notifier: &str,
        settings: &Value,
        enabled: bool,
        actor: &str,
    ) -> Result<Saved, ManageError> {
        if name.is_empty()
            || name.len() > MAX_NAME_BYTES
            || name.trim() != name
            || name.chars().any(char::is_control)
        {
            return Err(ManageError::Name);
        }
        let entry = self.notifier(notifier)?;
        let id = ChannelId::mint(&mut Ids);
        let warnings = self.check_whole(&entry, (id, name), settings).await?;
        let channel = Channel {
            id,
            name: name.to_owned(),
            notifier: entry.notifier.info().plugin.name.clone(),
            enabled,
            created_at: clock::now(),
        };
        let sealed = seal::seal(&self.parts.keys, id, settings).map_err(ManageError::Sealed)?;
        self.parts.store.add_channel(&channel, &sealed).await?;
        self.saved(id, warnings, actor, "made").await
    }

    /// Changes the settings of a channel.
    ///
    /// # Errors
    /// As [`Channels::add`].
    pub async fn change(&self, id: ChannelId, change: Change, actor: &str) -> Result<Saved, ManageError> {
        let Parts { store, catalogue, keys, .. } = &self.parts;
        let channel = store.channel_state(id).await?.channel;
        let entry = catalogue
            .notifier(&channel.notifier)
            .ok_or_else(|| ManageError::NotLoaded(channel.notifier.clone()))?;
        let sealed = store.channel_settings(id).await?;
        let old = seal::open(keys, id, &sealed).map_err(ManageError::Sealed)?;
        let settings = changed(&entry, change, &old)
            .map_err(|error| ManageError::Settings { notifier: channel.notifier.clone(), error })?;
        let warnings = self.check_whole(&entry, (id, &channel.name), &settings).await?;
        let new = seal::seal(keys, id, &settings).map_err(ManageError::Sealed)?;
        store.change_channel(id, &sealed, &new).await?;
        self.saved(id, warnings, actor, "changed").await
    }

    /// Switches a channel on or off.
    ///
    /// # Errors
    /// [`ManageError::Store`] if there is none.
    pub async fn switch(&self, id: ChannelId, enabled: bool, actor: &str) -> Result<Saved, ManageError> {
        let store = &self.parts.store;
        let name = store.channel_state(id).await?.channel.name;
        store.enable_channel(&name, enabled).await?;
        let mut warnings = Vec::new();
        if !enabled {
            let routes = self.routes_of(&name).await?;
            if !routes.is_empty() {
                warnings.push(format!("nobody is told through it where {} would", routes.join(", ")));
            }
            if !store.channels().await?.iter().any(|channel| channel.enabled) {
                warnings.push("no channel is switched on, so nobody is told of anything".to_owned());
            }
        }
        self.saved(id, warnings, actor, if enabled { "switched on" } else { "switched off" }).await
    }

    /// Takes a channel away; what waits for it is given up on. Returns its name.
    ///
    /// # Errors
    /// [`ManageError::Named`] while a route names it.
    pub async fn remove(&self, id: ChannelId, now: Timestamp, actor: &str) -> Result<String, ManageError> {
        let name = self.parts.store.channel_state(id).await?.channel.name;
        let routes = self.routes_of(&name).await?;
        if !routes.is_empty() {
            return Err(ManageError::Named { name, routes: routes.join(", ") });
        }
        self.parts.store.remove_channel(id, now).await?;
        tracing::info!(actor, channel.name = name, "{actor} removed channel `{name}`");
        Ok(name)
    }

    /// Shows one.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is none.
    pub async fn one(&self, id: ChannelId) -> Result<Shown, StoreError> {
        let state = self.parts.store.channel_state(id).await?;
        self.show(state).await
    }

    /// Shows a channel with what can be told of its settings.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn show(&self, state: ChannelState) -> Result<Shown, StoreError> {
        let Parts { store, catalogue, keys, references, .. } = &self.parts;
        let (id, notifier) = (state.channel.id, state.channel.notifier.clone());
        let shown = |settings, grant: Vec<Origin>, problem| Shown {
            state,
            settings,
            grant: grant.iter().map(ToString::to_string).collect(),
            problem,
        };
        let Some(entry) = catalogue.notifier(&notifier) else {
            let problem = ManageError::NotLoaded(notifier).to_string();
            return Ok(shown(None, Vec::new(), Some(problem)));
        };
        let settings = match seal::open(keys, id, &store.channel_settings(id).await?) {
            Ok(settings) => settings,
            Err(error) => return Ok(shown(None, Vec::new(), Some(ManageError::Sealed(error).to_string()))),
        };
        let marked = Some(mark_secrets(&entry.schema, &settings));
        Ok(match call::split(&entry, Some(id), &settings, references) {
            Ok(split) => shown(marked, split.origins, None),
            Err(error) => shown(marked, Vec::new(), Some(error.to_string())),
        })
    }

    /// Whether a stored channel can send: its notifier is there and takes its settings.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn check_stored(&self, channel: &Channel) -> Result<(), ManageError> {
        let Parts { store, catalogue, keys, .. } = &self.parts;
        let entry = catalogue
            .notifier(&channel.notifier)
            .ok_or_else(|| ManageError::NotLoaded(channel.notifier.clone()))?;
        let sealed = store.channel_settings(channel.id).await?;
        let settings = seal::open(keys, channel.id, &sealed).map_err(ManageError::Sealed)?;
        self.check(&entry, channel.id, &settings).await.map(|_| ())
    }

    /// The notifier of this name.
    ///
    /// # Errors
    /// [`ManageError::NoNotifier`], which names those there are.
    pub fn notifier(&self, name: &str) -> Result<Arc<NotifierEntry>, ManageError> {
        let found = name.parse().ok().and_then(|name| self.parts.catalogue.notifier(&name));
        found.ok_or_else(|| {
            let known = self.parts.catalogue.notifiers();
            let known: Vec<String> =
                known.iter().map(|entry| format!("`{}`", entry.notifier.info().plugin.name)).collect();
            let name = name.chars().take(64).flat_map(char::escape_debug).collect();
            ManageError::NoNotifier { name, known: known.join(", ") }
        })
    }

    /// Looks settings over before they are kept: with their templates, without which a channel can send.
    async fn check_whole(
        &self,
        entry: &NotifierEntry,
        (id, name): (ChannelId, &str),
        settings: &Value,
    ) -> Result<Vec<String>, ManageError> {
        let notifier = entry.notifier.info().plugin.name.clone();
        let to = Recipient { channel: name.to_owned(), notifier: notifier.clone() };
        let problems = template_problems(&self.parts.templates, &to, settings);
        if !problems.is_empty() {
            return Err(ManageError::Settings { notifier, error: ChannelError::Invalid(problems) });
        }
        self.check(entry, id, settings).await
    }

    /// Asks the schema, the host's own rules and then the plugin whether settings can work; returns what may
    /// not be meant.
    async fn check(
        &self,
        entry: &NotifierEntry,
        id: ChannelId,
        settings: &Value,
    ) -> Result<Vec<String>, ManageError> {
        let Parts { egress, references, .. } = &self.parts;
        let plugin = &entry.notifier.info().plugin.name;
        let wrong = |error| ManageError::Settings { notifier: plugin.clone(), error };
        let split = call::split(entry, Some(id), settings, references).map_err(wrong)?;
        let mut warnings = Vec::new();
        for origin in &split.origins {
            if let Some(refusal) = egress.foresee(origin).await {
                warnings.push(format!("`{origin}`: {refusal}"));
            }
        }
        let log = CallLog::new(PluginKind::Notifier, plugin, RunId::mint(&mut Ids), TraceId::mint(&mut Ids));
        let grants = Grants {
            kind: PluginKind::Notifier,
            plugin: plugin.clone(),
            channel: Some(id),
            origins: split.origins,
            secrets: split.secrets,
            trace: None,
        };
        let limits = entry.notifier.limits().egress;
        let outside = Arc::new(Outside::new(log, Arc::clone(egress), grants, limits, None));
        match entry.notifier.validate_config(&split.config, outside).await {
            Ok(problems) if problems.is_empty() => Ok(warnings),
            Ok(problems) => Err(wrong(ChannelError::Invalid(problems))),
            Err(CallError::Trap(trap)) => Err(ManageError::Broken(trap.to_string())),
            Err(CallError::Plugin(error)) => Err(ManageError::Broken(error.to_string())),
        }
    }

    /// The routes that name a channel.
    async fn routes_of(&self, name: &str) -> Result<Vec<String>, StoreError> {
        let routes = self.parts.store.routes().await?.routes.into_iter().map(|kept| kept.route);
        let naming = routes.filter(|route| route.channels.iter().any(|channel| channel == name));
        Ok(naming.map(|route| format!("route `{}`", route.name)).collect())
    }

    async fn saved(
        &self,
        id: ChannelId,
        warnings: Vec<String>,
        actor: &str,
        did: &str,
    ) -> Result<Saved, ManageError> {
        let channel = self.one(id).await?;
        let Channel { name, notifier: plugin, .. } = &channel.state.channel;
        let grant = match channel.grant.join(", ") {
            nothing if nothing.is_empty() => String::new(),
            grant => format!(", which may reach {grant}"),
        };
        tracing::info!(
            actor, channel.name = name, plugin.name = %plugin,
            "{actor} {did} channel `{name}` of notifier `{plugin}`{grant}"
        );
        Ok(Saved { channel, warnings })
    }
}

/// What is wrong with the templates of a channel.
fn template_problems(templates: &Templates, to: &Recipient, settings: &Value) -> Vec<Problem> {
    let problem = |message: String| Problem { path: "/templates".to_owned(), message };
    match call::own(settings).1 {
        Ok(own) => templates.check(to, &own).iter().map(|found| problem(found.to_string())).collect(),
        Err(error) => vec![problem(error.to_string())],
    }
}

/// The settings as they are to be.
fn changed(entry: &NotifierEntry, change: Change, old: &Value) -> Result<Value, ChannelError> {
    match change {
        Change::Whole(new) => keep_secrets(&entry.schema, &new, old),
        Change::Some(names) => {
            let Value::Object(mut settings) = old.clone() else { return Err(ChannelError::NotAnObject) };
            for (name, value) in names {
                match value {
                    Some(value) => drop(settings.insert(name, value)),
                    None => drop(settings.remove(&name)),
                }
            }
            Ok(Value::Object(settings))
        }
    }
}
