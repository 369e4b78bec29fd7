//! What operators decide about plugins.

use domain::approval::{Approval, Decision, Grants, PluginEvent, Rollback};
use domain::id::DecisionId;
use domain::plugin::{PluginKind, PluginName};
use store::{PluginAct, PluginChange, Store};
use ulid::Ulid;

use crate::fixture::{World, at, on_every_database};

on_every_database! {
    each_decision_changes_its_own_part_and_leaves_the_others,
    who_decided_what_is_kept_the_newest_first,
    first_decisions_at_the_same_moment_leave_one_row,
}

fn name() -> PluginName {
    "acme".parse().unwrap()
}

fn approval(digest: char, host: &str) -> Approval {
    let grants = Grants { hosts: [host.to_owned()].into(), ..Grants::default() };
    Approval { sha256: digest.to_string().repeat(64), grants }
}

async fn decide(store: &Store, kind: PluginKind, change: PluginChange, number: u32) {
    let act = PluginAct {
        id: DecisionId::from(Ulid(number.into())),
        actor: "cli:root".to_owned(),
        reason: Some(format!("because {number}")),
        at: at(number.into()),
    };
    store.decide_plugin(kind, &name(), &change, &act).await.unwrap();
}

async fn decision(store: &Store, kind: PluginKind) -> Option<Decision> {
    let all = store.plugin_decisions().await.unwrap();
    all.into_iter().find(|found| found.kind == kind && found.name == name()).map(|found| found.decision)
}

async fn each_decision_changes_its_own_part_and_leaves_the_others(world: World) {
    let (store, kind) = (&world.store, PluginKind::Notifier);
    assert_eq!(decision(store, kind).await, None);
    decide(store, kind, PluginChange::Switch { disabled: true }, 1).await;
    let off = Decision { disabled: true, ..Decision::default() };
    assert_eq!(decision(store, kind).await, Some(off.clone()));

    let first = approval('a', "https://a");
    decide(store, kind, PluginChange::Approve(first.clone()), 2).await;
    assert_eq!(decision(store, kind).await, Some(Decision { approved: Some(first.clone()), ..off }));
    decide(store, kind, PluginChange::Switch { disabled: false }, 3).await;
    let rollback = Rollback { to: "a".repeat(64), from: "b".repeat(64) };
    let change = PluginChange::RollBack { rollback: rollback.clone(), approval: Some(first.clone()) };
    decide(store, kind, change, 4).await;
    let back = Decision { approved: Some(first), disabled: false, rollback: Some(rollback) };
    assert_eq!(decision(store, kind).await, Some(back));

    let second = approval('b', "https://b");
    decide(store, kind, PluginChange::Approve(second.clone()), 5).await;
    let approved = Decision { approved: Some(second), ..Decision::default() };
    assert_eq!(decision(store, kind).await, Some(approved), "an approval ends the way back");
    assert_eq!(decision(store, PluginKind::Driver).await, None, "another kind is another plugin");
}

async fn who_decided_what_is_kept_the_newest_first(world: World) {
    let (store, kind) = (&world.store, PluginKind::Driver);
    decide(store, kind, PluginChange::Approve(approval('a', "https://a")), 1).await;
    decide(store, kind, PluginChange::Switch { disabled: true }, 2).await;
    decide(store, kind, PluginChange::Switch { disabled: false }, 3).await;
    let rollback = Rollback { to: "a".repeat(64), from: "b".repeat(64) };
    decide(store, kind, PluginChange::RollBack { rollback, approval: None }, 4).await;
    let history = store.plugin_history(kind, &name()).await.unwrap();
    let events: Vec<_> = history.iter().map(|entry| entry.event).collect();
    assert_eq!(
        events,
        [PluginEvent::RolledBack, PluginEvent::Enabled, PluginEvent::Disabled, PluginEvent::Approved]
    );
    let first = history.last().unwrap();
    assert_eq!(first.sha256, Some("a".repeat(64)));
    assert_eq!(first.grants, Some(approval('a', "https://a").grants));
    assert_eq!((first.actor.as_str(), first.reason.as_deref()), ("cli:root", Some("because 1")));
    assert_eq!(first.at, at(1));
    let act = PluginAct { id: DecisionId::from(Ulid(5)), actor: "hub".to_owned(), reason: None, at: at(5) };
    store.note_plugin(kind, &name(), (PluginEvent::LeftAlone, "x"), &act).await.unwrap();
    let newest = store.plugin_history(kind, &name()).await.unwrap().remove(0);
    assert_eq!((newest.event, newest.sha256.as_deref()), (PluginEvent::LeftAlone, Some("x")));
    assert_eq!(store.plugin_history(PluginKind::Notifier, &name()).await.unwrap(), []);
}

async fn first_decisions_at_the_same_moment_leave_one_row(world: World) {
    let (store, kind) = (&world.store, PluginKind::Intelligence);
    let both = tokio::join!(
        decide(store, kind, PluginChange::Approve(approval('a', "https://a")), 1),
        decide(store, kind, PluginChange::Switch { disabled: true }, 2),
    );
    let ((), ()) = both;
    let found = decision(store, kind).await.unwrap();
    assert!(found.disabled && found.approved.is_some(), "{found:?}");
}
