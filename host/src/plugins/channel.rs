//! The settings of a channel: what the plugin sees of them and what the host keeps.

use domain::secret::Secret;
use serde_json::{Map, Value};

use crate::config::{ReferenceError, References};
use crate::egress::{BoundSecret, Origin};

/// What is wrong with a channel's settings.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// Not a JSON object.
    #[error("the settings of a channel are a JSON object, such as {{\"url\": \"https://…\"}}")]
    NotAnObject,
    /// A setting that the notifier does not have.
    #[error("notifier has no setting `{name}`\nhint: it has {known}")]
    Unknown {
        /// What was given.
        name: String,
        /// What there is.
        known: String,
    },
    /// A setting that must be there is not.
    #[error("setting `{0}` is missing")]
    Missing(String),
    /// No setting says where to go.
    #[error("no setting holds an http or https address, so there is nowhere to send to")]
    NoAddress,
    /// A secret is kept elsewhere, and not there.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
}

/// Settings taken apart: the text for the plugin, and what stands behind its placeholders.
#[derive(Debug)]
pub struct ChannelSettings {
    /// JSON in which each secret is `secret://<name>`.
    pub config: String,
    /// Where the channel may go: the origins of its addresses.
    pub origins: Vec<Origin>,
    /// What stands behind the placeholders.
    pub secrets: Vec<BoundSecret>,
}

impl ChannelSettings {
    /// Takes settings apart along the notifier's schema, and follows references to secrets.
    ///
    /// The channel's own addresses are its grant, and its secrets are bound to them (a secret that is an
    /// address to its own, as [`BoundSecret`] says).
    ///
    /// # Errors
    /// [`ChannelError`], which names the setting and never shows its value.
    pub fn split(schema: &Value, settings: &Value, references: &References) -> Result<Self, ChannelError> {
        let Value::Object(settings) = settings else { return Err(ChannelError::NotAnObject) };
        check_names(schema, settings)?;
        let mut split = Split::new(references);
        let config = Value::Object(split.object(schema, settings, "")?);
        let origins = std::mem::take(&mut split.origins);
        if origins.is_empty() {
            return Err(ChannelError::NoAddress);
        }
        let secrets = split.bound_to(&origins);
        Ok(Self { config: config.to_string(), origins, secrets })
    }

    /// Takes the settings of a provider apart, which stand in `plugins.toml`: its secrets are bound to the
    /// origins that it is granted there.
    ///
    /// # Errors
    /// [`ChannelError::Reference`].
    pub fn of_provider(
        schema: &Value,
        settings: &Value,
        granted: &[Origin],
        references: &References,
    ) -> Result<Self, ChannelError> {
        let Value::Object(settings) = settings else { return Err(ChannelError::NotAnObject) };
        let mut split = Split::new(references);
        let config = Value::Object(split.object(schema, settings, "")?);
        let secrets = split.bound_to(granted);
        Ok(Self { config: config.to_string(), origins: granted.to_vec(), secrets })
    }
}

fn check_names(schema: &Value, settings: &Map<String, Value>) -> Result<(), ChannelError> {
    let Some(Value::Object(properties)) = schema.get("properties") else { return Ok(()) };
    if let Some(name) = settings.keys().find(|name| !properties.contains_key(*name)) {
        let known: Vec<String> = properties.keys().map(|name| format!("`{name}`")).collect();
        let name = name.chars().take(40).flat_map(char::escape_default).collect();
        return Err(ChannelError::Unknown { name, known: known.join(", ") });
    }
    let required =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    match required.into_iter().find(|name| !settings.contains_key(*name)) {
        Some(name) => Err(ChannelError::Missing(name.to_owned())),
        None => Ok(()),
    }
}

struct Split<'a> {
    references: &'a References,
    origins: Vec<Origin>,
    secrets: Vec<(String, Secret<String>)>,
}

impl<'a> Split<'a> {
    const fn new(references: &'a References) -> Self {
        Self { references, origins: Vec::new(), secrets: Vec::new() }
    }

    fn bound_to(self, origins: &[Origin]) -> Vec<BoundSecret> {
        let bind = |(name, value)| BoundSecret { name, value, origins: origins.to_vec() };
        self.secrets.into_iter().map(bind).collect()
    }

    fn object(
        &mut self,
        schema: &Value,
        object: &Map<String, Value>,
        path: &str,
    ) -> Result<Map<String, Value>, ReferenceError> {
        let named = |name: &str| schema.get("properties").and_then(|properties| properties.get(name));
        let part = |name: &str| named(name).or_else(|| schema.get("additionalProperties"));
        let mut shown = Map::new();
        for (name, value) in object {
            let schema = part(name).unwrap_or(&Value::Null);
            let path = if path.is_empty() { name.clone() } else { format!("{path}__{name}") };
            shown.insert(name.clone(), self.value(schema, value, path)?);
        }
        Ok(shown)
    }

    fn value(&mut self, schema: &Value, value: &Value, path: String) -> Result<Value, ReferenceError> {
        Ok(match value {
            Value::Object(object) => Value::Object(self.object(schema, object, &path)?),
            Value::String(text) if schema.get("format").and_then(Value::as_str) == Some("secret") => {
                let secret = self.references.resolve_text(&path, text)?;
                self.note_origin(secret.expose());
                let placeholder = format!("secret://{path}");
                self.secrets.push((path, secret));
                Value::String(placeholder)
            }
            Value::String(text) => {
                self.note_origin(text);
                value.clone()
            }
            other => other.clone(),
        })
    }

    /// Of what is no address it is no business of ours what it is.
    fn note_origin(&mut self, text: &str) {
        if let Ok(origin) = Origin::of_url(text)
            && !self.origins.contains(&origin)
        {
            self.origins.push(origin);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Source;

    fn schema() -> Value {
        json!({
            "required": ["url"],
            "properties": {
                "url": {"type": "string", "format": "secret"},
                "team": {"type": "string"},
                "headers": {"type": "object", "additionalProperties": {"type": "string", "format": "secret"}}
            }
        })
    }

    #[test]
    fn secrets_become_placeholders_bound_to_the_channel() {
        let settings = json!({
            "url": "https://hooks.example.com/T1/abc", "team": "db", "headers": {"x-token": "hunter2"}
        });
        let split = ChannelSettings::split(&schema(), &settings, &References::default()).unwrap();
        assert!(!split.config.contains("hunter2") && !split.config.contains("/T1/abc"), "{}", split.config);
        let config: Value = serde_json::from_str(&split.config).unwrap();
        assert_eq!(config["url"], "secret://url");
        assert_eq!(config["headers"]["x-token"], "secret://headers__x-token");
        assert_eq!(config["team"], "db");
        let origins: Vec<String> = split.origins.iter().map(ToString::to_string).collect();
        assert_eq!(origins, ["https://hooks.example.com"]);
    }

    fn references() -> References {
        let pairs = [("HOOK", "https://hooks.example.com/T1/abc"), ("TOKEN", "hunter2")];
        References::new(&Source::from_pairs(pairs.map(|(name, value)| (name.to_owned(), value.to_owned()))))
    }

    #[test]
    fn references_are_followed_where_a_secret_is_and_nowhere_else() {
        let settings = json!({ "url": "env:HOOK", "team": "env:TOKEN", "headers": {"x-token": "env:TOKEN"} });
        let split = ChannelSettings::split(&schema(), &settings, &references()).unwrap();
        assert!(!split.config.contains("hunter2"), "{}", split.config);
        let config: Value = serde_json::from_str(&split.config).unwrap();
        assert_eq!((&config["team"], &config["url"]), (&json!("env:TOKEN"), &json!("secret://url")));
        let values: Vec<&str> = split.secrets.iter().map(|secret| secret.value.expose().as_str()).collect();
        assert_eq!(values, ["hunter2", "https://hooks.example.com/T1/abc"]);
        assert_eq!(split.origins, ["https://hooks.example.com".parse().unwrap()]);
        let missing = json!({ "url": "https://a.example", "headers": {"x-token": "env:NONE"} });
        let error = ChannelSettings::split(&schema(), &missing, &references()).unwrap_err().to_string();
        assert!(error.contains("`headers__x-token` refers to environment variable `NONE`"), "{error}");
    }

    #[test]
    fn secrets_of_a_provider_are_bound_to_what_it_is_granted() {
        let granted = ["https://api.example".parse().unwrap()];
        let settings = json!({ "url": "env:TOKEN", "team": "https://elsewhere.example" });
        let split = ChannelSettings::of_provider(&schema(), &settings, &granted, &references()).unwrap();
        assert!(!split.config.contains("hunter2"), "{}", split.config);
        assert_eq!(
            (split.origins.as_slice(), split.secrets[0].origins.as_slice()),
            (&granted[..], &granted[..])
        );
    }

    #[test]
    fn mistakes_name_the_setting_and_not_its_value() {
        let error = |settings| {
            ChannelSettings::split(&schema(), &settings, &References::default()).unwrap_err().to_string()
        };
        assert!(error(json!({"url": "https://a.example", "colour": "hunter2"})).contains("`colour`"));
        assert!(!error(json!({"url": "https://a.example", "colour": "hunter2"})).contains("hunter2"));
        assert!(error(json!({"team": "db"})).contains("`url` is missing"));
        assert!(error(json!({"url": "nowhere"})).contains("nowhere to send"));
        assert!(error(json!([])).contains("JSON object"));
    }
}
