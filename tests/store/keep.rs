//! What operators keep: API keys, channels.

use domain::id::{ChannelId, KeyId, Mint as _};
use domain::key::ApiKey;
use store::StoreError;

use crate::fixture::{World, at, on_every_database};

on_every_database! {
    api_key_is_found_by_its_digest_only,
    revoked_key_keeps_the_time_it_was_revoked_first,
    last_use_of_a_key_never_goes_back,
    channels_are_unique_by_name,
}

fn api_key(world: &mut World, name: &str) -> ApiKey {
    ApiKey {
        id: KeyId::mint(&mut world.mint),
        name: name.into(),
        prefix: "wbk_0123".into(),
        allowed_endpoints: vec!["/alerts/webhook/".into()],
        manage: true,
        created_at: at(0),
        expires_at: Some(at(900)),
        revoked_at: None,
        last_used_at: None,
    }
}

async fn api_key_is_found_by_its_digest_only(mut world: World) {
    let key = api_key(&mut world, "ci");
    world.store.add_api_key(&key, &[7; 32]).await.unwrap();
    assert_eq!(world.store.api_key_by_digest(&[7; 32]).await.unwrap(), Some(key.clone()));
    assert_eq!(world.store.api_key_by_digest(&[8; 32]).await.unwrap(), None);
    let other = api_key(&mut world, "ci");
    let taken = world.store.add_api_key(&other, &[7; 32]).await.unwrap_err();
    assert!(matches!(taken, StoreError::Conflict(_)), "{taken:?}");
    world.store.add_api_key(&other, &[9; 32]).await.unwrap();
    assert_eq!(world.store.api_keys().await.unwrap(), [key, other]);
}

async fn revoked_key_keeps_the_time_it_was_revoked_first(mut world: World) {
    let key = api_key(&mut world, "ci");
    world.store.add_api_key(&key, &[7; 32]).await.unwrap();
    world.store.revoke_api_key(key.id, at(5)).await.unwrap();
    world.store.revoke_api_key(key.id, at(6)).await.unwrap();
    let found = world.store.api_key_by_digest(&[7; 32]).await.unwrap().unwrap();
    assert_eq!(found.revoked_at, Some(at(5)));
    let missing = world.store.revoke_api_key(KeyId::mint(&mut world.mint), at(7)).await.unwrap_err();
    assert!(matches!(missing, StoreError::NotFound(_)), "{missing:?}");
}

async fn last_use_of_a_key_never_goes_back(mut world: World) {
    let key = api_key(&mut world, "ci");
    world.store.add_api_key(&key, &[7; 32]).await.unwrap();
    let unknown = KeyId::from(world.mint.mint());
    world.store.touch_api_keys(&[(key.id, at(9)), (unknown, at(9))]).await.unwrap();
    world.store.touch_api_keys(&[(key.id, at(8))]).await.unwrap();
    world.store.touch_api_keys(&[]).await.unwrap();
    assert_eq!(world.store.api_keys().await.unwrap()[0].last_used_at, Some(at(9)));
}

async fn channels_are_unique_by_name(mut world: World) {
    let ops = world.channel("ops").await;
    let dev = world.channel("dev").await;
    assert_eq!(world.store.channels().await.unwrap(), [dev, ops.clone()]);
    assert_eq!(world.store.channel("ops").await.unwrap(), ops);
    assert_eq!(world.store.channel_settings(ops.id).await.unwrap(), b"sealed ops");
    let twin = domain::delivery::Channel { id: ChannelId::mint(&mut world.mint), ..ops };
    let taken = world.store.add_channel(&twin, b"").await.unwrap_err();
    assert_eq!(taken.to_string(), "there is a channel `ops` already");
    world.store.enable_channel("ops", false).await.unwrap();
    assert!(!world.store.channel("ops").await.unwrap().enabled);
    for missing in [
        world.store.channel("none").await.map(|_| ()),
        world.store.channel_settings(twin.id).await.map(|_| ()),
        world.store.enable_channel("none", true).await,
    ] {
        assert!(matches!(missing, Err(StoreError::NotFound(_))), "{missing:?}");
    }
}
