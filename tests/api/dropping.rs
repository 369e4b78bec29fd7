//! What is put into the plugin directory, or said in `plugins.toml`, while the hub runs.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rustix::process::Signal;
use tests::{Home, Hub, PATIENCE, wait_for};
use tokio::task::JoinSet;

use crate::driver::Driver;
use crate::notifier::Notifier;

/// What is built in and not needed here: compiling it would be most of these tests.
const OFF: &str = "\
driver.alertmanager.enabled = false\ndriver.datadog.enabled = false\ndriver.grafana.enabled = false\n\
driver.newrelic.enabled = false\ndriver.opsgenie.enabled = false\ndriver.pagerduty.enabled = false\n\
driver.zabbix.enabled = false\ndriver.generic.enabled = false\nnotifier.email.enabled = false\n\
notifier.slack.enabled = false\nnotifier.pagerduty.enabled = false\nnotifier.generic.enabled = false\n\
provider.claude.enabled = false\nprovider.copilot.enabled = false\nprovider.gemini.enabled = false\n\
provider.grok.enabled = false\nprovider.local.enabled = false\nprovider.mistral.enabled = false\n\
provider.ollama.enabled = false\nprovider.openai.enabled = false\n";

/// How many requests are under way at a time while drivers are swapped.
const CONNECTIONS: usize = 64;
/// How often.
const SWAPS: usize = 100;

/// A driver that reads one alert from anything.
fn driver(name: &'static str) -> Vec<u8> {
    Driver { name, ..Driver::default() }.build()
}

/// One that says of anything that it means nothing, which tells it from the other.
fn quiet(name: &'static str) -> Vec<u8> {
    let parse = "(i32.store8 offset=4 (i32.const $PARSED) (i32.const 1)) (i32.const $PARSED)";
    Driver { name, ..Driver::parsing(parse) }.build()
}

/// A hub without built-in plugins, with these lines more in its `plugins.toml`.
async fn home(more: &str) -> Home {
    let home = Home::new().await;
    std::fs::create_dir(home.path().join("plugins.d")).unwrap();
    say(&home, more);
    home
}

/// Puts a file in place of `plugins.toml`.
fn say(home: &Home, more: &str) {
    std::fs::write(home.path().join("plugins.toml"), format!("{OFF}{more}")).unwrap();
}

fn file(home: &Home, name: &str) -> PathBuf {
    home.path().join("plugins.d").join(name)
}

/// Puts a file in place of another as a whole.
fn put(home: &Home, name: &str, bytes: &[u8]) {
    let aside = file(home, "aside.part");
    std::fs::write(&aside, bytes).unwrap();
    std::fs::rename(aside, file(home, name)).unwrap();
}

/// What the hub makes of a webhook for this driver.
async fn outcome(hub: &Hub, name: &str) -> String {
    let reply = hub.post(&format!("/alerts/webhook/{name}/"), "{}").await;
    if reply.status == 202 {
        reply.json()["outcome"].as_str().unwrap().to_owned()
    } else {
        reply.status.to_string()
    }
}

/// Waits until webhooks for this driver end so.
async fn comes_to(hub: &Hub, name: &str, wanted: &str) {
    let look = async || (outcome(hub, name).await == wanted).then_some(());
    wait_for(&format!("`{name}` to end as {wanted}"), PATIENCE, look).await;
}

/// How many lines have this in them.
fn count(hub: &Hub, text: &str) -> usize {
    hub.log().lines().iter().filter(|line| line.contains(text)).count()
}

#[tokio::test]
async fn a_driver_comes_changes_and_goes_without_a_restart() {
    let home = home("").await;
    let hub = home.clone().start().await;
    assert_eq!(outcome(&hub, "acme").await, "404");
    // As a copy does: no rename, so that it has to rest first.
    std::fs::write(file(&home, "acme.wasm"), driver("acme")).unwrap();
    comes_to(&hub, "acme", "parsed").await;
    put(&home, "acme.wasm", &quiet("acme"));
    comes_to(&hub, "acme", "ignored").await;
    put(&home, "other.wasm", &driver("other"));
    comes_to(&hub, "other", "parsed").await;
    std::fs::remove_file(file(&home, "acme.wasm")).unwrap();
    comes_to(&hub, "acme", "404").await;
    let gone = hub.post("/alerts/webhook/acme/", "{}").await;
    assert!(gone.text().contains("other"), "the known are named: {}", gone.text());
    hub.log().wait("driver `acme` went away with its file").await;
    // It counts on: no two generations of a driver have one number.
    put(&home, "acme.wasm", &driver("acme"));
    comes_to(&hub, "acme", "parsed").await;
    hub.log().wait("driver `acme` runs as generation 3").await;
}

#[tokio::test]
async fn bad_files_change_nothing_that_runs_and_are_explained_once() {
    let home = home("").await;
    let whole = driver("acme");
    put(&home, "acme.wasm", &whole);
    let hub = home.clone().start().await;
    assert_eq!(outcome(&hub, "acme").await, "parsed");

    put(&home, "acme.wasm", &whole[..whole.len() / 2]);
    hub.log().wait("driver `acme` out; generation 1 goes on").await;
    put(&home, "acme.wasm", b"no component");
    hub.log().wait("`acme` is not WebAssembly").await;
    put(&home, "acme.wasm", &driver("other"));
    hub.log().wait("`acme` calls itself `other`").await;

    put(&home, "Acme.wasm", &whole);
    put(&home, "acme.WASM", &whole);
    put(&home, "grafana.wasm", &whole);
    put(&home, "large.wasm", &vec![0; (32 << 20) + 1]);
    let outside = home.path().join("outside.wasm");
    std::fs::write(&outside, driver("link")).unwrap();
    symlink(&outside, file(&home, "link.wasm")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(file(&home, "pipe.wasm")).status().unwrap().success());
    std::fs::create_dir(file(&home, "folder.wasm")).unwrap();
    put(&home, "locked.wasm", &driver("locked"));
    std::fs::set_permissions(file(&home, "locked.wasm"), std::fs::Permissions::from_mode(0o000)).unwrap();
    // Who may read everything reads that too.
    let is_readable = std::fs::read(file(&home, "locked.wasm")).is_ok();
    let mut explained = vec![
        ("Acme.wasm", "a plugin name is"),
        ("acme.WASM", "second file for the name `acme`"),
        ("grafana.wasm", "taken by a built-in plugin"),
        ("large.wasm", "a component may have 33554432"),
        ("link.wasm", "leads out of the plugin directory"),
        ("pipe.wasm", "not a regular file"),
        ("folder.wasm", "not a regular file"),
    ];
    if is_readable {
        comes_to(&hub, "locked", "parsed").await;
    } else {
        explained.push(("locked.wasm", "cannot be read"));
    }
    for (name, why) in &explained {
        let told = async || {
            hub.log().lines().iter().any(|line| line.contains(name) && line.contains(why)).then_some(())
        };
        wait_for(&format!("`{name}`: {why}"), PATIENCE, told).await;
    }
    assert_eq!(outcome(&hub, "acme").await, "parsed", "what ran before runs on");
    // Other files are looked at again and again meanwhile.
    put(&home, "last.wasm", &driver("last"));
    comes_to(&hub, "last", "parsed").await;
    for (name, why) in &explained {
        let lines = hub.log().lines();
        let told = lines.iter().filter(|line| line.contains(name) && line.contains(why)).count();
        assert_eq!(told, 1, "`{name}` is explained once");
    }
}

#[tokio::test]
async fn plugins_toml_is_followed_and_refused_whole_where_a_line_is_not_understood() {
    let home = home("").await;
    put(&home, "acme.wasm", &driver("acme"));
    let hub = home.clone().start().await;
    assert_eq!(outcome(&hub, "acme").await, "parsed");

    say(&home, "[driver.acme]\nenabled = false\n");
    comes_to(&hub, "acme", "404").await;
    say(&home, "[driver.acme]\nenabled = true\n[driver.acme.limits]\nalerts = \"many\"\n");
    let refused = hub.log().wait("plugins.toml stays as it was").await;
    assert!(refused.contains("line 24"), "{refused}");
    assert_eq!(outcome(&hub, "acme").await, "404", "nothing of a refused file counts");
    say(&home, "[driver.acme.limits]\ninput_bytes = 1\n");
    hub.log().wait("plugins.toml is understood again").await;
    // The limit holds, and nothing was compiled for it.
    comes_to(&hub, "acme", "quarantined").await;
    assert_eq!(count(&hub, "driver `acme`: compiled"), 1);

    // A pin that does not fit: what runs goes on, and that is said.
    let pin = "0".repeat(64);
    say(&home, &format!("[driver.acme]\nsha256 = \"{pin}\"\n"));
    hub.log().wait("`sha256` is 0000").await;
    assert_eq!(outcome(&hub, "acme").await, "quarantined");
    say(&home, "[policy]\nunpinned = \"refuse\"\n");
    comes_to(&hub, "acme", "404").await;
    hub.log().wait("watchbell plugin approve acme").await;
}

#[tokio::test]
async fn a_hang_up_has_the_plugins_looked_at_again() {
    let home = home("").await;
    let hub = home.clone().start().await;
    let looks = || count(&hub, "looking at the plugins again");
    let before = looks();
    hub.signal(Signal::HUP);
    wait_for("another look", PATIENCE, async || (looks() > before).then_some(())).await;
    assert_eq!(outcome(&hub, "acme").await, "404", "it goes on serving");
}

#[tokio::test]
async fn a_dropped_notifier_waits_for_its_grants() {
    let home = home("").await;
    let hub = home.clone().start().await;
    put(&home, "subject.wasm", &Notifier { hosts: 1, ..Notifier::default() }.build());
    let line = hub.log().wait("waits for approval").await;
    for part in ["notifier `subject`", "to reach https://example.com", "watchbell plugin approve subject"] {
        assert!(line.contains(part), "{line}");
    }
    let known = hub.get("/notify/drivers/").await.text();
    assert!(!known.contains("subject"), "{known}");
}

#[tokio::test]
async fn a_secret_keeps_a_driver_out_that_it_would_not_protect() {
    let home = Home::new().await.with("WEBHOOK_SECRET_GRAFANA", "canary-secret-of-grafana");
    let others = OFF.replace("driver.grafana.enabled = false\n", "");
    std::fs::write(home.path().join("plugins.toml"), &others).unwrap();
    let hub = home.clone().start().await;
    assert_eq!(outcome(&hub, "grafana").await, "403", "it is not signed");
    // A driver of one's own in its place, which knows no signature.
    std::fs::write(home.path().join("own.wasm"), driver("grafana")).unwrap();
    let own = format!("{others}[driver.grafana]\nfile = \"own.wasm\"\n");
    std::fs::write(home.path().join("plugins.toml"), own).unwrap();
    let line = hub.log().wait("driver `grafana` out; generation 1 goes on").await;
    assert!(line.contains("`WEBHOOK_SECRET_GRAFANA` would not protect"), "{line}");
    assert_eq!(outcome(&hub, "grafana").await, "403", "nothing gets in unsigned");
}

#[tokio::test]
async fn no_request_fails_while_drivers_are_swapped() {
    let home = home("").await;
    let builds = [quiet("acme"), driver("acme")];
    put(&home, "acme.wasm", &builds[1]);
    let hub = Arc::new(home.clone().start().await);
    let is_over = Arc::new(AtomicBool::new(false));
    let mut callers = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (hub, is_over) = (Arc::clone(&hub), Arc::clone(&is_over));
        callers.spawn(async move {
            let mut ends = BTreeMap::new();
            while !is_over.load(Relaxed) {
                *ends.entry(outcome(&hub, "acme").await).or_insert(0_u32) += 1;
            }
            ends
        });
    }
    for number in 0..SWAPS {
        put(&home, "acme.wasm", &builds[number % 2]);
        hub.log().wait(&format!("driver `acme` runs as generation {}:", number + 2)).await;
    }
    is_over.store(true, Relaxed);
    let mut ends = BTreeMap::new();
    for (end, count) in callers.join_all().await.into_iter().flatten() {
        *ends.entry(end).or_insert(0) += count;
    }
    // One build reads an alert from anything, the other says that it means nothing; nothing else happens.
    assert_eq!(ends.keys().collect::<Vec<_>>(), ["ignored", "parsed"], "{ends:?}");
    let metrics = hub.get("/metrics").await.text();
    let generation = format!("watchbell_plugin_generation{{kind=\"driver\",plugin=\"acme\"}} {}", SWAPS + 1);
    assert!(metrics.contains(&generation), "{metrics}");
}
