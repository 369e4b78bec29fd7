//! `watchbell plugin inspect|check`, and the cache of compiled plugins.

use std::path::Path;

use serde_json::json;
use tests::Home;

use crate::driver::Driver;

fn acme() -> Vec<u8> {
    Driver { name: "acme", ..Driver::default() }.build()
}

/// A folder without a secret key, and with these files alone.
async fn without_secrets(files: &[(&str, &[u8])]) -> Home {
    let mut home = Home::cold().await;
    home.unset("WATCHBELL_SECRET_KEY");
    for (name, bytes) in files {
        std::fs::write(home.path().join(name), bytes).unwrap();
    }
    home
}

/// What a command prints that ends with an error: standard output and standard error.
async fn refused(home: &Home, arguments: &[&str]) -> (String, String) {
    let output = home.cli(arguments).await;
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn check_says_every_step_of_loading_and_needs_no_secrets() {
    let home = without_secrets(&[("acme.wasm", &acme())]).await;
    let said = home.cli_text(&["plugin", "check", "acme.wasm"]).await;
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("driver acme: ") && lines[0].contains("sha256"), "{said}");
    for (line, text) in
        lines[1..].iter().zip(["fit version 0.1.0", "compiled to", "version 1.0.0", "types of", "sample"])
    {
        assert!(line.contains(text), "{text}: {said}");
    }
    assert_eq!(lines.last(), Some(&"ok"));
    let left: Vec<_> =
        std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["acme.wasm"], "neither a database nor a cache was made");
}

#[tokio::test]
async fn check_ends_with_the_error_of_the_loader() {
    let whole = acme();
    let home = without_secrets(&[
        ("acme.wasm", &whole),
        ("cut.wasm", &whole[..whole.len() / 2]),
        ("other.wasm", &whole),
    ])
    .await;
    let (_, error) = refused(&home, &["plugin", "check", "cut.wasm"]).await;
    assert!(
        error.contains("`cut` is not a complete WebAssembly component") && error.contains("hint: "),
        "{error}"
    );
    let (said, error) = refused(&home, &["plugin", "check", "other.wasm"]).await;
    assert!(said.contains("compiled to") && !said.contains("ok\n"), "{said}");
    assert!(error.contains("`other` calls itself `acme`"), "{error}");
    home.cli_text(&["plugin", "check", "other.wasm", "--name", "acme"]).await;
    let (_, error) = refused(&home, &["plugin", "check", "acme.wasm", "--kind", "notifier"]).await;
    assert!(error.contains("does not export `watchbell:plugin/notifier@0.1.0`"), "{error}");
    std::fs::write(
        home.path().join("plugins.toml"),
        format!("[driver.acme]\nsha256 = \"{}\"", "0".repeat(64)),
    )
    .unwrap();
    let (_, error) = refused(&home, &["plugin", "check", "acme.wasm"]).await;
    assert!(error.contains("`sha256` is 0000"), "{error}");
}

#[tokio::test]
async fn no_driver_has_the_name_under_which_the_hub_speaks_of_itself() {
    let driver = Driver { name: "watchbell", ..Driver::default() }.build();
    let home = without_secrets(&[("watchbell.wasm", driver.as_slice())]).await;
    let (_, error) = refused(&home, &["plugin", "check", "watchbell.wasm"]).await;
    assert!(error.contains("`watchbell` is that of the hub itself"), "{error}");
}

#[tokio::test]
async fn inspect_tells_what_a_plugin_is_asks_and_may() {
    let home = without_secrets(&[
        ("acme.wasm", acme().as_slice()),
        ("plugins.toml", b"[driver.acme]\ndetect = false\n[driver.acme.limits]\ncpu_ms = 10".as_slice()),
    ])
    .await;
    let found = home.cli_json(&["plugin", "inspect", "acme.wasm", "--json"]).await;
    assert_eq!(
        (&found["name"], &found["kind"], &found["version"]),
        (&json!("acme"), &json!("driver"), &json!("1.0.0"))
    );
    assert_eq!(found["contract"], json!({ "found": "0.1.0", "supported": "0.1.x", "fits": true }));
    assert_eq!(found["size_bytes"], acme().len());
    assert_eq!(found["exports"], json!(["watchbell:plugin/driver@0.1.0"]));
    assert!(found["producers"].to_string().contains("wit-component"), "{found}");
    assert_eq!((&found["limits"]["cpu_ms"], &found["limits"]["wall_ms"]), (&json!(10), &json!(2000)));
    assert_eq!(found["plugins_toml"]["detect"], false);
    let slack = home.cli_json(&["plugin", "inspect", "slack", "--json"]).await;
    assert_eq!((&slack["kind"], &slack["builtin"]), (&json!("notifier"), &json!(true)));
    assert!(slack["asks"]["hosts"].to_string().contains("https://hooks.slack.com"), "{slack}");
    let grafana = home.cli_text(&["plugin", "inspect", "grafana"]).await;
    assert!(grafana.contains("asks.signatures.header") && grafana.contains("x-grafana"), "{grafana}");
    let (_, error) = refused(&home, &["plugin", "inspect", "generic"]).await;
    assert!(error.contains("several plugins are called `generic`"), "{error}");
}

#[tokio::test]
async fn inspect_shows_what_it_can_of_a_broken_file_and_then_the_error() {
    let newer = Driver { version: "0.2.0", name: "acme", ..Driver::default() }.build();
    let home = without_secrets(&[("newer.wasm", newer.as_slice()), ("text.wasm", b"#!/bin/sh")]).await;
    let (said, error) = refused(&home, &["plugin", "inspect", "newer.wasm", "--json"]).await;
    let found: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(found["contract"], json!({ "found": "0.2.0", "supported": "0.1.x", "fits": false }));
    assert_eq!(found["error"]["type"], "load.version");
    assert!(error.contains("built for version 0.2.0") && error.contains("hint: rebuild"), "{error}");
    let (said, error) = refused(&home, &["plugin", "inspect", "text.wasm"]).await;
    assert!(said.contains("size_bytes") && error.contains("`text` is not WebAssembly"), "{said}{error}");
}

/// The cached files with the time of their last change in content.
fn cached(home: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(home.join(".watchbell-cache")).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn second_start_compiles_nothing_and_a_damaged_file_is_compiled_again() {
    let mut hub = Home::cold().await.start().await;
    let compiled =
        |hub: &tests::Hub| hub.log().lines().iter().filter(|line| line.contains("compiled to")).count();
    let first = compiled(&hub);
    assert!(first >= 6, "{:?}", hub.log().lines());
    let files = cached(hub.path());
    hub.kill().await;
    hub.restart().await;
    assert_eq!((compiled(&hub), &cached(hub.path())), (first, &files), "nothing was compiled or written");

    hub.kill().await;
    let (name, bytes) = &files[0];
    std::fs::write(hub.path().join(".watchbell-cache").join(name), &bytes[..bytes.len() - 1]).unwrap();
    hub.restart().await;
    assert_eq!((compiled(&hub), &cached(hub.path())), (first + 1, &files));
    let lines = hub.log().lines();
    let warning = lines.iter().find(|line| line.contains("is ignored and replaced")).unwrap();
    assert!(warning.contains("WARN") && warning.contains(name.as_str()), "{warning}");
}

#[tokio::test]
async fn cache_can_be_turned_off() {
    let mut hub = Home::cold().await.with("WATCHBELL_CACHE_DIR", "off").start().await;
    assert!(!hub.path().join(".watchbell-cache").exists() && !hub.path().join("off").exists());
    hub.kill().await;
}
