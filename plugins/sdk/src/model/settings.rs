//! The settings that every provider of a model has, and how the others are read.

use std::ops::RangeInclusive;

use serde_json::{Map, Value, json};

use super::{Auth, KEY, ModelProvider, Service};
use crate::PluginError;
use crate::intelligence::Problem;
use crate::json::Pairs;
use crate::text::clip;

/// How long a call may take in all is 120 s; the rest is for asking once more.
const TIMEOUT_S: RangeInclusive<u32> = 1..=110;
/// What one answer may cost; no model writes more in one.
const MAX_TOKENS: RangeInclusive<u32> = 16..=100_000;
/// What remotes take.
const TEMPERATURE: RangeInclusive<f64> = 0.0..=2.0;

/// The settings that every provider of a model has.
#[derive(Debug, Clone, Default)]
pub struct Common {
    /// Whether there is a key.
    pub has_key: bool,
    /// Which model is asked.
    pub model: String,
    /// What the remote's paths are appended to, without a slash at the end.
    pub base_url: String,
    /// How long to wait for an answer, in seconds.
    pub timeout_s: u32,
    /// How long an answer may be, in tokens, whatever the host asks for.
    pub max_tokens: Option<u32>,
    /// How freely the model may choose its words; sent only where it is set.
    pub temperature: Option<f64>,
}

/// Settings while they are read; notes what is wrong with them.
#[derive(Debug)]
pub struct Settings<'a> {
    pairs: Pairs<'a>,
    problems: Vec<Problem>,
}

impl Settings<'_> {
    /// The text of a setting; empty where it is missing.
    pub fn text(&self, name: &str) -> &str {
        self.pairs.get(name).trim()
    }

    /// The text of a setting that goes into a header or an address: visible ASCII without blanks.
    pub fn token(&mut self, name: &str) -> String {
        let text = self.text(name).to_owned();
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.len() > 256 {
            self.wrong(name, "must be at most 256 visible ASCII characters without blanks");
        }
        text
    }

    /// One of several words; the first where the setting is missing.
    pub fn choice(&mut self, name: &str, known: &[&'static str]) -> &'static str {
        let text = self.text(name);
        let found = known.iter().find(|word| **word == text);
        if found.is_none() && !text.is_empty() {
            let known: Vec<String> = known.iter().map(|word| format!("`{word}`")).collect();
            self.wrong(name, &format!("must be one of {}", known.join(", ")));
        }
        found.or(known.first()).copied().unwrap_or_default()
    }

    /// A whole number.
    pub fn number(&mut self, name: &str, range: RangeInclusive<u32>) -> Option<u32> {
        let text = self.text(name);
        if text.is_empty() {
            return None;
        }
        let number = text.parse().ok().filter(|number| range.contains(number));
        if number.is_none() {
            self.wrong(name, &format!("must be a whole number from {} to {}", range.start(), range.end()));
        }
        number
    }

    /// Notes what is wrong with a setting; the text goes on after its name.
    pub fn wrong(&mut self, name: &str, what: &str) {
        let message = clip(&format!("`{name}` {what}"), 4_096).into_owned();
        self.problems.push(Problem { path: format!("/{name}"), message });
    }

    /// The settings that every provider of a model has.
    pub fn common(&mut self, service: &Service) -> Common {
        let has_key = !self.text(KEY).is_empty();
        if !has_key && service.auth != Auth::OptionalBearer {
            self.wrong(KEY, &format!("is missing\nhint: create a key at {} and set it", service.name));
        }
        let or_default =
            |text: String, default: &str| if text.is_empty() { default.to_owned() } else { text };
        let model = self.token("model");
        let base_url = self.base_url();
        Common {
            has_key,
            model: or_default(model, service.model),
            base_url: or_default(base_url, service.base_url),
            timeout_s: self.number("timeout_s", TIMEOUT_S).unwrap_or(service.timeout_s),
            max_tokens: self.number("max_tokens", MAX_TOKENS),
            temperature: self.temperature(),
        }
    }

    fn base_url(&mut self) -> String {
        let url = self.token("base_url").trim_end_matches('/').to_owned();
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let is_base = rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['?', '#', '@']));
        if !url.is_empty() && !is_base {
            self.wrong(
                "base_url",
                "must be an address such as `https://host/v1`, without credentials, query or fragment",
            );
        }
        url
    }

    fn temperature(&mut self) -> Option<f64> {
        let text = self.text("temperature");
        if text.is_empty() {
            return None;
        }
        let number = text.parse().ok().filter(|number| TEMPERATURE.contains(number));
        if number.is_none() {
            self.wrong("temperature", "must be a number from 0 to 2");
        }
        number
    }
}

/// All settings of a provider, or what is wrong with them.
pub(super) fn read<M: ModelProvider>(config: &str) -> Result<M, Vec<Problem>> {
    let config = if config.is_empty() { "{}" } else { config };
    let pairs: Pairs<'_> = serde_json::from_str(config).unwrap_or_default();
    let mut settings = Settings { pairs, problems: Vec::new() };
    let provider = M::read_settings(&mut settings);
    if settings.problems.is_empty() { Ok(provider) } else { Err(settings.problems) }
}

pub(super) fn first_problem(problems: Vec<Problem>) -> PluginError {
    let message = problems.into_iter().next().map(|problem| problem.message);
    PluginError::Config(message.unwrap_or_default())
}

/// The JSON Schema of all settings of a provider.
pub(super) fn schema(service: &Service, own: Vec<(&'static str, Value)>) -> String {
    let Service { name, base_url, model, timeout_s, .. } = service;
    let mut properties = json!({
        KEY: {
            "type": "string", "format": "secret", "title": "Key",
            "description": format!("Sent to {name} in a header, and nowhere else."),
        },
        "model": {
            "type": "string", "title": "Model", "default": model, "maxLength": 256,
            "description": "Which model is asked. Remotes withdraw models: what is the default here ages.",
        },
        "base_url": {
            "type": "string", "format": "uri", "title": "Address of the API", "default": base_url, "maxLength": 256,
            "description":
                "Another address is reached only where `allow_hosts` in plugins.toml has its origin, and the key goes there too.",
        },
        "timeout_s": {
            "type": "integer", "title": "Seconds to wait for an answer", "default": timeout_s,
            "minimum": TIMEOUT_S.start(), "maximum": TIMEOUT_S.end(),
        },
        "max_tokens": {
            "type": "integer", "title": "Longest answer, in tokens",
            "minimum": MAX_TOKENS.start(), "maximum": MAX_TOKENS.end(),
            "description":
                "Without this, what the hub asks for. A model that reasons spends a part of it before it writes.",
        },
        "temperature": {
            "type": "number", "title": "Temperature",
            "minimum": TEMPERATURE.start(), "maximum": TEMPERATURE.end(),
            "description": "Sent only where it is set; some models refuse it.",
        },
    });
    if let Value::Object(properties) = &mut properties {
        properties.extend(own.into_iter().map(|(name, schema)| (name.to_owned(), schema)));
    }
    let mut schema = Map::new();
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), properties);
    schema.insert("additionalProperties".to_owned(), json!(false));
    if service.auth != Auth::OptionalBearer {
        schema.insert("required".to_owned(), json!([KEY]));
    }
    Value::Object(schema).to_string()
}
