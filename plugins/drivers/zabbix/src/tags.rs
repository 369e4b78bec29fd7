//! The tags of an event, in any of the forms that scripts send.

use plugin_sdk::json::{self, Items, Pairs, Text};
use serde::Deserialize;

/// More than the labels of the contract, and little enough to be read.
const MAX: usize = 256;

/// `{EVENT.TAGSJSON}`.
#[derive(Deserialize)]
struct Tag<'a> {
    #[serde(borrow, default)]
    tag: Text<'a>,
    #[serde(borrow, default)]
    value: Text<'a>,
}

/// Keys and values from `scope:disk, primary`, from a JSON list of `{"tag","value"}` or of texts, or from
/// an object. A tag without a value has the value `true`.
pub(crate) fn read(text: &str) -> Vec<(String, String)> {
    let objects: Items<Tag<'_>> = json::read(text).unwrap_or_default();
    if !objects.items.is_empty() {
        let tags = objects.items.iter().map(|tag| (tag.tag.as_str(), tag.value.as_str()));
        return collect(tags);
    }
    if text.starts_with(['[', '{']) {
        let pairs: Pairs<'_> = json::read(text).unwrap_or_default();
        return collect(pairs.iter());
    }
    collect(text.split(',').take(MAX).map(|tag| tag.split_once(':').unwrap_or((tag, ""))))
}

fn collect<'t>(tags: impl Iterator<Item = (&'t str, &'t str)>) -> Vec<(String, String)> {
    let tags = tags.map(|(key, value)| (key.trim(), value.trim())).filter(|(key, _)| !key.is_empty());
    let or_true = |value: &str| if value.is_empty() { "true".to_owned() } else { value.to_owned() };
    tags.take(MAX).map(|(key, value)| (key.to_owned(), or_true(value))).collect()
}
