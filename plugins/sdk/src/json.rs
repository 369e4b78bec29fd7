//! Reading JSON that may hold anything.
//!
//! A driver describes what it looks for as a struct of these types. None of them fails on a value of
//! another type than expected, so that a null or a number in one field never costs an alert. Only
//! text that is not JSON at all is an error, and so is a root of the wrong kind. Strings are
//! borrowed from the body wherever it holds no escapes.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::PluginError;

/// What stands at the root of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
    /// A bare value, or nothing.
    Other,
}

/// The body as text, and what kind of JSON it begins as. A byte order mark is skipped.
///
/// # Errors
/// [`PluginError::InvalidInput`] for bytes that are not UTF-8.
pub fn body(bytes: &[u8]) -> Result<(Kind, &str), PluginError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        PluginError::InvalidInput(format!(
            "body is not UTF-8: the first wrong byte is at offset {}",
            error.valid_up_to()
        ))
    })?;
    let kind = match text.trim_ascii_start().as_bytes().first() {
        Some(b'{') => Kind::Object,
        Some(b'[') => Kind::Array,
        _ => Kind::Other,
    };
    Ok((kind, text))
}

/// Reads a whole JSON text.
///
/// # Errors
/// [`PluginError::InvalidInput`] with the place of the fault, for text that is not JSON or whose root
/// is of another kind.
pub fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, PluginError> {
    serde_json::from_str(text)
        .map_err(|error| PluginError::InvalidInput(format!("body is not readable JSON: {error}")))
}

/// The error for a root of a kind that the driver does not know.
pub fn wrong_root(kind: Kind, expected: &str) -> PluginError {
    let found = match kind {
        Kind::Object => "a JSON object",
        Kind::Array => "a JSON array",
        Kind::Other => "no JSON object or array",
    };
    PluginError::InvalidInput(format!("body is {found}, expected {expected}"))
}

/// A scalar as text: `"a"` and `a` for the number or boolean `a` are the same, null is empty.
///
/// An object or array is kept as the JSON text that it was sent as.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text<'a>(Cow<'a, str>);

/// The longest text that is unescaped, in bytes as sent: far more than any field of an alert keeps. Taking
/// millions of escapes apart would use up the time of the whole call.
const MAX_ESCAPED_BYTES: usize = 128 << 10;

/// The text of a JSON string with escapes, or the beginning of it where it is very long.
fn unescape<'a>(raw: &'a str, inner: &'a str) -> Cow<'a, str> {
    if inner.len() <= MAX_ESCAPED_BYTES {
        // A lone surrogate escape is JSON but not text: keep what was sent.
        return serde_json::from_str(raw).map_or(Cow::Borrowed(inner), Cow::Owned);
    }
    let kept = whole_escapes(inner);
    serde_json::from_str(&format!("\"{kept}\"")).map_or(Cow::Borrowed(kept), Cow::Owned)
}

/// About [`MAX_ESCAPED_BYTES`] from the front, without half an escape at the end.
fn whole_escapes(inner: &str) -> &str {
    let bytes = inner.as_bytes();
    let mut end = 0;
    while end < MAX_ESCAPED_BYTES {
        end += match (bytes.get(end), bytes.get(end + 1)) {
            (Some(b'\\'), Some(b'u')) => 6,
            (Some(b'\\'), _) => 2,
            _ => 1,
        };
    }
    crate::text::cut(inner, end)
}

impl Text<'_> {
    /// The text; empty where the field was missing, null or empty.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the field was missing, null or empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?.get();
        Ok(Self(match raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            None if raw == "null" => Cow::Borrowed(""),
            None => Cow::Borrowed(raw),
            Some(inner) if !inner.contains('\\') => Cow::Borrowed(inner),
            Some(inner) => unescape(raw, inner),
        }))
    }
}

/// A key or string, borrowed where possible.
struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a key")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

/// The rest of a visitor that takes any scalar for "not what was looked for".
macro_rules! any_scalar_is {
    ($value:expr) => {
        fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
            Ok($value)
        }
    };
}

/// An object with values of any type, or a list of tags, as keys and texts in the sender's order.
///
/// A tag `a:b` is the key `a` with the value `b`; a tag without a colon has the value `true`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pairs<'a> {
    entries: Vec<(Cow<'a, str>, Text<'a>)>,
    dropped: usize,
    misfit: bool,
}

impl Pairs<'_> {
    /// Far above the 64 labels of the contract, far below what fills the memory.
    const MAX: usize = 256;

    /// The value of a key, or the empty string.
    pub fn get(&self, key: &str) -> &str {
        self.entries.iter().rfind(|(known, _)| known == key).map_or("", |(_, value)| value.as_str())
    }

    /// The first of `keys` with a value that is not empty, or the empty string.
    pub fn first_of(&self, keys: &[&str]) -> &str {
        keys.iter().map(|key| self.get(key)).find(|value| !value.is_empty()).unwrap_or_default()
    }

    /// The entries in the sender's order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|(key, value)| (key.as_ref(), value.as_str()))
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many entries were too many and not kept.
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// Whether something else than an object, a list or null stood here.
    pub fn is_misfit(&self) -> bool {
        self.misfit
    }
}

impl<'a> Pairs<'a> {
    fn push(&mut self, key: Cow<'a, str>, value: Text<'a>) {
        if self.entries.len() < Self::MAX {
            self.entries.push((key, value));
        } else {
            self.dropped += 1;
        }
    }

    fn push_tag(&mut self, tag: Text<'a>) {
        let (key, value) = match &tag.0 {
            Cow::Borrowed(tag) => match tag.split_once(':') {
                Some((key, value)) => (Cow::Borrowed(key.trim()), Cow::Borrowed(value.trim())),
                None => (Cow::Borrowed(tag.trim()), Cow::Borrowed("true")),
            },
            Cow::Owned(tag) => match tag.split_once(':') {
                Some((key, value)) => {
                    (Cow::Owned(key.trim().to_owned()), Cow::Owned(value.trim().to_owned()))
                }
                None => (Cow::Owned(tag.trim().to_owned()), Cow::Borrowed("true")),
            },
        };
        if !key.is_empty() {
            self.push(key, Text(value));
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;
        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Pairs::default();
                while let Some((Key(key), value)) = map.next_entry()? {
                    pairs.push(key, value);
                }
                Ok(pairs)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Pairs::default();
                while let Some(tag) = list.next_element()? {
                    pairs.push_tag(tag);
                }
                Ok(pairs)
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Pairs::default())
            }

            any_scalar_is!(Pairs { misfit: true, ..Pairs::default() });
        }
        deserializer.deserialize_any(PairsVisitor)
    }
}

impl serde::Serialize for Pairs<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// A list of objects. What in it is no object is counted and skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Items<T> {
    /// The objects, in order.
    pub items: Vec<T>,
    /// How many elements were no objects.
    pub skipped: usize,
    /// How many objects there were, kept or not.
    pub seen: usize,
    /// Whether there was a list, or null, which is how Go writes an empty one.
    pub present: bool,
    /// Whether something else than a list or null stood here.
    pub misfit: bool,
}

impl<T> Default for Items<T> {
    fn default() -> Self {
        Self { items: Vec::new(), skipped: 0, seen: 0, present: false, misfit: false }
    }
}

impl<T> Items<T> {
    /// No more than the contract lets a driver return; the rest is only counted.
    const MAX: usize = crate::driver::MAX_ALERTS;
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Items<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ItemsVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ItemsVisitor<T> {
            type Value = Items<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut items = Items { present: true, ..Items::default() };
                while items.seen < Items::<T>::MAX {
                    match list.next_element::<Maybe<T>>()? {
                        None => return Ok(items),
                        Some(Maybe(None)) => items.skipped += 1,
                        Some(Maybe(Some(item))) => {
                            items.seen += 1;
                            items.items.push(item);
                        }
                    }
                }
                while list.next_element::<IgnoredAny>()?.is_some() {
                    items.seen += 1;
                }
                Ok(items)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Items { misfit: true, ..Items::default() })
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Items { present: true, ..Items::default() })
            }

            any_scalar_is!(Items { misfit: true, ..Items::default() });
        }
        deserializer.deserialize_any(ItemsVisitor(PhantomData))
    }
}

/// An object, or none where something else stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maybe<T>(pub Option<T>);

impl<T> Default for Maybe<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MaybeVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for MaybeVisitor<T> {
            type Value = Maybe<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|item| Maybe(Some(item)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Maybe(None))
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Maybe(None))
            }

            any_scalar_is!(Maybe(None));
        }
        deserializer.deserialize_any(MaybeVisitor(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(json: &str) -> String {
        read::<Text<'_>>(json).unwrap().as_str().to_owned()
    }

    fn pairs(json: &str) -> Vec<(String, String)> {
        let pairs: Pairs<'_> = read(json).unwrap();
        pairs.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn any_value_is_text() {
        assert_eq!(text(r#" "a b" "#), "a b");
        assert_eq!(text(r#""a\n\"b\u00e9""#), "a\n\"bé");
        assert_eq!(text("null"), "");
        assert_eq!(text("5.0"), "5.0");
        assert_eq!(text("-1e999"), "-1e999");
        assert_eq!(text("true"), "true");
        assert_eq!(text(r#"{"a":[1]}"#), r#"{"a":[1]}"#);
        assert_eq!(text(r#""\ud800""#), r"\ud800");
    }

    #[test]
    fn of_a_very_long_text_with_escapes_the_beginning_is_read() {
        for (escape, characters) in [("\\n", "\n"), ("\\u00e9", "é"), ("\\\\", "\\"), ("é\\\"", "é\"")] {
            for ahead in 0..6 {
                let json = format!("\"{}{}\"", "x".repeat(ahead), escape.repeat(70_000));
                let read = text(&json);
                let rest = read.strip_prefix(&"x".repeat(ahead)).unwrap();
                assert!(rest.chars().all(|character| characters.contains(character)), "{escape} {ahead}");
                assert!((20_000..140_000).contains(&rest.len()), "{}", rest.len());
            }
        }
        let plain = "x".repeat(1_000_000);
        assert_eq!(text(&format!("\"{plain}\"")), plain);
    }

    #[test]
    fn strings_without_escapes_are_borrowed() {
        assert!(matches!(read::<Text<'_>>(r#""plain""#).unwrap().0, Cow::Borrowed("plain")));
    }

    #[test]
    fn an_object_and_a_list_of_tags_are_both_pairs() {
        let expected = [("env", "prod"), ("urgent", "true")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(pairs(r#"{"env":"prod","urgent":true}"#), expected);
        assert_eq!(pairs(r#"["env:prod","urgent",""]"#), expected);
        assert_eq!(pairs(r#"["env: prod","\u0075rgent"]"#), expected);
        assert_eq!(pairs("null"), []);
    }

    #[test]
    fn something_else_than_pairs_is_a_misfit_and_no_error() {
        for json in ["5", "-5", "1.5", "true", r#""env""#, r#""\u0065""#] {
            let pairs: Pairs<'_> = read(json).unwrap();
            assert!(pairs.is_misfit() && pairs.is_empty(), "{json}");
        }
    }

    #[test]
    fn pairs_and_items_stop_growing_but_keep_count() {
        let fields: Vec<String> = (0..300).map(|index| format!(r#""k{index}":1"#)).collect();
        let json = format!("{{{}}}", fields.join(","));
        let pairs: Pairs<'_> = read(&json).unwrap();
        assert_eq!((pairs.iter().count(), pairs.dropped()), (256, 44));

        let json = format!("[{}]", vec![r#"{"a":1}"#; 2_005].join(","));
        let items: Items<serde::de::IgnoredAny> = read(&json).unwrap();
        assert_eq!((items.items.len(), items.seen), (2_000, 2_005));
    }

    #[test]
    fn a_list_skips_what_is_no_object() {
        let items: Items<serde::de::IgnoredAny> = read(r#"[null,1,"a",[{}],{},true]"#).unwrap();
        assert_eq!((items.items.len(), items.skipped, items.present), (1, 5, true));
        let none: Items<serde::de::IgnoredAny> = read(r#"{"a":{"b":[]}}"#).unwrap();
        assert!(!none.present && none.misfit);
        let null: Items<serde::de::IgnoredAny> = read("null").unwrap();
        assert!(null.present && !null.misfit);
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        assert_eq!(body(b"\xef\xbb\xbf {}").unwrap(), (Kind::Object, " {}"));
    }
}
