//! The settings of a channel: what the plugin sees of them and what the host keeps.

use domain::plugin::Problem;
use domain::secret::Secret;
use serde_json::{Map, Value};

use super::schema::{SettingsSchema, inner, is_secret_name, step};
use crate::config::{ReferenceError, References};
use crate::egress::{BoundSecret, Origin};

/// What is wrong with a channel's settings.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// Not a JSON object.
    #[error("settings are a JSON object, such as {{\"url\": \"https://…\"}}")]
    NotAnObject,
    /// They do not fit the schema, or the plugin finds fault with them.
    #[error("these settings do not fit:\n{}", lines(.0))]
    Invalid(Vec<Problem>),
    /// No setting says where to go, and nothing else does.
    #[error(
        "no setting holds an address, so there is nowhere to send to\n\
         hint: if the notifier knows where, grant it `allow_hosts` in `plugins.toml`"
    )]
    NoAddress,
    /// A secret is kept elsewhere, and not there.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
}

fn lines(problems: &[Problem]) -> String {
    let line = |problem: &Problem| match problem.path.as_str() {
        "" => problem.message.clone(),
        path => format!("`{path}`: {}", problem.message),
    };
    problems.iter().map(line).collect::<Vec<_>>().join("\n")
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
    /// Takes settings apart along the notifier's schema, follows references to secrets, and checks all of it
    /// against the schema.
    ///
    /// The channel's own addresses (settings of the format `uri`, and secrets that are one) are its grant,
    /// beside what its notifier is `granted` in `plugins.toml`; without any, those that the schema gives as a
    /// default. Its secrets are bound to its own addresses (a secret that is an address to its own, as [`BoundSecret`] says);
    /// without any, to what is granted.
    ///
    /// # Errors
    /// [`ChannelError`], which names the setting and never shows its value.
    pub fn split(
        schema: &SettingsSchema,
        settings: &Value,
        granted: &[Origin],
        references: &References,
    ) -> Result<Self, ChannelError> {
        let (config, mut split) = checked(schema, settings, references)?;
        if split.origins.is_empty() {
            default_addresses(schema.described()).for_each(|address| split.note_origin(address));
        }
        let own = std::mem::take(&mut split.origins);
        let secrets = split.bound_to(if own.is_empty() { granted } else { &own });
        let more: Vec<Origin> = granted.iter().filter(|origin| !own.contains(origin)).cloned().collect();
        let origins = [own, more].concat();
        if origins.is_empty() { Err(ChannelError::NoAddress) } else { Ok(Self { config, origins, secrets }) }
    }

    /// The same for settings that came with a request: their addresses grant nothing, and their secrets are
    /// bound to what the plugin is granted in `plugins.toml`.
    ///
    /// # Errors
    /// As [`ChannelSettings::split`]; a reference is no secret here and is refused.
    pub fn ad_hoc(
        schema: &SettingsSchema,
        settings: &Value,
        granted: &[Origin],
    ) -> Result<Self, ChannelError> {
        refuse_references(schema, settings)?;
        Self::of_granted(schema, settings, granted, &References::default())
    }

    /// The same for settings whose addresses grant nothing: all that may be reached is `granted`, and secrets
    /// are bound to that.
    ///
    /// # Errors
    /// As [`ChannelSettings::split`].
    pub fn of_granted(
        schema: &SettingsSchema,
        settings: &Value,
        granted: &[Origin],
        references: &References,
    ) -> Result<Self, ChannelError> {
        let (config, split) = checked(schema, settings, references)?;
        let secrets = split.bound_to(granted);
        Ok(Self { config, origins: granted.to_vec(), secrets })
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
        let config = split.object(schema, settings, "", "")?.shown;
        let secrets = split.bound_to(granted);
        Ok(Self { config: config.to_string(), origins: granted.to_vec(), secrets })
    }
}

/// Settings with placeholders, as text, and what was found in them.
fn checked<'a>(
    schema: &SettingsSchema,
    settings: &Value,
    references: &'a References,
) -> Result<(String, Split<'a>), ChannelError> {
    let Value::Object(object) = settings else { return Err(ChannelError::NotAnObject) };
    let mut split = Split::new(references);
    let Both { shown, resolved } = split.object(schema.described(), object, "", "")?;
    let mut problems = std::mem::take(&mut split.misnamed);
    problems.extend(schema.problems(&resolved));
    if problems.is_empty() { Ok((shown.to_string(), split)) } else { Err(ChannelError::Invalid(problems)) }
}

/// Whoever may send a request must not have the hub read its environment or its files for it.
fn refuse_references(schema: &SettingsSchema, settings: &Value) -> Result<(), ChannelError> {
    let mut problems = Vec::new();
    each_secret(schema.described(), settings, &mut |path, text| {
        if text.starts_with("env:") || text.starts_with("file:") {
            let message = "references to secrets are for stored channels; give the secret itself".to_owned();
            problems.push(Problem { path: path.to_owned(), message });
        }
    });
    if problems.is_empty() { Ok(()) } else { Err(ChannelError::Invalid(problems)) }
}

/// Calls `found` with the JSON Pointer and the text of every secret.
fn each_secret(schema: &Value, settings: &Value, found: &mut dyn FnMut(&str, &str)) {
    rewrite_secrets(schema, settings, &mut |path, value| {
        if let Value::String(text) = value {
            found(path, text);
        }
        value.clone()
    });
}

/// Settings with each value that stands where a secret belongs, text or not, replaced by what `with` makes of
/// its JSON Pointer and itself.
pub fn rewrite_secrets(
    schema: &Value,
    settings: &Value,
    with: &mut dyn FnMut(&str, &Value) -> Value,
) -> Value {
    fn go(
        schema: &Value,
        value: &Value,
        path: &mut String,
        with: &mut dyn FnMut(&str, &Value) -> Value,
    ) -> Value {
        if is_secret(schema) {
            return with(path, value);
        }
        let Value::Object(object) = value else { return value.clone() };
        let mut done = Map::new();
        for (name, value) in object {
            let length = path.len();
            step(path, name);
            done.insert(name.clone(), go(part(schema, name), value, path, with));
            path.truncate(length);
        }
        Value::Object(done)
    }
    go(schema, settings, &mut String::new(), with)
}

fn is_secret(schema: &Value) -> bool {
    schema.get("format").and_then(Value::as_str) == Some("secret")
}

/// The schema of one setting of an object.
fn part<'a>(schema: &'a Value, name: &str) -> &'a Value {
    let named = schema.get("properties").and_then(|properties| properties.get(name));
    named.or_else(|| schema.get("additionalProperties")).unwrap_or(&Value::Null)
}

/// Whether a setting is where to go, and not only something that looks like it.
fn is_address(schema: &Value) -> bool {
    schema.get("format").and_then(Value::as_str) == Some("uri")
}

/// Where a channel goes whose settings do not say it.
fn default_addresses(schema: &Value) -> impl Iterator<Item = &str> {
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let addresses = properties.filter(|(_, property)| is_address(property));
    addresses.filter_map(|(_, property)| property.get("default")?.as_str())
}

struct Split<'a> {
    references: &'a References,
    origins: Vec<Origin>,
    secrets: Vec<(String, Secret<String>)>,
    /// Secrets whose names cannot stand in a placeholder.
    misnamed: Vec<Problem>,
}

/// One value as the plugin sees it, and with secrets in their places as the schema means it.
struct Both {
    shown: Value,
    resolved: Value,
}

impl<'a> Split<'a> {
    const fn new(references: &'a References) -> Self {
        Self { references, origins: Vec::new(), secrets: Vec::new(), misnamed: Vec::new() }
    }

    fn bound_to(self, origins: &[Origin]) -> Vec<BoundSecret> {
        let bind = |(name, value)| BoundSecret { name, value, origins: origins.to_vec() };
        self.secrets.into_iter().map(bind).collect()
    }

    /// `name` is that of a secret here, `path` the JSON Pointer.
    fn object(
        &mut self,
        schema: &Value,
        object: &Map<String, Value>,
        name: &str,
        path: &str,
    ) -> Result<Both, ReferenceError> {
        let (mut shown, mut resolved) = (Map::new(), Map::new());
        for (key, value) in object {
            let mut path = path.to_owned();
            step(&mut path, key);
            let both = self.value(part(schema, key), value, inner(name, key), &path)?;
            shown.insert(key.clone(), both.shown);
            resolved.insert(key.clone(), both.resolved);
        }
        Ok(Both { shown: Value::Object(shown), resolved: Value::Object(resolved) })
    }

    fn value(
        &mut self,
        schema: &Value,
        value: &Value,
        name: String,
        path: &str,
    ) -> Result<Both, ReferenceError> {
        match value {
            Value::Object(object) => self.object(schema, object, &name, path),
            Value::String(text) if is_secret(schema) => {
                let secret = self.references.resolve_text(&name, text)?;
                self.note_origin(secret.expose());
                if !is_secret_name(&name) {
                    let message = "a secret's name has letters, digits, `_` and `-` only".to_owned();
                    self.misnamed.push(Problem { path: path.to_owned(), message });
                }
                let resolved = Value::String(secret.expose().clone());
                let shown = Value::String(format!("secret://{name}"));
                self.secrets.push((name, secret));
                Ok(Both { shown, resolved })
            }
            Value::String(text) => {
                if is_address(schema) {
                    self.note_origin(text);
                }
                Ok(Both { shown: value.clone(), resolved: value.clone() })
            }
            other => Ok(Both { shown: other.clone(), resolved: other.clone() }),
        }
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

    fn described() -> Value {
        json!({
            "type": "object",
            "required": ["url"],
            "properties": {
                "url": {"type": "string", "format": "secret"},
                "team": {"type": "string"},
                "headers": {"type": "object", "additionalProperties": {"type": "string", "format": "secret"}}
            }
        })
    }

    fn schema() -> SettingsSchema {
        SettingsSchema::new(&described()).unwrap()
    }

    #[test]
    fn secrets_become_placeholders_bound_to_the_channel() {
        let settings = json!({
            "url": "https://hooks.example.com/T1/abc", "team": "db", "headers": {"x-token": "hunter2"}
        });
        let split = ChannelSettings::split(&schema(), &settings, &[], &References::default()).unwrap();
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
        let split = ChannelSettings::split(&schema(), &settings, &[], &references()).unwrap();
        assert!(!split.config.contains("hunter2"), "{}", split.config);
        let config: Value = serde_json::from_str(&split.config).unwrap();
        assert_eq!((&config["team"], &config["url"]), (&json!("env:TOKEN"), &json!("secret://url")));
        let values: Vec<&str> = split.secrets.iter().map(|secret| secret.value.expose().as_str()).collect();
        assert_eq!(values, ["hunter2", "https://hooks.example.com/T1/abc"]);
        assert_eq!(split.origins, ["https://hooks.example.com".parse().unwrap()]);
        let missing = json!({ "url": "https://a.example", "headers": {"x-token": "env:NONE"} });
        let error = ChannelSettings::split(&schema(), &missing, &[], &references()).unwrap_err().to_string();
        assert!(error.contains("`headers__x-token` refers to environment variable `NONE`"), "{error}");
    }

    #[test]
    fn secrets_of_a_provider_are_bound_to_what_it_is_granted() {
        let granted = ["https://api.example".parse().unwrap()];
        let settings = json!({ "url": "env:TOKEN", "team": "https://elsewhere.example" });
        let split = ChannelSettings::of_provider(&described(), &settings, &granted, &references()).unwrap();
        assert!(!split.config.contains("hunter2"), "{}", split.config);
        assert_eq!(
            (split.origins.as_slice(), split.secrets[0].origins.as_slice()),
            (&granted[..], &granted[..])
        );
    }

    #[test]
    fn only_addresses_grant_and_the_default_does_where_none_is_given() {
        let schema = SettingsSchema::new(&json!({
            "type": "object",
            "properties": {
                "api_url": {"type": "string", "format": "uri", "default": "https://api.example"},
                "shown": {"type": "string"},
                "token": {"type": "string", "format": "secret"}
            }
        }))
        .unwrap();
        for (given, expected) in [
            (json!({"token": "hunter2", "shown": "https://elsewhere.example"}), "https://api.example"),
            (json!({"token": "hunter2", "api_url": "https://eu.example/x"}), "https://eu.example"),
        ] {
            let split = ChannelSettings::split(&schema, &given, &[], &References::default()).unwrap();
            assert_eq!(split.origins, [expected.parse().unwrap()], "{given}");
            assert_eq!(split.secrets[0].origins, split.origins);
        }
    }

    #[test]
    fn mistakes_name_the_setting_and_not_its_value() {
        let error = |settings| {
            ChannelSettings::split(&schema(), &settings, &[], &References::default()).unwrap_err().to_string()
        };
        assert!(error(json!({"url": "https://a.example", "colour": "hunter2"})).contains("`colour`"));
        assert!(!error(json!({"url": "https://a.example", "colour": "hunter2"})).contains("hunter2"));
        assert!(error(json!({"team": "db"})).contains("`url` is missing"));
        assert!(error(json!({"url": "nowhere"})).contains("nowhere to send"));
        assert!(error(json!([])).contains("JSON object"));
    }
}
