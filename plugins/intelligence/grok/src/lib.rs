//! Provider for Grok, the models of xAI, by its chat completions.
//!
//! xAI speaks OpenAI's dialect. It calls chat completions its older API and keeps it; errors come in two
//! forms, and a bad key is a 400.

#![forbid(unsafe_code)]

#[cfg(target_arch = "wasm32")]
mod component;

use plugin_sdk::PluginError;
use plugin_sdk::model::{Auth, Call, Common, Extra, ModelProvider, Question, Reply, Service, Settings, chat};
use serde_json::Value;

/// The provider, with its settings.
#[derive(Debug)]
pub struct Grok {
    common: Common,
}

impl ModelProvider for Grok {
    const SERVICE: Service = Service {
        plugin: "grok",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Incidents analysed by Grok, the models of xAI",
        name: "xAI",
        base_url: "https://api.x.ai/v1",
        model: "grok-4.3",
        timeout_s: 30,
        auth: Auth::Bearer,
        no_model: "set `model` to one that console.x.ai lists",
    };

    const REFUSABLE: &'static [(&'static str, Extra)] = chat::REFUSABLE;

    fn own_settings() -> Vec<(&'static str, Value)> {
        Vec::new()
    }

    fn read_settings(settings: &mut Settings<'_>) -> Self {
        Self { common: settings.common(&Self::SERVICE) }
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn call(&self, question: &Question<'_>) -> Call {
        Call {
            url: format!("{}{}", self.common.base_url, chat::PATH),
            headers: Vec::new(),
            body: chat::body(question, chat::OLD_LIMIT_FIRST),
        }
    }

    fn read(&self, body: &str) -> Result<Reply, PluginError> {
        chat::read(body)
    }
}

#[cfg(test)]
mod tests {
    use plugin_sdk::testkit;

    use super::*;

    #[test]
    fn golden_incidents_are_asked_and_answered_as_reviewed() {
        testkit::provider::<Grok>(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata"));
    }
}
