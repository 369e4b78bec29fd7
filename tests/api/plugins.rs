//! Components that an operator drops in.

use serde_json::json;
use tests::Home;

use crate::driver::Driver;

/// The drivers that are built in, in the order of their names.
const BUILT_IN: [&str; 8] =
    ["alertmanager", "datadog", "generic", "grafana", "newrelic", "opsgenie", "pagerduty", "zabbix"];

#[tokio::test]
async fn a_dropped_in_driver_answers_under_its_url_and_a_broken_file_takes_nothing_down() {
    let home = Home::new().await;
    let folder = home.path().join("plugins.d");
    std::fs::create_dir(&folder).unwrap();
    let own = Driver { name: "acme", ..Driver::default() }.build();
    let files = [
        ("acme.wasm", own.clone()),
        ("broken.wasm", b"not a component".to_vec()),
        ("cut.wasm", own[..own.len() / 2].to_vec()),
        ("other-name.wasm", own.clone()),
        ("grafana.wasm", own),
        ("Bad Name.wasm", Vec::new()),
        ("notes.txt", b"no plugin".to_vec()),
    ];
    for (name, bytes) in files {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
    std::os::unix::fs::symlink("acme.wasm", folder.join("link.wasm")).unwrap();
    let hub = home.start().await;

    let drivers = hub.get("/alerts/webhook/").await.json();
    assert_eq!(drivers["drivers"], json!([&["acme"], BUILT_IN.as_slice()].concat()));
    let answer = hub.accept("/alerts/webhook/acme/", &json!({})).await;
    assert_eq!(
        (&answer["driver"], &answer["outcome"], &answer["alerts"]),
        (&json!("acme"), &json!("parsed"), &json!(1))
    );
    assert_eq!(hub.list("/alerts/?source=acme").await.len(), 1);
    let answer = hub.accept("/alerts/webhook/", &json!({ "name": "Others" })).await;
    assert_eq!(answer["driver"], "generic");
    for name in ["broken", "cut", "other-name", "grafana", "Bad Name", "link"] {
        let line = hub.log().lines().into_iter().find(|line| line.contains("ERROR") && line.contains(name));
        assert!(line.is_some(), "{name} is reported: {:?}", hub.log().lines());
    }
}

#[tokio::test]
async fn what_plugins_toml_says_of_a_dropped_in_driver_counts() {
    let home = Home::new().await;
    let folder = home.path().join("plugins.d");
    std::fs::create_dir(&folder).unwrap();
    for name in ["off", "pinned", "named"] {
        let component = Driver { name, ..Driver::default() }.build();
        std::fs::write(folder.join(format!("{name}.wasm")), component).unwrap();
    }
    let pin = "0".repeat(64);
    let manifest = format!(
        "[driver.off]\nenabled = false\n[driver.pinned]\nsha256 = \"{pin}\"\n[driver.named.limits]\nalerts = 5\n\
         [driver.grafana]\nenabled = false\n"
    );
    std::fs::write(home.path().join("plugins.toml"), manifest).unwrap();
    let hub = home.start().await;
    let drivers = hub.get("/alerts/webhook/").await.json();
    let mut expected: Vec<_> =
        BUILT_IN.into_iter().filter(|name| *name != "grafana").chain(["named"]).collect();
    expected.sort_unstable();
    assert_eq!(drivers["drivers"], json!(expected));
    let line = hub.log().lines().into_iter().find(|line| line.contains("pinned") && line.contains("sha256"));
    assert!(line.is_some(), "{:?}", hub.log().lines());
}
