//! The keys that everything stored is sealed with.

use super::{Problems, Source, Variable};
use crate::crypto::{SecretKey, SecretKeys};

pub(super) const VARIABLES: &[Variable] = &[
    Variable {
        name: "WATCHBELL_SECRET_KEY",
        default: "",
        meaning: "Required. 64 hexadecimal digits, or base64 of at least 32 bytes.\n\
                  `watchbell secrets generate` makes one. Without it nothing stored can be read again.",
    },
    Variable {
        name: "WATCHBELL_SECRET_KEY_PREVIOUS",
        default: "",
        meaning: "Earlier keys, separated by commas; they only open, so that a key can be replaced.",
    },
];

/// Reads both; none when there is a problem with either.
pub(super) fn read(source: &Source, problems: &mut Problems) -> Option<SecretKeys> {
    let text = |name| source.text(name).unwrap_or_default();
    let current = SecretKey::parse("WATCHBELL_SECRET_KEY", text("WATCHBELL_SECRET_KEY"));
    let previous =
        SecretKey::parse_list("WATCHBELL_SECRET_KEY_PREVIOUS", text("WATCHBELL_SECRET_KEY_PREVIOUS"));
    match (current, previous) {
        (Ok(current), Ok(previous)) => Some(SecretKeys { current, previous }),
        (current, previous) => {
            let errors = current.err().into_iter().chain(previous.err());
            errors.for_each(|error| problems.add(error.to_string()));
            None
        }
    }
}
