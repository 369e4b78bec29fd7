//! What can be found in a body: the evidence that rules ask for.

use domain::time::Timestamp;
use serde_json::Value;

/// A number above this is milliseconds, one below it seconds.
const SMALLEST_MILLIS: i64 = 100_000_000_000;

/// Whether there is anything at a JSON Pointer but a null.
pub(crate) fn has(body: &Value, pointer: &str) -> bool {
    body.pointer(pointer).is_some_and(|value| !value.is_null())
}

/// The text at a JSON Pointer; empty where there is none.
pub(crate) fn text<'b>(body: &'b Value, pointer: &str) -> &'b str {
    body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// How many fields of these names there are, at any depth, that hold anything.
pub(crate) fn count_fields(body: &Value, names: &[&str]) -> usize {
    match body {
        Value::Object(fields) => {
            let here =
                fields.iter().filter(|(name, value)| names.contains(&name.as_str()) && !value.is_null());
            here.count() + fields.values().map(|value| count_fields(value, names)).sum::<usize>()
        }
        Value::Array(items) => items.iter().map(|item| count_fields(item, names)).sum(),
        _ => 0,
    }
}

/// Whether a text or number of the body satisfies this.
pub(crate) fn any_scalar(body: &Value, is: &impl Fn(&str) -> bool) -> bool {
    match body {
        Value::Object(fields) => fields.values().any(|value| any_scalar(value, is)),
        Value::Array(items) => items.iter().any(|item| any_scalar(item, is)),
        Value::String(text) => is(text),
        Value::Number(number) => is(&number.to_string()),
        Value::Null | Value::Bool(_) => false,
    }
}

/// Whether a field holds exactly this text.
pub(crate) fn says(body: &Value, text: &str) -> bool {
    any_scalar(body, &|found| found.trim() == text)
}

/// Whether this text is somewhere in a field.
pub(crate) fn mentions(body: &Value, text: &str) -> bool {
    any_scalar(body, &|found| found.contains(text))
}

/// Whether a field holds this time, to the millisecond: RFC 3339, or seconds or milliseconds since 1970.
pub(crate) fn tells_time(body: &Value, time: Timestamp) -> bool {
    any_scalar(body, &|found| match found.parse::<i64>() {
        Ok(number) if number > SMALLEST_MILLIS => number == time.as_millis(),
        Ok(number) => number == time.as_seconds(),
        Err(_) => found.parse::<Timestamp>().is_ok_and(|found| found.as_millis() == time.as_millis()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_found_in_every_form() {
        let time: Timestamp = "2026-06-01T12:00:00Z".parse().unwrap();
        for form in [
            json!(1_780_315_200),
            json!(1_780_315_200_000_i64),
            json!("1780315200000"),
            json!("2026-06-01T14:00:00+02:00"),
        ] {
            assert!(tells_time(&json!({ "a": [form] }), time), "{form}");
        }
        assert!(!tells_time(&json!({ "a": "2026-06-01T12:00:01Z", "b": 1 }), time));
    }

    #[test]
    fn fields_are_counted_at_any_depth_and_nulls_are_none() {
        let body = json!({ "level": null, "alerts": [{ "level": 1 }, { "x": { "level": "a" } }] });
        assert_eq!(count_fields(&body, &["level"]), 2);
    }
}
