//! A driver of Watchbell in Rust: one webhook in, alerts out.

use serde_json::{Map, Value};

use crate::exports::watchbell::plugin::driver::{
    DriverInfo, Guest, Incoming, Outcome, Parsed, Root, Shape,
};
use crate::watchbell::plugin::host_log::{self, Level};
use crate::watchbell::plugin::types::{Alert, AlertStatus, Label, PluginError, PluginInfo, Severity};

// The contract: `watchbell plugin wit > wit/watchbell.wit`.
wit_bindgen::generate!({ path: "wit", world: "alert-driver" });

struct Siren;

export!(Siren);

/// A payload that the loader tries: a driver that cannot read its own sample is not taken.
const SAMPLE: &str =
    r#"{"via":"siren","check":"disk","host":"db-3","state":"crit","note":"4 % left"}"#;

impl Guest for Siren {
    fn metadata() -> DriverInfo {
        DriverInfo {
            plugin: PluginInfo {
                name: "siren".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                summary: "Webhooks of Siren".to_owned(),
                homepage: None,
                extra: String::new(),
            },
            signatures: vec![],
            // How the hub knows this sender when the webhook does not say who it is from.
            shapes: vec![Shape {
                name: "siren_v1".to_owned(),
                root: Root::Object,
                headers: vec![],
                required: vec!["/check".to_owned(), "/state".to_owned()],
                forbidden: vec![],
                equals: vec![label("/via", "siren")],
                priority: 500,
            }],
            delivery_id_header: None,
            sample: Some(SAMPLE.as_bytes().to_vec()),
        }
    }

    fn parse(request: Incoming, _config: String) -> Result<Parsed, PluginError> {
        let event: Map<String, Value> = serde_json::from_slice(&request.body)
            .map_err(|error| PluginError::InvalidInput(format!("not a JSON object: {error}")))?;
        let state = text(&event, "state")?;
        if state == "hello" {
            return Ok(parsed(Outcome::Nothing("a greeting".to_owned())));
        }
        Ok(parsed(Outcome::Alerts(vec![alert(&event, state)?])))
    }
}

fn alert(event: &Map<String, Value>, state: &str) -> Result<Alert, PluginError> {
    // A word that is not known stays visible: the hub counts it and takes it for a warning.
    let severity = match state {
        "crit" => Severity::Critical,
        "warn" => Severity::Warning,
        "info" => Severity::Info,
        "ok" => Severity::Unmapped,
        other => {
            host_log::log(Level::Warn, &format!("unknown state `{other}`"));
            Severity::Unmapped
        }
    };
    Ok(Alert {
        fingerprint: None,
        name: text(event, "check")?.to_owned(),
        status: if state == "ok" { AlertStatus::Resolved } else { AlertStatus::Firing },
        raw_status: state.to_owned(),
        severity,
        raw_severity: state.to_owned(),
        description: event.get("note").and_then(Value::as_str).unwrap_or_default().to_owned(),
        starts_at: None,
        ends_at: None,
        labels: vec![label("host", text(event, "host")?)],
        annotations: vec![],
        links: vec![],
        extra: String::new(),
    })
}

/// A text that must be there. Anybody may send anything, so everything else is an answer, never a panic.
fn text<'a>(event: &'a Map<String, Value>, field: &str) -> Result<&'a str, PluginError> {
    let text = event.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    text.ok_or_else(|| PluginError::InvalidInput(format!("`{field}` is no text")))
}

fn parsed(outcome: Outcome) -> Parsed {
    Parsed {
        outcome,
        group_key: String::new(),
        receiver: String::new(),
        external_url: String::new(),
        version: String::new(),
        warnings: vec![],
    }
}

fn label(key: &str, value: &str) -> Label {
    Label { key: key.to_owned(), value: value.to_owned() }
}
