//! The keys that everything stored is sealed with.

use super::{Problems, Source, Variable};
use crate::crypto::{SecretKey, SecretKeys};

pub(super) const VARIABLES: &[Variable] = &[
    Variable {
        name: "WATCHBELL_SECRET_KEY",
        default: "",
        meaning: "Required. 64 hexadecimal digits, or base64 of at least 32 bytes.\n\
                  `watchbell secrets generate` makes one. Without it nothing stored can be read again. To keep it\n\
                  apart: `file:/run/secrets/watchbell_key`, or `env:NAME`.",
    },
    Variable {
        name: "WATCHBELL_SECRET_KEY_PREVIOUS",
        default: "",
        meaning: "Earlier keys, separated by commas; they only open, so that a key can be replaced\n\
                  (docs/OPERATIONS.md). Each may be a reference.",
    },
];

const CURRENT: &str = "WATCHBELL_SECRET_KEY";
const PREVIOUS: &str = "WATCHBELL_SECRET_KEY_PREVIOUS";

/// Reads both; none when there is a problem with either.
pub(super) fn read(source: &Source, problems: &mut Problems) -> Option<SecretKeys> {
    let current = key(source, CURRENT, source.text(CURRENT).unwrap_or_default(), problems);
    let entries = source.text(PREVIOUS).unwrap_or_default().split(',').enumerate();
    let entries = entries.filter(|(_, entry)| !entry.trim().is_empty());
    let previous: Vec<Option<SecretKey>> =
        entries.map(|(place, entry)| key(source, &format!("{PREVIOUS}[{place}]"), entry, problems)).collect();
    Some(SecretKeys { current: current?, previous: previous.into_iter().collect::<Option<_>>()? })
}

fn key(source: &Source, name: &str, text: &str, problems: &mut Problems) -> Option<SecretKey> {
    let text = source.follow(name, text.trim(), problems)?;
    SecretKey::parse(name, text.expose()).map_err(|error| problems.add(error.to_string())).ok()
}
