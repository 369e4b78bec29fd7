//! What is PostgreSQL's own: who is let in, what is asserted, and what becomes of us when it goes away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use store::{Ingested, Options, Store, StoreError};
use tests::{DatabaseServer, Engine, PATIENCE, Proxy, wait_for};
use tokio::sync::Barrier;
use url::Url;

use crate::fixture::{Counter, Database, World, at, everything, firing};

/// How often two hosts take in the same.
const ROUNDS: i64 = 20;

/// A store on a migrated server of its own.
async fn world() -> Option<World> {
    Some(World::new(Database::Server(DatabaseServer::start_private(Engine::Postgres)?)).await)
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
    let Some(server) = DatabaseServer::start_private(Engine::Postgres) else { return };
    let good: Url = server.url().parse().unwrap();
    let password = good.password().unwrap().to_owned();
    server
        .query("CREATE ROLE guest LOGIN PASSWORD 'guest'; REVOKE CONNECT ON DATABASE watchbell FROM PUBLIC");
    let changed = |change: fn(&mut Url)| {
        let mut url = good.clone();
        change(&mut url);
        url
    };
    let cases = [
        (changed(|url| url.set_password(Some("wrong-8812")).unwrap()), "does not let `watchbell` in"),
        (changed(|url| url.set_path("nowhere")), "has no database `nowhere`"),
        (
            changed(|url| {
                url.set_username("guest").unwrap();
                url.set_password(Some("guest")).unwrap();
            }),
            "`guest` is not permitted to use database `watchbell`",
        ),
        (changed(|url| url.set_query(Some("sslmode=unheard-of"))), "the database address cannot be used"),
    ];
    for (url, expected) in cases {
        let error = refused(&url).await;
        assert!(matches!(error, StoreError::Setting(_)), "{error:?}");
        let text = in_full(&error);
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains(&password) && !text.contains("wrong-8812"), "{text}");
    }
    let away = changed(|url| url.set_port(Some(1)).unwrap());
    let error = refused(&away).await;
    assert!(error.is_unavailable(), "{error:?}");
    let text = in_full(&error);
    assert!(text.contains("127.0.0.1:1") && text.contains("hint: ") && !text.contains(&password), "{text}");
}

#[tokio::test]
async fn a_server_that_may_lose_what_it_was_given_is_refused() {
    let Some(server) = DatabaseServer::start_private(Engine::Postgres) else { return };
    server.query("ALTER DATABASE watchbell SET synchronous_commit = 'off'");
    Store::open(&server.url(), Options::default()).await.unwrap().close().await;
    server.query("ALTER SYSTEM SET full_page_writes = off");
    server.query("SELECT pg_reload_conf()");
    let error = wait_for("the setting is noticed", PATIENCE, async || {
        Store::open(&server.url(), Options::default()).await.err()
    })
    .await;
    assert!(
        matches!(&error, StoreError::Setting(text) if text.contains("`full_page_writes` = `on`")),
        "{error:?}"
    );
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
    let begin = Instant::now();
    while world.ingest(std::slice::from_ref(&write)).await[0].is_err() || world.store.ping().await.is_err() {
        assert!(begin.elapsed() < PATIENCE, "it is not used again");
    }
    let found = world.store.alerts(&store::AlertFilter::default(), &everything()).await.unwrap().items;
    assert_eq!(found.len(), 2);
}

/// A world whose store reaches its server by way of a proxy.
async fn by_way_of_a_proxy() -> Option<(World, Proxy)> {
    let mut world = world().await?;
    let proxy = Proxy::start(server(&mut world).address()).await;
    let url = server(&mut world).url_by(proxy.port());
    world.store = Store::open(&url, Options::default()).await.unwrap();
    Some((world, proxy))
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_looked_up() {
    let Some((mut world, proxy)) = by_way_of_a_proxy().await else { return };
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
    assert_eq!(found[0].received_at.max(found[1].received_at), at(2));
}

/// Alerts that nobody knows yet, then the same once more, in one order or the other.
async fn tell(mut world: World, host: u128, backwards: bool, together: Arc<Barrier>) -> World {
    world.mint = Counter::of_process(host);
    for round in 0..ROUNDS {
        let mut alerts: Vec<_> =
            (0..100).map(|n| firing("DiskFull", &format!("db{}-{n}", round / 2))).collect();
        if backwards {
            alerts.reverse();
        }
        let writes: Vec<_> = alerts.into_iter().map(|alert| world.webhook(round + 1, vec![alert])).collect();
        together.wait().await;
        assert!(world.ingest(&writes).await.iter().all(Result::is_ok));
    }
    world
}

/// Each costs those who wait a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_that_are_told_the_same_at_once_keep_it_once_and_never_deadlock() {
    let Some(left) = world().await else { return };
    let right = World {
        store: left.another_process().await,
        mint: Counter::of_process(5),
        database: Database::sqlite(),
    };
    let together = Arc::new(Barrier::new(2));
    let right = tokio::spawn(tell(right, 7, true, together.clone()));
    let mut left = tokio::spawn(tell(left, 6, false, together)).await.unwrap();
    let right = right.await.unwrap();
    let found = left.store.stats().await.unwrap();
    let rows = |table| found.tables.iter().find(|found| found.table == table).unwrap().rows;
    assert_eq!((rows("alert"), rows("incident"), rows("inbox")), (1000, 1000, 4000));
    left.store.close().await;
    right.store.close().await;
    let count = "SELECT deadlocks FROM pg_stat_database WHERE datname = 'watchbell'";
    assert_eq!(server(&mut left).query(count), [["0"]]);
}
