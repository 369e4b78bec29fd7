//! Bodies in which a key stands twice: templates that people write have them, and JSON does not forbid it.
//!
//! Detection takes the last of them, as most parsers do, but a derived reader stops at the second. Such a body
//! is written anew with the last of each, and only then, so that no other body pays for it.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The largest body that is written anew: far above any template, far below what takes time.
const MAX_BYTES: usize = 128 << 10;

/// How deep repeated keys are looked for: deeper than any driver looks. Each step goes through what is below.
const MAX_DEPTH: u8 = 8;

/// The body with the last of each key alone; none where it is too large or no JSON.
pub(crate) fn last_of_each(body: &[u8]) -> Option<Vec<u8>> {
    if body.len() > MAX_BYTES {
        return None;
    }
    let (_, text) = crate::json::body(body).ok()?;
    let whole: &RawValue = serde_json::from_str(text).ok()?;
    let mut out = String::with_capacity(text.len());
    write(whole.get(), MAX_DEPTH, &mut out)?;
    Some(out.into_bytes())
}

fn write(text: &str, depth: u8, out: &mut String) -> Option<()> {
    let below = depth.checked_sub(1);
    match (text.as_bytes().first(), below) {
        (Some(b'{'), Some(below)) => {
            let Fields(fields) = serde_json::from_str(text).ok()?;
            let names: Vec<String> = fields.iter().map(|(key, _)| name(key)).collect();
            let last: BTreeMap<&str, usize> =
                names.iter().enumerate().map(|(index, name)| (name.as_str(), index)).collect();
            out.push('{');
            let mut separator = "";
            for (index, ((key, value), name)) in fields.iter().zip(&names).enumerate() {
                if last.get(name.as_str()) == Some(&index) {
                    out.extend([separator, key.get(), ":"]);
                    write(value.get(), below, out)?;
                    separator = ",";
                }
            }
            out.push('}');
        }
        (Some(b'['), Some(below)) => {
            let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            out.push('[');
            let mut separator = "";
            for item in items {
                out.push_str(separator);
                write(item.get(), below, out)?;
                separator = ",";
            }
            out.push(']');
        }
        _ => out.push_str(text),
    }
    Some(())
}

/// A key without its escapes, or as it was sent where these make no text.
fn name(key: &RawValue) -> String {
    serde_json::from_str(key.get()).unwrap_or_else(|_| key.get().to_owned())
}

/// An object as it is written.
struct Fields<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(FieldsVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(body: &str) -> Option<String> {
        last_of_each(body.as_bytes()).map(|body| String::from_utf8(body).unwrap())
    }

    #[test]
    fn the_last_of_each_key_stays_at_every_level() {
        let body = r#" {"a":1,"b":[{"c":1,"\u0063":"\ud83d"},2],"a":{"d":1e999,"e":[],"d":null}} "#;
        let expected = r#"{"b":[{"\u0063":"\ud83d"},2],"a":{"e":[],"d":null}}"#;
        assert_eq!(rewritten(body).as_deref(), Some(expected));
    }

    #[test]
    fn what_is_too_large_or_no_json_is_left_alone() {
        assert_eq!(rewritten("{"), None);
        assert_eq!(rewritten("payload={}"), None);
        assert_eq!(rewritten(&format!("\"{}\"", "x".repeat(MAX_BYTES))), None);
    }

    #[test]
    fn deep_bodies_end_in_an_answer() {
        let deep = format!("{}{}", "[".repeat(60_000), "]".repeat(60_000));
        assert_eq!(rewritten(&deep).as_deref(), Some(deep.as_str()));
    }
}
