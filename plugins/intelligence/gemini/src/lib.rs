//! Provider for Gemini, the models of Google, by `generateContent`.
//!
//! The key goes in a header; the API would take it in the address too, where logs keep it.

#![forbid(unsafe_code)]

#[cfg(target_arch = "wasm32")]
mod component;

use plugin_sdk::PluginError;
use plugin_sdk::json::{Items, Maybe, Text, read as read_json};
use plugin_sdk::model::prompt::answer_schema;
use plugin_sdk::model::{
    Auth, Call, Common, End, Extra, ModelProvider, Question, Reply, Service, Settings, count, usage,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// Versions of the API; the first is the default.
const VERSIONS: [&str; 2] = ["v1beta", "v1"];

/// Reasons to end without an answer.
const REFUSED: [&str; 8] = [
    "SAFETY",
    "RECITATION",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
    "OTHER",
];

/// The provider, with its settings.
#[derive(Debug)]
pub struct Gemini {
    common: Common,
    version: &'static str,
}

impl ModelProvider for Gemini {
    const SERVICE: Service = Service {
        plugin: "gemini",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Incidents analysed by Gemini, the models of Google",
        name: "Gemini",
        base_url: "https://generativelanguage.googleapis.com",
        model: "gemini-3.5-flash-lite",
        timeout_s: 30,
        auth: Auth::Header("x-goog-api-key"),
        no_model: "set `model` to one of https://ai.google.dev/gemini-api/docs/models",
    };

    const REFUSABLE: &'static [(&'static str, Extra)] = &[
        ("responseJsonSchema", Extra::Structure),
        ("response_json_schema", Extra::Structure),
        ("responseMimeType", Extra::Structure),
        ("response_mime_type", Extra::Structure),
        ("temperature", Extra::Temperature),
    ];

    fn own_settings() -> Vec<(&'static str, Value)> {
        let version = json!({
            "type": "string", "enum": VERSIONS, "default": "v1beta", "title": "Version of the API",
            "description": "`v1beta` has every model; `v1` changes less.",
        });
        vec![("api_version", version)]
    }

    fn read_settings(settings: &mut Settings<'_>) -> Self {
        let mut common = settings.common(&Self::SERVICE);
        if let Some(name) = common.model.strip_prefix("models/") {
            common.model = name.to_owned();
        }
        // It becomes a part of the address.
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if common.model.is_empty() || !common.model.bytes().all(is_plain) {
            settings.wrong("model", "must be of letters, digits, `-`, `.` and `_`");
        }
        Self { common, version: settings.choice("api_version", &VERSIONS) }
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn call(&self, question: &Question<'_>) -> Call {
        let mut config = json!({ "maxOutputTokens": question.max_tokens });
        if let Value::Object(fields) = &mut config {
            if let Some(temperature) = question.temperature {
                fields.insert("temperature".to_owned(), json!(temperature));
            }
            if question.structured {
                fields.insert("responseMimeType".to_owned(), json!("application/json"));
                fields.insert("responseJsonSchema".to_owned(), answer_schema());
            }
        }
        let part = |text: &str| json!([{ "text": text }]);
        let body = json!({
            "systemInstruction": { "parts": part(question.prompt.system) },
            "contents": [{ "role": "user", "parts": part(&question.prompt.user) }],
            "generationConfig": config,
        });
        let (base, version, model) = (&self.common.base_url, self.version, question.model);
        Call { url: format!("{base}/{version}/models/{model}:generateContent"), headers: Vec::new(), body }
    }

    fn read(&self, body: &str) -> Result<Reply, PluginError> {
        read(body)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(borrow, default)]
    candidates: Items<Candidate<'a>>,
    #[serde(borrow, default)]
    prompt_feedback: Maybe<Feedback<'a>>,
    #[serde(borrow, default)]
    model_version: Text<'a>,
    #[serde(borrow, default)]
    usage_metadata: Maybe<Tokens<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate<'a> {
    #[serde(borrow, default)]
    content: Maybe<Content<'a>>,
    #[serde(borrow, default)]
    finish_reason: Text<'a>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow, default)]
    parts: Items<Part<'a>>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(borrow, default)]
    thought: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Feedback<'a> {
    #[serde(borrow, default)]
    block_reason: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Tokens<'a> {
    #[serde(borrow, default)]
    prompt_token_count: Text<'a>,
    #[serde(borrow, default)]
    candidates_token_count: Text<'a>,
    #[serde(borrow, default)]
    thoughts_token_count: Text<'a>,
}

fn read(body: &str) -> Result<Reply, PluginError> {
    let answer: Answer<'_> = read_json(body)?;
    let feedback = answer.prompt_feedback.0.unwrap_or_default();
    let tokens = answer.usage_metadata.0.unwrap_or_default();
    let (text, end) = match answer.candidates.items.first() {
        Some(candidate) => {
            let parts = candidate.content.0.iter().flat_map(|content| &content.parts.items);
            let said = parts.filter(|part| part.thought.as_str() != "true").map(|part| part.text.as_str());
            (said.collect(), End::of(candidate.finish_reason.as_str(), &["MAX_TOKENS"], &REFUSED))
        }
        None if !feedback.block_reason.is_empty() => {
            (String::new(), End::Refused(feedback.block_reason.as_str().to_owned()))
        }
        None => return Err(PluginError::InvalidInput("the answer has no candidate".to_owned())),
    };
    let output = count(&tokens.candidates_token_count).saturating_add(count(&tokens.thoughts_token_count));
    Ok(Reply {
        text,
        end,
        model: answer.model_version.as_str().to_owned(),
        usage: usage(count(&tokens.prompt_token_count), output),
    })
}

#[cfg(test)]
mod tests {
    use plugin_sdk::testkit;

    use super::*;

    #[test]
    fn golden_incidents_are_asked_and_answered_as_reviewed() {
        testkit::provider::<Gemini>(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata"));
    }
}
