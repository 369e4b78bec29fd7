//! One pass over a body, beside the trie of all pointers that anybody asked for.

use std::collections::HashMap;
use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;

/// One step of the trie of all pointers.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) children: HashMap<String, Node>,
    /// Slot of the pointer that ends here.
    pub(super) slot: Option<usize>,
    /// Whether the scalar here is compared with anything.
    pub(super) compared: bool,
}

/// What was found, by slot: only what is there takes room, however many pointers are asked for.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<(usize, Found)>);

/// What was found at a pointer.
#[derive(Debug)]
pub(super) enum Found {
    Something,
    Scalar(String),
}

impl Findings {
    /// The slots where something was found.
    pub(super) fn slots(&self) -> impl Iterator<Item = usize> {
        self.0.iter().map(|(slot, _)| *slot)
    }

    pub(super) fn at(&self, slot: usize) -> Option<&Found> {
        self.0.iter().find(|(found, _)| *found == slot).map(|(_, what)| what)
    }

    /// Of a key that is there twice the last counts, as in most parsers.
    fn put(&mut self, slot: usize, what: Found) {
        match self.0.iter_mut().find(|(found, _)| *found == slot) {
            Some((_, place)) => *place = what,
            None => self.0.push((slot, what)),
        }
    }

    /// Of a key that is there twice, what was found below the first does not count either.
    fn forget_below(&mut self, node: &Node) {
        for child in node.children.values() {
            self.0.retain(|(found, _)| Some(*found) != child.slot);
            self.forget_below(child);
        }
    }
}

/// What a JSON text holds at the pointers of a trie.
///
/// A text is JSON if it keeps to the grammar: half an emoji in a key or a text and a number that no type holds
/// are no fault. The parser stops at them where it has to look into a value, so that such a text is gone
/// through again, once for each step of the pointers that lead into it.
///
/// # Errors
/// The text is not JSON, or not UTF-8 where it was looked at.
pub(super) fn json(trie: &Node, text: &[u8]) -> Result<Findings, serde_json::Error> {
    scan(trie, text, false).or_else(|_| scan(trie, text, true))
}

fn scan(trie: &Node, text: &[u8], is_careful: bool) -> Result<Findings, serde_json::Error> {
    let mut found = Findings::default();
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    Walk { node: trie, found: &mut found, is_careful }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(found)
}

/// Notes what a form holds in a field.
pub(super) fn field(trie: &Node, found: &mut Findings, key: &str, value: &str) {
    if let Some(node) = trie.children.get(key) {
        mark(node, found, || Found::Scalar(value.to_owned()));
    }
}

fn mark(node: &Node, found: &mut Findings, scalar: impl FnOnce() -> Found) {
    if let Some(slot) = node.slot {
        found.put(slot, if node.compared { scalar() } else { Found::Something });
    }
}

/// Walks a JSON value beside a node of the trie.
struct Walk<'a> {
    node: &'a Node,
    found: &'a mut Findings,
    /// Whether a value is looked at as text before it is parsed, so that nothing but the grammar counts.
    is_careful: bool,
}

impl Walk<'_> {
    /// The same for a value inside.
    fn inside<'b>(&'b mut self, node: &'b Node) -> Walk<'b> {
        Walk { node, found: &mut *self.found, is_careful: self.is_careful }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if !self.is_careful && !self.node.children.is_empty() {
            return deserializer.deserialize_any(self);
        }
        let raw = <&'de RawValue>::deserialize(deserializer)?.get();
        if raw.starts_with(['{', '[']) && !self.node.children.is_empty() {
            return serde_json::Deserializer::from_str(raw).deserialize_any(self).map_err(D::Error::custom);
        }
        mark(self.node, self.found, || scalar(raw));
        Ok(())
    }
}

/// What is compared: a text without its quotes and escapes, a number in its shortest form.
fn scalar(raw: &str) -> Found {
    let quoted = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match (quoted, raw.as_bytes().first()) {
        (Some(inner), _) => Found::Scalar(serde_json::from_str(raw).unwrap_or_else(|_| inner.to_owned())),
        (None, Some(b'{' | b'[' | b'n')) => Found::Something,
        (None, _) if raw.contains(['.', 'e', 'E']) && !raw.starts_with(['t', 'f']) => {
            Found::Scalar(raw.parse::<f64>().map_or_else(|_| raw.to_owned(), |number| number.to_string()))
        }
        (None, _) => Found::Scalar(raw.to_owned()),
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        mark(self.node, self.found, || Found::Scalar(value.to_string()));
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        mark(self.node, self.found, || Found::Scalar(value.to_string()));
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        mark(self.node, self.found, || Found::Scalar(value.to_string()));
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        mark(self.node, self.found, || Found::Scalar(value.to_string()));
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        mark(self.node, self.found, || Found::Scalar(value.to_owned()));
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        mark(self.node, self.found, || Found::Something);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        mark(self.node, self.found, || Found::Something);
        // Only the first element can be asked for, which keeps a long array as cheap as a short one.
        if let Some(node) = self.node.children.get("0") {
            items.next_element_seed(self.inside(node))?;
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<(), A::Error> {
        mark(self.node, self.found, || Found::Something);
        let mut walked: Vec<&Node> = Vec::new();
        while let Some(node) = entries.next_key_seed(Key(self.node))? {
            if let Some(node) = node.filter(|node| !node.children.is_empty()) {
                if walked.iter().any(|before| std::ptr::eq(*before, node)) {
                    self.found.forget_below(node);
                } else {
                    walked.push(node);
                }
            }
            match node {
                Some(node) => entries.next_value_seed(self.inside(node))?,
                None => {
                    entries.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// Looks a key up in the trie without copying it.
struct Key<'a>(&'a Node);

impl<'de, 'a> DeserializeSeed<'de> for Key<'a> {
    type Value = Option<&'a Node>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?.get();
        let children = &self.0.children;
        Ok(match raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            // A pointer is text, and a key with half an emoji is none.
            Some(key) if key.contains('\\') => {
                serde_json::from_str::<String>(raw).ok().and_then(|key| children.get(&key))
            }
            Some(key) => children.get(key),
            None => None,
        })
    }
}
