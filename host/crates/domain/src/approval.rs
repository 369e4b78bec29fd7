//! What operators decide about plugins, and whether it covers what a component asks for.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::alert::words;

/// What a plugin asks for beyond computing, or was granted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Grants {
    /// Origins that it reaches, besides those in a channel's own settings.
    pub hosts: BTreeSet<String>,
    /// Whether it asks about this machine.
    pub system: bool,
    /// What a driver claims in detection, each shape as JSON.
    pub shapes: BTreeSet<String>,
}

impl Grants {
    /// What `asked` holds that these do not give; nothing where they cover it.
    pub fn missing_for(&self, asked: &Self) -> Self {
        Self {
            hosts: asked.hosts.difference(&self.hosts).cloned().collect(),
            system: asked.system && !self.system,
            shapes: asked.shapes.difference(&self.shapes).cloned().collect(),
        }
    }

    /// Whether everything that `asked` holds was granted.
    pub fn covers(&self, asked: &Self) -> bool {
        self.missing_for(asked) == Self::default()
    }
}

impl fmt::Display for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words: Vec<String> = self.hosts.iter().map(|host| format!("reach {host}")).collect();
        words.extend(self.system.then(|| "ask about this machine".to_owned()));
        match self.shapes.len() {
            0 => {}
            1 => words.push("claim a shape in detection".to_owned()),
            shapes => words.push(format!("claim {shapes} shapes in detection")),
        }
        f.write_str(if words.is_empty() { "run".to_owned() } else { words.join(", ") }.as_str())
    }
}

/// An operator's word that one component may run with these grants.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// SHA-256 of the component, in hexadecimal.
    pub sha256: String,
    /// What it asked for then.
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
    /// The component that was approved, with its grants.
    pub approved: Option<Approval>,
    /// Whether it is switched off.
    pub disabled: bool,
    /// Where it was put back to.
    pub rollback: Option<Rollback>,
}

words! {
    /// What somebody decided about a plugin, or the hub did.
    PluginEvent {
        /// This component may run with these grants.
        Approved = "approved",
        /// It is switched off.
        Disabled = "disabled",
        /// It is switched on again.
        Enabled = "enabled",
        /// It went back to an earlier component.
        RolledBack = "rolled_back",
        /// Its calls trap, and there is nothing to go back to.
        LeftAlone = "left_alone",
        /// They do no longer.
        WorksAgain = "works_again",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(hosts: &[&str], system: bool, shapes: &[&str]) -> Grants {
        let set = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Grants { hosts: set(hosts), system, shapes: set(shapes) }
    }

    #[test]
    fn what_is_asked_for_beyond_the_grants_is_named_and_nothing_else() {
        let granted = grants(&["https://a", "https://b"], false, &["x"]);
        let more = |asked: &Grants| (granted.covers(asked), granted.missing_for(asked).to_string());
        assert_eq!(more(&grants(&["https://a"], false, &[])), (true, "run".to_owned()));
        assert_eq!(
            more(&grants(&["https://b", "https://x"], false, &["x"])),
            (false, "reach https://x".to_owned())
        );
        assert_eq!(
            more(&grants(&[], true, &["x", "y"])),
            (false, "ask about this machine, claim a shape in detection".to_owned())
        );
        assert_eq!(
            more(&grants(&["https://a:8443"], false, &[])),
            (false, "reach https://a:8443".to_owned())
        );
        assert!(granted.covers(&granted));
    }
}
