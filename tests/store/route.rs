//! Routes: kept, changed, counted.

use domain::id::{Mint as _, RouteId};
use domain::route::{Condition, Operator, Route};
use domain::run::Stage;
use domain::time::Timestamp;
use serde_json::json;
use store::{KeptRoute, StoreError};

use crate::fixture::{World, at, catch_all, firing, on_every_database, resolved};

on_every_database! {
    seeded_routes_are_asked_by_priority,
    ties_of_priority_go_to_the_older_route,
    changed_route_keeps_its_count_and_removed_one_is_gone,
    a_run_counts_for_the_route_that_it_takes_once,
    recent_alerts_are_bounded_in_time_and_number,
}

fn databases(world: &mut World) -> Route {
    Route {
        id: RouteId::from(world.mint.mint()),
        name: "databases".into(),
        priority: -5,
        conditions: vec![Condition {
            field: "label:team".into(),
            op: Operator::NotIn,
            value: json!(["a", "b"]),
        }],
        stages: vec![Stage::Notify],
        channels: vec!["ops".into()],
        enabled: false,
    }
}

async fn kept(world: &World, name: &str) -> KeptRoute {
    let routes = world.store.routes().await.unwrap();
    assert!(routes.broken.is_empty(), "{routes:?}");
    routes.routes.into_iter().find(|kept| kept.route.name == name).unwrap()
}

async fn hits(world: &World, name: &str) -> (u64, Option<Timestamp>) {
    let kept = kept(world, name).await;
    (kept.hits, kept.last_hit_at)
}

async fn seeded_routes_are_asked_by_priority(mut world: World) {
    let seeded: Vec<Route> =
        world.store.routes().await.unwrap().routes.into_iter().map(|kept| kept.route).collect();
    let names: Vec<_> = seeded.iter().map(|route| (route.name.as_str(), route.priority)).collect();
    assert_eq!(names, [("resolved-all-clear", 40), ("catch-all", 1000)]);
    assert_eq!(seeded[0].stages, [Stage::Notify]);
    assert_eq!(seeded[0].conditions[0].field, "status");
    assert_eq!(seeded[0].conditions[0].value, "resolved");
    assert_eq!(seeded[1].stages, [Stage::Check, Stage::Analyze, Stage::Notify]);
    assert!(seeded.iter().all(|route| route.enabled && route.channels.is_empty()));

    let route = databases(&mut world);
    world.store.add_route(&route).await.unwrap();
    assert_eq!(world.store.routes().await.unwrap().routes[0].route, route);
    let taken = world.store.add_route(&Route { id: RouteId::from(world.mint.mint()), ..route }).await;
    assert_eq!(taken.unwrap_err().to_string(), "there is a route `databases` already");
}

async fn ties_of_priority_go_to_the_older_route(mut world: World) {
    let first = Route { priority: 1000, name: "a".into(), ..databases(&mut world) };
    let second = Route { priority: 1000, name: "B".into(), ..databases(&mut world) };
    world.store.add_route(&second).await.unwrap();
    world.store.add_route(&first).await.unwrap();
    let found = world.store.routes().await.unwrap().routes;
    let names: Vec<&str> = found.iter().map(|kept| kept.route.name.as_str()).collect();
    // The identifiers of tests are younger than any real one.
    let tied: Vec<&str> = names.into_iter().filter(|name| name.len() == 1).collect();
    assert_eq!(tied, ["a", "B"]);
}

async fn changed_route_keeps_its_count_and_removed_one_is_gone(mut world: World) {
    let route = databases(&mut world);
    world.store.add_route(&route).await.unwrap();
    let changed = Route { name: "dbs".into(), priority: 7, conditions: Vec::new(), enabled: true, ..route };
    world.store.update_route(&changed).await.unwrap();
    assert_eq!(kept(&world, "dbs").await, KeptRoute { route: changed.clone(), hits: 0, last_hit_at: None });
    let twin = Route { name: "catch-all".into(), ..changed.clone() };
    let taken = world.store.update_route(&twin).await.unwrap_err();
    assert_eq!(taken.to_string(), "there is a route `catch-all` already");
    world.store.remove_route(changed.id).await.unwrap();
    for missing in [world.store.remove_route(changed.id).await, world.store.update_route(&changed).await] {
        assert!(matches!(missing, Err(StoreError::NotFound(_))), "{missing:?}");
    }
}

async fn a_run_counts_for_the_route_that_it_takes_once(mut world: World) {
    world.fire(1, vec![firing("DiskFull", "db1")]).await;
    assert_eq!(hits(&world, "catch-all").await, (0, None));
    let run = world.claim(2).await.remove(0);
    world.store.begin_stage(run.claim, Stage::Check, Some(&catch_all()), at(3)).await.unwrap();
    assert_eq!(hits(&world, "catch-all").await, (1, Some(at(3))));
    // The worker is gone; the next begins the stage again, and has nothing to say of the route or the same.
    let run = world.claim(100).await.remove(0);
    assert_eq!(run.run.route.as_deref(), Some("catch-all"));
    world.store.begin_stage(run.claim, Stage::Check, None, at(101)).await.unwrap();
    world.store.begin_stage(run.claim, Stage::Analyze, Some(&catch_all()), at(102)).await.unwrap();
    assert_eq!(hits(&world, "catch-all").await, (1, Some(at(3))));
    // A worker without the lease counts nothing.
    world.claim(1000).await;
    world.fire(1001, vec![firing("DiskFull", "db2")]).await;
    let late = world.claim(1002).await.remove(0);
    world.claim(2000).await;
    let lost = world.store.begin_stage(late.claim, Stage::Check, Some(&catch_all()), at(2001)).await;
    assert!(matches!(lost, Err(StoreError::LeaseLost(_))), "{lost:?}");
    assert_eq!(hits(&world, "catch-all").await.0, 1);
}

async fn recent_alerts_are_bounded_in_time_and_number(mut world: World) {
    world.fire(1, vec![firing("DiskFull", "db1")]).await;
    world.fire(2, vec![firing("DiskFull", "db2")]).await;
    world.fire(9, vec![firing("DiskFull", "db3"), resolved("DiskFull", "db1")]).await;
    let names = async |since, most| {
        let mut names: Vec<String> = world
            .store
            .recent_alerts(at(since), most)
            .await
            .unwrap()
            .into_iter()
            .map(|alert| alert.fingerprint)
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(0, 10).await, ["DiskFull-db1", "DiskFull-db2", "DiskFull-db3"]);
    assert_eq!(names(9, 10).await, ["DiskFull-db1", "DiskFull-db3"]);
    assert_eq!(names(9, 1).await, ["DiskFull-db3"], "one is looked at");
}
