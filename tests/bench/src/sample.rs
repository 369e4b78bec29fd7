//! Values of the domain that measurements are made with.

use std::collections::BTreeMap;

use domain::alert::{Labels, ParsedAlert, ReportedSeverity, ReportedStatus};
use domain::id::{RunId, TraceId};
use domain::plan::Webhook;
use domain::plugin::{Incoming, NameError, PluginName};
use domain::run::{IngestOutcome, Origin};
use domain::shape::{Root, Shape};
use domain::time::Timestamp;
use store::IngestWrite;
use ulid::Ulid;

/// A fixed moment.
pub const RECEIVED_AT: Timestamp = Timestamp::from_millis(1_780_315_200_000);
/// Size of a sealed request of one alert, in bytes: what the hub stores of it after compression.
const SEALED_BYTES: usize = 600;

/// The driver that all samples are read by.
///
/// # Errors
/// Never: the name is a good one.
pub fn driver() -> Result<PluginName, NameError> {
    "alertmanager".parse()
}

/// A JSON request with this body.
pub fn incoming(body: Vec<u8>) -> Incoming {
    Incoming {
        method: "POST".to_owned(),
        query: String::new(),
        content_type: "application/json".to_owned(),
        headers: vec![("user-agent".to_owned(), "Alertmanager/0.28".to_owned())],
        body,
        received_at: RECEIVED_AT,
    }
}

/// An alert that fires, numbered; each opens an incident of its own.
pub fn alert(number: u64) -> ParsedAlert {
    let texts = |pairs: &[(&str, &str)]| -> Labels {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    ParsedAlert {
        fingerprint: Some(format!("{number:012x}")),
        name: "HostOutOfDiskSpace".to_owned(),
        status: ReportedStatus::Firing,
        raw_status: "firing".to_owned(),
        severity: ReportedSeverity::Warning,
        raw_severity: "warning".to_owned(),
        description: "4.1 % of the disk is left on this machine (/var/lib/postgresql).".to_owned(),
        starts_at: Some(RECEIVED_AT),
        ends_at: None,
        labels: texts(&[
            ("alertname", "HostOutOfDiskSpace"),
            ("instance", &format!("filled-{number}.example.net:9100")),
            ("job", "node"),
            ("severity", "warning"),
        ]),
        annotations: texts(&[("summary", "Disk almost full")]),
        links: BTreeMap::new(),
        extra: serde_json::Value::Null,
    }
}

/// The same, over when it is first heard of.
pub fn over(number: u64) -> ParsedAlert {
    ParsedAlert {
        status: ReportedStatus::Resolved,
        raw_status: "resolved".to_owned(),
        ends_at: Some(RECEIVED_AT),
        ..alert(number)
    }
}

/// A webhook with these alerts.
pub fn webhook(driver: &PluginName, mint: &mut impl FnMut() -> Ulid, alerts: Vec<ParsedAlert>) -> Webhook {
    Webhook::new(RunId::mint(mint), TraceId::mint(mint), driver.clone(), RECEIVED_AT, alerts)
}

/// What the hub would hand to the store for a webhook.
pub fn write(webhook: Webhook) -> IngestWrite {
    IngestWrite {
        run_id: webhook.run_id,
        trace_id: webhook.trace_id,
        origin: Origin::IncomingWebhook,
        received_at: webhook.received_at,
        driver: Some(webhook.source.clone()),
        named: false,
        verified: false,
        detection: String::new(),
        delivery_id: None,
        api_key_id: None,
        size_bytes: SEALED_BYTES as u64,
        sealed_request: vec![0xa5; SEALED_BYTES],
        outcome: IngestOutcome::Parsed,
        reason_code: None,
        reason: None,
        webhook: Some(webhook),
    }
}

/// Identifiers that count up.
pub fn counter() -> impl FnMut() -> Ulid + Send {
    let mut last = 1_u128 << 100;
    move || {
        last += 1;
        Ulid(last)
    }
}

/// One shape for each of `count` drivers, which ask for fields that other senders' payloads have.
pub fn shapes(count: usize) -> Vec<(String, Vec<Shape>)> {
    (0..count).map(|number| (format!("driver_{number}"), vec![shape(number)])).collect()
}

fn shape(number: usize) -> Shape {
    Shape {
        name: "webhook".to_owned(),
        root: Root::Object,
        headers: Vec::new(),
        required: vec!["/alerts/0/labels".to_owned(), format!("/field_{number}")],
        forbidden: vec![format!("/other_{number}")],
        equals: vec![("/version".to_owned(), number.to_string())],
        priority: 100,
    }
}
