//! Tags: `env:prod,urgent` as text, or a list of such tags.

use plugin_sdk::alert::{Draft, Warnings};
use plugin_sdk::json::{Pairs, Text};
use serde_json::value::RawValue;

use crate::words::filled;

/// Far above the 64 labels of the contract, far below what takes time.
const MAX_TAGS: usize = 256;

/// Tags as they were sent.
pub(crate) enum Tags<'a> {
    /// With commas between them.
    Text(Text<'a>),
    /// A list, or an object.
    Pairs(Pairs<'a>),
}

impl<'a> Tags<'a> {
    /// Reads what stands in the field `tags`.
    pub(crate) fn read(raw: Option<&'a RawValue>, warnings: &mut Warnings) -> Self {
        let raw = raw.map_or("\"\"", RawValue::get);
        match raw.as_bytes().first() {
            Some(b'"') => Self::Text(serde_json::from_str(raw).unwrap_or_default()),
            Some(b'[' | b'{') => Self::Pairs(serde_json::from_str(raw).unwrap_or_default()),
            _ => {
                warnings.add(|| "tags are neither text nor a list and were left out".to_owned());
                Self::Text(Text::default())
            }
        }
    }

    /// Puts the tags under the labels of an alert.
    pub(crate) fn put<'w>(&self, draft: Draft<'w>) -> Draft<'w> {
        match self {
            Self::Text(text) => put_text(filled(text.as_str()), draft),
            Self::Pairs(pairs) => pairs.iter().fold(draft, |draft, (key, value)| put(key, value, draft)),
        }
    }
}

/// Puts tags with commas between them under the labels of an alert.
pub(crate) fn put_text<'w>(tags: &str, draft: Draft<'w>) -> Draft<'w> {
    let tags = tags.split(',').take(MAX_TAGS).map(str::trim).filter(|tag| !tag.is_empty());
    tags.fold(draft, |draft, tag| {
        let (key, value) = tag.split_once(':').unwrap_or((tag, "true"));
        put(key.trim(), value.trim(), draft)
    })
}

/// What is already a label stays: a tag cannot change what the driver says.
fn put<'w>(key: &str, value: &str, draft: Draft<'w>) -> Draft<'w> {
    if draft.first_label(&[key]).is_empty() { draft.label(key, value) } else { draft }
}
