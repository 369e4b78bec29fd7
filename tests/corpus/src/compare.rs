//! Where the hub and the witness differ.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use domain::alert::ParsedAlert;
use domain::time::Timestamp;

use crate::hub::Made;
use crate::rules;
use crate::witness::{Alert, Time, Witness};

/// One difference, with all that a rule may look at.
#[derive(Debug)]
pub(crate) struct Difference<'w> {
    pub(crate) witness: &'w Witness,
    /// The driver that read the body at the hub.
    pub(crate) driver: String,
    pub(crate) what: What<'w>,
}

/// What differs.
#[derive(Debug)]
pub(crate) enum What<'w> {
    /// Who reads a body that was sent to no driver's URL: the hub's driver, where it finds one.
    Detection(Option<String>),
    /// The driver that the body was sent to is not there, so nothing else could be compared.
    NoDriver,
    /// Alerts for the one, none for the other.
    Outcome(Made),
    /// Nothing: we make a mistake that the witness is known to make.
    Shared(&'static str),
    /// Another number of alerts.
    Count(usize),
    /// One field of one alert.
    Field(Field, Box<ParsedAlert>, &'w Alert),
    /// Alerts that are one to the witness and several here: the witness's fingerprint.
    Split(String, Vec<ParsedAlert>),
    /// Alerts that are several to the witness and one here.
    Merged(Vec<String>, Box<ParsedAlert>),
}

/// A field that is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Name,
    Status,
    Severity,
    Fingerprint,
    StartsAt,
    EndsAt,
}

impl Field {
    pub(crate) const ALL: [Self; 6] =
        [Self::Name, Self::Status, Self::Severity, Self::Fingerprint, Self::StartsAt, Self::EndsAt];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Status => "status",
            Self::Severity => "severity",
            Self::Fingerprint => "fingerprint",
            Self::StartsAt => "start",
            Self::EndsAt => "end",
        }
    }

    fn is_same(self, ours: &ParsedAlert, theirs: &Alert) -> bool {
        match self {
            Self::Name => ours.name == theirs.name,
            Self::Status => ours.status.as_str() == theirs.status && !rules::is_no_recovery(ours),
            Self::Severity => ours.severity.as_str() == theirs.severity,
            // What neither got from the sender is compared by what it groups and not by its text.
            Self::Fingerprint => {
                let own = ours.fingerprint.as_deref();
                own.map_or(theirs.is_derived(), |own| own == theirs.fingerprint)
            }
            Self::StartsAt => theirs.starts_at.is(ours.starts_at),
            Self::EndsAt => theirs.ends_at.is(ours.ends_at),
        }
    }
}

impl fmt::Display for Difference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): ", self.witness.file, self.driver)?;
        let witness = self.witness;
        match &self.what {
            What::Detection(ours) => {
                let word = |driver: Option<&str>| driver.unwrap_or("nobody").to_owned();
                write!(
                    f,
                    "read by {}, the witness: {}",
                    word(ours.as_deref()),
                    word(witness.detected.as_deref())
                )
            }
            What::NoDriver => f.write_str("there is no such driver"),
            What::Outcome(made) => {
                let ours = match made {
                    Made::Alerts(alerts) => format!("{} alerts", alerts.len()),
                    Made::Nothing(why) => format!("nothing ({why})"),
                    Made::Refused(why) => format!("refused ({why})"),
                };
                match &witness.alerts {
                    Some(alerts) => write!(f, "{ours}, the witness: {} alerts", alerts.len()),
                    None => write!(f, "{ours}, the witness: refused"),
                }
            }
            What::Shared(rule) => write!(f, "as the witness has it, which is wrong: `{rule}`"),
            What::Count(ours) => {
                let theirs = witness.alerts.as_ref().map_or(0, Vec::len);
                write!(f, "{ours} alerts, the witness: {theirs}")
            }
            What::Field(field, ours, theirs) => {
                let time = |time: Option<Timestamp>| time.map_or("none".to_owned(), |time| time.to_string());
                let (ours, theirs) = match field {
                    Field::Name => (ours.name.clone(), theirs.name.clone()),
                    Field::Status => {
                        (format!("{} (`{}`)", ours.status, ours.raw_status), theirs.status.clone())
                    }
                    Field::Severity => {
                        (format!("{} (`{}`)", ours.severity, ours.raw_severity), theirs.severity.clone())
                    }
                    Field::Fingerprint => (format!("{:?}", ours.fingerprint), theirs.fingerprint.clone()),
                    Field::StartsAt => (time(ours.starts_at), format!("{:?}", theirs.starts_at)),
                    Field::EndsAt => (time(ours.ends_at), format!("{:?}", theirs.ends_at)),
                };
                write!(f, "{}: {ours}, the witness: {theirs}", field.name())
            }
            What::Split(theirs, ours) => {
                write!(f, "one alert `{theirs}` to the witness, {} here", ours.len())
            }
            What::Merged(theirs, ours) => {
                write!(f, "one alert `{}` here, {theirs:?} to the witness", ours.name)
            }
        }
    }
}

/// Compares what a driver made of a body with what the witness's did.
pub(crate) fn made<'w>(witness: &'w Witness, driver: &str, made: &Made) -> Vec<Difference<'w>> {
    let difference = |what| Difference { witness, driver: driver.to_owned(), what };
    let theirs = witness.alerts.as_deref();
    match (made, theirs) {
        (Made::Alerts(ours), Some(theirs)) if ours.len() == theirs.len() => {
            let pairs = ours.iter().zip(theirs);
            let fields = pairs.flat_map(|((ours, _), theirs)| {
                let differing = Field::ALL.into_iter().filter(|field| !field.is_same(ours, theirs));
                differing.map(|field| What::Field(field, Box::new(ours.clone()), theirs))
            });
            fields.map(difference).collect()
        }
        (Made::Alerts(ours), Some(theirs)) if !theirs.is_empty() => vec![difference(What::Count(ours.len()))],
        // No alert either way, but what is refused lies in quarantine and somebody has to look at it.
        (Made::Nothing(_), Some([])) | (Made::Refused(_), None) => Vec::new(),
        _ => vec![difference(What::Outcome(made.clone()))],
    }
}

impl Alert {
    /// Whether the witness made the fingerprint up: 16 hexadecimal digits.
    pub(crate) fn is_derived(&self) -> bool {
        self.fingerprint.len() == 16 && self.fingerprint.bytes().all(|byte| byte.is_ascii_hexdigit())
    }
}

impl Time {
    /// Without a time the hub takes that of receipt too.
    fn is(self, ours: Option<Timestamp>) -> bool {
        match self {
            Self::None | Self::Receipt => ours.is_none(),
            Self::At(time) => ours == Some(time),
            Self::Zero => false,
        }
    }
}

/// Alerts of all bodies, and how they are told apart.
#[derive(Default)]
pub(crate) struct Identities<'w>(Vec<Known<'w>>);

struct Known<'w> {
    witness: &'w Witness,
    driver: String,
    theirs: String,
    identity: String,
    ours: ParsedAlert,
}

impl<'w> Identities<'w> {
    /// Notes the alerts of one body.
    pub(crate) fn add(&mut self, witness: &'w Witness, driver: &str, made: &Made) {
        let (Made::Alerts(ours), Some(theirs)) = (made, &witness.alerts) else { return };
        if ours.len() != theirs.len() {
            return;
        }
        self.0.extend(ours.iter().zip(theirs).map(|((alert, identity), theirs)| Known {
            witness,
            driver: driver.to_owned(),
            theirs: theirs.fingerprint.clone(),
            identity: identity.clone(),
            ours: alert.clone(),
        }));
    }

    /// Where one alert is several for the other side.
    pub(crate) fn differences(&self) -> Vec<Difference<'w>> {
        let mut by_theirs: BTreeMap<(&str, &str), Vec<&Known<'w>>> = BTreeMap::new();
        let mut by_ours = by_theirs.clone();
        for known in &self.0 {
            by_theirs.entry((&known.driver, &known.theirs)).or_default().push(known);
            by_ours.entry((&known.driver, &known.identity)).or_default().push(known);
        }
        let split = by_theirs.values().filter_map(|group| {
            let ours: BTreeSet<&str> = group.iter().map(|known| known.identity.as_str()).collect();
            let first = group.first().filter(|_| ours.len() > 1)?;
            let alerts = group.iter().map(|known| known.ours.clone()).collect();
            Some(difference(first, What::Split(first.theirs.clone(), alerts)))
        });
        let merged = by_ours.values().filter_map(|group| {
            let theirs: BTreeSet<String> = group.iter().map(|known| known.theirs.clone()).collect();
            let first = group.first().filter(|_| theirs.len() > 1)?;
            Some(difference(first, What::Merged(theirs.into_iter().collect(), Box::new(first.ours.clone()))))
        });
        split.chain(merged).collect()
    }
}

fn difference<'w>(known: &Known<'w>, what: What<'w>) -> Difference<'w> {
    Difference { witness: known.witness, driver: known.driver.clone(), what }
}
