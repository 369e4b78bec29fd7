//! Secrets as they are shown: a mark in their place, and the reference where they are one.

use domain::plugin::Problem;
use serde_json::{Value, json};

use super::channel::rewrite_secrets;
use super::{ChannelError, SettingsSchema};
use crate::config::SecretText;

/// Settings that may be shown: `{"secret": "set"}` in the place of each secret, with its `reference` where it
/// is kept elsewhere.
pub fn mark_secrets(schema: &SettingsSchema, settings: &Value) -> Value {
    rewrite_secrets(schema.described(), settings, &mut |_, value| mark(value))
}

/// Settings in which a mark stands for the secret that is stored in its place.
///
/// # Errors
/// [`ChannelError::Invalid`] for a mark where nothing is stored, or one that says other than what is.
pub fn keep_secrets(schema: &SettingsSchema, new: &Value, old: &Value) -> Result<Value, ChannelError> {
    let mut problems = Vec::new();
    let kept = rewrite_secrets(schema.described(), new, &mut |path, value| {
        if value.get("secret").is_none() {
            return value.clone();
        }
        match old.pointer(path) {
            Some(stored) if value.get("reference") == mark(stored).get("reference") => stored.clone(),
            Some(_) | None => {
                let message =
                    "there is no such secret to be kept; give the secret, or the reference, as a text";
                problems.push(Problem { path: path.to_owned(), message: message.to_owned() });
                value.clone()
            }
        }
    });
    if problems.is_empty() { Ok(kept) } else { Err(ChannelError::Invalid(problems)) }
}

fn mark(value: &Value) -> Value {
    let parsed = value.as_str().map(|text| SecretText::parse("", text));
    match parsed.and_then(Result::ok).and_then(|text| text.reference()) {
        Some(reference) => json!({ "secret": "set", "reference": reference }),
        None => json!({ "secret": "set" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> SettingsSchema {
        let secret = json!({ "type": "string", "format": "secret" });
        let properties = json!({
            "url": secret, "team": {"type": "string"},
            "headers": {"type": "object", "additionalProperties": secret}
        });
        SettingsSchema::new(&json!({ "type": "object", "properties": properties })).unwrap()
    }

    #[test]
    fn secrets_are_marked_and_references_shown() {
        let settings = json!({
            "url": "https://a.example/hunter2", "team": "db", "headers": {"x": "env:X", "y": "hunter2", "z": 7}
        });
        assert_eq!(
            mark_secrets(&schema(), &settings),
            json!({
                "url": {"secret": "set"}, "team": "db",
                "headers": {"x": {"secret": "set", "reference": "env:X"}, "y": {"secret": "set"}, "z": {"secret": "set"}}
            })
        );
    }

    #[test]
    fn what_was_shown_can_be_given_back_and_keeps_its_secrets() {
        let old = json!({"url": "https://a.example/hunter2", "headers": {"x": "env:X", "y": "hunter2"}});
        let mut new = mark_secrets(&schema(), &old);
        assert_eq!(keep_secrets(&schema(), &new, &old).unwrap(), old);
        new["headers"]["y"] = json!("other");
        assert_eq!(keep_secrets(&schema(), &new, &old).unwrap()["headers"]["y"], "other");
        new["headers"]["new"] = json!({"secret": "set"});
        new["headers"]["x"]["reference"] = json!("env:OTHER");
        let error = keep_secrets(&schema(), &new, &old).unwrap_err().to_string();
        assert!(error.contains("`/headers/new`") && error.contains("`/headers/x`"), "{error}");
    }
}
