//! Keys that seal, and what they seal.

use domain::id::{DataKeyId, Mint as _};
use store::{DataKey, SealedColumn, SecretChange, StoreError, StoredSecret};

use crate::fixture::{Counter, World, at, firing, on_every_database};

on_every_database! {
    processes_that_start_at_once_agree_on_data_keys,
    of_two_that_make_new_data_keys_at_once_one_does_and_no_key_is_half_made,
    a_data_key_is_wrapped_again_once_whoever_tries,
    the_secret_key_that_was_taken_up_last_has_the_last_turn,
    a_secret_has_a_current_version_and_keeps_those_before_as_long_as_wanted,
    all_that_is_sealed_can_be_walked_in_steps,
}

fn keys(process: u128, generation: u32) -> Vec<DataKey> {
    let mut mint = Counter::of_process(process);
    let key = |purpose: &str| DataKey {
        id: DataKeyId::from(mint.mint()),
        purpose: purpose.into(),
        generation,
        kek_id: "k1".into(),
        wrapped: vec![process as u8, 0, 255],
        created_at: at(0),
    };
    ["payload", "channel"].map(key).into()
}

async fn processes_that_start_at_once_agree_on_data_keys(world: World) {
    let other = world.another_process().await;
    let (mine, theirs) = (keys(2, 1), keys(3, 1));
    let (left, right) =
        tokio::join!(world.store.add_missing_data_keys(&mine), other.add_missing_data_keys(&theirs));
    let left = left.unwrap();
    assert_eq!(left, right.unwrap());
    assert_eq!(left, world.store.data_keys().await.unwrap());
    assert!(left == mine || left == theirs, "{left:?}");
}

async fn of_two_that_make_new_data_keys_at_once_one_does_and_no_key_is_half_made(world: World) {
    let other = world.another_process().await;
    let first = world.store.add_missing_data_keys(&keys(2, 1)).await.unwrap();
    let (mine, theirs) = (keys(3, 2), keys(4, 2));
    let (left, right) = tokio::join!(world.store.add_data_keys(&mine), other.add_data_keys(&theirs));
    let refused = [left, right].into_iter().filter_map(Result::err).collect::<Vec<_>>();
    assert!(matches!(refused.as_slice(), [StoreError::Conflict(_)]), "{refused:?}");
    let stored = world.store.data_keys().await.unwrap();
    let (old, new) = stored.split_at(first.len());
    assert_eq!(old, first);
    assert!(new == mine || new == theirs, "{new:?}");
}

async fn a_data_key_is_wrapped_again_once_whoever_tries(world: World) {
    let other = world.another_process().await;
    let key = world.store.add_missing_data_keys(&keys(2, 1)).await.unwrap().remove(0);
    let (left, right) = tokio::join!(
        world.store.rewrap_data_key(key.id, "k1", ("k2", b"left")),
        other.rewrap_data_key(key.id, "k1", ("k2", b"right"))
    );
    let (left, right) = (left.unwrap(), right.unwrap());
    assert!(left != right, "one of them did");
    let stored = world.store.data_keys().await.unwrap().remove(0);
    let wrapped: &[u8] = if left { b"left" } else { b"right" };
    assert_eq!((stored.kek_id.as_str(), stored.wrapped.as_slice()), ("k2", wrapped));
    assert_eq!(stored, DataKey { kek_id: "k2".into(), wrapped: wrapped.into(), ..key });
}

async fn the_secret_key_that_was_taken_up_last_has_the_last_turn(world: World) {
    let order = async || -> Vec<String> {
        let turns = world.store.secret_keys().await.unwrap();
        turns.into_iter().map(|turn| turn.kek_id).collect()
    };
    for kek_id in ["a", "b", "a", "b"] {
        world.store.take_secret_key(kek_id, false, at(1)).await.unwrap();
    }
    assert_eq!(order().await, ["b", "a"]);
    world.store.take_secret_key("a", true, at(2)).await.unwrap();
    assert_eq!(order().await, ["a", "b"]);
    let before = world.store.secret_keys().await.unwrap();
    world.store.take_secret_key("a", true, at(3)).await.unwrap();
    assert_eq!(world.store.secret_keys().await.unwrap(), before);
}

fn secret(version: u32) -> StoredSecret {
    let sealed = format!("sealed {version}").into_bytes();
    StoredSecret { name: "webhook/x".into(), version, sealed, created_at: at(version.into()) }
}

async fn a_secret_has_a_current_version_and_keeps_those_before_as_long_as_wanted(world: World) {
    let (first, second, third) = (secret(1), secret(2), secret(3));
    let change = |change| world.store.change_secret("webhook/x", change);
    change(SecretChange::Set { secret: &first, oldest: 1 }).await.unwrap();
    change(SecretChange::Set { secret: &second, oldest: 1 }).await.unwrap();
    assert_eq!(world.store.secrets().await.unwrap(), [second.clone(), first.clone()]);
    let late = change(SecretChange::Set { secret: &second, oldest: 2 }).await;
    assert!(matches!(late, Err(StoreError::Conflict(_))), "{late:?}");
    assert_eq!(world.store.secrets().await.unwrap(), [second.clone(), first.clone()]);
    change(SecretChange::Set { secret: &third, oldest: 2 }).await.unwrap();
    assert_eq!(world.store.secrets().await.unwrap(), [third.clone(), second.clone()]);
    assert_eq!(change(SecretChange::DropPrevious { current: 3 }).await.unwrap(), 1);
    assert_eq!(world.store.secrets().await.unwrap(), std::slice::from_ref(&third));
    assert_eq!(change(SecretChange::Remove).await.unwrap(), 1);
    assert_eq!(change(SecretChange::Remove).await.unwrap(), 0);
}

async fn all_that_is_sealed_can_be_walked_in_steps(mut world: World) {
    for seconds in 1..=5 {
        world.fire(seconds, vec![firing("DiskFull", "db1")]).await;
    }
    world.channel("ops").await;
    let mut rows = Vec::new();
    let mut after = String::new();
    loop {
        let found = world.store.sealed(SealedColumn::Request, &after, 2).await.unwrap();
        let Some(last) = found.last() else { break };
        after = last.row.clone();
        rows.extend(found);
    }
    assert_eq!(rows.len(), 5);
    assert!(rows.is_sorted_by(|a, b| a.row < b.row), "{rows:?}");
    assert!(rows.iter().all(|value| value.sealed.starts_with(format!("sealed {}", value.row).as_bytes())));
    let channels = world.store.sealed(SealedColumn::ChannelSettings, "", 10).await.unwrap();
    assert_eq!(channels[0].sealed, b"sealed ops");
    for column in SealedColumn::ALL {
        world.store.sealed(column, "", 10).await.unwrap();
    }
}
