//! JSON text of a plugin.

use serde_json::Value;

use crate::bound::{Breach, Reader};

/// The deepest nesting (`wit/types.wit`).
const MAX_DEPTH: usize = 64;

/// How deep brackets are nested, without building anything.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0_usize);
    let (mut in_string, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth = depth.saturating_add(1);
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

impl Reader {
    /// JSON of at most `limit` bytes; the empty text is `{}`.
    pub(crate) fn json(&mut self, field: &str, text: &str, limit: usize) -> Result<Value, Breach> {
        if text.is_empty() {
            return Ok(Value::Object(serde_json::Map::new()));
        }
        if text.len() > limit {
            return Err(Breach::new(field, format!("has {} bytes, at most {limit} are allowed", text.len())));
        }
        self.take(field, text.len())?;
        let depth = depth(text);
        if depth > MAX_DEPTH {
            return Err(Breach::new(
                field,
                format!("is nested {depth} deep, at most {MAX_DEPTH} are allowed"),
            ));
        }
        serde_json::from_str(text).map_err(|error| Breach::new(field, format!("is not JSON: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_is_counted_outside_of_text() {
        assert_eq!(depth(r#"{"a":["[[[","\"[["]}"#), 2);
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let mut reader = Reader::new(10_000);
        assert!(reader.json("j", &deep(64), 1000).is_ok());
        assert!(reader.json("j", &deep(65), 1000).is_err());
    }

    #[test]
    fn empty_text_is_an_empty_object() {
        assert_eq!(Reader::new(0).json("j", "", 0).unwrap(), serde_json::json!({}));
        assert!(Reader::new(10).json("j", "nul", 10).is_err());
    }
}
