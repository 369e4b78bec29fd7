//! Channels: changed, and taken away.

use domain::delivery::DeliveryStatus;
use domain::run::RunStatus;
use store::{PageRequest, StoreError};

use crate::fixture::{LEASE, World, at, everything, firing, on_every_database};

on_every_database! {
    settings_are_changed_by_who_has_seen_them,
    a_removed_channel_frees_its_name_and_ends_what_waits_for_it,
    channels_come_in_pages_the_newest_first,
}

async fn settings_are_changed_by_who_has_seen_them(mut world: World) {
    let ops = world.channel("ops").await;
    world.store.change_channel(ops.id, b"sealed ops", b"new").await.unwrap();
    assert_eq!(world.store.channel_settings(ops.id).await.unwrap(), b"new");
    let late = world.store.change_channel(ops.id, b"sealed ops", b"other").await;
    assert!(matches!(late, Err(StoreError::Conflict(_))), "{late:?}");
    assert_eq!(world.store.channel_settings(ops.id).await.unwrap(), b"new");
}

#[expect(clippy::cognitive_complexity, reason = "one story, told to its end")]
async fn a_removed_channel_frees_its_name_and_ends_what_waits_for_it(mut world: World) {
    let (ops, dev) = (world.channel("ops").await, world.channel("dev").await);
    world.fire(1, vec![firing("DiskFull", "db1")]).await;
    let run = world.claim(2).await.remove(0);
    world.notify(&run, &[&ops], 3).await;
    world.fire(4, vec![firing("CpuHigh", "db2")]).await;
    let busy = world.claim(5).await.remove(0);
    world.notify(&busy, &[&dev], 6).await;
    let claimed = world.store.claim_deliveries(at(7), LEASE, &[(dev.id, 5)], &mut world.mint).await.unwrap();
    assert_eq!(claimed.len(), 1);

    for channel in [ops.id, dev.id] {
        world.store.remove_channel(channel, at(8)).await.unwrap();
        let again = world.store.remove_channel(channel, at(8)).await;
        assert!(matches!(again, Err(StoreError::NotFound(_))), "{again:?}");
    }
    assert!(world.store.channels().await.unwrap().is_empty());
    assert!(world.store.channel_states().await.unwrap().is_empty());
    assert!(world.store.channel_page(&everything()).await.unwrap().items.is_empty());
    for missing in [
        world.store.channel_settings(ops.id).await.map(|_| ()),
        world.store.channel_state(ops.id).await.map(|_| ()),
        world.store.change_channel(ops.id, b"", b"new").await,
        world.store.enable_channel("ops", true).await,
    ] {
        assert!(matches!(missing, Err(StoreError::NotFound(_) | StoreError::Conflict(_))), "{missing:?}");
    }
    let ended = world.store.run(run.run.run_id).await.unwrap();
    assert_eq!(ended.run.status, RunStatus::Failed);
    let delivery = &ended.deliveries[0];
    assert_eq!((delivery.status, delivery.channel.as_str()), (DeliveryStatus::Dead, "ops"));
    assert_eq!(delivery.error_type.as_deref(), Some("channel_removed"));
    let retried = world.store.retry_delivery(delivery.id, "somebody", at(9)).await;
    assert!(matches!(retried, Err(StoreError::Conflict(_))), "{retried:?}");

    // What a worker has under way is left to it until its lease is over.
    let status = |found: store::RunDetail| found.deliveries[0].status;
    let of = async || status(world.store.run(busy.run.run_id).await.unwrap());
    assert_eq!(of().await, DeliveryStatus::Sending);
    assert_eq!(world.store.give_up_for_removed(at(9)).await.unwrap(), 0);
    let over = claimed[0].lease_until.after(std::time::Duration::from_secs(1));
    assert_eq!(world.store.give_up_for_removed(over).await.unwrap(), 1);
    assert_eq!(of().await, DeliveryStatus::Dead);
    world.channel("ops").await;
}

async fn channels_come_in_pages_the_newest_first(mut world: World) {
    for name in ["a", "b", "c"] {
        world.channel(name).await;
    }
    let page = async |cursor| {
        let page = world.store.channel_page(&PageRequest { limit: 2, cursor }).await.unwrap();
        let names: Vec<String> = page.items.into_iter().map(|state| state.channel.name).collect();
        (names.concat(), page.next)
    };
    let (names, next) = page(None).await;
    assert_eq!((names.as_str(), next.is_some()), ("cb", true));
    assert_eq!(page(next).await, ("a".to_owned(), None));
}
