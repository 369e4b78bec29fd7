//! Golden tests: a folder of inputs, and what a plugin makes of each.
//!
//! `testdata/<case>.json` is an input, or `testdata/<case>.form` where a sender of webhooks has forms;
//! `testdata/<case>.expected.json` is the result as it was reviewed. A test calls [`driver`], [`notifier`],
//! [`mail_notifier`] or [`provider`] once for its plugin's folder. With
//! the environment variable `BLESS=1` the expected files are written instead of compared; read the
//! difference before committing it. Failures panic, as a test's assertion does.

#![expect(
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test kit fails by panicking"
)]

mod bounds;
mod driver;
mod mail;
mod notifier;
mod provider;
mod shape;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

pub use bounds::breach;
pub use driver::{
    FORM, RECEIVED_AT, alert_in, alerts_in, alerts_of, driver, incoming, parse, sample, variations,
};
pub use mail::mail_notifier;
pub use notifier::notifier;
pub use provider::provider;
pub use shape::{matching, matching_form};

use crate::{Alert, AlertStatus, Label, PluginError, Severity};

/// How inputs end, and as what a driver gets them.
const INPUTS: [(&str, &str); 2] = [("json", "application/json"), ("form", FORM)];

/// Calls `actual` for every input of a folder, with its content type, and compares the result with the
/// expected file.
fn run(folder: &str, actual: impl Fn(&str, &[u8]) -> Value) {
    #[expect(clippy::disallowed_methods, reason = "how a test is told to write its expectations")]
    let bless = std::env::var_os("BLESS").is_some();
    let inputs = inputs(Path::new(folder));
    assert!(!inputs.is_empty(), "`{folder}` holds no case");
    let mut failed = Vec::new();
    for (input, content_type) in inputs {
        let found = actual(content_type, &fs::read(&input).expect("a listed file can be read"));
        let expected_path = input.with_extension("expected.json");
        if bless {
            let text = serde_json::to_string_pretty(&found).expect("a JSON value can be written") + "\n";
            fs::write(&expected_path, text).expect("the folder can be written");
            continue;
        }
        let expected =
            fs::read(&expected_path).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
        if expected.as_ref() != Some(&found) {
            failed.push(format!(
                "{}\nexpected: {}\nfound: {found:#}",
                input.display(),
                expected.map_or_else(|| "no readable file".to_owned(), |value| format!("{value:#}")),
            ));
        }
    }
    assert!(
        failed.is_empty(),
        "{} golden cases differ (BLESS=1 writes them anew)\n\n{}",
        failed.len(),
        failed.join("\n\n")
    );
}

/// The inputs of a folder, by name, with their content types.
fn inputs(folder: &Path) -> Vec<(PathBuf, &'static str)> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("`{}`: {error}", folder.display()));
    let mut inputs: Vec<(PathBuf, &str)> = entries
        .map(|entry| entry.expect("a folder can be listed").path())
        .filter(|path| !path.to_string_lossy().ends_with(".expected.json"))
        .filter_map(|path| {
            let content_type =
                INPUTS.iter().find(|(end, _)| path.extension().is_some_and(|found| found == *end));
            content_type.map(|(_, content_type)| (path, *content_type))
        })
        .collect();
    inputs.sort();
    inputs
}

/// The labels that an object holds, in its order.
fn labels(object: &Value) -> Vec<Label> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let fields = object.as_object().into_iter().flatten();
    fields.map(|(key, value)| crate::label(key, &text(value))).collect()
}

/// A text field of an input; missing means empty.
fn text(input: &Value, field: &str) -> String {
    input.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A field of type json of an input; missing means empty.
fn json_text(input: &Value, field: &str) -> String {
    input.get(field).map(Value::to_string).unwrap_or_default()
}

/// A list of alerts in an input, in the form that [`alert_json`] writes.
fn alerts(input: &Value) -> Vec<Alert> {
    let items = input.get("alerts").and_then(Value::as_array).into_iter().flatten();
    items.map(alert).collect()
}

fn alert(input: &Value) -> Alert {
    let time = |field| input.get(field).and_then(Value::as_i64);
    let fields = |field| input.get(field).map(labels).unwrap_or_default();
    Alert {
        fingerprint: input.get("fingerprint").and_then(Value::as_str).map(ToOwned::to_owned),
        name: text(input, "name"),
        status: status(&text(input, "status")),
        raw_status: text(input, "raw_status"),
        severity: severity(&text(input, "severity")),
        raw_severity: text(input, "raw_severity"),
        description: text(input, "description"),
        starts_at: time("starts_at"),
        ends_at: time("ends_at"),
        labels: fields("labels"),
        annotations: fields("annotations"),
        links: fields("links"),
        extra: json_text(input, "extra"),
    }
}

fn severity(word: &str) -> Severity {
    let all = [Severity::Critical, Severity::Warning, Severity::Info];
    all.into_iter().find(|severity| severity.as_str() == word).unwrap_or(Severity::Unmapped)
}

fn status(word: &str) -> AlertStatus {
    let all = [AlertStatus::Firing, AlertStatus::Acknowledged, AlertStatus::Resolved];
    all.into_iter().find(|status| status.as_str() == word).unwrap_or(AlertStatus::Unmapped)
}

/// Labels as an object; the last of a repeated key stays, as at the host.
fn pairs(labels: &[Label]) -> Value {
    labels.iter().map(|label| (label.key.clone(), json!(label.value))).collect::<Map<_, _>>().into()
}

/// A JSON field of the contract: empty means `{}`.
fn embedded(text: &str) -> Value {
    let text = if text.is_empty() { "{}" } else { text };
    serde_json::from_str(text).unwrap_or_else(|error| panic!("a field of type json holds `{text}`: {error}"))
}

fn alert_json(alert: &Alert) -> Value {
    json!({
        "fingerprint": alert.fingerprint,
        "name": alert.name,
        "status": alert.status.as_str(),
        "raw_status": alert.raw_status,
        "severity": alert.severity.as_str(),
        "raw_severity": alert.raw_severity,
        "description": alert.description,
        "starts_at": alert.starts_at,
        "ends_at": alert.ends_at,
        "labels": pairs(&alert.labels),
        "annotations": pairs(&alert.annotations),
        "links": pairs(&alert.links),
        "extra": embedded(&alert.extra),
    })
}

fn error_json(error: &PluginError) -> Value {
    let (kind, message) = match error {
        PluginError::InvalidInput(message) => ("invalid-input", json!(message)),
        PluginError::Unsupported(message) => ("unsupported", json!(message)),
        PluginError::Config(message) => ("config", json!(message)),
        PluginError::Auth(message) => ("auth", json!(message)),
        PluginError::RateLimited(seconds) => ("rate-limited", json!(seconds)),
        PluginError::Unavailable(message) => ("unavailable", json!(message)),
        PluginError::Rejected(message) => ("rejected", json!(message)),
        PluginError::Internal(message) => ("internal", json!(message)),
        PluginError::Other((code, message)) => ("other", json!([code, message])),
    };
    json!({ "error": kind, "message": message })
}
