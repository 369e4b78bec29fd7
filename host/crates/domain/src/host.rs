//! Hosts: the processes that serve on one database, and whether they have the same plugins.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::id::HostId;
use crate::plugin::{PluginKind, PluginName};
use crate::time::Timestamp;

/// How often a host says that it is there: a row written, so not more often than anybody needs it.
pub const BEAT_EVERY: Duration = Duration::from_secs(10);
/// A host that was not heard of for so long is taken for gone: twice it could have said so.
pub const GONE_AFTER: Duration = Duration::from_secs(30);
/// How long a host that is gone stays listed: long enough to be found by who looks for what was lost.
pub const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// How much of a digest is shown: enough to tell two apart.
const SHOWN_DIGITS: usize = 12;

/// A process that serves, as it last said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Drawn at its start: a process that starts again is another one.
    pub id: HostId,
    /// What people call it; several may have one name.
    pub name: String,
    /// Of the program.
    pub version: String,
    /// The last migration that it knows.
    pub schema: u32,
    /// Its plugins.
    pub plugins: PluginSet,
    /// When it began.
    pub started_at: Timestamp,
    /// When it last said that it is there.
    pub seen_at: Timestamp,
}

impl Host {
    /// Whether it was heard of lately.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now.since(self.seen_at) < GONE_AFTER
    }

    /// What tells it from others in a line for people.
    pub fn title(&self) -> String {
        format!("{} ({})", self.name, self.id)
    }
}

/// A plugin as a host has it in force.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PluginInForce {
    /// What it is.
    pub kind: PluginKind,
    /// What it is called.
    pub name: PluginName,
    /// SHA-256 of its component, in hexadecimal.
    pub digest: String,
    /// What it may: `detect`, `system`, and the origins that `plugins.toml` opens to it.
    pub grants: Vec<String>,
}

/// All plugins of a host, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<PluginInForce>", into = "Vec<PluginInForce>")]
pub struct PluginSet(Vec<PluginInForce>);

impl From<Vec<PluginInForce>> for PluginSet {
    fn from(mut plugins: Vec<PluginInForce>) -> Self {
        for plugin in &mut plugins {
            plugin.grants.sort_unstable();
        }
        plugins.sort_unstable();
        Self(plugins)
    }
}

impl From<PluginSet> for Vec<PluginInForce> {
    fn from(set: PluginSet) -> Self {
        set.0
    }
}

impl PluginSet {
    /// The plugins.
    pub fn plugins(&self) -> &[PluginInForce] {
        &self.0
    }

    /// SHA-256 over all of it, in hexadecimal: two hosts that say the same have the same plugins, which may
    /// do the same.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for PluginInForce { kind, name, digest, grants } in &self.0 {
            // None of them holds a line break.
            hash.update(format!("{kind} {name} {digest}\n"));
            for grant in grants {
                hash.update(format!(" {grant}\n"));
            }
        }
        hex::encode(hash.finalize())
    }

    /// Says where this set, of the host called `here`, is not that of the one called `there`; a line for each
    /// plugin that differs.
    pub fn differences(&self, here: &str, other: &Self, there: &str) -> Vec<String> {
        let mut lines = Vec::new();
        for mine in &self.0 {
            let what = format!("{} `{}`", mine.kind, mine.name);
            match other.find(mine) {
                None => lines.push(format!("{what} is on {here} only")),
                Some(theirs) if theirs.digest != mine.digest => lines.push(format!(
                    "{what} is {} on {here} and {} on {there}",
                    shown(&mine.digest),
                    shown(&theirs.digest)
                )),
                Some(theirs) if theirs.grants != mine.grants => lines.push(format!(
                    "{what} may {} on {here} and {} on {there}",
                    listed(&mine.grants),
                    listed(&theirs.grants)
                )),
                Some(_) => {}
            }
        }
        let only_there = other.0.iter().filter(|theirs| self.find(theirs).is_none());
        lines
            .extend(only_there.map(|plugin| format!("{} `{}` is on {there} only", plugin.kind, plugin.name)));
        lines
    }

    fn find(&self, wanted: &PluginInForce) -> Option<&PluginInForce> {
        self.0.iter().find(|plugin| plugin.kind == wanted.kind && plugin.name == wanted.name)
    }
}

/// The beginning of a digest, for people.
pub fn shown(digest: &str) -> &str {
    digest.get(..SHOWN_DIGITS).unwrap_or(digest)
}

fn listed(grants: &[String]) -> String {
    if grants.is_empty() { "nothing more".to_owned() } else { grants.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plugin(kind: PluginKind, name: &str, digest: &str, grants: &[&str]) -> PluginInForce {
        PluginInForce {
            kind,
            name: name.parse().unwrap(),
            digest: digest.repeat(32),
            grants: grants.iter().map(|grant| (*grant).to_owned()).collect(),
        }
    }

    #[test]
    fn order_does_not_matter_and_everything_else_does() {
        let driver = plugin(PluginKind::Driver, "grafana", "aa", &["detect"]);
        let notifier =
            plugin(PluginKind::Notifier, "slack", "bb", &["https://b.example", "https://a.example"]);
        let turned =
            PluginInForce { grants: notifier.grants.iter().rev().cloned().collect(), ..notifier.clone() };
        let set = PluginSet::from(vec![driver.clone(), notifier.clone()]);
        assert_eq!(set.digest(), PluginSet::from(vec![turned, driver.clone()]).digest());
        for other in [
            vec![driver.clone()],
            vec![driver.clone(), PluginInForce { digest: "cc".repeat(32), ..notifier.clone() }],
            vec![PluginInForce { grants: Vec::new(), ..driver.clone() }, notifier.clone()],
            vec![driver, PluginInForce { kind: PluginKind::Intelligence, ..notifier }],
        ] {
            assert_ne!(set.digest(), PluginSet::from(other).digest());
        }
    }

    #[test]
    fn differences_name_plugin_and_host() {
        let here = PluginSet::from(vec![
            plugin(PluginKind::Driver, "grafana", "aa", &["detect"]),
            plugin(PluginKind::Driver, "zabbix", "bb", &[]),
            plugin(PluginKind::Notifier, "slack", "cc", &[]),
        ]);
        let there = PluginSet::from(vec![
            plugin(PluginKind::Driver, "acme", "dd", &[]),
            plugin(PluginKind::Driver, "grafana", "aa", &[]),
            plugin(PluginKind::Notifier, "slack", "ee", &[]),
        ]);
        let expected = [
            "driver `grafana` may detect on a and nothing more on b",
            "driver `zabbix` is on a only",
            "notifier `slack` is cccccccccccc on a and eeeeeeeeeeee on b",
            "driver `acme` is on b only",
        ];
        assert_eq!(here.differences("a", &there, "b"), expected);
        assert_eq!(here.differences("a", &here, "b"), Vec::<String>::new());
    }

    #[test]
    fn set_survives_being_stored() {
        let set = PluginSet::from(vec![plugin(PluginKind::Driver, "grafana", "aa", &["detect"])]);
        let text = serde_json::to_string(&set).unwrap();
        assert_eq!(serde_json::from_str::<PluginSet>(&text).unwrap(), set);
    }
}
