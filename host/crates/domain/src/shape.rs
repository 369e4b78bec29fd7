//! What payloads look like, and which driver a payload is for.
//!
//! Drivers declare shapes as data. The host evaluates all shapes of all drivers natively in one
//! pass over the body: a trie of the JSON Pointers that anybody asked for is walked beside the
//! parser, and everything else is skipped without being kept. So no plugin code runs before a
//! signature is checked, and more drivers cost next to nothing.

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::plugin::PluginName;

/// What a whole body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Root {
    /// A JSON object.
    Object,
    /// A JSON array.
    Array,
    /// `application/x-www-form-urlencoded`.
    Form,
}

/// What one kind of payload looks like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shape {
    /// A short name for explanations.
    pub name: String,
    /// What the whole body is.
    pub root: Root,
    /// Headers that must be present, in lower case.
    pub headers: Vec<String>,
    /// Pointers that must lead to a value.
    pub required: Vec<String>,
    /// Pointers that must lead nowhere.
    pub forbidden: Vec<String>,
    /// Pointers that must lead to this scalar, compared as text.
    pub equals: Vec<(String, String)>,
    /// The highest that matches wins.
    pub priority: i32,
}

/// One step of the trie of all pointers.
#[derive(Debug, Default)]
struct Node {
    children: HashMap<String, Node>,
    /// Slot of the pointer that ends here.
    slot: Option<usize>,
    /// Whether the scalar here is compared with anything.
    compared: bool,
}

#[derive(Debug)]
struct Rule {
    driver: PluginName,
    shape: Shape,
    required: Vec<usize>,
    forbidden: Vec<usize>,
    equals: Vec<(usize, String)>,
}

impl Rule {
    /// The slots where something must be.
    fn needed(&self) -> impl Iterator<Item = usize> {
        self.required.iter().copied().chain(self.equals.iter().map(|(slot, _)| *slot))
    }
}

/// All shapes of all drivers, ready to be evaluated.
///
/// Invariant: rules are ordered by priority (highest first), then by the driver's name, so the
/// first that matches wins.
#[derive(Debug, Default)]
pub struct ShapeSet {
    rules: Vec<Rule>,
    /// For each slot the rules to look at when something was found there. A rule stands under the slot
    /// that the fewest rules ask for, so that the number of drivers hardly counts.
    by_slot: Vec<Vec<usize>>,
    /// Rules that ask for nothing to be there.
    unconditional: Vec<usize>,
    trie: Node,
    slots: usize,
}

/// A shape that fits a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Match {
    /// Whose shape it is.
    pub driver: PluginName,
    /// The shape's name.
    pub shape: String,
    /// The shape's priority.
    pub priority: i32,
}

/// Why a body could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// No bytes, or only blanks.
    #[error("the body is empty")]
    Empty,
    /// Not JSON, and not said to be a form.
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    /// JSON, but neither object nor array.
    #[error("the body is JSON but neither an object nor an array")]
    Scalar,
}

impl Unreadable {
    /// A word of a small closed set.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NotJson(_) => "not_json",
            Self::Scalar => "not_an_object",
        }
    }
}

/// What was found, by slot: only what is there takes room, however many pointers are asked for.
#[derive(Debug, Default)]
struct Findings(Vec<(usize, Found)>);

/// What was found at a pointer.
#[derive(Debug)]
enum Found {
    Something,
    Scalar(String),
}

impl Findings {
    fn at(&self, slot: usize) -> Option<&Found> {
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

impl ShapeSet {
    /// Prepares the shapes of these drivers.
    pub fn new<'a>(drivers: impl IntoIterator<Item = (&'a PluginName, &'a [Shape])>) -> Self {
        let mut set = Self::default();
        for (driver, shapes) in drivers {
            for shape in shapes {
                let required = shape.required.iter().map(|pointer| set.slot(pointer, false)).collect();
                let forbidden = shape.forbidden.iter().map(|pointer| set.slot(pointer, false)).collect();
                let equals = shape
                    .equals
                    .iter()
                    .map(|(pointer, text)| (set.slot(pointer, true), text.clone()))
                    .collect();
                set.rules.push(Rule {
                    driver: driver.clone(),
                    shape: shape.clone(),
                    required,
                    forbidden,
                    equals,
                });
            }
        }
        set.rules
            .sort_by(|a, b| b.shape.priority.cmp(&a.shape.priority).then_with(|| a.driver.cmp(&b.driver)));
        set.index();
        set
    }

    fn index(&mut self) {
        let mut asked = vec![0_usize; self.slots];
        for slot in self.rules.iter().flat_map(Rule::needed) {
            if let Some(count) = asked.get_mut(slot) {
                *count = count.saturating_add(1);
            }
        }
        self.by_slot.resize_with(self.slots, Vec::new);
        for (index, rule) in self.rules.iter().enumerate() {
            let rarest = rule.needed().min_by_key(|slot| asked.get(*slot));
            let place = rarest.and_then(|slot| self.by_slot.get_mut(slot));
            place.unwrap_or(&mut self.unconditional).push(index);
        }
    }

    fn slot(&mut self, pointer: &str, compared: bool) -> usize {
        let mut node = &mut self.trie;
        for step in pointer.split('/').skip(1) {
            node = node.children.entry(step.replace("~1", "/").replace("~0", "~")).or_default();
        }
        node.compared |= compared;
        let next = self.slots;
        let slot = *node.slot.get_or_insert(next);
        self.slots = self.slots.max(slot.saturating_add(1));
        slot
    }

    /// Every shape that fits, the winner first.
    ///
    /// # Errors
    /// [`Unreadable`] when the body is neither a form nor a JSON object or array.
    pub fn matches(
        &self,
        content_type: &str,
        has_header: impl Fn(&str) -> bool,
        body: &[u8],
    ) -> Result<Vec<Match>, Unreadable> {
        let mut found = Findings::default();
        let root = self.scan(content_type, body, &mut found)?;
        let fits = |rule: &&Rule| {
            rule.shape.root == root
                && rule.required.iter().all(|slot| found.at(*slot).is_some())
                && rule.forbidden.iter().all(|slot| found.at(*slot).is_none())
                && rule.equals.iter().all(
                    |(slot, text)| matches!(found.at(*slot), Some(Found::Scalar(found)) if found == text),
                )
                && rule.shape.headers.iter().all(|header| has_header(header))
        };
        let asking = found.0.iter().filter_map(|(slot, _)| self.by_slot.get(*slot));
        let mut worth_a_look: Vec<usize> = asking.flatten().chain(&self.unconditional).copied().collect();
        worth_a_look.sort_unstable();
        let rules = worth_a_look.into_iter().filter_map(|index| self.rules.get(index));
        let fitting = rules.filter(fits).map(|rule| Match {
            driver: rule.driver.clone(),
            shape: rule.shape.name.clone(),
            priority: rule.shape.priority,
        });
        Ok(fitting.collect())
    }

    fn scan(&self, content_type: &str, body: &[u8], found: &mut Findings) -> Result<Root, Unreadable> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        // `curl -d` calls everything a form.
        let is_json = matches!(body.trim_ascii_start().first(), Some(b'{' | b'['));
        if content_type == "application/x-www-form-urlencoded" && !is_json {
            for (key, value) in form_urlencoded::parse(body) {
                if let Some(node) = self.trie.children.get(key.as_ref()) {
                    mark(node, found, || Found::Scalar(value.into_owned()));
                }
            }
            return Ok(Root::Form);
        }
        let body = body.trim_ascii();
        let root = match body.first() {
            None => return Err(Unreadable::Empty),
            Some(b'{') => Some(Root::Object),
            Some(b'[') => Some(Root::Array),
            Some(_) => None,
        };
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        Walk { node: &self.trie, found }
            .deserialize(&mut deserializer)
            .and_then(|()| deserializer.end())
            .map_err(|error| Unreadable::NotJson(error.to_string()))?;
        root.ok_or(Unreadable::Scalar)
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
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.node.children.is_empty() {
            // As it is written: an emoji cut in half or a number without end is no reason to refuse a body.
            let raw = <&'de RawValue>::deserialize(deserializer)?.get();
            mark(self.node, self.found, || scalar(raw));
            return Ok(());
        }
        deserializer.deserialize_any(self)
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

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        mark(self.node, self.found, || Found::Something);
        // Only the first element can be asked for, which keeps a long array as cheap as a short one.
        if let Some(node) = self.node.children.get("0") {
            items.next_element_seed(Walk { node, found: &mut *self.found })?;
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
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
                Some(node) => entries.next_value_seed(Walk { node, found: &mut *self.found })?,
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
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'_> for Key<'a> {
    type Value = Option<&'a Node>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.children.get(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(name: &str, priority: i32) -> Shape {
        Shape {
            name: name.into(),
            root: Root::Object,
            headers: vec![],
            required: vec![],
            forbidden: vec![],
            equals: vec![],
            priority,
        }
    }

    fn winners(drivers: &[(&str, Shape)], content_type: &str, body: &[u8]) -> Vec<String> {
        let drivers: Vec<(PluginName, Vec<Shape>)> =
            drivers.iter().map(|(name, shape)| (name.parse().unwrap(), vec![shape.clone()])).collect();
        ShapeSet::new(drivers.iter().map(|(name, shapes)| (name, shapes.as_slice())))
            .matches(content_type, |header| header == "x-here", body)
            .unwrap()
            .into_iter()
            .map(|found| found.driver.to_string())
            .collect()
    }

    #[test]
    fn required_forbidden_equal_and_header_all_decide() {
        let body = br#"{"a":{"b":null},"list":[{"v":4},{"w":1}],"s":"x/y"}"#;
        let check = |change: fn(&mut Shape), fits: bool| {
            let mut shape = shape("s", 1);
            change(&mut shape);
            assert_eq!(!winners(&[("d", shape.clone())], "", body).is_empty(), fits, "{shape:?}");
        };
        check(|s| s.required = vec!["/a/b".into(), "/list/0/v".into()], true);
        check(|s| s.required = vec!["/list/0/w".into()], false);
        check(|s| s.required = vec!["/list/1/w".into()], false);
        check(|s| s.forbidden = vec!["/a".into()], false);
        check(|s| s.forbidden = vec!["/z".into()], true);
        check(|s| s.equals = vec![("/list/0/v".into(), "4".into()), ("/s".into(), "x/y".into())], true);
        check(|s| s.equals = vec![("/s".into(), "other".into())], false);
        check(|s| s.headers = vec!["x-here".into()], true);
        check(|s| s.headers = vec!["x-missing".into()], false);
        check(|s| s.root = Root::Array, false);
    }

    #[test]
    fn one_pointer_may_be_required_by_one_and_compared_by_another() {
        let mut first = shape("first", 1);
        first.required = vec!["/version".into()];
        let mut second = shape("second", 2);
        second.equals = vec![("/version".into(), "4".into())];
        assert_eq!(winners(&[("a", first), ("b", second)], "", br#"{"version":"4"}"#), ["b", "a"]);
    }

    #[test]
    fn ties_go_to_the_first_name() {
        let drivers = [("zeta", shape("s", 5)), ("alpha", shape("s", 5)), ("low", shape("s", 1))];
        assert_eq!(winners(&drivers, "", b"{}"), ["alpha", "zeta", "low"]);
    }

    #[test]
    fn forms_are_looked_at_by_key() {
        let mut form = shape("form", 1);
        form.root = Root::Form;
        form.equals = vec![("/a b".into(), "1&2".into())];
        assert_eq!(winners(&[("d", form)], "application/x-www-form-urlencoded", b"a+b=1%262&c=3"), ["d"]);
    }

    #[test]
    fn json_that_is_called_a_form_is_looked_at_as_json() {
        let mut object = shape("object", 1);
        object.required = vec!["/a".into()];
        assert_eq!(winners(&[("d", object)], "application/x-www-form-urlencoded", br#" {"a":1}"#), ["d"]);
    }

    #[test]
    fn unreadable_bodies_say_why() {
        let set = ShapeSet::default();
        let kind = |body: &[u8]| set.matches("", |_| false, body).unwrap_err().kind();
        assert_eq!(kind(b""), "empty");
        assert_eq!(kind(b" \n"), "empty");
        assert_eq!(kind(b"{"), "not_json");
        assert_eq!(kind(b"{} x"), "not_json");
        assert_eq!(kind(b"\"text\""), "not_an_object");
        assert_eq!(kind(b"\xff{}"), "not_json");
    }

    #[test]
    fn what_a_driver_can_read_is_not_refused_for_a_text_or_number_in_it() {
        let mut shape = shape("s", 1);
        shape.required = vec!["/title".into(), "/count".into()];
        let body = br#"{"title":"cut in an emoji \ud83d","count":1e999}"#;
        assert_eq!(winners(&[("d", shape)], "", body), ["d"]);
    }

    #[test]
    fn numbers_are_compared_by_value_and_texts_by_content() {
        let fits = |text: &str, body: &str| {
            let mut shape = shape("s", 1);
            shape.equals = vec![("/v".into(), text.into())];
            !winners(&[("d", shape)], "", body.as_bytes()).is_empty()
        };
        for (text, value) in
            [("4", "4"), ("4", "4.0"), ("4", r#""4""#), ("4", r#""\u0034""#), ("true", "true")]
        {
            assert!(fits(text, &format!(r#"{{"v":{value}}}"#)), "{text} {value}");
        }
        for (text, value) in [("4", r#""4.0""#), ("null", "null"), ("{}", "{}"), ("[]", "[]"), ("4", "[4]")] {
            assert!(!fits(text, &format!(r#"{{"v":{value}}}"#)), "{text} {value}");
        }
    }

    #[test]
    fn of_a_key_that_is_there_twice_the_last_counts_with_all_that_is_in_it() {
        let mut nested = shape("s", 1);
        nested.required = vec!["/org/id".into()];
        let twice = |first: &str, last: &str| format!(r#"{{"org":{first},"org":{last}}}"#);
        let winners = |body: String| winners(&[("d", nested.clone())], "", body.as_bytes());
        assert_eq!(winners(twice("null", r#"{"id":1}"#)), ["d"]);
        assert!(winners(twice(r#"{"id":1}"#, "null")).is_empty());
        assert!(winners(twice(r#"{"id":1}"#, r#"{"name":"a"}"#)).is_empty());
    }

    #[test]
    fn a_byte_order_mark_makes_json_no_form() {
        let mut object = shape("object", 1);
        object.required = vec!["/a".into()];
        let body = b"\xef\xbb\xbf{\"a\":1}";
        assert_eq!(winners(&[("d", object)], "application/x-www-form-urlencoded", body), ["d"]);
    }

    #[test]
    fn deep_and_strange_bodies_end_in_an_answer() {
        let set = ShapeSet::default();
        let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
        assert!(set.matches("", |_| false, &deep).is_ok());
        let bom = b"\xef\xbb\xbf{}";
        assert!(set.matches("", |_| false, bom).unwrap().is_empty());
    }
}
