//! Which provider is active and how each is set up: rows of the database over `plugins.toml`.
//!
//! What one process changes the others know within [`KNOWN_FOR`].

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::plugin::ProviderInfo;
use domain::time::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use store::{Store, StoreError};

use super::ProviderError;
use crate::clock;
use crate::config::SecretText;
use crate::crypto::{CryptoError, KeyRing, Place, Purpose};
use crate::egress::Origin;
use crate::plugins::{Catalogue, ProviderEntry, rewrite_secrets};

/// For how long it is not looked up again what others may have changed.
const KNOWN_FOR: Duration = Duration::from_secs(4);
/// What is shown instead of a secret.
const HIDDEN: &str = "[redacted]";

/// A provider as it is set up.
#[derive(Debug, Clone)]
pub(super) struct SetUp {
    pub(super) entry: Arc<ProviderEntry>,
    pub(super) settings: Value,
    /// Where it may go: what `plugins.toml` grants, and the addresses among its stored settings.
    pub(super) origins: Vec<Origin>,
}

impl SetUp {
    pub(super) fn info(&self) -> &ProviderInfo {
        self.entry.provider.info()
    }

    pub(super) fn name(&self) -> &str {
        self.info().plugin.name.as_str()
    }

    /// Whether anything can leave through it.
    pub(super) fn is_remote(&self) -> bool {
        !self.origins.is_empty()
    }
}

/// Where settings come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SettingsFrom {
    /// `plugins.toml`, or nothing is set.
    File,
    /// They were set while the hub ran.
    Stored,
}

/// A provider as it may be shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownProvider {
    /// The plugin.
    pub name: String,
    /// Whether it analyses incidents.
    pub active: bool,
    /// What it is for.
    pub summary: String,
    /// Its version.
    pub version: String,
    /// What it can be asked.
    pub tasks: Vec<String>,
    /// Where it may go.
    pub origins: Vec<String>,
    /// Where it would like to go.
    pub wants: Vec<String>,
    /// Where its settings come from.
    pub settings_from: SettingsFrom,
    /// Its settings, without secrets.
    pub settings: Value,
    /// When it was last set up or chosen, where it was.
    pub updated_at: Option<Timestamp>,
}

/// One row, opened.
#[derive(Debug, Clone)]
struct Row {
    /// None where those of `plugins.toml` hold. What cannot be opened is an error: the provider must not
    /// be asked with other settings than those somebody gave it.
    settings: Option<Result<Value, String>>,
    active: bool,
    updated_at: Timestamp,
}

type Rows = BTreeMap<String, Row>;

/// The providers of this moment.
pub(super) struct Providers {
    store: Store,
    keys: Arc<KeyRing>,
    catalogue: Arc<Catalogue>,
    /// The active one where none was chosen.
    default: String,
    known: Mutex<Option<(Instant, Arc<Rows>)>>,
}

impl Providers {
    pub(super) fn new(store: Store, keys: Arc<KeyRing>, catalogue: Arc<Catalogue>, default: String) -> Self {
        Self { store, keys, catalogue, default, known: Mutex::default() }
    }

    /// Names of all that are loaded.
    pub(super) fn names(&self) -> Vec<String> {
        let providers = self.catalogue.providers();
        providers.iter().map(|entry| entry.provider.info().plugin.name.to_string()).collect()
    }

    /// The name of the active one; it may not be loaded.
    pub(super) async fn active(&self) -> Result<String, StoreError> {
        let rows = self.rows().await?;
        let chosen = rows.iter().find(|(_, row)| row.active).map(|(name, _)| name.clone());
        Ok(chosen.unwrap_or_else(|| self.default.clone()))
    }

    /// A provider as it is set up.
    pub(super) async fn find(&self, name: &str) -> Result<SetUp, ProviderError> {
        let entry = self.entry(name)?;
        let rows = self.rows().await?;
        let settings = rows.get(name).and_then(|row| row.settings.clone()).transpose();
        let settings = settings.map_err(|why| ProviderError::Sealed(name.to_owned(), why))?;
        Ok(set_up(entry, settings))
    }

    /// The schema of a provider's settings.
    pub(super) fn schema(&self, name: &str) -> Result<Value, ProviderError> {
        Ok(self.entry(name)?.provider.info().config_schema.clone())
    }

    fn entry(&self, name: &str) -> Result<Arc<ProviderEntry>, ProviderError> {
        let entry = name.parse().ok().and_then(|name| self.catalogue.provider(&name));
        entry.ok_or_else(|| ProviderError::Unknown { name: shown_name(name), known: self.names() })
    }

    /// All that are loaded, and those that are set up and not loaded are left out.
    pub(super) async fn list(&self) -> Result<Vec<ShownProvider>, StoreError> {
        let (rows, active) = (self.rows().await?, self.active().await?);
        let shown = |entry: Arc<ProviderEntry>| {
            let name = entry.provider.info().plugin.name.to_string();
            let row = rows.get(&name);
            shown(entry, row, active == name)
        };
        Ok(self.catalogue.providers().into_iter().map(shown).collect())
    }

    /// A provider with settings that are not stored yet, as it would be set up.
    pub(super) fn with_settings(&self, name: &str, settings: Value) -> Result<SetUp, ProviderError> {
        Ok(set_up(self.entry(name)?, Some(settings)))
    }

    /// Keeps settings, sealed.
    pub(super) async fn keep(
        &self,
        set_up: &SetUp,
        actor: &(dyn Display + Sync),
    ) -> Result<(), ProviderError> {
        let name = set_up.name();
        let text = set_up.settings.to_string();
        let sealed = self.keys.seal(Purpose::Channel, place(name), text.as_bytes())?;
        self.store.set_provider(name, &sealed, clock::now()).await?;
        let origins: Vec<String> = set_up.origins.iter().map(ToString::to_string).collect();
        let origins = if origins.is_empty() { "nothing".to_owned() } else { origins.join(", ") };
        tracing::info!(%actor, plugin.name = name, "{actor} set provider `{name}` up; it may reach {origins}");
        self.forget();
        Ok(())
    }

    /// Makes a provider the active one.
    pub(super) async fn activate(&self, name: &str, actor: &(dyn Display + Sync)) -> Result<(), StoreError> {
        self.store.activate_provider(name, clock::now()).await?;
        tracing::info!(%actor, plugin.name = name, "{actor} made `{name}` the active provider");
        self.forget();
        Ok(())
    }

    /// Goes back to what `plugins.toml` says of a provider, and to the default if it was active.
    pub(super) async fn reset(&self, name: &str, actor: &(dyn Display + Sync)) -> Result<(), StoreError> {
        self.store.remove_provider(name).await?;
        tracing::info!(%actor, plugin.name = name, "{actor} went back to the file's settings of provider `{name}`");
        self.forget();
        Ok(())
    }

    fn forget(&self) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// What is stored, at most [`KNOWN_FOR`] old.
    async fn rows(&self) -> Result<Arc<Rows>, StoreError> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, rows)) = known
            && at.elapsed() < KNOWN_FOR
        {
            return Ok(rows);
        }
        let at = Instant::now();
        let stored = self.store.providers().await?;
        let open = |provider: store::StoredProvider| {
            let settings = provider.settings.as_ref().map(|sealed| self.open(&provider.name, sealed));
            (provider.name, Row { settings, active: provider.active, updated_at: provider.updated_at })
        };
        let rows: Arc<Rows> = Arc::new(stored.into_iter().map(open).collect());
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((at, Arc::clone(&rows)));
        Ok(rows)
    }

    fn open(&self, name: &str, sealed: &[u8]) -> Result<Value, String> {
        let opened: Result<_, CryptoError> = self.keys.open_value(Purpose::Channel, place(name), sealed);
        let plain = opened.map_err(|error| error.to_string())?;
        serde_json::from_slice(&plain).map_err(|_| "it is not JSON".to_owned())
    }
}

impl std::fmt::Debug for Providers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Providers").field("default", &self.default).finish_non_exhaustive()
    }
}

fn set_up(entry: Arc<ProviderEntry>, stored: Option<Value>) -> SetUp {
    let mut origins = entry.allow_hosts.clone();
    if let Some(settings) = &stored {
        addresses(settings, &mut origins);
    }
    let settings = stored.unwrap_or_else(|| entry.settings.clone());
    SetUp { entry, settings, origins }
}

/// Adds the origins of the addresses among settings.
fn addresses(settings: &Value, origins: &mut Vec<Origin>) {
    match settings {
        Value::Object(fields) => fields.values().for_each(|field| addresses(field, origins)),
        Value::Array(items) => items.iter().for_each(|item| addresses(item, origins)),
        Value::String(text) => {
            if let Ok(origin) = Origin::of_url(text)
                && !origins.contains(&origin)
            {
                origins.push(origin);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn shown(entry: Arc<ProviderEntry>, row: Option<&Row>, active: bool) -> ShownProvider {
    let stored = row.and_then(|row| row.settings.as_ref());
    let settings_from = if stored.is_some() { SettingsFrom::Stored } else { SettingsFrom::File };
    // What cannot be opened is said when it is asked.
    let settings = stored.map(|stored| stored.clone().unwrap_or_else(|_| Value::Object(Map::new())));
    let set_up = set_up(entry, settings);
    let info = set_up.info();
    ShownProvider {
        name: info.plugin.name.to_string(),
        active,
        summary: info.plugin.summary.clone(),
        version: info.plugin.version.clone(),
        tasks: info.tasks.clone(),
        origins: set_up.origins.iter().map(ToString::to_string).collect(),
        wants: info.hosts.clone(),
        settings_from,
        settings: without_secrets(&info.config_schema, &set_up.settings),
        updated_at: row.map(|row| row.updated_at),
    }
}

/// Settings without the values of secrets; references to them stay, as they give nothing away.
fn without_secrets(schema: &Value, settings: &Value) -> Value {
    rewrite_secrets(schema, settings, &mut |_, value| match value {
        Value::String(text) => {
            let reference = SecretText::parse("secret", text).ok().and_then(|text| text.reference());
            Value::String(reference.unwrap_or_else(|| HIDDEN.to_owned()))
        }
        other => other.clone(),
    })
}

fn shown_name(name: &str) -> String {
    name.chars().take(40).flat_map(char::escape_default).collect()
}

const fn place(name: &str) -> Place<'_> {
    Place { table: "provider", column: "settings", row: name }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_not_shown_and_references_are() {
        let schema = json!({ "properties": {
            "api_key": { "type": "string", "format": "secret" },
            "headers": { "additionalProperties": { "type": "string", "format": "secret" } },
        }});
        let settings = json!({
            "api_key": "env:KEY", "headers": { "x": "hunter2" }, "model": "a", "max_tokens": 5,
        });
        let expected = json!({
            "api_key": "env:KEY", "headers": { "x": "[redacted]" }, "model": "a", "max_tokens": 5,
        });
        assert_eq!(without_secrets(&schema, &settings), expected);
    }
}
