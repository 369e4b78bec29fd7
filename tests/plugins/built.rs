//! The plugins as the host embeds them, and how a webhook reaches a driver.

use std::path::{Path, PathBuf};

use domain::golden;
use domain::limits::Limits;
use domain::plugin::{AnalysisRequest, Incoming, PluginKind, PluginName, Wasi};
use sandbox::{ComponentFile, Driver, LoadRequest, LogLevel, Plugin, PluginLog, Provider, Sandbox};
use serde_json::json;

pub(crate) const JSON: &str = "application/json";
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

pub(crate) struct Silence;

impl PluginLog for Silence {
    fn log(&self, _: LogLevel, _: &str) {}
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn components() -> PathBuf {
    root().join("target/components/drivers")
}

/// The names of all built providers.
pub(crate) fn providers() -> Vec<String> {
    let files = std::fs::read_dir(root().join("target/components/intelligence"));
    let files = files.expect("`cargo xtask plugins` builds the components");
    files.map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned()).collect()
}

/// The folder of a provider's golden inputs.
pub(crate) fn provider_testdata(name: &str) -> PathBuf {
    root().join(format!("plugins/intelligence/{name}/testdata"))
}

/// One built provider with the limits that it has by default.
pub(crate) fn provider(name: &str) -> Provider {
    let file = root().join(format!("target/components/intelligence/{name}.wasm"));
    let bytes = std::fs::read(file).expect("`cargo xtask plugins` builds the components");
    let (name, file) = (name.parse().unwrap(), ComponentFile::new(bytes.into()));
    let (kind, limits) = (PluginKind::Intelligence, Limits::of(PluginKind::Intelligence));
    let sandbox = Sandbox::new(&sandbox::Settings::default()).unwrap();
    match sandbox
        .load(&LoadRequest { kind, name: &name, file: &file, limits, wasi: Wasi::None }, &|_| {})
        .unwrap()
    {
        Plugin::Provider(provider) => provider,
        other => panic!("{other:?} is no provider"),
    }
}

/// What a provider is asked about an incident.
pub(crate) fn question(task: &str) -> AnalysisRequest {
    AnalysisRequest {
        task: task.to_owned(),
        incident: json!({ "title": "DiskFull on db-3", "status": "open", "severity": "critical" }),
        alerts: Vec::new(),
        checks: json!([{ "checker": "disk", "status": "critical", "message": "/ is 97 % full." }]),
        options: json!({}),
        max_output_tokens: 1_000,
    }
}

/// The folder of a driver's golden inputs.
pub(crate) fn testdata(name: &PluginName) -> PathBuf {
    root().join(format!("plugins/drivers/{name}/testdata"))
}

/// The names of all built drivers.
pub(crate) fn names() -> Vec<PluginName> {
    let files = std::fs::read_dir(components()).expect("`cargo xtask plugins` builds the components");
    files.map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().parse().unwrap()).collect()
}

/// One built driver with the limits that it has by default.
pub(crate) fn driver(name: &PluginName) -> Driver {
    load(&Sandbox::new(&sandbox::Settings::default()).unwrap(), name)
}

/// All built drivers.
pub(crate) fn drivers() -> Vec<(PluginName, Driver)> {
    let sandbox = Sandbox::new(&sandbox::Settings::default()).unwrap();
    names().into_iter().map(|name| (name.clone(), load(&sandbox, &name))).collect()
}

fn load(sandbox: &Sandbox, name: &PluginName) -> Driver {
    let file = components().join(format!("{name}.wasm"));
    let bytes = std::fs::read(file).expect("`cargo xtask plugins` builds the components");
    sandbox.load_driver(name, &bytes, Limits::of(PluginKind::Driver)).unwrap()
}

/// A webhook with this body.
pub(crate) fn incoming(content_type: &str, body: Vec<u8>) -> Incoming {
    Incoming {
        method: "POST".to_owned(),
        query: String::new(),
        content_type: content_type.to_owned(),
        headers: vec![],
        body,
        received_at: golden::RECEIVED_AT,
    }
}
