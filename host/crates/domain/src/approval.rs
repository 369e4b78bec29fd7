//! What operators decide about plugins, and whether it covers what a component asks for.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::alert::words;

/// What a plugin may use beyond computing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Grants {
    /// Origins that it may reach.
    pub allow_hosts: BTreeSet<String>,
    /// Whether it may ask about the machine of the hub.
    pub system: bool,
    /// Whether a driver takes part in detection. Not asked for: it is the operator's to give.
    pub detect: bool,
    /// Whether a driver is given the virtual WASI.
    pub wasi: bool,
}

/// What a component asks for, as far as its file and its own words say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Asks {
    /// Origins that it names.
    pub hosts: BTreeSet<String>,
    /// Whether it asks about the machine of the hub.
    pub system: bool,
    /// Whether a driver needs the virtual WASI.
    pub wasi: bool,
}

/// One thing that a component asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// To reach this origin.
    Host(String),
    /// To ask about the machine.
    System,
    /// The virtual WASI.
    Wasi,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => f.write_str(host),
            Self::System => f.write_str("figures of this machine"),
            Self::Wasi => f.write_str("the virtual WASI"),
        }
    }
}

impl Asks {
    /// Grants that give all of it and no more. A driver that is approved takes part in detection.
    pub fn granted(&self, detect: bool) -> Grants {
        let Self { hosts, system, wasi } = self.clone();
        Grants { allow_hosts: hosts, system, detect, wasi }
    }

    /// What of it these grants do not give.
    pub fn beyond(&self, grants: &Grants) -> Vec<Asked> {
        let hosts = self.hosts.difference(&grants.allow_hosts).cloned().map(Asked::Host);
        let system = (self.system && !grants.system).then_some(Asked::System);
        let wasi = (self.wasi && !grants.wasi).then_some(Asked::Wasi);
        hosts.chain(system).chain(wasi).collect()
    }
}

/// An operator's word that one component may run with these grants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// SHA-256 of the component, in hexadecimal.
    pub digest: String,
    /// What it may use.
    pub grants: Grants,
}

/// Where a plugin was put back to. It holds for as long as the component that was left is the one that is there:
/// another one is taken by the rules for a new one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollback {
    /// SHA-256 of the component that runs, in hexadecimal.
    pub to: String,
    /// SHA-256 of the component that was left.
    pub from: String,
}

/// What stands about one plugin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What was approved last.
    pub approval: Option<Approval>,
    /// Whether it is switched off.
    pub disabled: bool,
    /// Where it was put back to.
    pub rollback: Option<Rollback>,
}

words! {
    /// What somebody decided about a plugin.
    PluginEvent {
        /// This component may run with these grants.
        Approved = "approved",
        /// It is switched off.
        Disabled = "disabled",
        /// It is switched on again.
        Enabled = "enabled",
        /// It went back to an earlier component.
        RolledBack = "rolled_back",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(hosts: &[&str], system: bool, wasi: bool) -> Asks {
        Asks { hosts: hosts.iter().map(|host| (*host).to_owned()).collect(), system, wasi }
    }

    #[test]
    fn what_is_asked_for_beyond_the_grants_is_named_and_nothing_else() {
        let grants = asks(&["https://a", "https://b"], false, false).granted(true);
        let beyond = |asked: Asks| {
            let found: Vec<_> = asked.beyond(&grants).iter().map(ToString::to_string).collect();
            found.join(", ")
        };
        assert_eq!(beyond(asks(&["https://a"], false, false)), "");
        assert_eq!(beyond(asks(&["https://b", "https://x"], false, false)), "https://x");
        assert_eq!(beyond(asks(&[], true, true)), "figures of this machine, the virtual WASI");
        assert_eq!(beyond(asks(&["https://a:8443"], false, false)), "https://a:8443");
    }

    #[test]
    fn granting_all_that_is_asked_for_leaves_nothing() {
        let asked = asks(&["https://a"], true, true);
        assert_eq!(asked.beyond(&asked.granted(false)), []);
        assert!(!asked.granted(false).detect && asked.granted(true).detect);
    }
}
