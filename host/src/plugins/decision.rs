//! What operators decide about plugins, and what a plugin may do under that.

use std::collections::BTreeMap;

use domain::approval::{Decision, Grants};
use domain::plugin::{PluginKind, PluginName};
use sandbox::Plugin;

use super::Entry;
use super::candidate::Candidate;
use super::manifest::Unpinned;
use super::state::Origin;

/// What this plugin asks for; `system` is whether it imports what tells of this machine.
pub(super) fn asked_by(plugin: &Plugin, system: bool) -> Grants {
    let origin = |text: &String| text.parse::<crate::egress::Origin>().ok().map(|origin| origin.to_string());
    let hosts = |texts: &[String]| texts.iter().filter_map(origin).collect();
    let none = Grants::default();
    match plugin {
        Plugin::Driver(driver) => {
            let text = |shape| serde_json::to_string(shape).unwrap_or_default();
            Grants { shapes: driver.info().shapes.iter().map(text).collect(), ..none }
        }
        Plugin::Notifier(notifier) => Grants { hosts: hosts(&notifier.info().hosts), system, ..none },
        Plugin::Provider(provider) => Grants { hosts: hosts(&provider.info().hosts), system, ..none },
    }
}

/// What operators decided, by plugin. Empty: nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decisions(pub BTreeMap<(PluginKind, PluginName), Decision>);

impl Decisions {
    /// What was decided about one plugin.
    pub fn of(&self, kind: PluginKind, name: &PluginName) -> Decision {
        self.0.get(&(kind, name.clone())).cloned().unwrap_or_default()
    }
}

/// Whether a component that loaded may run.
pub(super) enum Verdict {
    /// It may, under this entry.
    Run(Box<Entry>),
    /// Not yet, and what it waits for.
    Wait(String),
}

/// Decides whether a component may run. What `plugins.toml` or this binary names may; of what was dropped
/// into the directory a driver may, outside of detection, and all else waits for an approval. An approval is
/// of one digest; a driver that asks for no more than the one before keeps it.
///
/// `has_older` says whether another component runs under this name: that goes on while this one waits.
pub(super) fn verdict(
    candidate: &Candidate,
    asks: &Grants,
    decision: &Decision,
    policy: Unpinned,
    has_older: bool,
) -> Verdict {
    let Candidate { kind, name, entry, origin, component, is_listed, .. } = candidate;
    if !matches!(origin, Origin::Dropped(_)) {
        return Verdict::Run(Box::new(entry.clone()));
    }
    let is_pinned = entry.sha256.is_some();
    let approved = decision.approved.as_ref();
    let is_approved = approved.is_some_and(|approval| approval.sha256 == component.digest);
    let covers = approved.is_some_and(|approval| approval.grants.covers(asks));
    let hint = format!("hint: `watchbell plugin approve {name}`, once you know what it is");
    if *kind != PluginKind::Driver {
        if is_pinned {
            return Verdict::Run(Box::new(entry.clone()));
        }
        let Some(approval) = approved.filter(|_| is_approved && covers) else {
            let why = match approved.map(|approval| approval.grants.missing_for(asks)) {
                None => format!("it waits for approval, to {asks}"),
                Some(more) if more == Grants::default() => {
                    "it waits for approval, as every new component of its kind does, and asks for no more than was \
                     approved"
                        .to_owned()
                }
                Some(more) => format!("it waits for approval, and asks for more than was approved: {more}"),
            };
            return Verdict::Wait(format!("{why}\n{hint}"));
        };
        let mut entry = entry.clone();
        entry.allow_hosts.extend(approval.grants.hosts.iter().filter_map(|host| host.parse().ok()));
        entry.system |= approval.grants.system;
        return Verdict::Run(Box::new(entry));
    }
    if !is_pinned && !is_approved && policy == Unpinned::Refuse {
        return Verdict::Wait(format!(
            "it waits for approval or a `sha256`, because `unpinned` in `plugins.toml` is `refuse`\n{hint}"
        ));
    }
    if *is_listed {
        return Verdict::Run(Box::new(entry.clone()));
    }
    if let Some(approval) = approved.filter(|_| !covers && has_older) {
        let more = approval.grants.missing_for(asks);
        return Verdict::Wait(format!("it asks for more than was approved: {more}\n{hint}"));
    }
    let mut entry = entry.clone();
    entry.detect = covers;
    Verdict::Run(Box::new(entry))
}

#[cfg(test)]
mod tests {
    use sandbox::ComponentFile;

    use domain::approval::Approval;

    use super::*;
    use crate::plugins::files::Component;

    const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    /// What becomes of an empty file that was dropped, in one word.
    fn check(
        kind: PluginKind,
        toml: &str,
        asks: &Grants,
        decision: &Decision,
        has_older: bool,
    ) -> &'static str {
        let name: PluginName = "acme".parse().unwrap();
        let manifest = crate::plugins::Manifest::parse(toml).unwrap();
        let listed = manifest.of(kind).get(&name).cloned();
        let (component, _) = Component::of_bytes(&name, ComponentFile::new((&[] as &[u8]).into()));
        assert_eq!(component.digest, DIGEST);
        let candidate = Candidate {
            kind,
            name,
            is_listed: listed.is_some(),
            entry: listed.unwrap_or_else(Entry::unlisted),
            component,
            origin: Origin::Dropped("acme.wasm".into()),
            stands_for: None,
        };
        match verdict(&candidate, asks, decision, manifest.unpinned(), has_older) {
            Verdict::Wait(reason) => {
                assert!(reason.contains("watchbell plugin approve acme"), "{reason}");
                "waits"
            }
            Verdict::Run(entry) if entry.detect => "detects",
            Verdict::Run(_) => "runs",
        }
    }

    fn claims(shapes: &[&str]) -> Grants {
        Grants { shapes: shapes.iter().map(|shape| (*shape).to_owned()).collect(), ..Grants::default() }
    }

    fn approved(sha256: &str, grants: Grants) -> Decision {
        Decision { approved: Some(Approval { sha256: sha256.to_owned(), grants }), ..Decision::default() }
    }

    #[test]
    fn dropped_driver_detects_only_what_was_approved() {
        let driver = |toml, decision: &Decision, older| {
            check(PluginKind::Driver, toml, &claims(&["a"]), decision, older)
        };
        let nothing = Decision::default();
        assert_eq!(driver("", &nothing, false), "runs");
        assert_eq!(driver("[driver.acme]", &nothing, false), "detects");
        assert_eq!(driver("", &approved(DIGEST, claims(&["a"])), false), "detects");
        // A new build of one that was approved.
        assert_eq!(driver("", &approved("other", claims(&["a", "b"])), true), "detects");
        assert_eq!(driver("", &approved("other", claims(&["b"])), true), "waits");
        assert_eq!(driver("", &approved("other", claims(&["b"])), false), "runs");
    }

    #[test]
    fn refusing_what_is_not_pinned_has_drivers_wait() {
        let refuse = "policy.unpinned = \"refuse\"\n";
        let driver = |toml: &str, decision: &Decision| {
            check(PluginKind::Driver, &format!("{refuse}{toml}"), &claims(&[]), decision, false)
        };
        assert_eq!(driver("", &Decision::default()), "waits");
        assert_eq!(driver("[driver.acme]", &Decision::default()), "waits");
        assert_eq!(driver(&format!("[driver.acme]\nsha256 = \"{DIGEST}\""), &Decision::default()), "detects");
        assert_eq!(driver("", &approved(DIGEST, claims(&[]))), "detects");
    }

    #[test]
    fn dropped_notifier_waits_for_its_very_digest_and_all_that_it_asks() {
        let host = |hosts: &[&str]| Grants {
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            ..Grants::default()
        };
        let asks = host(&["https://a.example"]);
        let notifier = |toml, decision: &Decision| check(PluginKind::Notifier, toml, &asks, decision, true);
        assert_eq!(notifier("", &Decision::default()), "waits");
        assert_eq!(notifier("", &approved("other", asks.clone())), "waits");
        assert_eq!(notifier("", &approved(DIGEST, host(&[]))), "waits");
        assert_eq!(notifier("", &approved(DIGEST, asks.clone())), "runs");
        let pinned = format!("[notifier.acme]\nsha256 = \"{DIGEST}\"\ndetect = false");
        assert_eq!(check(PluginKind::Notifier, &pinned, &asks, &Decision::default(), false), "runs");
    }
}
