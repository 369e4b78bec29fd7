//! OpenAI's responses API.

use plugin_sdk::PluginError;
use plugin_sdk::json::{Items, Maybe, Text, read as read_json};
use plugin_sdk::model::prompt::answer_schema;
use plugin_sdk::model::{End, Question, Reply, count, usage};
use serde::Deserialize;
use serde_json::{Value, json};

/// The path behind the base.
pub(crate) const PATH: &str = "/responses";

/// The body of a request. Nothing is kept there: the report is nobody else's business.
pub(crate) fn body(question: &Question<'_>) -> Value {
    let mut body = json!({
        "model": question.model,
        "instructions": question.prompt.system,
        "input": question.prompt.user,
        "max_output_tokens": question.max_tokens,
        "store": false,
    });
    if let Value::Object(fields) = &mut body {
        if let Some(temperature) = question.temperature {
            fields.insert("temperature".to_owned(), json!(temperature));
        }
        if question.structured {
            let schema = answer_schema();
            let format =
                json!({ "type": "json_schema", "name": "analysis", "strict": true, "schema": schema });
            fields.insert("text".to_owned(), json!({ "format": format }));
        }
    }
    body
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    status: Text<'a>,
    #[serde(borrow, default)]
    output: Items<Item<'a>>,
    #[serde(borrow, default)]
    incomplete_details: Maybe<Incomplete<'a>>,
    #[serde(borrow, default)]
    model: Text<'a>,
    #[serde(borrow, default)]
    usage: Maybe<Tokens<'a>>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    content: Items<Part<'a>>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(borrow, default)]
    refusal: Text<'a>,
}

#[derive(Deserialize, Default)]
struct Incomplete<'a> {
    #[serde(borrow, default)]
    reason: Text<'a>,
}

#[derive(Deserialize, Default)]
struct Tokens<'a> {
    #[serde(borrow, default)]
    input_tokens: Text<'a>,
    #[serde(borrow, default)]
    output_tokens: Text<'a>,
}

/// Reads an answer. Reasoning comes before the message and has no text of its own.
pub(crate) fn read(body: &str) -> Result<Reply, PluginError> {
    let answer: Answer<'_> = read_json(body)?;
    if !answer.output.present && answer.status.is_empty() {
        return Err(PluginError::InvalidInput("the answer has neither output nor status".to_owned()));
    }
    let messages = || answer.output.items.iter().filter(|item| item.kind.as_str() == "message");
    let parts = || messages().flat_map(|message| &message.content.items);
    let text = parts().filter(|part| part.kind.as_str() == "output_text");
    let refusal = parts().find(|part| part.kind.as_str() == "refusal");
    let incomplete = answer.incomplete_details.0.unwrap_or_default();
    let end = match refusal {
        Some(part) => End::Refused(part.refusal.as_str().to_owned()),
        None => End::of(incomplete.reason.as_str(), &["max_output_tokens"], &["content_filter"]),
    };
    if answer.status.as_str() == "failed" || answer.status.as_str() == "cancelled" {
        let status = answer.status.as_str();
        return Err(PluginError::Unavailable(format!("OpenAI began an answer and then says `{status}`")));
    }
    let tokens = answer.usage.0.unwrap_or_default();
    Ok(Reply {
        text: text.map(|part| part.text.as_str()).collect(),
        end,
        model: answer.model.as_str().to_owned(),
        usage: usage(count(&tokens.input_tokens), count(&tokens.output_tokens)),
    })
}
