//! What payloads look like, and which driver a payload is for.
//!
//! Drivers declare shapes as data. The host evaluates all shapes of all drivers natively in one
//! pass over the body: a trie of the JSON Pointers that anybody asked for is walked beside the
//! parser, and everything else is skipped without being kept. So no plugin code runs before a
//! signature is checked, and more drivers cost next to nothing.

mod walk;

use serde::Serialize;

use self::walk::{Findings, Found, Node};
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
    /// JSON is what keeps to its grammar, whatever its texts and numbers hold.
    ///
    /// # Errors
    /// [`Unreadable`] when the body is neither a form nor a JSON object or array.
    pub fn matches(
        &self,
        content_type: &str,
        has_header: impl Fn(&str) -> bool,
        body: &[u8],
    ) -> Result<Vec<Match>, Unreadable> {
        let (root, found) = self.scan(content_type, body)?;
        let fits = |rule: &&Rule| {
            rule.shape.root == root
                && rule.required.iter().all(|slot| found.at(*slot).is_some())
                && rule.forbidden.iter().all(|slot| found.at(*slot).is_none())
                && rule.equals.iter().all(
                    |(slot, text)| matches!(found.at(*slot), Some(Found::Scalar(found)) if found == text),
                )
                && rule.shape.headers.iter().all(|header| has_header(header))
        };
        let asking = found.slots().filter_map(|slot| self.by_slot.get(slot));
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

    fn scan(&self, content_type: &str, body: &[u8]) -> Result<(Root, Findings), Unreadable> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        // `curl -d` calls everything a form.
        let is_json = matches!(body.trim_ascii_start().first(), Some(b'{' | b'['));
        if content_type == "application/x-www-form-urlencoded" && !is_json {
            let mut found = Findings::default();
            for (key, value) in form_urlencoded::parse(body) {
                walk::field(&self.trie, &mut found, &key, &value);
            }
            return Ok((Root::Form, found));
        }
        let body = body.trim_ascii();
        let root = match body.first() {
            None => return Err(Unreadable::Empty),
            Some(b'{') => Some(Root::Object),
            Some(b'[') => Some(Root::Array),
            Some(_) => None,
        };
        let found = walk::json(&self.trie, body).map_err(|error| Unreadable::NotJson(error.to_string()))?;
        Ok((root.ok_or(Unreadable::Scalar)?, found))
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
    fn what_json_is_does_not_hang_on_what_its_texts_and_numbers_hold() {
        let mut nested = shape("nested", 2);
        nested.required = vec!["/alerts/0/labels/alertname".into()];
        let mut plain = shape("plain", 1);
        plain.equals = vec![("/state".into(), "a".into())];
        let drivers = [("nested", nested), ("plain", plain)];
        for odd in [
            r#""alerts":"\ud83d""#,
            r#""alerts":1e999"#,
            r#""alerts":[-1e999]"#,
            r#""\ud83d":1,"alerts":[]"#,
            r#""alerts":[{"labels":"\udc00"}]"#,
            r#""alerts":[{"\ud83d":{},"labels":{"\udc00":1e999}}]"#,
        ] {
            assert_eq!(winners(&drivers, "", format!(r#"{{{odd},"st\u0061te":"a"}}"#).as_bytes()), ["plain"]);
        }
        let both =
            br#"{"alerts":[{"labels":{"\ud83d":1,"alertname":"a"}}],"state":"a","n":1e999,"\ud83d":0}"#;
        assert_eq!(winners(&drivers, "", both), ["nested", "plain"]);
        let set = ShapeSet::new([(&"plain".parse().unwrap(), [drivers[0].1.clone()].as_slice())]);
        for body in [
            &br#"{"alerts":"\ud83"}"#[..],
            b"{\"alerts\":\"\n\"}",
            b"{\"\n\":1}",
            b"{\"alerts\":1e}",
            b"{1:1}",
        ] {
            assert_eq!(set.matches("", |_| false, body).unwrap_err().kind(), "not_json");
        }
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
