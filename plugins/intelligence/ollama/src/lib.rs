//! Provider for models that run on a machine of one's own, by Ollama.
//!
//! Ollama cuts a prompt that is longer than its context without a word, so the context is asked for. The first
//! request after a pause loads the model, which takes tens of seconds. Its usual address is one that plugins may
//! not reach: beside `allow_hosts` in plugins.toml, `SSRF_ALLOWED_HOSTS` has to list it.

#![forbid(unsafe_code)]

#[cfg(target_arch = "wasm32")]
mod component;

use plugin_sdk::PluginError;
use plugin_sdk::json::{Maybe, Text, read as read_json};
use plugin_sdk::model::prompt::answer_schema;
use plugin_sdk::model::{
    Auth, Call, Common, End, Extra, ModelProvider, Question, Reply, Service, Settings, count, usage,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// The context that the longest report and an answer of a thousand tokens need.
const NUM_CTX: u32 = 8_192;

/// The provider, with its settings.
#[derive(Debug)]
pub struct Ollama {
    common: Common,
    num_ctx: u32,
    keep_alive: String,
}

impl ModelProvider for Ollama {
    const SERVICE: Service = Service {
        plugin: "ollama",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Incidents analysed by models on a machine of your own, by Ollama",
        name: "Ollama",
        base_url: "http://localhost:11434",
        model: "llama3.1",
        timeout_s: 100,
        auth: Auth::OptionalBearer,
        no_model: "`ollama pull` the model there, or set `model` to one that `ollama list` has",
    };

    const REFUSABLE: &'static [(&'static str, Extra)] = &[("format", Extra::Structure)];

    fn own_settings() -> Vec<(&'static str, Value)> {
        vec![
            (
                "num_ctx",
                json!({
                    "type": "integer", "default": NUM_CTX, "minimum": 2_048, "maximum": 1_048_576,
                    "title": "Size of the context, in tokens",
                    "description": "What of a report does not fit, Ollama leaves out without a word.",
                }),
            ),
            (
                "keep_alive",
                json!({
                    "type": "string", "maxLength": 16, "title": "How long the model stays loaded",
                    "description": "Such as `10m`; without this, as the server has it.",
                }),
            ),
        ]
    }

    fn read_settings(settings: &mut Settings<'_>) -> Self {
        Self {
            common: settings.common(&Self::SERVICE),
            num_ctx: settings.number("num_ctx", 2_048..=1_048_576).unwrap_or(NUM_CTX),
            keep_alive: settings.token("keep_alive"),
        }
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn call(&self, question: &Question<'_>) -> Call {
        let mut body = json!({
            "model": question.model,
            "messages": [
                { "role": "system", "content": question.prompt.system },
                { "role": "user", "content": question.prompt.user },
            ],
            "stream": false,
        });
        let mut options = json!({ "num_predict": question.max_tokens, "num_ctx": self.num_ctx });
        if let (Value::Object(fields), Value::Object(options)) = (&mut body, &mut options) {
            if let Some(temperature) = question.temperature {
                options.insert("temperature".to_owned(), json!(temperature));
            }
            if question.structured {
                fields.insert("format".to_owned(), answer_schema());
            }
            if !self.keep_alive.is_empty() {
                fields.insert("keep_alive".to_owned(), json!(self.keep_alive));
            }
            fields.insert("options".to_owned(), Value::Object(std::mem::take(options)));
        }
        Call { url: format!("{}/api/chat", self.common.base_url), headers: Vec::new(), body }
    }

    fn read(&self, body: &str) -> Result<Reply, PluginError> {
        read(body)
    }
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    message: Maybe<Message<'a>>,
    #[serde(borrow, default)]
    done_reason: Text<'a>,
    #[serde(borrow, default)]
    model: Text<'a>,
    #[serde(borrow, default)]
    prompt_eval_count: Text<'a>,
    #[serde(borrow, default)]
    eval_count: Text<'a>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    content: Text<'a>,
}

/// Reads an answer. The count of the input is missing where the server had the prompt in its cache.
fn read(body: &str) -> Result<Reply, PluginError> {
    let answer: Answer<'_> = read_json(body)?;
    let Some(message) = answer.message.0 else {
        return Err(PluginError::InvalidInput("the answer has no message".to_owned()));
    };
    Ok(Reply {
        text: message.content.as_str().to_owned(),
        end: End::of(answer.done_reason.as_str(), &["length"], &[]),
        model: answer.model.as_str().to_owned(),
        usage: usage(count(&answer.prompt_eval_count), count(&answer.eval_count)),
    })
}

#[cfg(test)]
mod tests {
    use plugin_sdk::testkit;

    use super::*;

    #[test]
    fn golden_incidents_are_asked_and_answered_as_reviewed() {
        testkit::provider::<Ollama>(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata"));
    }
}
