//! JSON that a driver may get: any document, with more of what the driver looks for than chance would give.
//!
//! Documents are kept as they are written, so that keys may stand twice and numbers and escapes may be
//! such as no JSON library makes.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

/// A JSON document as text has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    /// A scalar, written exactly so.
    Raw(String),
    List(Vec<Self>),
    /// Keys may stand twice.
    Object(Vec<(String, Self)>),
}

impl Json {
    pub(crate) fn text(text: &str) -> Self {
        Self::Raw(quoted(text))
    }

    pub(crate) fn write(&self, out: &mut String) {
        match self {
            Self::Raw(text) => out.push_str(text),
            Self::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { "," });
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(fields) => {
                out.push('{');
                for (index, (key, value)) in fields.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { ", " });
                    out.push_str(&quoted(key));
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    /// How many values there are, this one included.
    pub(crate) fn count(&self) -> usize {
        1 + match self {
            Self::Raw(_) => 0,
            Self::List(items) => items.iter().map(Self::count).sum(),
            Self::Object(fields) => fields.iter().map(|(_, value)| value.count()).sum(),
        }
    }

    /// The value at a place, counted from 0 in the order in which they are written.
    pub(crate) fn at(&mut self, place: usize) -> Option<&mut Self> {
        if place == 0 {
            return Some(self);
        }
        let mut place = place - 1;
        let children: Vec<&mut Self> = match self {
            Self::Raw(_) => return None,
            Self::List(items) => items.iter_mut().collect(),
            Self::Object(fields) => fields.iter_mut().map(|(_, value)| value).collect(),
        };
        for child in children {
            let count = child.count();
            if place < count {
                return child.at(place);
            }
            place -= count;
        }
        None
    }
}

impl From<&Value> for Json {
    fn from(value: &Value) -> Self {
        match value {
            Value::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            Value::Object(fields) => {
                Self::Object(fields.iter().map(|(key, value)| (key.clone(), Self::from(value))).collect())
            }
            scalar => Self::Raw(scalar.to_string()),
        }
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// What the inputs of a driver are made of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Vocabulary {
    keys: BTreeSet<String>,
    /// Scalars as they are written.
    scalars: BTreeSet<String>,
}

impl Vocabulary {
    pub(crate) fn learn(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.learn(item)),
            Value::Object(fields) => {
                for (key, value) in fields {
                    self.keys.insert(key.clone());
                    self.learn(value);
                }
            }
            scalar => {
                self.scalars.insert(scalar.to_string());
            }
        }
    }

    /// Keys of the driver's inputs, and any others.
    pub(crate) fn key(&self) -> BoxedStrategy<String> {
        let known: Vec<String> = self.keys.iter().cloned().collect();
        prop_oneof![4 => select(known), 1 => any_text()].boxed()
    }

    /// Any scalar, half of the time one of the driver's inputs.
    pub(crate) fn scalar(&self) -> BoxedStrategy<Json> {
        let known: Vec<String> = self.scalars.iter().cloned().collect();
        prop_oneof![3 => select(known).prop_map(Json::Raw), 3 => odd_scalar()].boxed()
    }

    /// Any document.
    pub(crate) fn document(&self) -> BoxedStrategy<Json> {
        let key = self.key();
        let nested = self.scalar().prop_recursive(5, 40, 8, move |inner| {
            prop_oneof![
                1 => prop::collection::vec(inner.clone(), 0..6).prop_map(Json::List),
                4 => object(key.clone(), inner, 10),
            ]
        });
        // At the root most senders have an object of many fields.
        prop_oneof![4 => object(self.key(), nested.clone(), 24), 1 => nested].boxed()
    }
}

/// An object, in which a key seldom stands twice.
fn object(
    key: BoxedStrategy<String>,
    value: impl Strategy<Value = Json> + 'static,
    most: usize,
) -> BoxedStrategy<Json> {
    let fields = (prop::collection::vec((key, value), 0..most), prop::bool::weighted(0.05));
    fields
        .prop_map(|(mut fields, may_repeat)| {
            let mut seen = BTreeSet::new();
            fields.retain(|(key, _)| seen.insert(key.clone()) || may_repeat);
            Json::Object(fields)
        })
        .boxed()
}

/// Scalars that are rare, large or not quite what they seem.
pub(crate) fn odd_scalar() -> BoxedStrategy<Json> {
    const RAW: &[&str] = &[
        "null",
        "true",
        "false",
        "0",
        "-0",
        "1",
        "-1",
        "0.0",
        "1e999",
        "-1E-999",
        "1e400",
        "5.0",
        "2.5e3",
        "9007199254740993",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616",
        "99999999999999999999999999999999",
        "1780315200",
        "1780315200000",
        "1780315200000000000",
        "-62135596800",
        "\"\"",
        "\" \"",
        "\"0\"",
        "\"0001-01-01T00:00:00Z\"",
        "\"9999-12-31T23:59:59Z\"",
        "\"2026-06-01T12:00:00+99:99\"",
        "\"\\ud800\"",
        "\"\\udc00\\ud800\"",
        "\"\\u0000\"",
        "\"\\u202e\\u2066\"",
        "\"{EVENT.ID}\"",
        "\"$ALERT_SCOPE\"",
        "\"*UNKNOWN*\"",
        "\"https://\"",
        "\"https://[::1]:99999/monitors/1?event_id=1&group=%ff\"",
        "\"[P1] [Triggered on {a]\"",
        "\"a:b,c,:,d:\"",
        "\"[{\\\"tag\\\":1}]\"",
        "[]",
        "{}",
        "[null]",
        "[[{}]]",
        "{\"\":null}",
    ];
    prop_oneof![
        5 => select(RAW).prop_map(|text| Json::Raw(text.to_owned())),
        3 => any_text().prop_map(|text| Json::text(&text)),
        1 => any::<f64>().prop_filter("a number of JSON", |number| number.is_finite())
            .prop_map(|number| Json::Raw(format!("{number:e}"))),
        1 => any::<i64>().prop_map(|number| Json::Raw(number.to_string())),
    ]
    .boxed()
}

/// Texts with control characters, characters that turn the reading direction, and great lengths.
pub(crate) fn any_text() -> BoxedStrategy<String> {
    const ODD: &[char] = &[
        '\0',
        '\u{1}',
        '\t',
        '\n',
        '\r',
        '\u{1b}',
        '\u{7f}',
        '\u{85}',
        '\u{a0}',
        '\u{200b}',
        '\u{2028}',
        '\u{202a}',
        '\u{202e}',
        '\u{2066}',
        '\u{2069}',
        '\u{feff}',
        '\u{fffd}',
        '\u{10ffff}',
        'é',
        'ß',
        'א',
        '世',
        '😀',
        ' ',
        '"',
        '\\',
        '/',
        '~',
        ':',
        ',',
        '[',
        ']',
        '{',
        '}',
        '%',
        '$',
        '0',
        'a',
        'Z',
    ];
    let short = prop::collection::vec(prop_oneof![3 => select(ODD), 1 => any::<char>()], 0..24);
    let short = short.prop_map(|characters| characters.into_iter().collect::<String>());
    // Around the bounds of the contract, where cutting begins.
    let length = prop_oneof![select(&[64_usize, 128, 255, 4_096, 16_384]), 1..20_000_usize];
    let long = (short.clone(), length).prop_map(|(text, bytes)| {
        let unit = if text.is_empty() { "x" } else { text.as_str() };
        unit.repeat(bytes / unit.len() + 1)
    });
    prop_oneof![12 => short, 1 => long].boxed()
}
