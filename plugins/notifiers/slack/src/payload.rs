//! A message made by the channel's own template.

use plugin_sdk::notifier::Notification;
use serde_json::{Map, Value, json};

use crate::blocks;

/// What of a message a template may set: the rest is the notifier's business.
const FIELDS: [&str; 5] = ["text", "blocks", "attachments", "unfurl_links", "unfurl_media"];

/// The message: an object with `blocks`, `attachments` or `text`, or a list of blocks.
///
/// # Errors
/// Why it cannot be one.
pub(crate) fn message(notification: &Notification, payload: &str) -> Result<Value, String> {
    let given: Value = serde_json::from_str(payload).map_err(|error| format!("it is not JSON: {error}"))?;
    let mut message = match given {
        Value::Array(blocks) => Map::from_iter([("blocks".to_owned(), Value::Array(blocks))]),
        Value::Object(fields) => fields,
        _ => return Err("it is neither an object nor a list of blocks".to_owned()),
    };
    if let Some(name) = message.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        return Err(format!(
            "it has a field `{}`; a message has {}",
            plugin_sdk::text::quotable(name),
            FIELDS.join(", ")
        ));
    }
    if !["text", "blocks", "attachments"].iter().any(|name| message.contains_key(*name)) {
        return Err("it has no `blocks`, `attachments` or `text`".to_owned());
    }
    for (name, own) in [
        // What Slack shows where it shows no blocks, as on a locked phone.
        ("text", json!(blocks::text(notification))),
        ("unfurl_links", json!(false)),
        ("unfurl_media", json!(false)),
    ] {
        message.entry(name).or_insert(own);
    }
    Ok(Value::Object(message))
}
