//! Opening, migrating, checkpoints, figures.

use store::{Options, Store, StoreError};

use crate::fixture::{Database, World, at, firing, on_every_database};

on_every_database! {
    migrate_applies_each_migration_once,
    processes_that_start_at_once_migrate_once,
    stats_count_rows_and_bytes,
    closed_store_is_unavailable,
}

async fn migrate_applies_each_migration_once(world: World) {
    let database = world.database.another();
    let store = Store::open(&database.url(), Options::default()).await.unwrap();
    let pending = store.pending_migrations().await.unwrap();
    assert_eq!(pending.first().map(|first| (first.number, first.name)), Some((1, "start")));
    assert_eq!(store.migrate(at(0)).await.unwrap(), pending);
    assert!(store.pending_migrations().await.unwrap().is_empty());
    assert!(store.migrate(at(1)).await.unwrap().is_empty());
}

async fn processes_that_start_at_once_migrate_once(world: World) {
    let database = world.database.another();
    let start = || async {
        let store = Store::open(&database.url(), Options::default()).await.unwrap();
        store.migrate(at(0)).await.unwrap().len()
    };
    let (a, b, c) = tokio::join!(start(), start(), start());
    assert_eq!(a + b + c, 1);
}

#[tokio::test]
async fn file_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut world = World::new(Database::sqlite()).await;
    world.fire(1, vec![firing("DiskFull", "db1")]).await;
    let files: Vec<_> = std::fs::read_dir(world.database.folder()).unwrap().map(Result::unwrap).collect();
    assert!(files.len() >= 2, "{files:?}");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
    }
}

#[tokio::test]
async fn addresses_that_promise_nothing_are_refused() {
    let cases = [
        ("oracle://user:secret@db/watchbell", "`postgres:` or `mysql:`, found `oracle`"),
        ("sqlite::memory:", "must name a file"),
        ("sqlite://x.sqlite3?mode=memory", "must name a file"),
        ("sqlite://", "must name a file"),
        ("sqlite:///no/such/folder/x.sqlite3", "check that its folder exists"),
        ("sqlite://x.sqlite3?colour=red", "colour"),
    ];
    for (url, expected) in cases {
        let error = Store::open(url, Options::default()).await.unwrap_err();
        assert!(matches!(error, StoreError::Setting(_)), "{url}: {error:?}");
        let message = error.to_string();
        assert!(message.contains(expected) && !message.contains("secret"), "{url}: {message}");
    }
}

#[tokio::test]
async fn file_that_is_no_database_is_named_corrupt() {
    let fixture = Database::sqlite();
    std::fs::write(fixture.folder().join("watchbell.sqlite3"), "text ".repeat(1000)).unwrap();
    let error = Store::open(&fixture.url(), Options::default()).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
}

#[tokio::test]
async fn checkpoint_moves_the_log_and_begins_it_anew_past_its_bound() {
    let mut world = World::new(Database::sqlite()).await;
    world.fire(1, vec![firing("DiskFull", "db1")]).await;
    let gentle = world.store.checkpoint().await.unwrap();
    assert!(gentle.log_pages > 0 && gentle.moved_pages == gentle.log_pages && !gentle.emptied, "{gentle:?}");

    let options = Options { wal_limit_bytes: 0, ..Options::default() };
    let strict = Store::open(&world.database.url(), options).await.unwrap();
    world.fire(2, vec![firing("DiskFull", "db2")]).await;
    let log = world.database.folder().join("watchbell.sqlite3-wal");
    let length = std::fs::metadata(&log).unwrap().len();
    assert!(strict.checkpoint().await.unwrap().emptied);
    world.fire(3, vec![firing("DiskFull", "db3")]).await;
    assert_eq!(std::fs::metadata(log).unwrap().len(), length);
}

async fn stats_count_rows_and_bytes(mut world: World) {
    world.fire(1, vec![firing("DiskFull", "db1"), firing("DiskFull", "db2")]).await;
    let stats = world.store.stats().await.unwrap();
    let rows = |table| stats.tables.iter().find(|found| found.table == table).unwrap().rows;
    assert_eq!((rows("alert"), rows("incident"), rows("inbox"), rows("run")), (2, 2, 1, 3));
    assert_eq!((rows("route"), rows("delivery")), (2, 0));
    assert!(stats.size_bytes > stats.free_bytes);
    let bytes: u64 = stats.tables.iter().map(|found| found.bytes).sum();
    assert!(stats.tables.iter().all(|found| found.bytes > 0) && bytes <= stats.size_bytes, "{stats:?}");
}

async fn closed_store_is_unavailable(mut world: World) {
    world.store.ping().await.unwrap();
    world.store.close().await;
    assert!(world.store.ping().await.unwrap_err().is_unavailable());
    let write = world.webhook(1, vec![firing("DiskFull", "db1")]);
    let results = world.ingest(&[write.clone(), write]).await;
    assert_eq!(results.len(), 2);
    assert!(results.iter().all(|result| result.as_ref().is_err_and(StoreError::is_unavailable)));
}
