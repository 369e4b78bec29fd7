//! Hosts: they say that they are there, and are forgotten when they no longer do.

use domain::host::{Host, PluginInForce, PluginSet};
use domain::id::HostId;
use domain::plugin::PluginKind;
use store::{LeftOver, Sign};
use tests::Engine;

use crate::fixture::{Counter, Database, World, at, on_every_database};

on_every_database! {
    host_is_listed_as_it_last_said_until_it_leaves,
    hosts_that_were_not_heard_of_are_taken_off_the_list,
    server_tells_its_time_and_a_file_has_none,
    sign_reaches_another_process_where_signs_are_passed_on,
}

fn host(mint: &mut Counter, name: &str, seconds: i64) -> Host {
    Host {
        id: HostId::mint(mint),
        name: name.to_owned(),
        version: "0.1.0".to_owned(),
        schema: 1,
        plugins: PluginSet::default(),
        started_at: at(seconds),
        seen_at: at(seconds),
    }
}

async fn host_is_listed_as_it_last_said_until_it_leaves(mut world: World) {
    let (a, b) = (host(&mut world.mint, "a", 1), host(&mut world.mint, "b", 2));
    world.store.beat(&a, at(0)).await.unwrap();
    world.store.beat(&b, at(0)).await.unwrap();
    let plugin = PluginInForce {
        kind: PluginKind::Driver,
        name: "grafana".parse().unwrap(),
        digest: "ab".repeat(32),
        grants: vec!["detect".to_owned()],
    };
    let later = Host { plugins: vec![plugin].into(), seen_at: at(9), ..a.clone() };
    world.store.beat(&later, at(0)).await.unwrap();
    assert_eq!(world.store.hosts().await.unwrap(), [later, b.clone()]);
    world.store.leave(a.id).await.unwrap();
    assert_eq!(world.store.hosts().await.unwrap(), [b]);
}

async fn hosts_that_were_not_heard_of_are_taken_off_the_list(mut world: World) {
    let (old, kept, new) =
        (host(&mut world.mint, "old", 1), host(&mut world.mint, "kept", 5), host(&mut world.mint, "new", 9));
    for host in [&old, &kept] {
        world.store.beat(host, at(0)).await.unwrap();
    }
    world.store.beat(&new, at(5)).await.unwrap();
    assert_eq!(world.store.hosts().await.unwrap(), [kept, new]);
}

async fn server_tells_its_time_and_a_file_has_none(world: World) {
    let Database::Server(server) = &world.database else {
        return assert_eq!(world.store.time().await.unwrap(), None);
    };
    let seconds = match server.engine() {
        Engine::Postgres => "SELECT floor(extract(epoch FROM now()))",
        Engine::Mariadb => "SELECT floor(unix_timestamp())",
    };
    let asked = || server.query(seconds)[0][0].parse::<i64>().unwrap();
    let before = asked();
    let told = world.store.time().await.unwrap().unwrap().as_seconds();
    assert!((before..=asked()).contains(&told), "{told}");
}

async fn sign_reaches_another_process_where_signs_are_passed_on(mut world: World) {
    let other = world.another_process().await;
    let sign = Sign { left_over: LeftOver::Deliveries, from: HostId::mint(&mut world.mint) };
    let listener = other.listen().await.unwrap();
    world.store.say(sign).await.unwrap();
    match (listener, &world.database) {
        (Some(mut listener), _) => assert_eq!(listener.hear().await.unwrap(), Some(sign)),
        (None, Database::Server(server)) => assert_ne!(server.engine(), Engine::Postgres),
        (None, Database::Sqlite(_)) => {}
    }
}
