//! Providers of intelligence: one active at most, settings kept, tokens counted by day.

use domain::plugin::Usage;
use domain::time::Timestamp;
use store::StoreError;

use crate::fixture::{World, at, on_every_database};

on_every_database! {
    at_most_one_provider_is_active_and_settings_stay_with_their_provider,
    tokens_are_counted_by_provider_and_day_and_kept_for_a_while,
}

const DAY_S: i64 = 24 * 60 * 60;

async fn at_most_one_provider_is_active_and_settings_stay_with_their_provider(world: World) {
    let store = &world.store;
    let active = async || {
        let providers = store.providers().await.unwrap();
        let active = providers.iter().filter(|provider| provider.active);
        active.map(|provider| provider.name.clone()).collect::<Vec<_>>().join(" ")
    };
    store.set_provider("openai", b"sealed", at(1)).await.unwrap();
    assert_eq!(active().await, "");
    for name in ["openai", "claude", "claude", "openai"] {
        store.activate_provider(name, at(2)).await.unwrap();
        assert_eq!(active().await, name);
    }
    store.set_provider("openai", b"sealed again", at(3)).await.unwrap();
    let providers = store.providers().await.unwrap();
    let settings: Vec<_> = providers.iter().map(|provider| provider.settings.as_deref()).collect();
    assert_eq!((settings, providers[1].updated_at), (vec![None, Some(b"sealed again".as_slice())], at(3)));
    store.remove_provider("openai").await.unwrap();
    assert_eq!(active().await, "");
    let gone = store.remove_provider("openai").await.unwrap_err();
    assert!(matches!(gone, StoreError::NotFound(_)), "{gone}");
}

async fn tokens_are_counted_by_provider_and_day_and_kept_for_a_while(world: World) {
    let store = &world.store;
    let day = |day: i64| Timestamp::from_millis((20_000 + day) * DAY_S * 1000);
    let usage = |input_tokens, output_tokens| Usage { input_tokens, output_tokens };
    for (provider, now, used) in [
        ("openai", day(0), usage(100, 10)),
        ("openai", Timestamp::from_millis(day(1).as_millis() - 1), usage(1, 2)),
        ("claude", day(0), usage(5, 5)),
        ("openai", day(1), usage(7, 0)),
    ] {
        store.add_token_use(provider, used, now).await.unwrap();
    }
    let first = store.token_use(day(0)).await.unwrap();
    assert_eq!((first["openai"], first["claude"], first.len()), (usage(101, 12), usage(5, 5), 2));
    assert_eq!(store.token_use(day(1)).await.unwrap()["openai"], usage(7, 0));
    store.add_token_use("openai", usage(1, 1), day(120)).await.unwrap();
    assert!(store.token_use(day(1)).await.unwrap().is_empty());
}
