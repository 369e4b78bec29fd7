//! Where plugins may go.

use std::path::PathBuf;

use super::{Source, Variable};

pub(super) const VARIABLES: &[Variable] = &[
    Variable {
        name: "SSRF_ALLOWED_HOSTS",
        default: "",
        meaning: "Hosts, addresses and networks that may be reached although they are private, separated by\n\
                  commas: `hooks.internal,10.1.0.0/16`. All other private and special addresses are refused.",
    },
    Variable {
        name: "WATCHBELL_EGRESS_CA_FILE",
        default: "",
        meaning: "File with certificates of authorities as PEM, believed beside the system's when plugins call\n\
                  out: for remotes with a certificate of your own authority. Read at start.",
    },
];

/// Where plugins may go.
#[derive(Debug, Clone)]
pub struct EgressSettings {
    /// Exceptions from the rule that private addresses are refused.
    pub allowed: String,
    /// Certificates of authorities that are believed beside the system's.
    pub authorities: Option<PathBuf>,
}

impl EgressSettings {
    /// Reads the section; nothing in it can be out of bounds.
    pub fn read(source: &Source) -> Self {
        Self {
            allowed: source.text("SSRF_ALLOWED_HOSTS").unwrap_or_default().to_owned(),
            authorities: source.text("WATCHBELL_EGRESS_CA_FILE").map(PathBuf::from),
        }
    }
}
