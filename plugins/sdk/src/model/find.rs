//! The JSON in what a model writes: alone, in a code fence, between sentences, or cut off in the middle.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// Places that may begin a value and are tried; a model that writes more brackets than that before it
/// comes to the point is not read on.
const MAX_TRIES: usize = 64;

/// Of them, so many may begin a value that does not end and is mended.
const MAX_MENDED: usize = 4;

/// A value in a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found<'a> {
    pub(super) json: Cow<'a, str>,
    /// Whether its end was missing and made up.
    pub(super) is_mended: bool,
}

/// The values in a text in order, the outermost ones. What begins as one and does not end is mended; what
/// stands within it comes after it.
pub(super) fn values(text: &str) -> impl Iterator<Item = Found<'_>> {
    let (mut rest, mut may_mend) = (text, MAX_MENDED);
    let tries = (0..MAX_TRIES).map_while(move |_| {
        let from = rest.get(rest.find(['{', '['])?..)?;
        if let Some(value) = first_value(from) {
            rest = from.get(value.len()..)?;
            return Some(Some(Found { json: Cow::Borrowed(value), is_mended: false }));
        }
        rest = from.get(1..)?;
        let mended = if may_mend > 0 { mended(from) } else { None };
        may_mend = may_mend.saturating_sub(1);
        Some(mended.map(|json| Found { json: Cow::Owned(json), is_mended: true }))
    });
    tries.flatten()
}

/// The value that a text begins with, if it does.
fn first_value(text: &str) -> Option<&str> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    values.next()?.ok().map(RawValue::get)
}

/// The value that a text begins and does not end, made whole: cut after the last part that is complete,
/// and every bracket closed.
fn mended(text: &str) -> Option<String> {
    let mut scan = Scan::default();
    let mut cut = None;
    for (place, byte) in text.bytes().enumerate() {
        scan.step(byte);
        match byte {
            b',' if !scan.in_string => cut = Some(place),
            b'}' | b']' if !scan.in_string && !scan.open.is_empty() => cut = Some(place.checked_add(1)?),
            _ => {}
        }
    }
    let mut whole = text.get(..cut?)?.to_owned();
    let mut scan = Scan::default();
    whole.bytes().for_each(|byte| scan.step(byte));
    whole.extend(scan.open.iter().rev().map(|open| if *open == b'{' { '}' } else { ']' }));
    serde_json::from_str::<&RawValue>(&whole).is_ok().then_some(whole)
}

/// Which brackets are open, and whether a string is.
#[derive(Default)]
struct Scan {
    open: Vec<u8>,
    in_string: bool,
    is_escaped: bool,
}

impl Scan {
    fn step(&mut self, byte: u8) {
        match byte {
            _ if self.is_escaped => self.is_escaped = false,
            b'\\' if self.in_string => self.is_escaped = true,
            b'"' => self.in_string = !self.in_string,
            b'{' | b'[' if !self.in_string => self.open.push(byte),
            b'}' | b']' if !self.in_string => drop(self.open.pop()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<String> {
        values(text).map(|found| found.json.into_owned()).collect()
    }

    #[test]
    fn values_are_found_wherever_they_stand() {
        assert_eq!(all(r#"{"a":1}"#), [r#"{"a":1}"#]);
        assert_eq!(all("```json\n{\"a\":[1]}\n```"), ["{\"a\":[1]}"]);
        assert_eq!(all("As said in [1], {see: below}: {\"a\": \"}\"} and so on"), ["[1]", "{\"a\": \"}\"}"]);
        assert_eq!(all("no value { here"), Vec::<String>::new());
        assert_eq!(all(""), Vec::<String>::new());
    }

    #[test]
    fn many_brackets_cost_little() {
        assert!(all(&"[".repeat(100_000)).is_empty());
        assert_eq!(all(&"[]".repeat(1_000)).len(), MAX_TRIES);
    }

    #[test]
    fn a_value_that_is_cut_off_ends_after_its_last_whole_part() {
        for (cut, expected) in [
            (r#"{"a":"x","b":["y","z"#, r#"{"a":"x","b":["y"]}"#),
            (r#"{"a":[{"b":1},{"c":"#, r#"{"a":[{"b":1}]}"#),
            (r#"{"a":[{"b":1}"#, r#"{"a":[{"b":1}]}"#),
            (r#"x [1] [{"a":"],\"}{"},{"#, r#"[{"a":"],\"}{"}]"#),
        ] {
            let found = values(cut).find(|found| found.is_mended).unwrap();
            assert_eq!(found.json, expected);
        }
        assert_eq!(mended(r#"{"summary":"a long te"#), None);
    }
}
