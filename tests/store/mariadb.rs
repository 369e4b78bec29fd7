//! What is MariaDB's own: who is let in, what is asserted, migrating, and what becomes of us when it goes away.

use std::time::Duration;

use store::{Ingested, Options, Store, StoreError};
use tests::{DatabaseServer, Engine, PATIENCE, Proxy, wait_for};
use url::Url;

use crate::fixture::{Database, World, at, everything, firing};

/// A store on a migrated server of its own.
async fn world() -> Option<World> {
    Some(World::new(Database::Server(DatabaseServer::start_private(Engine::Mariadb)?)).await)
}

fn server(world: &mut World) -> &mut DatabaseServer {
    match &mut world.database {
        Database::Server(server) => server,
        Database::Sqlite(_) => unreachable!("it is a server"),
    }
}

async fn refused(url: &Url) -> StoreError {
    let options = Options { busy_timeout: Duration::from_secs(2), ..Options::default() };
    Store::open(url.as_str(), options).await.unwrap_err()
}

/// An error with what is beneath it, as people are shown it.
fn in_full(error: &StoreError) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    format!("{error}: {source}")
}

#[tokio::test]
async fn who_is_not_let_in_is_told_why_and_never_the_password() {
    let Some(server) = DatabaseServer::start_private(Engine::Mariadb) else { return };
    let good: Url = server.url().parse().unwrap();
    let password = good.password().unwrap().to_owned();
    server.query("CREATE USER 'guest'@'%' IDENTIFIED BY 'guest'");
    let changed = |change: fn(&mut Url)| {
        let mut url = good.clone();
        change(&mut url);
        url
    };
    let cases = [
        (changed(|url| url.set_password(Some("wrong-8812")).unwrap()), "does not let `watchbell` in"),
        (changed(|url| url.set_path("nowhere")), "has no database `nowhere`"),
        (changed(|url| url.set_path("")), "names no database"),
        (
            changed(|url| {
                url.set_username("guest").unwrap();
                url.set_password(Some("guest")).unwrap();
            }),
            "`guest` is not permitted to use database `watchbell`",
        ),
        (changed(|url| url.set_query(Some("ssl-mode=unheard-of"))), "the database address cannot be used"),
    ];
    for (url, expected) in cases {
        let error = refused(&url).await;
        assert!(matches!(error, StoreError::Setting(_)), "{error:?}");
        let text = in_full(&error);
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains(&password) && !text.contains("wrong-8812"), "{text}");
    }
    let encrypted = changed(|url| url.set_query(Some("ssl-mode=required")));
    let away = changed(|url| url.set_port(Some(1)).unwrap());
    for (url, expected) in [(encrypted, "TLS"), (away, "127.0.0.1:1")] {
        let text = in_full(&refused(&url).await);
        assert!(text.contains(expected) && !text.contains(&password), "{text}");
    }
}

#[tokio::test]
async fn a_server_that_may_lose_what_it_was_given_is_refused() {
    let Some(server) = DatabaseServer::start_private(Engine::Mariadb) else { return };
    let url: Url = server.url().parse().unwrap();
    let cases = [
        ("innodb_flush_log_at_trx_commit", "2", "1", "`innodb_flush_log_at_trx_commit` = `1`, found `2`"),
        ("max_allowed_packet", "1048576", "16777216", "`max_allowed_packet` of at least 16777216 bytes"),
    ];
    for (setting, bad, good, expected) in cases {
        server.query(&format!("SET GLOBAL {setting} = {bad}"));
        let error = refused(&url).await;
        assert!(matches!(&error, StoreError::Setting(text) if text.contains(expected)), "{error:?}");
        assert!(error.to_string().contains("\nhint: "), "{error}");
        server.query(&format!("SET GLOBAL {setting} = {good}"));
        Store::open(url.as_str(), Options::default()).await.unwrap().close().await;
    }
    server.query("SET GLOBAL read_only = 1");
    let error = refused(&url).await;
    assert!(error.is_unavailable() && in_full(&error).contains("read-only"), "{error:?}");
}

#[tokio::test]
async fn a_migration_that_was_cut_off_is_begun_anew() {
    let Some(server) = DatabaseServer::start_private(Engine::Mariadb) else { return };
    // As far as a host came that was ended in the middle: what it defined is there, and not recorded.
    let text = include_str!("../../migrations/mysql/0001_start.sql");
    let (cut, _) = text.split_at(text.find("-- Configured destinations").unwrap());
    server.query(cut);
    let store = Store::open(&server.url(), Options::default()).await.unwrap();
    assert_eq!(store.migrate(at(0)).await.unwrap().len(), 1);
    assert_eq!(store.routes().await.unwrap().routes.len(), 2);
    assert!(store.migrate(at(0)).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_batch_of_large_requests_fits_into_what_the_server_takes() {
    let Some(mut world) = world().await else { return };
    let mut writes: Vec<_> = (0..24).map(|n| world.webhook(n, vec![firing("DiskFull", "db1")])).collect();
    for write in &mut writes {
        write.sealed_request = vec![7; 1 << 20];
    }
    // One at the largest limit of bodies has a transaction of its own.
    writes.push(world.webhook(30, vec![firing("DiskFull", "db1")]));
    writes[24].sealed_request = vec![7; 11 << 20];
    let results = world.ingest(&writes).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(world.store.inbox_request(writes[24].run_id).await.unwrap(), writes[24].sealed_request);
}

#[tokio::test]
async fn a_server_that_comes_back_is_used_again() {
    let Some(mut world) = world().await else { return };
    world.fire(1, vec![firing("DiskFull", "db1")]).await;
    server(&mut world).kill();
    let write = world.webhook(2, vec![firing("DiskFull", "db2")]);
    let results = world.ingest(&[write]).await;
    assert!(results[0].as_ref().is_err_and(StoreError::is_unavailable), "{results:?}");
    server(&mut world).restart();
    let write = world.webhook(3, vec![firing("DiskFull", "db3")]);
    wait_for("it is used again", PATIENCE, async || {
        let results = world.store.ingest(std::slice::from_ref(&write), &mut world.mint, at(3)).await;
        matches!(results.as_slice(), [Ok(Ingested::Stored { .. })]).then_some(())
    })
    .await;
    let found = world.store.alerts(&store::AlertFilter::default(), &everything()).await.unwrap().items;
    assert_eq!(found.len(), 2);
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_looked_up() {
    let Some(mut world) = world().await else { return };
    let proxy = Proxy::start(server(&mut world).address()).await;
    let url = server(&mut world).url_by(proxy.port());
    world.store = Store::open(&url, Options::default()).await.unwrap();
    world.fire(1, vec![firing("DiskFull", "db1")]).await;
    proxy.lose_answers();
    let write = world.webhook(2, vec![firing("DiskFull", "db2")]);
    let results = world.ingest(std::slice::from_ref(&write)).await;
    assert!(matches!(results.as_slice(), [Ok(Ingested::Stored { .. })]), "{results:?}");
    proxy.lose_commits();
    let write = world.webhook(3, vec![firing("DiskFull", "db3")]);
    let results = world.ingest(std::slice::from_ref(&write)).await;
    assert!(results[0].as_ref().is_err_and(StoreError::is_unavailable), "{results:?}");
    proxy.pass();
    let found = world.store.alerts(&store::AlertFilter::default(), &everything()).await.unwrap().items;
    let mut names: Vec<_> = found.iter().map(|alert| alert.fingerprint.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["DiskFull-db1", "DiskFull-db2"]);
}
