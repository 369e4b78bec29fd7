//! Which driver a body is for, where the path does not say.

use std::sync::Arc;

use domain::plugin::Incoming;

use super::{Refused, SignatureRules};
use crate::plugins::{DriverEntry, DriverSet};

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
) -> Result<Chosen, Refused> {
    let has_header = |name: &str| incoming.headers.iter().any(|(found, _)| found == name);
    let matches = match drivers.shapes().matches(&incoming.content_type, has_header, &incoming.body) {
        Ok(matches) => matches,
        Err(error) => return Ok(Chosen::Nobody { code: error.kind(), reason: error.to_string() }),
    };
    let entries = || matches.iter().filter_map(|found| drivers.by_name(found.driver.as_str()));
    let secured = || entries().filter(|entry| rules.has_secret(entry));
    if secured().next().is_some() {
        let verified = secured().find(|entry| verify(entry).is_ok());
        let cause = || Refused::Signature("fits a driver with a secret, verifies under none".to_owned());
        return verified.map(Chosen::Driver).ok_or_else(cause);
    }
    let Some(first) = entries().next() else {
        if is_empty_list(&incoming.body) {
            return Ok(Chosen::Nothing);
        }
        let reason =
            "no driver recognises this body; send it to /alerts/webhook/<driver>/ to name one".to_owned();
        return Ok(Chosen::Nobody { code: "not_recognised", reason });
    };
    let name = &first.driver.info().plugin.name;
    verify(&first).map_err(|cause| Refused::Signature(format!("driver `{name}`: {cause}")))?;
    Ok(Chosen::Driver(first))
}

/// `[]`, which senders push when they have nothing to tell.
fn is_empty_list(body: &[u8]) -> bool {
    let inner = body.trim_ascii().strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]"));
    inner.is_some_and(|inner| inner.trim_ascii().is_empty())
}
