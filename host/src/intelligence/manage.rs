//! How providers are set up, chosen and tried out.

use std::fmt::Display;
use std::time::Duration;

use domain::plugin::{Analysis, AnalysisRequest, PluginKind};
use serde::Serialize;
use serde_json::{Value, json};
use store::{Fault, StoreError};
use tokio::time::{Instant, timeout_at};

use super::ask::Story;
use super::providers::{SetUp, ShownProvider};
use super::{Intelligence, MAX_OUTPUT_TOKENS, ProviderError};
use crate::plugins::count_call;

/// How long a provider may take to look its settings over.
const CHECK_WITHIN: Duration = Duration::from_secs(5);

/// How a try of a provider ended.
#[derive(Debug, Serialize)]
pub struct Trial {
    /// Which one.
    pub provider: String,
    /// Whether it answered.
    pub ok: bool,
    /// How long it took.
    pub duration_ms: u64,
    /// What it said about a made-up incident.
    pub analysis: Option<Analysis>,
    /// Why it said nothing, in one word.
    pub error_type: Option<String>,
    /// Why, in words.
    pub error_message: Option<String>,
}

impl Intelligence {
    /// Names of the providers that are loaded.
    pub fn names(&self) -> Vec<String> {
        self.providers.names()
    }

    /// All providers that are loaded, without secrets.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(&self) -> Result<Vec<ShownProvider>, StoreError> {
        self.providers.list().await
    }

    /// The name of the active one; it may not be loaded.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn active(&self) -> Result<String, StoreError> {
        self.providers.active().await
    }

    /// One of them, and the schema of its settings.
    ///
    /// # Errors
    /// [`ProviderError::Unknown`].
    pub async fn show(&self, name: &str) -> Result<(ShownProvider, Value), ProviderError> {
        let schema = self.providers.schema(name)?;
        let shown = self.providers.list().await?.into_iter().find(|shown| shown.name == name);
        let shown =
            shown.ok_or_else(|| ProviderError::Unknown { name: name.to_owned(), known: self.names() })?;
        Ok((shown, schema))
    }

    /// Keeps settings for a provider in place of those it had, sealed. It may reach the addresses among them,
    /// and what `plugins.toml` grants. `references` says whether they may refer to secrets of this host.
    ///
    /// # Errors
    /// [`ProviderError`]; then those before stay.
    pub async fn set(
        &self,
        name: &str,
        settings: Value,
        references: bool,
        actor: &(dyn Display + Sync),
    ) -> Result<ShownProvider, ProviderError> {
        if !references {
            refuse_references(&settings, "")?;
        }
        let set_up = self.providers.with_settings(name, settings)?;
        self.check(&set_up).await?;
        self.providers.keep(&set_up, actor).await?;
        Ok(self.show(name).await?.0)
    }

    /// [`Intelligence::set`] that changes some settings and keeps the others: `null` takes one away. For those
    /// at the command line.
    ///
    /// # Errors
    /// As [`Intelligence::set`].
    pub async fn change(
        &self,
        name: &str,
        changes: &serde_json::Map<String, Value>,
        actor: &(dyn Display + Sync),
    ) -> Result<ShownProvider, ProviderError> {
        let settings = merged(self.providers.find(name).await?.settings, changes);
        self.set(name, settings, true, actor).await
    }

    /// Makes a provider the active one, if it can work.
    ///
    /// # Errors
    /// [`ProviderError`]; then the one before stays.
    pub async fn activate(
        &self,
        name: &str,
        actor: &(dyn Display + Sync),
    ) -> Result<ShownProvider, ProviderError> {
        self.check(&self.providers.find(name).await?).await?;
        self.providers.activate(name, actor).await?;
        Ok(self.show(name).await?.0)
    }

    /// Goes back to what `plugins.toml` and the environment say.
    ///
    /// # Errors
    /// [`ProviderError::Store`] if nothing else was said.
    pub async fn reset(
        &self,
        name: &str,
        actor: &(dyn Display + Sync),
    ) -> Result<ShownProvider, ProviderError> {
        self.providers.schema(name)?;
        self.providers.reset(name, actor).await?;
        Ok(self.show(name).await?.0)
    }

    /// Asks a provider about a made-up incident. It is the real question, and costs what one costs.
    ///
    /// # Errors
    /// [`ProviderError`] if it cannot be asked; what it answers is in the trial.
    pub async fn try_out(&self, name: &str) -> Result<Trial, ProviderError> {
        let set_up = self.providers.find(name).await?;
        let began = Instant::now();
        let asked = self.ask(&set_up, &sample(), Story::fresh(), began + self.budget, false).await;
        let duration_ms = domain::time::millis(began.elapsed());
        let (analysis, error) = match asked.result {
            Ok(analysis) => (Some(analysis), None),
            Err(fault) => (None, Some(fault)),
        };
        let ok = error.is_none();
        let (error_type, error_message) = error.map(|fault: Fault| (fault.error_type, fault.message)).unzip();
        Ok(Trial { provider: name.to_owned(), ok, duration_ms, analysis, error_type, error_message })
    }

    /// Asks the host's own rules and then the provider whether it can work like this.
    pub(super) async fn check(&self, set_up: &SetUp) -> Result<(), ProviderError> {
        let (name, info) = (set_up.name().to_owned(), set_up.info());
        let wrong = |why: String| ProviderError::Settings(name.clone(), why);
        if !info.hosts.is_empty() && !set_up.is_remote() {
            return Err(ProviderError::NoGrant { name, wants: info.hosts.clone() });
        }
        let until = Instant::now() + CHECK_WITHIN;
        let (config, outside) = self.outside(set_up, Story::fresh(), until).map_err(wrong)?;
        let provider = &set_up.entry.provider;
        let checked = timeout_at(until, provider.validate_config(&config, outside)).await;
        let checked = checked.map_err(|_| wrong("it did not look its settings over in time".to_owned()))?;
        count_call(PluginKind::Intelligence, &info.plugin.name, &checked);
        let problems = checked.map_err(|error| wrong(error.to_string()))?;
        if problems.is_empty() {
            return Ok(());
        }
        let lines = problems.iter().map(|problem| format!("`{}`: {}", problem.path, problem.message));
        Err(ProviderError::Refused { name: name.clone(), problems: lines.collect() })
    }
}

/// Settings with some of them changed.
pub(super) fn merged(settings: Value, changes: &serde_json::Map<String, Value>) -> Value {
    let mut fields = match settings {
        Value::Object(fields) => fields,
        _ => serde_json::Map::new(),
    };
    for (name, value) in changes {
        match value {
            Value::Null => drop(fields.remove(name)),
            value => drop(fields.insert(name.clone(), value.clone())),
        }
    }
    Value::Object(fields)
}

/// Refuses what would have the host read its own files and variables for whoever holds a key.
pub(super) fn refuse_references(value: &Value, path: &str) -> Result<(), ProviderError> {
    match value {
        Value::Object(fields) => fields.iter().try_for_each(|(name, field)| {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            refuse_references(field, &path)
        }),
        Value::Array(items) => items.iter().try_for_each(|item| refuse_references(item, path)),
        Value::String(text) if leads_elsewhere(text) => {
            let path = path.chars().take(80).flat_map(char::escape_default).collect();
            Err(ProviderError::Reference(path))
        }
        _ => Ok(()),
    }
}

fn leads_elsewhere(text: &str) -> bool {
    let starts = ["env:", "file:"];
    starts.iter().any(|start| text.starts_with(start)) || text.contains("secret://")
}

/// A question like a real one that is about nothing.
fn sample() -> AnalysisRequest {
    AnalysisRequest {
        task: "incident".to_owned(),
        incident: json!({
            "title": "Test of the provider", "name": "WatchbellTest", "instance": null, "status": "firing",
            "severity": "info",
        }),
        alerts: Vec::new(),
        checks: json!([]),
        options: json!({}),
        max_output_tokens: MAX_OUTPUT_TOKENS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_and_placeholders_are_refused_wherever_they_stand() {
        for settings in [
            json!({ "api_key": "env:KEY" }),
            json!({ "a": { "b": ["file:/etc/shadow"] } }),
            json!({ "model": "x secret://api_key" }),
        ] {
            assert!(
                matches!(refuse_references(&settings, ""), Err(ProviderError::Reference(_))),
                "{settings}"
            );
        }
        assert!(refuse_references(&json!({ "model": "a", "base_url": "https://env:1" }), "").is_ok());
    }

    #[test]
    fn changes_keep_what_they_do_not_name() {
        let Value::Object(changes) = json!({ "model": "b", "gone": null }) else { unreachable!() };
        let settings = merged(json!({ "model": "a", "gone": 1, "api_key": "k" }), &changes);
        assert_eq!(settings, json!({ "model": "b", "api_key": "k" }));
    }
}
