//! Provider for the models that GitHub offers, by GitHub Models, its documented API.
//!
//! The key is a token of GitHub with the permission `models: read`. For what an organisation pays for,
//! `base_url` is `https://models.github.ai/orgs/ORG/inference`. The address that Copilot's own clients use,
//! `https://api.githubcopilot.com`, speaks the same dialect and can be set, but it is not documented for others
//! and wants a short-lived token of such a client: a personal token is likely refused there.

#![forbid(unsafe_code)]

#[cfg(target_arch = "wasm32")]
mod component;

use plugin_sdk::PluginError;
use plugin_sdk::label;
use plugin_sdk::model::{Auth, Call, Common, Extra, ModelProvider, Question, Reply, Service, Settings, chat};
use serde_json::{Value, json};

/// The version of GitHub's API that is asked for.
const API_VERSION: &str = "2022-11-28";

/// The provider, with its settings.
#[derive(Debug)]
pub struct Copilot {
    common: Common,
    api_version: String,
}

impl ModelProvider for Copilot {
    const SERVICE: Service = Service {
        plugin: "copilot",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Incidents analysed by the models that GitHub offers",
        name: "GitHub Models",
        base_url: "https://models.github.ai/inference",
        model: "openai/gpt-4.1",
        timeout_s: 30,
        auth: Auth::Bearer,
        no_model: "set `model` to one of https://models.github.ai/catalog/models, as `publisher/name`",
    };

    const REFUSABLE: &'static [(&'static str, Extra)] = chat::REFUSABLE;

    fn own_settings() -> Vec<(&'static str, Value)> {
        let version = json!({
            "type": "string", "title": "Version of GitHub's API", "default": API_VERSION, "maxLength": 32,
        });
        vec![("api_version", version)]
    }

    fn read_settings(settings: &mut Settings<'_>) -> Self {
        let version = settings.token("api_version");
        Self {
            common: settings.common(&Self::SERVICE),
            api_version: if version.is_empty() { API_VERSION.to_owned() } else { version },
        }
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn call(&self, question: &Question<'_>) -> Call {
        Call {
            url: format!("{}{}", self.common.base_url, chat::PATH),
            headers: vec![
                label("accept", "application/vnd.github+json"),
                label("x-github-api-version", &self.api_version),
            ],
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
        testkit::provider::<Copilot>(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata"));
    }
}
