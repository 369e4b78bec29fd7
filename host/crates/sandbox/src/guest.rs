//! What goes into a notifier or provider, in the contract's types.
//!
//! These values come from the host, so nothing is checked here but their size.

use std::io;

use domain::alert::{Labels, ParsedAlert, ReportedSeverity, ReportedStatus};
use domain::plugin::{AnalysisRequest, Notification};

use crate::bindings::driver::watchbell::plugin::types::{Alert, AlertStatus, Label, Severity};
use crate::bindings::notifier::exports::watchbell::plugin::notifier;
use crate::bindings::provider::exports::watchbell::plugin::intelligence;

/// Bytes of a value as JSON.
pub(crate) fn size(value: &impl serde::Serialize) -> usize {
    struct Counter(usize);
    impl io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.saturating_add(bytes.len());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    // Neither the values of the domain nor the counter can fail; if one ever does, it is too large.
    match serde_json::to_writer(&mut counter, value) {
        Ok(()) => counter.0,
        Err(_) => usize::MAX,
    }
}

/// What to tell.
pub(crate) fn notification(notification: &Notification) -> notifier::Notification {
    notifier::Notification {
        id: notification.id.clone(),
        attempt: notification.attempt,
        title: notification.title.clone(),
        message: notification.message.clone(),
        html: notification.html.clone(),
        payload: notification.payload.as_ref().map(ToString::to_string),
        severity: severity(notification.severity),
        status: status(notification.status),
        incident: notification.incident.to_string(),
        alerts: notification.alerts.iter().map(alert).collect(),
        recommendations: notification.recommendations.to_string(),
        tags: labels(&notification.tags),
        links: labels(&notification.links),
        previous_ref: notification.previous_ref.clone(),
    }
}

/// What to look at.
pub(crate) fn analysis_request(request: &AnalysisRequest) -> intelligence::AnalysisRequest {
    intelligence::AnalysisRequest {
        task: request.task.clone(),
        incident: request.incident.to_string(),
        alerts: request.alerts.iter().map(alert).collect(),
        checks: request.checks.to_string(),
        options: request.options.to_string(),
        max_output_tokens: request.max_output_tokens,
    }
}

fn alert(alert: &ParsedAlert) -> Alert {
    Alert {
        fingerprint: alert.fingerprint.clone(),
        name: alert.name.clone(),
        status: status(alert.status),
        raw_status: alert.raw_status.clone(),
        severity: severity(alert.severity),
        raw_severity: alert.raw_severity.clone(),
        description: alert.description.clone(),
        starts_at: alert.starts_at.map(|time| time.as_millis()),
        ends_at: alert.ends_at.map(|time| time.as_millis()),
        labels: labels(&alert.labels),
        annotations: labels(&alert.annotations),
        links: labels(&alert.links),
        extra: alert.extra.to_string(),
    }
}

const fn severity(severity: ReportedSeverity) -> Severity {
    match severity {
        ReportedSeverity::Critical => Severity::Critical,
        ReportedSeverity::Warning => Severity::Warning,
        ReportedSeverity::Info => Severity::Info,
        ReportedSeverity::Unmapped => Severity::Unmapped,
    }
}

const fn status(status: ReportedStatus) -> AlertStatus {
    match status {
        ReportedStatus::Firing => AlertStatus::Firing,
        ReportedStatus::Acknowledged => AlertStatus::Acknowledged,
        ReportedStatus::Resolved => AlertStatus::Resolved,
        ReportedStatus::Unmapped => AlertStatus::Unmapped,
    }
}

fn labels(labels: &Labels) -> Vec<Label> {
    labels.iter().map(|(key, value)| Label { key: key.clone(), value: value.clone() }).collect()
}
