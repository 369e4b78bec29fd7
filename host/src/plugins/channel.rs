//! The settings of a channel: what the plugin sees of them and what the host keeps.

use domain::secret::Secret;
use serde_json::{Map, Value};

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
    /// Takes settings apart along the notifier's schema.
    ///
    /// The channel's own addresses are its grant, and its secrets are bound to them (a secret that is an
    /// address to its own, as [`BoundSecret`] says).
    ///
    /// # Errors
    /// [`ChannelError`], which names the setting and never shows its value.
    pub fn split(schema: &Value, settings: &Value) -> Result<Self, ChannelError> {
        let Value::Object(settings) = settings else { return Err(ChannelError::NotAnObject) };
        check_names(schema, settings)?;
        let mut split = Split::default();
        let config = Value::Object(split.object(schema, settings, ""));
        let origins = split.origins;
        if origins.is_empty() {
            return Err(ChannelError::NoAddress);
        }
        let bind = |(name, value)| BoundSecret { name, value: Secret::new(value), origins: origins.clone() };
        let secrets = split.secrets.into_iter().map(bind).collect();
        Ok(Self { config: config.to_string(), origins, secrets })
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

#[derive(Default)]
struct Split {
    origins: Vec<Origin>,
    secrets: Vec<(String, String)>,
}

impl Split {
    fn object(&mut self, schema: &Value, object: &Map<String, Value>, path: &str) -> Map<String, Value> {
        let named = |name: &str| schema.get("properties").and_then(|properties| properties.get(name));
        let part = |name: &str| named(name).or_else(|| schema.get("additionalProperties"));
        let mut shown = Map::new();
        for (name, value) in object {
            let schema = part(name).unwrap_or(&Value::Null);
            let path = if path.is_empty() { name.clone() } else { format!("{path}__{name}") };
            shown.insert(name.clone(), self.value(schema, value, path));
        }
        shown
    }

    fn value(&mut self, schema: &Value, value: &Value, path: String) -> Value {
        match value {
            Value::Object(object) => Value::Object(self.object(schema, object, &path)),
            Value::String(text) => {
                // Of everything else it is no business of ours whether it is an address.
                if let Ok(origin) = Origin::of_url(text)
                    && !self.origins.contains(&origin)
                {
                    self.origins.push(origin);
                }
                if schema.get("format").and_then(Value::as_str) != Some("secret") {
                    return value.clone();
                }
                let placeholder = format!("secret://{path}");
                self.secrets.push((path, text.clone()));
                Value::String(placeholder)
            }
            other => other.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
        let split = ChannelSettings::split(&schema(), &settings).unwrap();
        assert!(!split.config.contains("hunter2") && !split.config.contains("/T1/abc"), "{}", split.config);
        let config: Value = serde_json::from_str(&split.config).unwrap();
        assert_eq!(config["url"], "secret://url");
        assert_eq!(config["headers"]["x-token"], "secret://headers__x-token");
        assert_eq!(config["team"], "db");
        let origins: Vec<String> = split.origins.iter().map(ToString::to_string).collect();
        assert_eq!(origins, ["https://hooks.example.com"]);
    }

    #[test]
    fn mistakes_name_the_setting_and_not_its_value() {
        let error = |settings| ChannelSettings::split(&schema(), &settings).unwrap_err().to_string();
        assert!(error(json!({"url": "https://a.example", "colour": "hunter2"})).contains("`colour`"));
        assert!(!error(json!({"url": "https://a.example", "colour": "hunter2"})).contains("hunter2"));
        assert!(error(json!({"team": "db"})).contains("`url` is missing"));
        assert!(error(json!({"url": "nowhere"})).contains("nowhere to send"));
        assert!(error(json!([])).contains("JSON object"));
    }
}
