//! Why a provider is not set up, or did not say anything.

use store::{Fault, StoreError};

use crate::checks::PathError;
use crate::crypto::CryptoError;

/// Why a provider is not set up, or did not say anything. Never shows a secret.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// No such provider.
    #[error("there is no provider `{name}`; known are {}", listed(.known))]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// Its settings are not what its schema says.
    #[error("provider `{0}`: {1}")]
    Settings(String, String),
    /// The provider itself does not take its settings.
    #[error("provider `{name}` does not take these settings:\n{}", .problems.join("\n"))]
    Refused {
        /// Which one.
        name: String,
        /// What is wrong, one line each.
        problems: Vec<String>,
    },
    /// Nothing lets it out.
    #[error(
        "provider `{name}` may reach nothing, so it can answer nothing\n\
         hint: `allow_hosts = [{}]` under [provider.{name}] in plugins.toml, or its address as a setting",
        quoted(.wants)
    )]
    NoGrant {
        /// Which one.
        name: String,
        /// Where it would like to go.
        wants: Vec<String>,
    },
    /// A setting leads to what only the host's own people may have read.
    #[error(
        "`{0}` is a reference or a placeholder: those are set where the hub runs, with `watchbell provider set`"
    )]
    Reference(String),
    /// It may not look at this machine.
    #[error(
        "provider `{0}` may not look at this machine\n\
         hint: `system = true` under [provider.{0}] in plugins.toml"
    )]
    NoSystem(String),
    /// It cannot be asked this.
    #[error("provider `{0}` has no task `{1}`")]
    Task(String, &'static str),
    /// A folder that may not be looked through.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Its stored settings cannot be opened.
    #[error("the stored settings of provider `{0}` cannot be opened: {1}")]
    Sealed(String, String),
    /// It was asked and gave no answer.
    #[error("provider `{name}` gave no answer: {}", .fault.message)]
    Failed {
        /// Which one.
        name: String,
        /// Why.
        fault: Fault,
    },
    /// Settings cannot be sealed.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn quoted(hosts: &[String]) -> String {
    hosts.iter().map(|host| format!("\"{host}\"")).collect::<Vec<_>>().join(", ")
}
