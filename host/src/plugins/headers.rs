//! Names of signature headers that a sender's user chose, as `plugins.toml` tells them.

use anyhow::{Context as _, Result};
use domain::signature::{HeaderNames, SignatureScheme, is_taken};
use http::HeaderName;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// The longest name, in bytes: as long as a driver may declare one.
const MAX_BYTES: usize = 64;

/// The table `signature` of a driver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SignatureHeaders {
    #[serde(deserialize_with = "name")]
    header: Option<String>,
    #[serde(deserialize_with = "name")]
    timestamp_header: Option<String>,
}

/// Reads a name while the line is known, so that an error shows it.
fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let shown: String = text.chars().take(80).flat_map(char::escape_default).collect();
    let name = HeaderName::try_from(&text).ok().filter(|name| name.as_str().len() <= MAX_BYTES);
    let name = name.ok_or_else(|| {
        D::Error::custom(format!(
            "`{shown}` is no name of a header\n\
             hint: letters, digits and `-`, at most {MAX_BYTES}, as `X-Grafana-Timestamp`"
        ))
    })?;
    if is_taken(name.as_str()) {
        return Err(D::Error::custom(format!(
            "`{shown}` carries something else\nhint: choose another header in the sender and here"
        )));
    }
    Ok(Some(name.as_str().to_owned()))
}

impl SignatureHeaders {
    /// Whether nothing is named.
    pub(super) const fn is_empty(&self) -> bool {
        self.header.is_none() && self.timestamp_header.is_none()
    }

    /// The schemes that a driver declares, with these names.
    ///
    /// # Errors
    /// When a name has no place in them.
    pub(super) fn apply(&self, declared: &[SignatureScheme]) -> Result<Vec<SignatureScheme>> {
        let names = HeaderNames { signature: self.header.clone(), timestamp: self.timestamp_header.clone() };
        names.apply(declared).map_err(|defect| anyhow::anyhow!("the driver {defect}")).with_context(|| {
            "`signature` in its entry of `plugins.toml` does not fit\n\
             hint: `watchbell plugin inspect <driver>` shows what it declares under `asks.signatures`"
        })
    }
}
