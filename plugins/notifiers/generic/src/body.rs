//! The body of the request.

use plugin_sdk::notifier::Notification;
use plugin_sdk::time::rfc3339;
use plugin_sdk::{Alert, Label, PluginError};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

/// Room for headers and for what the host adds, below the 1 MiB that a request may have.
const MAX_BYTES: usize = 1_000_000;

#[derive(serde::Serialize)]
struct Body<'a> {
    id: &'a str,
    attempt: u32,
    title: &'a str,
    message: &'a str,
    severity: &'a str,
    status: &'a str,
    incident: Option<Box<RawValue>>,
    alerts: Vec<AlertBody<'a>>,
    alerts_left_out: usize,
    recommendations: Option<Box<RawValue>>,
    tags: Texts<'a>,
    links: Texts<'a>,
}

#[derive(serde::Serialize)]
struct AlertBody<'a> {
    fingerprint: Option<&'a str>,
    name: &'a str,
    status: &'a str,
    raw_status: &'a str,
    severity: &'a str,
    raw_severity: &'a str,
    description: &'a str,
    started_at: Option<String>,
    ended_at: Option<String>,
    labels: Texts<'a>,
    annotations: Texts<'a>,
    links: Texts<'a>,
}

/// Labels as an object of texts.
struct Texts<'a>(&'a [Label]);

impl Serialize for Texts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for label in self.0 {
            map.serialize_entry(&label.key, &label.value)?;
        }
        map.end()
    }
}

/// The JSON text: what the channel's template made, or everything. Where that would be too long, the
/// least important half of the alerts is left out until it fits.
pub(crate) fn write(notification: &Notification) -> Result<Vec<u8>, PluginError> {
    if let Some(payload) = &notification.payload {
        return Ok(payload.clone().into_bytes());
    }
    let mut body = Body {
        id: &notification.id,
        attempt: notification.attempt,
        title: &notification.title,
        message: &notification.message,
        severity: notification.severity.as_str(),
        status: notification.status.as_str(),
        incident: embed(&notification.incident, "{}"),
        alerts: notification.alerts.iter().map(alert).collect(),
        alerts_left_out: 0,
        recommendations: embed(&notification.recommendations, "[]"),
        tags: Texts(&notification.tags),
        links: Texts(&notification.links),
    };
    loop {
        let text = serde_json::to_vec(&body)
            .map_err(|error| PluginError::Internal(format!("body cannot be written: {error}")))?;
        if text.len() <= MAX_BYTES || body.alerts.is_empty() {
            return Ok(text);
        }
        body.alerts.truncate(body.alerts.len() / 2);
        body.alerts_left_out = notification.alerts.len() - body.alerts.len();
    }
}

/// A field of type json, as it is. What is empty or cannot be read becomes `fallback`: a person is
/// told all the same.
fn embed(text: &str, fallback: &str) -> Option<Box<RawValue>> {
    let read = |text: &str| RawValue::from_string(text.to_owned()).ok();
    read(text).or_else(|| read(fallback))
}

fn alert(alert: &Alert) -> AlertBody<'_> {
    AlertBody {
        fingerprint: alert.fingerprint.as_deref(),
        name: &alert.name,
        status: alert.status.as_str(),
        raw_status: &alert.raw_status,
        severity: alert.severity.as_str(),
        raw_severity: &alert.raw_severity,
        description: &alert.description,
        started_at: alert.starts_at.map(rfc3339),
        ended_at: alert.ends_at.map(rfc3339),
        labels: Texts(&alert.labels),
        annotations: Texts(&alert.annotations),
        links: Texts(&alert.links),
    }
}
