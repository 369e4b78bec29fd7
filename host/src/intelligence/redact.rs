//! Hiding what looks like a secret: in results of stages before they are kept, in questions before they leave.
//!
//! Both are made of what senders, this machine and providers say, and none of them is asked for secrets; but
//! people put passwords into labels and command lines.

use serde_json::Value;

/// What stands in the place of a secret.
const HIDDEN: &str = "[redacted]";
/// Parts of names of what is secret, in lower case.
const SECRET_NAMES: [&str; 9] =
    ["password", "passwd", "secret", "token", "api_key", "apikey", "api-key", "authorization", "credential"];
/// What a secret begins with, in lower case.
const SECRET_STARTS: [&str; 3] = ["bearer ", "basic ", "wbk_"];

/// The value with what looks like a secret hidden.
pub fn redacted(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| {
                let value = if is_secret_name(&name) { hidden(value) } else { redacted(value) };
                (name, value)
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(redacted).collect(),
        Value::String(text) => Value::String(words(text)),
        other => other,
    }
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|part| name.contains(part))
}

/// Texts are hidden, with all that they are part of; numbers of tokens are figures.
fn hidden(value: Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
        _ => Value::String(HIDDEN.to_owned()),
    }
}

/// A text whose words after `password=` and the like are hidden.
fn words(text: String) -> String {
    let lower = text.to_ascii_lowercase();
    if SECRET_STARTS.iter().any(|start| lower.starts_with(start)) {
        return HIDDEN.to_owned();
    }
    let suspicious = SECRET_NAMES.iter().any(|part| lower.contains(part)) || lower.contains("://");
    if !suspicious {
        return text;
    }
    let word = |word: &str| match word.split_once(['=', ':']) {
        Some((name, value)) if is_secret_name(name) && !value.is_empty() => {
            let separator = word.get(name.len()..name.len() + 1).unwrap_or_default();
            format!("{name}{separator}{HIDDEN}")
        }
        _ => without_user(word),
    };
    text.split_inclusive(char::is_whitespace)
        .map(|part| {
            let bare = part.trim_end();
            format!("{}{}", word(bare), part.get(bare.len()..).unwrap_or_default())
        })
        .collect()
}

/// An address without the user and password in it.
fn without_user(word: &str) -> String {
    let Some((scheme, rest)) = word.split_once("://") else { return word.to_owned() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.rsplit_once('@') {
        Some((user, _)) => {
            let rest = rest.get(user.len()..).unwrap_or_default();
            format!("{scheme}://{HIDDEN}{rest}")
        }
        None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_named_like_a_secret_is_hidden_with_all_of_it() {
        let value = json!({
            "labels": { "db_password": "hunter2", "team": "db" },
            "checks": [{ "API_KEY": ["a", "b"], "tokens": 1200, "message": "fine" }],
        });
        let expected = json!({
            "labels": { "db_password": "[redacted]", "team": "db" },
            "checks": [{ "API_KEY": "[redacted]", "tokens": 1200, "message": "fine" }],
        });
        assert_eq!(redacted(value), expected);
    }

    #[test]
    fn words_that_give_a_secret_away_are_hidden_and_the_rest_stays() {
        for (text, expected) in [
            ("backup --password=hunter2 --to db1", "backup --password=[redacted] --to db1"),
            ("Bearer abcdef", "[redacted]"),
            ("see https://me:pw@db1:5432/x?y for more", "see https://[redacted]@db1:5432/x?y for more"),
            ("the password has expired", "the password has expired"),
            ("token:\tx", "token:\tx"),
            ("https://example.com/a@b", "https://example.com/a@b"),
            ("größe € token=ü\n", "größe € token=[redacted]\n"),
        ] {
            assert_eq!(redacted(json!(text)), json!(expected), "{text}");
        }
    }
}
