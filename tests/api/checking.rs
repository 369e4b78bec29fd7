//! `watchbell check` and `watchbell config show`: what an operator is told before the hub serves.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;
use tests::{Home, Hub, Sink};

use crate::driver::Driver;

/// The codes that are found, and whether the command said that all is well.
async fn check(home: &Home, more: &[&str]) -> (Vec<String>, bool, Value) {
    let output = home.cli(&[&["check", "--json"], more].concat()).await;
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let codes = found["findings"].as_array().unwrap().iter();
    let codes = codes.map(|finding| finding["code"].as_str().unwrap().to_owned()).collect();
    (codes, output.status.success(), found)
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn a_hub_that_works_has_nothing_to_say_and_an_empty_folder_what_is_missing() {
    let mut home = Home::new().await.with_local_remotes();
    let (codes, well, found) = check(&home, &[]).await;
    assert_eq!((codes, well), (vec!["W011".to_owned()], true), "{found}");
    assert!(home.database_files().is_empty(), "looking makes no database");

    let sink = Sink::start([]).await;
    home.cli_text(&["migrate"]).await;
    let (codes, well, _) = check(&home, &[]).await;
    assert_eq!((codes, well), (vec!["W005".to_owned(), "W010".to_owned()], true));
    home.create_key(&[]).await;
    home.add_channel("ops", &sink.url()).await;
    let (codes, well, found) = check(&home, &["--deploy"]).await;
    assert!(codes.iter().all(|code| code.starts_with("W02")) && well, "{found}");
    assert!(found.to_string().contains("`RATE_LIMIT_ENABLED` is 0"), "{found}");
    home.set("RATE_LIMIT_ENABLED", "1");
    home.set("AUTH_FAILURE_LIMIT", "60");
    assert!(!check(&home, &["--deploy"]).await.0.contains(&"W026".to_owned()));
    let (codes, _, found) = check(&home, &["--deploy"]).await;
    assert!(codes.contains(&"W002".to_owned()) && found.to_string().contains("Alertmanager"), "{found}");
    home.set("RATE_LIMIT_STATUS", "503");
    assert!(!check(&home, &["--deploy"]).await.0.contains(&"W002".to_owned()));
    let said = home.cli_text(&["check"]).await;
    assert_eq!(said, "0 errors, 0 warnings\n");
    assert_eq!(sink.connections(), 0, "nobody is called");

    for (name, value, code) in [
        ("SECURE_SSL_REDIRECT", "1", "W021"),
        ("SESSION_COOKIE_SECURE", "0", "W022"),
        ("CSRF_COOKIE_SECURE", "0", "W023"),
        ("SECURE_HSTS_SECONDS", "3600", "W024"),
    ] {
        let is_found = async |home: &Home| check(home, &["--deploy"]).await.0.contains(&code.to_owned());
        let before = is_found(&home).await;
        home.set(name, value);
        assert_ne!(is_found(&home).await, before, "{name} decides on {code}");
    }
    home.set("WATCHBELL_BIND", "0.0.0.0:0");
    assert!(check(&home, &["--deploy"]).await.0.contains(&"W020".to_owned()));
    assert!(!check(&home, &[]).await.0.contains(&"W020".to_owned()), "fine on a desk");
}

#[tokio::test]
async fn each_mistake_is_found_under_its_code() {
    let mut hub = Hub::new().await;
    hub.add_channel("ops", "https://hooks.example.com/x").await;
    hub.terminate();
    hub.ended().await;
    let path = hub.path().to_owned();
    std::fs::create_dir(path.join("plugins.d")).unwrap();
    std::fs::write(path.join("plugins.d/acme.wasm"), Driver { name: "acme", ..Driver::default() }.build())
        .unwrap();
    std::fs::write(path.join("plugins.d/broken.wasm"), "not a component").unwrap();
    chmod(&path.join("plugins.d"), 0o777);
    std::fs::write(path.join(".env"), "WATCHBELL_BODY_LIMIT=5\n").unwrap();
    chmod(&path.join(".env"), 0o644);
    hub.set("API_KEY_AUTH_ENABLED", "0");
    hub.set("WATCHBELL_DEBUG", "1");
    hub.set("TRUSTED_PROXIES", "0.0.0.0/0");
    hub.set("WEBHOOK_SECRET_ZABBIX", "x");
    let (codes, well, found) = check(&hub, &[]).await;
    assert!(!well);
    for code in ["W003", "W004", "W006", "W007", "W008", "W009", "W025", "E005", "E007"] {
        assert!(codes.contains(&code.to_owned()), "{code} is missing: {found}");
    }
    let text = found.to_string();
    assert!(text.contains("`WATCHBELL_BODY_LIMIT` (.env) is not a setting"), "{text}");
    assert!(text.contains("broken.wasm") || text.contains("`broken`"), "{text}");

    for file in [".env", "plugins.d/broken.wasm", "plugins.d/acme.wasm"] {
        std::fs::remove_file(path.join(file)).unwrap();
    }
    chmod(&path.join("plugins.d"), 0o755);
    for name in ["API_KEY_AUTH_ENABLED", "WATCHBELL_DEBUG", "TRUSTED_PROXIES", "WEBHOOK_SECRET_ZABBIX"] {
        hub.unset(name);
    }
    assert_eq!(check(&hub, &[]).await.0, Vec::<String>::new());

    std::fs::write(path.join("plugins.toml"), "[notifier.generic]\nenabled = false\n").unwrap();
    let (codes, well, found) = check(&hub, &[]).await;
    assert_eq!((codes, well), (vec!["E006".to_owned()], false), "{found}");
    std::fs::write(path.join("plugins.toml"), "[driver.grafana]\nallow = 1\n").unwrap();
    assert!(check(&hub, &[]).await.0.contains(&"E005".to_owned()));
    std::fs::remove_file(path.join("plugins.toml")).unwrap();

    let key = hub.fresh_secret_key().await;
    let right = hub.setting("WATCHBELL_SECRET_KEY").to_owned();
    hub.set("WATCHBELL_SECRET_KEY", &key);
    assert_eq!(check(&hub, &[]).await.0, ["E004"]);
    hub.set("WATCHBELL_SECRET_KEY", "short");
    hub.set("WATCHBELL_BIND", "nowhere");
    assert_eq!(check(&hub, &[]).await.0, ["E001", "E001"], "all at once");
    hub.set("WATCHBELL_SECRET_KEY", &right);
    hub.set("WATCHBELL_BIND", "127.0.0.1:0");
    hub.set("DATABASE_URL", &format!("sqlite://{}", path.join("plugins.d").display()));
    assert_eq!(check(&hub, &[]).await.0, ["E002"]);
}

#[tokio::test]
async fn notifications_that_were_given_up_on_are_told() {
    let sink = Sink::start([tests::Answer::Status(400, Vec::new())]).await;
    let hub = Home::new().await.with_local_remotes().start().await;
    hub.add_channel("ops", &sink.url()).await;
    let webhook = hub.accept("/alerts/webhook/", &serde_json::json!({ "name": "DiskFull" })).await;
    hub.downstream(webhook["trace_id"].as_str().unwrap()).await;
    let (codes, well, found) = check(&hub, &[]).await;
    assert_eq!((codes, well), (vec!["W028".to_owned(), "W016".to_owned()], true), "{found}");
}

#[tokio::test]
async fn config_show_tells_what_holds_and_where_it_was_said() {
    let mut home = Home::new().await;
    std::fs::write(
        home.path().join(".env"),
        "WATCHBELL_STOP_TIMEOUT_S=7\nWATCHBELL_BIND=10.0.0.1:1\nWEBHOOK_SECRET_GRAFANA=canary-secret\nTYPO=canary-typo\n",
    )
    .unwrap();
    let shown = home.cli_json(&["config", "show", "--json"]).await;
    let setting = |name: &str| {
        let all = shown["settings"].as_array().unwrap();
        let found = all.iter().find(|setting| setting["name"] == name).unwrap();
        (found["value"].as_str().unwrap_or("-").to_owned(), found["from"].as_str().unwrap().to_owned())
    };
    let is = |value: &str, from: &str| (value.to_owned(), from.to_owned());
    assert_eq!(setting("WATCHBELL_STOP_TIMEOUT_S"), is("7", ".env"));
    assert_eq!(setting("WATCHBELL_BIND"), is("127.0.0.1:0", "shell"), "the shell wins");
    assert_eq!(setting("WATCHBELL_READ_TIMEOUT_S"), is("30", "default"));
    assert_eq!(setting("WEBHOOK_SECRET_GRAFANA"), is("(set, not shown)", ".env"));
    let text = home.cli_text(&["config", "show"]).await;
    assert!(text.contains("not a setting, so it has no effect"), "{text}");
    assert!(!text.contains("canary") && !shown.to_string().contains("canary"), "{text}");
    assert!(!text.contains(home.setting("WATCHBELL_SECRET_KEY")));

    home.unset("WATCHBELL_SECRET_KEY");
    let output = home.cli(&["config", "show"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("WATCHBELL_READ_TIMEOUT_S"),
        "shown all the same"
    );
    assert!(String::from_utf8_lossy(&output.stderr).contains("watchbell secrets generate"));
}

#[tokio::test]
async fn whatever_would_stop_the_start_is_found() {
    // One folder: plugins are compiled once.
    let mut home = Home::new().await;
    for (name, value) in [
        ("TLS_CERT", "missing.pem"),
        ("CACHE_URL", "redis://cache/nodatabase"),
        ("SSRF_ALLOWED_HOSTS", "10.0.0.0/99"),
        ("WATCHBELL_LOG", "=a="),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:99999"),
    ] {
        home.set(name, value);
        if name == "TLS_CERT" {
            home.set("TLS_KEY", value);
        }
        let (codes, well, found) = check(&home, &[]).await;
        assert!(codes.contains(&"E001".to_owned()) && !well, "{name}: {found}");
        let message = found["findings"][0]["message"].as_str().unwrap();
        assert!(message.contains(&format!("`{name}`")), "{message}");
        let started = home.cli(&["serve"]).await;
        let said = String::from_utf8_lossy(&started.stderr).into_owned();
        assert!(!started.status.success() && said.contains(message), "{name}: {said}");
        home.unset(name);
        home.unset("TLS_KEY");
    }
    home.set("INTELLIGENCE_PROVIDER", "nobody");
    assert!(check(&home, &[]).await.0.contains(&"W027".to_owned()));
    home.unset("INTELLIGENCE_PROVIDER");
    home.set("DATABASE_URL", "sqlite://nowhere/hub.sqlite3");
    assert_eq!(check(&home, &[]).await.0, ["E002"]);
    std::fs::write(home.path().join(".env"), "NO SETTING\n").unwrap();
    let (codes, well, found) = check(&home, &[]).await;
    assert_eq!((codes, well), (vec!["E001".to_owned()], false), "{found}");
}
