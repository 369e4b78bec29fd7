//! `watchbell migrate`, on every database.

use serde_json::json;
use tests::{DatabaseServer, Engine, Home};

/// Looks first, migrates, and does nothing more; then another build was here.
async fn check(server: Option<&DatabaseServer>) {
    let mut home = Home::new().await;
    if let Some(server) = server {
        home.set("DATABASE_URL", &server.url());
    }
    let would = json!({ "applied": false, "migrations": [{ "number": 1, "name": "start" }] });
    assert_eq!(home.cli_json(&["migrate", "--dry-run", "--json"]).await, would);
    assert_eq!(home.cli_text(&["migrate", "--dry-run"]).await, "would apply 0001 start\n");
    let text = home.cli_text(&["migrate", "--dry-run", "--sql"]).await;
    assert!(text.starts_with("-- would apply 0001 start\n") && text.contains("CREATE TABLE"), "{text}");
    let shown = home.cli_json(&["migrate", "--dry-run", "--sql", "--json"]).await;
    assert!(shown["migrations"][0]["sql"].as_str().unwrap().contains("CREATE TABLE"), "{shown}");
    assert!(home.database_files().is_empty(), "looking makes no database");

    assert_eq!(home.cli_text(&["migrate"]).await, "applied 0001 start\n");
    assert_eq!(home.cli_text(&["migrate"]).await, "nothing to do\n");
    let nothing = json!({ "applied": true, "migrations": [] });
    assert_eq!(home.cli_json(&["migrate", "--json"]).await, nothing);

    if let Some(server) = server {
        server.query("UPDATE schema_migration SET checksum = 'other'");
        for arguments in [&["migrate"] as &[&str], &["migrate", "--dry-run"]] {
            let refused = home.cli(arguments).await;
            let text = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert_eq!(refused.status.code(), Some(1), "{text}");
            assert!(text.contains("recorded with another checksum") && text.contains("hint: "), "{text}");
        }
    }
}

#[tokio::test]
async fn migrate_says_and_does_what_is_missing_on_sqlite() {
    check(None).await;
}

#[tokio::test]
async fn migrate_says_and_does_what_is_missing_on_postgres() {
    if let Some(server) = DatabaseServer::start(Engine::Postgres) {
        check(Some(&server)).await;
    }
}

#[tokio::test]
async fn migrate_says_and_does_what_is_missing_on_mariadb() {
    if let Some(server) = DatabaseServer::start(Engine::Mariadb) {
        check(Some(&server)).await;
    }
}
