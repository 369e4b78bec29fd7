//! Which driver a body is for, where the path does not say.

use std::fmt::Write as _;
use std::sync::Arc;

use domain::plugin::Incoming;
use domain::shape::Match;

use super::{Refused, SignatureRules};
use crate::plugins::{DriverEntry, DriverSet};

/// Of how many drivers whose shapes a body fits is told.
const MAX_SHOWN: usize = 4;

/// Who reads the body, and why they do.
pub(super) struct Choice {
    /// Who.
    pub(super) chosen: Chosen,
    /// Why, for people: kept with the request.
    pub(super) why: String,
}

impl Choice {
    /// A driver that was named.
    pub(super) fn named(entry: Arc<DriverEntry>, why: impl Into<String>) -> Self {
        Self { chosen: Chosen::Driver(entry), why: why.into() }
    }

    fn nobody(why: &str, code: &'static str, reason: String) -> Self {
        Self { chosen: Chosen::Nobody { code, reason }, why: why.to_owned() }
    }
}

/// Who reads the body.
pub(super) enum Chosen {
    /// This driver.
    Driver(Arc<DriverEntry>),
    /// Nobody has to: it means nothing, whoever sent it.
    Nothing,
    /// Nobody; the body is kept with the reason.
    Nobody {
        /// In one word.
        code: &'static str,
        /// In words.
        reason: String,
    },
}

impl Chosen {
    /// The driver, if there is one.
    pub(super) fn driver(&self) -> Option<&DriverEntry> {
        match self {
            Self::Driver(entry) => Some(entry),
            Self::Nothing | Self::Nobody { .. } => None,
        }
    }
}

/// The driver whose shape fits best.
///
/// A body that fits any shape of a driver with a secret must verify under such a driver and goes to
/// it: detection is no way round a signature.
///
/// # Errors
/// [`Refused::Signature`] when it fits such a driver and verifies under none.
pub(super) fn automatic(
    drivers: &DriverSet,
    rules: &SignatureRules,
    incoming: &Incoming,
    verify: impl Fn(&DriverEntry) -> Result<(), &'static str>,
) -> Result<Choice, Refused> {
    let has_header = |name: &str| incoming.headers.iter().any(|(found, _)| found == name);
    let matches = match drivers.shapes().matches(&incoming.content_type, has_header, &incoming.body) {
        Ok(matches) => matches,
        Err(error) => return Ok(Choice::nobody("no shapes to look at", error.kind(), error.to_string())),
    };
    let entries = || matches.iter().filter_map(|found| drivers.by_name(found.driver.as_str()));
    let secured = || entries().filter(|entry| rules.has_secret(entry));
    if secured().next().is_some() {
        let verified = secured().find(|entry| verify(entry).is_ok());
        let cause = || Refused::Signature("fits a driver with a secret, verifies under none".to_owned());
        let why = format!("signed for a driver with a secret; {}", fits(&matches));
        return verified.map(|entry| Choice { chosen: Chosen::Driver(entry), why }).ok_or_else(cause);
    }
    let Some(first) = entries().next() else {
        if is_empty_list(&incoming.body) {
            return Ok(Choice { chosen: Chosen::Nothing, why: "an empty list, whoever sent it".to_owned() });
        }
        let reason =
            "no driver recognises this body; send it to /alerts/webhook/<driver>/ to name one".to_owned();
        return Ok(Choice::nobody("fits no shape", "not_recognised", reason));
    };
    let name = &first.driver.info().plugin.name;
    verify(&first).map_err(|cause| Refused::Signature(format!("driver `{name}`: {cause}")))?;
    Ok(Choice { chosen: Chosen::Driver(first), why: fits(&matches) })
}

/// What a body fits, in the order that decides: of each driver the shape that counts.
fn fits(matches: &[Match]) -> String {
    let mut best: Vec<&Match> = Vec::new();
    for found in matches {
        if !best.iter().any(|known| known.driver == found.driver) {
            best.push(found);
        }
    }
    let mut why = "fits ".to_owned();
    for (place, found) in best.iter().take(MAX_SHOWN).enumerate() {
        let before = match place.checked_sub(1).and_then(|before| best.get(before)) {
            Some(before) if before.priority == found.priority => ", by name before ",
            Some(_) => ", before ",
            None => "",
        };
        let Match { driver, shape, priority } = found;
        let _infallible = write!(why, "{before}`{driver}/{shape}` ({priority})");
    }
    if let more @ 1.. = best.len().saturating_sub(MAX_SHOWN) {
        let _infallible = write!(why, " and {more} more");
    }
    why
}

/// `[]`, which senders push when they have nothing to tell.
fn is_empty_list(body: &[u8]) -> bool {
    let inner = body.trim_ascii().strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]"));
    inner.is_some_and(|inner| inner.trim_ascii().is_empty())
}
