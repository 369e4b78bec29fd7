//! Provider for the models of OpenAI, by chat completions or, where a setting says so, by responses.
//!
//! Chat completions are the dialect that many servers speak, so that `base_url` may lead to one of them;
//! the responses API is OpenAI's own.

#![forbid(unsafe_code)]

#[cfg(target_arch = "wasm32")]
mod component;
mod responses;

use plugin_sdk::model::{Auth, Call, Common, Extra, ModelProvider, Question, Reply, Service, Settings, chat};
use plugin_sdk::{Label, PluginError, label};
use serde_json::{Value, json};

/// The APIs that a setting chooses from; the first is the default.
const APIS: [&str; 2] = ["chat", "responses"];

/// The provider, with its settings.
#[derive(Debug)]
pub struct OpenAi {
    common: Common,
    api: &'static str,
    organization: String,
    project: String,
}

impl ModelProvider for OpenAi {
    const SERVICE: Service = Service {
        plugin: "openai",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Incidents analysed by the models of OpenAI, or of a server that speaks as it does",
        name: "OpenAI",
        base_url: "https://api.openai.com/v1",
        model: "gpt-5.4-mini",
        timeout_s: 30,
        auth: Auth::Bearer,
        no_model: "set `model` to one that the key may use, and see what `base_url` leads to",
    };

    const REFUSABLE: &'static [(&'static str, Extra)] = &[
        ("response_format", Extra::Structure),
        ("json_schema", Extra::Structure),
        // The same in the words of the responses API.
        ("text.format", Extra::Structure),
        ("temperature", Extra::Temperature),
        ("max_tokens", Extra::Limit),
        ("max_completion_tokens", Extra::Limit),
    ];

    fn own_settings() -> Vec<(&'static str, Value)> {
        let header = |title: &str| json!({ "type": "string", "title": title, "maxLength": 256 });
        vec![
            (
                "api",
                json!({
                    "type": "string", "enum": APIS, "default": "chat", "title": "Which API",
                    "description": "`responses` is OpenAI's own; other servers have `chat` at least.",
                }),
            ),
            ("organization", header("Organisation that pays, `org-…`")),
            ("project", header("Project that pays, `proj_…`")),
        ]
    }

    fn read_settings(settings: &mut Settings<'_>) -> Self {
        Self {
            common: settings.common(&Self::SERVICE),
            api: settings.choice("api", &APIS),
            organization: settings.token("organization"),
            project: settings.token("project"),
        }
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn call(&self, question: &Question<'_>) -> Call {
        let (path, body) = match self.api {
            "responses" => (responses::PATH, responses::body(question)),
            _ => (chat::PATH, chat::body(question, chat::NEW_LIMIT_FIRST)),
        };
        Call { url: format!("{}{path}", self.common.base_url), headers: self.headers(), body }
    }

    fn read(&self, body: &str) -> Result<Reply, PluginError> {
        match self.api {
            "responses" => responses::read(body),
            _ => chat::read(body),
        }
    }
}

impl OpenAi {
    fn headers(&self) -> Vec<Label> {
        let named = [("openai-organization", &self.organization), ("openai-project", &self.project)];
        named.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| label(name, value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use plugin_sdk::testkit;

    use super::*;

    #[test]
    fn golden_incidents_are_asked_and_answered_as_reviewed() {
        testkit::provider::<OpenAi>(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata"));
    }
}
