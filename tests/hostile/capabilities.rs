//! What the shipped components ask for.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use domain::plugin::{PluginKind, Wasi};
use sandbox::Manifest;

/// Every component that is shipped, and all of its imports. A new one is a line here, and a reviewer
/// who asks what it is for.
const SHIPPED: [(&str, PluginKind, &[&str]); 20] = [
    ("drivers/alertmanager", PluginKind::Driver, &["types"]),
    ("drivers/datadog", PluginKind::Driver, &["types"]),
    ("drivers/generic", PluginKind::Driver, &["types"]),
    ("drivers/grafana", PluginKind::Driver, &["types"]),
    ("drivers/newrelic", PluginKind::Driver, &["types"]),
    ("drivers/opsgenie", PluginKind::Driver, &["types"]),
    ("drivers/pagerduty", PluginKind::Driver, &["types"]),
    ("drivers/zabbix", PluginKind::Driver, &["types"]),
    ("intelligence/claude", PluginKind::Intelligence, &["host-clock", "host-http", "types"]),
    ("intelligence/copilot", PluginKind::Intelligence, &["host-clock", "host-http", "types"]),
    ("intelligence/gemini", PluginKind::Intelligence, &["host-clock", "host-http", "types"]),
    ("intelligence/grok", PluginKind::Intelligence, &["host-clock", "host-http", "types"]),
    ("intelligence/local", PluginKind::Intelligence, &["host-clock", "host-http", "host-system", "types"]),
    ("intelligence/mistral", PluginKind::Intelligence, &["host-clock", "host-http", "types"]),
    ("intelligence/ollama", PluginKind::Intelligence, &["host-clock", "host-http", "types"]),
    ("intelligence/openai", PluginKind::Intelligence, &["host-clock", "host-http", "types"]),
    ("notifiers/email", PluginKind::Notifier, &["host-log", "host-mail", "types"]),
    ("notifiers/generic", PluginKind::Notifier, &["host-clock", "host-http", "types"]),
    ("notifiers/pagerduty", PluginKind::Notifier, &["host-clock", "host-http", "types"]),
    ("notifiers/slack", PluginKind::Notifier, &["host-clock", "host-http", "host-log", "types"]),
];

/// What the world of a kind grants (`wit/package.wit`); WASI is in none.
const fn granted(kind: PluginKind) -> &'static [&'static str] {
    match kind {
        PluginKind::Driver => &["types", "host-log"],
        PluginKind::Notifier => &["types", "host-log", "host-clock", "host-random", "host-http", "host-mail"],
        PluginKind::Intelligence => {
            &["types", "host-log", "host-clock", "host-random", "host-http", "host-system"]
        }
    }
}

fn components() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/components")
}

/// The components there are, as `folder/name`.
fn built() -> BTreeSet<String> {
    let folders = ["drivers", "intelligence", "notifiers"];
    let files = folders.into_iter().flat_map(|folder| {
        let entries = std::fs::read_dir(components().join(folder));
        entries
            .expect("`cargo xtask plugins` builds the components")
            .map(move |entry| (folder, entry.unwrap()))
    });
    files.map(|(folder, entry)| format!("{folder}/{}", entry.path().file_stem().unwrap().display())).collect()
}

#[test]
fn shipped_components_import_what_is_listed_and_their_world_grants() {
    assert_eq!(built(), SHIPPED.map(|(component, ..)| component.to_owned()).into());
    for (component, kind, listed) in SHIPPED {
        let plugin = component.split_once('/').unwrap().1.parse().unwrap();
        let file = components().join(component).with_extension("wasm");
        let manifest = Manifest::read(&plugin, &std::fs::read(file).unwrap()).unwrap();
        manifest.check(&plugin, kind, Wasi::None).unwrap();
        let imports: BTreeSet<String> = manifest.imports.into_iter().collect();
        let listed_names = listed.iter().map(|interface| format!("watchbell:plugin/{interface}@0.1.0"));
        assert_eq!(imports, listed_names.collect(), "{component}");
        assert!(listed.iter().all(|interface| granted(kind).contains(interface)), "{component}");
    }
}
