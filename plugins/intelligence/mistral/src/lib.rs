//! Provider for the models of Mistral AI, by their chat completions.
//!
//! Mistral speaks OpenAI's dialect but for its errors: a 422 lists what is wrong in `detail`. Models that
//! reason answer with a list of chunks in place of a text.

#![forbid(unsafe_code)]

#[cfg(target_arch = "wasm32")]
mod component;

use plugin_sdk::PluginError;
use plugin_sdk::model::{Auth, Call, Common, Extra, ModelProvider, Question, Reply, Service, Settings, chat};
use serde_json::Value;

/// The provider, with its settings.
#[derive(Debug)]
pub struct Mistral {
    common: Common,
}

impl ModelProvider for Mistral {
    const SERVICE: Service = Service {
        plugin: "mistral",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Incidents analysed by the models of Mistral AI",
        name: "Mistral",
        base_url: "https://api.mistral.ai/v1",
        model: "mistral-small-latest",
        timeout_s: 30,
        auth: Auth::Bearer,
        no_model: "set `model` to one of docs.mistral.ai, such as `mistral-small-latest`",
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
        testkit::provider::<Mistral>(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata"));
    }
}
