//! One text, or a list of texts: templates send either under the same name.

use std::fmt;

use plugin_sdk::json::Text;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The texts that are not empty, in the sender's order, and no more than anybody reads.
#[derive(Default)]
pub(crate) struct List<'a>(Vec<Text<'a>>);

impl List<'_> {
    const MAX: usize = 64;

    /// The first text, or the empty string.
    pub(crate) fn first(&self) -> &str {
        self.0.first().map_or("", Text::as_str)
    }

    /// All texts on one line: `web-1, web-2`.
    pub(crate) fn line(&self) -> String {
        self.0.iter().map(Text::as_str).collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for List<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?.get();
        if raw.starts_with('[') {
            return serde_json::Deserializer::from_str(raw).deserialize_seq(Texts).map_err(Error::custom);
        }
        let text: Text<'de> = serde_json::from_str(raw).map_err(Error::custom)?;
        Ok(Self(if text.is_empty() { Vec::new() } else { vec![text] }))
    }
}

struct Texts;

impl<'de> Visitor<'de> for Texts {
    type Value = List<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut list = List::default();
        while list.0.len() < List::MAX {
            match elements.next_element::<Text<'de>>()? {
                None => return Ok(list),
                Some(text) if text.is_empty() => {}
                Some(text) => list.0.push(text),
            }
        }
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(list)
    }
}
