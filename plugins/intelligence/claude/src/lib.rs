//! Provider for Claude, the models of Anthropic, by their messages API.
//!
//! The version of the API is a setting: `2023-06-01` takes a temperature, `2026-10-21` refuses one.

#![forbid(unsafe_code)]

#[cfg(target_arch = "wasm32")]
mod component;

use plugin_sdk::json::{Items, Maybe, Text, read as read_json};
use plugin_sdk::model::prompt::answer_schema;
use plugin_sdk::model::{
    Auth, Call, Common, End, Extra, ModelProvider, Question, Reply, Service, Settings, count, usage,
};
use plugin_sdk::{PluginError, label};
use serde::Deserialize;
use serde_json::{Value, json};

/// Versions of the API that are known; the first is the default.
const VERSIONS: [&str; 2] = ["2023-06-01", "2026-10-21"];

/// The provider, with its settings.
#[derive(Debug)]
pub struct Claude {
    common: Common,
    version: &'static str,
}

impl ModelProvider for Claude {
    const SERVICE: Service = Service {
        plugin: "claude",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Incidents analysed by Claude, the models of Anthropic",
        name: "Anthropic",
        base_url: "https://api.anthropic.com",
        model: "claude-haiku-5-5",
        timeout_s: 30,
        auth: Auth::Header("x-api-key"),
        no_model: "set `model` to one that the key may use; older ones reach the end of their life",
    };

    const REFUSABLE: &'static [(&'static str, Extra)] =
        &[("output_config", Extra::Structure), ("temperature", Extra::Temperature)];

    fn own_settings() -> Vec<(&'static str, Value)> {
        let version = json!({
            "type": "string", "enum": VERSIONS, "default": "2023-06-01", "title": "Version of the API",
            "description": "`2026-10-21` takes no temperature.",
        });
        vec![("anthropic_version", version)]
    }

    fn read_settings(settings: &mut Settings<'_>) -> Self {
        let common = settings.common(&Self::SERVICE);
        let version = settings.choice("anthropic_version", &VERSIONS);
        if common.temperature.is_some() && version != "2023-06-01" {
            settings.wrong("temperature", "is refused by this `anthropic_version`\nhint: leave it out");
        }
        Self { common, version }
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn call(&self, question: &Question<'_>) -> Call {
        let mut body = json!({
            "model": question.model,
            "max_tokens": question.max_tokens,
            "system": question.prompt.system,
            "messages": [{ "role": "user", "content": question.prompt.user }],
        });
        if let Value::Object(fields) = &mut body {
            if let Some(temperature) = question.temperature {
                // Its scale ends at 1.
                fields.insert("temperature".to_owned(), json!(temperature.min(1.0)));
            }
            if question.structured {
                let format = json!({ "type": "json_schema", "schema": answer_schema() });
                fields.insert("output_config".to_owned(), json!({ "format": format }));
            }
        }
        let headers = vec![label("anthropic-version", self.version)];
        Call { url: format!("{}/v1/messages", self.common.base_url), headers, body }
    }

    fn read(&self, body: &str) -> Result<Reply, PluginError> {
        read(body)
    }
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    content: Items<Block<'a>>,
    #[serde(borrow, default)]
    stop_reason: Text<'a>,
    #[serde(borrow, default)]
    stop_details: Maybe<StopDetails<'a>>,
    #[serde(borrow, default)]
    model: Text<'a>,
    #[serde(borrow, default)]
    usage: Maybe<Tokens<'a>>,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    text: Text<'a>,
}

#[derive(Deserialize, Default)]
struct StopDetails<'a> {
    #[serde(borrow, default)]
    explanation: Text<'a>,
}

/// What is read from a cache or put there is counted beside the rest of the input.
#[derive(Deserialize, Default)]
struct Tokens<'a> {
    #[serde(borrow, default)]
    input_tokens: Text<'a>,
    #[serde(borrow, default)]
    cache_creation_input_tokens: Text<'a>,
    #[serde(borrow, default)]
    cache_read_input_tokens: Text<'a>,
    #[serde(borrow, default)]
    output_tokens: Text<'a>,
}

fn read(body: &str) -> Result<Reply, PluginError> {
    let answer: Answer<'_> = read_json(body)?;
    if !answer.content.present {
        return Err(PluginError::InvalidInput("the answer has no content".to_owned()));
    }
    // A block of thinking may come first.
    let text = answer.content.items.iter().filter(|block| block.kind.as_str() == "text");
    let cut_short = ["max_tokens", "model_context_window_exceeded"];
    let end = match End::of(answer.stop_reason.as_str(), &cut_short, &["refusal"]) {
        End::Refused(_) => {
            let details = answer.stop_details.0.unwrap_or_default();
            End::Refused(details.explanation.as_str().to_owned())
        }
        end => end,
    };
    let tokens = answer.usage.0.unwrap_or_default();
    let input = [&tokens.input_tokens, &tokens.cache_creation_input_tokens, &tokens.cache_read_input_tokens];
    let input = input.into_iter().map(count).fold(0, u64::saturating_add);
    Ok(Reply {
        text: text.map(|block| block.text.as_str()).collect(),
        end,
        model: answer.model.as_str().to_owned(),
        usage: usage(input, count(&tokens.output_tokens)),
    })
}

#[cfg(test)]
mod tests {
    use plugin_sdk::testkit;

    use super::*;

    #[test]
    fn golden_incidents_are_asked_and_answered_as_reviewed() {
        testkit::provider::<Claude>(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata"));
    }
}
