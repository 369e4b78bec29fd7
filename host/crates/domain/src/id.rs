//! Identifiers. The program makes them, never the database, so a row can be named before it is
//! written.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::time::Timestamp;

/// A text that is not the identifier it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found} characters")]
pub struct IdError {
    expected: &'static str,
    found: usize,
}

/// Where fresh identifiers come from: a monotonic ULID generator in the program, a counter in tests.
pub trait Mint {
    /// Returns an identifier that was not returned before.
    fn mint(&mut self) -> Ulid;
}

impl<F: FnMut() -> Ulid> Mint for F {
    fn mint(&mut self) -> Ulid {
        self()
    }
}

macro_rules! ulid_id {
    ($(#[$doc:meta] $name:ident),+ $(,)?) => {$(
        #[$doc]
        ///
        /// 26 characters of Crockford base 32; sorts by the time it was made.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Ulid);

        impl $name {
            /// Takes a fresh one from `mint`.
            pub fn mint(mint: &mut (impl Mint + ?Sized)) -> Self {
                Self(mint.mint())
            }

            /// All 128 bits.
            pub const fn bits(self) -> u128 {
                self.0.0
            }

            /// The least that can have been made at this time or later.
            pub fn first_at(time: Timestamp) -> Self {
                Self(Ulid::from_parts(u64::try_from(time.as_millis()).unwrap_or_default(), 0))
            }
        }

        impl From<Ulid> for $name {
            fn from(id: Ulid) -> Self {
                Self(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Ulid::from_string(text)
                    .map(Self)
                    .map_err(|_| IdError { expected: "an identifier of 26 characters", found: text.len() })
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

ulid_id! {
    /// One passage through the pipeline.
    RunId,
    /// One alert, whatever its state.
    AlertId,
    /// One incident.
    IncidentId,
    /// One notification to one channel, with its attempts.
    DeliveryId,
    /// One configured destination.
    ChannelId,
    /// One API key; not the key itself.
    KeyId,
    /// One route.
    RouteId,
    /// One stored result of a stage.
    ArtifactId,
    /// One wrapped data key.
    DataKeyId,
    /// One decision about a plugin.
    DecisionId,
    /// One process that serves, from its start to its end.
    HostId,
    /// One worker's claim on a row; a later claim has another.
    LeaseToken,
}

/// What ties a webhook to everything that came of it: runs, log lines, notifications.
///
/// 32 lower-case hexadecimal digits, never all zero, as W3C Trace Context wants a trace id.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(u128);

impl TraceId {
    /// Takes a fresh one from `mint`.
    pub fn mint(mint: &mut (impl Mint + ?Sized)) -> Self {
        Self(mint.mint().0.max(1))
    }
}

impl TraceId {
    /// All 128 bits.
    pub const fn bits(self) -> u128 {
        self.0
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TraceId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let plain =
            text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        match u128::from_str_radix(text, 16) {
            Ok(id) if plain && id != 0 => Ok(Self(id)),
            _ => {
                Err(IdError { expected: "a trace id of 32 lower-case hexadecimal digits", found: text.len() })
            }
        }
    }
}

impl Serialize for TraceId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TraceId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_id_refuses_zero_upper_case_and_other_lengths() {
        for text in ["", "0", &"0".repeat(32), &"A".repeat(32), &"a".repeat(31), &"+".repeat(32)] {
            assert!(text.parse::<TraceId>().is_err(), "{text}");
        }
        let id: TraceId = "0af7651916cd43dd8448eb211c80319c".parse().unwrap();
        assert_eq!(id.to_string(), "0af7651916cd43dd8448eb211c80319c");
    }

    #[test]
    fn identifiers_survive_their_text_form() {
        let mut next = 7u128;
        let mut mint = || {
            next += 1;
            Ulid(next)
        };
        let id = RunId::mint(&mut mint);
        assert_eq!(id.to_string().len(), 26);
        assert_eq!(id.to_string().parse::<RunId>().unwrap(), id);
        assert!("short".parse::<RunId>().is_err());
    }
}
