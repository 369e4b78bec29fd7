//! The secret key is replaced: as the documentation says, with several hubs, and cut off on the way.

use std::os::fd::AsFd as _;
use std::path::Path;

use serde_json::{Value, json};
use tests::{Home, Hub, PATIENCE, Sink, wait_for};

const OPERATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/OPERATIONS.md");
const KEY: &str = "WATCHBELL_SECRET_KEY";
const PREVIOUS: &str = "WATCHBELL_SECRET_KEY_PREVIOUS";

/// The lines of the first block of commands below a heading, without comments.
fn drill(heading: &str) -> Vec<String> {
    let text = std::fs::read_to_string(Path::new(OPERATIONS)).unwrap();
    let (_, section) = text.split_once(&format!("\n## {heading}\n")).expect("the section is there");
    let (_, block) = section.split_once("```sh\n").expect("the section has commands");
    let (block, _) = block.split_once("```").unwrap();
    let lines = block.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

async fn status(home: &Home) -> Value {
    home.cli_json(&["secrets", "status", "--verify", "--json"]).await
}

async fn restart(hub: &mut Hub) {
    hub.terminate();
    assert!(hub.ended().await.success());
    hub.restart().await;
}

#[tokio::test]
async fn the_steps_of_the_documentation_replace_the_key() {
    let sink = Sink::start([]).await;
    let mut hub = Home::new().await.with_local_remotes().start().await;
    hub.add_channel("ops", &sink.url()).await;
    let old = hub.setting(KEY).to_owned();
    let mut new = String::new();
    let mut said = Vec::new();
    let mut before = Vec::new();
    for (number, line) in drill("Replace the secret key").into_iter().enumerate() {
        let webhook = hub.accept("/alerts/webhook/", &json!({ "name": format!("Step{number}") })).await;
        before.push(webhook["trace_id"].as_str().unwrap().to_owned());
        if let Some((name, value)) = line.split_once('=').filter(|(name, _)| name.starts_with("WATCHBELL_")) {
            hub.set(name, &value.replace("<old>", &old).replace("<new>", &new));
        } else if line == "systemctl restart watchbell" {
            restart(&mut hub).await;
        } else {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(words[0], "watchbell", "{line}");
            let text = hub.cli_text(&words[1..]).await;
            if line.ends_with("generate") {
                new = text.trim().to_owned();
            }
            said.push((line, text));
        }
    }
    assert_eq!((hub.setting(KEY), hub.setting(PREVIOUS)), (new.as_str(), ""));
    let last = status(&hub).await;
    assert_eq!((&last["left"], &last["verified"]["unreadable"]), (&json!(0), &json!(0)), "{last}");
    assert!(last["verified"]["values"].as_u64().unwrap() > before.len() as u64, "{last}");
    for trace_id in before {
        assert_eq!(hub.downstream(&trace_id).await["status"], "NOTIFIED");
    }
    let verified = said.iter().find(|(line, _)| line.ends_with("--verify")).unwrap();
    assert!(verified.1.contains("0 of ") && verified.1.contains("can go"), "{}", verified.1);
    assert!(said.iter().all(|(line, text)| line.ends_with("generate") || !text.contains(&new)), "{said:?}");
    let metrics = hub.get("/metrics").await.text();
    assert!(metrics.lines().any(|line| line == "watchbell_data_keys_left 0"), "{metrics}");
    hub.set(KEY, &old);
    let refused = hub.cli(&["serve"]).await;
    assert!(String::from_utf8_lossy(&refused.stderr).contains("wrapped under secret key"));
}

/// Codes of `watchbell check` about secret keys.
async fn told(home: &Home) -> Vec<String> {
    let found = home.cli_json(&["check", "--json"]).await;
    let codes = found["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap());
    codes.filter(|code| ["W017", "W018", "W019"].contains(code)).map(str::to_owned).collect()
}

#[tokio::test]
async fn check_says_how_far_it_is_and_when_the_old_key_can_go() {
    let mut home = Home::new().await;
    home.create_key(&[]).await;
    let (old, new) = (home.setting(KEY).to_owned(), home.fresh_secret_key().await);
    home.set(PREVIOUS, &new);
    assert_eq!(told(&home).await, Vec::<String>::new(), "the new key is yet to come");
    home.set(KEY, &new);
    home.set(PREVIOUS, &old);
    assert_eq!(told(&home).await, ["W017"]);
    home.cli_text(&["secrets", "rotate"]).await;
    assert_eq!(told(&home).await, ["W019"]);
    home.unset(PREVIOUS);
    assert_eq!(told(&home).await, Vec::<String>::new());

    home.set(KEY, &old);
    home.set(PREVIOUS, &new);
    assert_eq!(told(&home).await, ["W018"]);
    let refused = home.cli(&["secrets", "rotate"]).await;
    assert!(String::from_utf8_lossy(&refused.stderr).contains("`--back`"));
    home.cli_text(&["secrets", "rotate", "--back"]).await;
    assert_eq!(told(&home).await, ["W019"]);
}

/// Another hub on the database of this one.
async fn beside(hub: &Home) -> Home {
    let database = hub.database_files().remove(0);
    let url = format!("sqlite://{}", database.display());
    Home::new().await.with("DATABASE_URL", &url).with(KEY, hub.setting(KEY))
}

#[tokio::test]
async fn hubs_that_start_at_once_on_an_empty_database_read_what_the_other_sealed() {
    let first = Home::new().await;
    let url = format!("sqlite://{}", first.path().join("watchbell.sqlite3").display());
    let second = Home::new().await.with("DATABASE_URL", &url).with(KEY, first.setting(KEY));
    let (first, second) = tokio::join!(first.start(), second.start());
    for hub in [&first, &second] {
        hub.accept("/alerts/webhook/", &json!({ "name": "Both" })).await;
    }
    for hub in [&first, &second] {
        let status = status(hub).await;
        assert_eq!(
            (&status["data_keys"], &status["verified"]["unreadable"]),
            (&json!(5), &json!(0)),
            "{status}"
        );
    }
}

#[tokio::test]
async fn hubs_of_which_one_has_swapped_work_on_and_one_that_was_forgotten_says_so() {
    let old_hub = Hub::new().await;
    let (old, new) = (old_hub.setting(KEY).to_owned(), old_hub.fresh_secret_key().await);
    let mut home = beside(&old_hub).await;
    home.set(KEY, &new);
    home.set(PREVIOUS, &old);
    let new_hub = home.start().await;
    wait_for("all data keys are wrapped again", PATIENCE, async || {
        (status(&new_hub).await["left"] == 0).then_some(())
    })
    .await;
    let line = wait_for("the forgotten hub says so", PATIENCE, async || {
        old_hub.log().find(0, "first every host gets the new key as a previous one")
    })
    .await;
    assert!(!line.contains(&old) && !line.contains(&new), "{line}");
    for hub in [&old_hub, &new_hub] {
        hub.accept("/alerts/webhook/", &json!({ "name": "StillTaken" })).await;
    }
    let last = status(&new_hub).await;
    assert_eq!(last["verified"]["unreadable"], 0, "{last}");
    let refused = old_hub.cli(&["secrets", "status"]).await;
    assert_eq!(refused.status.code(), Some(1), "the next start would not work");
}

/// Enough data keys for their lines to fill a pipe of one page.
const GENERATIONS: usize = 24;

#[tokio::test]
async fn a_rotation_that_is_killed_in_the_middle_goes_on_from_there() {
    let mut home = Home::new().await;
    home.create_key(&[]).await;
    for _ in 0..GENERATIONS {
        home.cli_text(&["secrets", "rotate", "--data", "--json"]).await;
    }
    let (old, new) = (home.setting(KEY).to_owned(), home.fresh_secret_key().await);
    home.set(KEY, &new);
    home.set(PREVIOUS, &old);
    // Nobody reads what it says, so that it stands still in the middle.
    let mut rotation = home.child(&["secrets", "rotate"]);
    let pipe = rotation.stdout.take().unwrap();
    rustix::pipe::fcntl_setpipe_size(pipe.as_fd(), 4096).unwrap();
    let left = async |home: &Home| home.cli_json(&["secrets", "status", "--json"]).await["left"].clone();
    let all = json!((GENERATIONS + 1) * 5);
    wait_for("some are wrapped", PATIENCE, async || (left(&home).await != all).then_some(())).await;
    rotation.kill().await.unwrap();
    let in_the_middle = left(&home).await;
    assert!(in_the_middle != json!(0) && in_the_middle != all, "{in_the_middle}");

    let hub = home.start().await;
    hub.accept("/alerts/webhook/", &json!({ "name": "InTheMiddle" })).await;
    wait_for("a hub wraps the rest", PATIENCE, async || (left(&hub).await == json!(0)).then_some(())).await;
    let last = status(&hub).await;
    assert_eq!((&last["data_keys"], &last["verified"]["unreadable"]), (&all, &json!(0)), "{last}");
}
