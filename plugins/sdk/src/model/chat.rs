//! The dialect that many remotes speak: OpenAI's chat completions.
//!
//! Remotes differ in the name of the limit (`max_tokens`, the old one, and `max_completion_tokens`), in
//! whether they hold an answer to a schema, and in the form of an answer's content: a text, or for models
//! that reason a list of chunks.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::prompt::answer_schema;
use super::{End, Extra, Question, Reply, count, usage};
use crate::PluginError;
use crate::json::{Items, Maybe, Text, read as read_json};

/// The path behind the base.
pub const PATH: &str = "/chat/completions";

/// The names of the limit where the old one is tried first, and where the new one is.
pub const OLD_LIMIT_FIRST: [&str; 2] = ["max_tokens", "max_completion_tokens"];
/// The other way round.
pub const NEW_LIMIT_FIRST: [&str; 2] = ["max_completion_tokens", "max_tokens"];

/// What such remotes call the parameters that some of them refuse.
pub const REFUSABLE: &[(&str, Extra)] = &[
    ("response_format", Extra::Structure),
    ("json_schema", Extra::Structure),
    ("temperature", Extra::Temperature),
    ("max_tokens", Extra::Limit),
    ("max_completion_tokens", Extra::Limit),
];

/// The body of a request. `limit` has the two names of the limit, the one to try first in front.
pub fn body(question: &Question<'_>, limit: [&str; 2]) -> Value {
    let [first, other] = limit;
    let mut body = json!({
        "model": question.model,
        "messages": [
            { "role": "system", "content": question.prompt.system },
            { "role": "user", "content": question.prompt.user },
        ],
        if question.other_limit { other } else { first }: question.max_tokens,
    });
    if let Value::Object(fields) = &mut body {
        if let Some(temperature) = question.temperature {
            fields.insert("temperature".to_owned(), json!(temperature));
        }
        if question.structured {
            let schema = json!({ "name": "analysis", "strict": true, "schema": answer_schema() });
            let format = json!({ "type": "json_schema", "json_schema": schema });
            fields.insert("response_format".to_owned(), format);
        }
    }
    body
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    choices: Items<Choice<'a>>,
    #[serde(borrow, default)]
    model: Text<'a>,
    #[serde(borrow, default)]
    usage: Maybe<Tokens<'a>>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow, default)]
    message: Maybe<Message<'a>>,
    #[serde(borrow, default)]
    finish_reason: Text<'a>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    content: Content<'a>,
    #[serde(borrow, default)]
    refusal: Text<'a>,
}

#[derive(Deserialize, Default)]
struct Tokens<'a> {
    #[serde(borrow, default)]
    prompt_tokens: Text<'a>,
    #[serde(borrow, default)]
    completion_tokens: Text<'a>,
}

/// A text, or the texts of a list of chunks together.
#[derive(Default)]
struct Content<'a>(Cow<'a, str>);

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    text: Text<'a>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?.get();
        if raw.starts_with('[') {
            // Chunks of other types, such as `thinking`, have no text of this name.
            let chunks: Items<Chunk<'_>> = serde_json::from_str(raw).unwrap_or_default();
            return Ok(Self(chunks.items.iter().map(|chunk| chunk.text.as_str()).collect()));
        }
        let text: Text<'_> = serde_json::from_str(raw).unwrap_or_default();
        Ok(Self(Cow::Owned(text.as_str().to_owned())))
    }
}

/// Reads an answer.
///
/// # Errors
/// [`PluginError::InvalidInput`] for what is no such answer.
pub fn read(body: &str) -> Result<Reply, PluginError> {
    let answer: Answer<'_> = read_json(body)?;
    let Some(choice) = answer.choices.items.into_iter().next() else {
        return Err(PluginError::InvalidInput("the answer has no choice".to_owned()));
    };
    let message = choice.message.0;
    let refusal = message.as_ref().map_or("", |message| message.refusal.as_str()).to_owned();
    let end = match refusal.is_empty() {
        false => End::Refused(refusal),
        true => End::of(choice.finish_reason.as_str(), &["length", "model_length"], &["content_filter"]),
    };
    let tokens = answer.usage.0.unwrap_or_default();
    Ok(Reply {
        text: message.map(|message| message.content.0.into_owned()).unwrap_or_default(),
        end,
        model: answer.model.as_str().to_owned(),
        usage: usage(count(&tokens.prompt_tokens), count(&tokens.completion_tokens)),
    })
}
