//! Who reads a stored request again.

use domain::plugin::{Incoming, PluginName};
use store::InboxEntry;

use super::{Actor, Again, AgainError};
use crate::ingest::{detect, unknown};
use crate::plugins::DriverEntry;

/// What a request is read again for.
#[derive(Clone, Copy)]
pub(super) enum Purpose<'a> {
    /// To write what is found, as this actor wants: who it is for has to be sure.
    Write(Actor<'a>),
    /// To see what is found. Nothing comes of it, so nothing has to be verified.
    Look,
}

impl Again {
    /// Who is to read it: whom an operator names, or the sender named, or whom it fits now.
    ///
    /// # Errors
    /// [`AgainError::Unverifiable`] when it would be written for a driver that takes signed webhooks
    /// only, and was not verified as one of that driver when it came.
    pub(super) fn choose(
        &self,
        stored: &InboxEntry,
        incoming: &Incoming,
        named: Option<&str>,
        purpose: Purpose<'_>,
    ) -> Result<detect::Choice, AgainError> {
        let (drivers, rules) = (self.catalogue.drivers(), self.secrets.rules());
        if let Some(name) = named {
            let entry = drivers.by_name(name).ok_or_else(|| unknown(&drivers, name))?;
            let why = match purpose {
                Purpose::Write(actor) => format!("named by {actor}"),
                Purpose::Look => "asked for".to_owned(),
            };
            return Ok(detect::Choice::named(entry, why));
        }
        let verify = |entry: &DriverEntry| match purpose {
            Purpose::Look => Ok(()),
            Purpose::Write(_) if !rules.wants_signed(entry) => Ok(()),
            Purpose::Write(_) if is_verified(stored, entry) => Ok(()),
            Purpose::Write(_) => Err("it was not verified when it came"),
        };
        let known = stored.driver.as_ref().filter(|_| stored.named).map(PluginName::as_str);
        let Some(name) = known else {
            return Ok(detect::automatic(&drivers, &rules, incoming, verify)?);
        };
        let entry = drivers.by_name(name).ok_or_else(|| unknown(&drivers, name))?;
        verify(&entry).map_err(|_| AgainError::Unverifiable)?;
        Ok(detect::Choice::named(entry, &*stored.detection))
    }
}

fn is_verified(stored: &InboxEntry, entry: &DriverEntry) -> bool {
    stored.verified && stored.driver.as_ref() == Some(&entry.driver.info().plugin.name)
}
