//! What notifiers reach: a host whose remote answers at once, late, too much or never.

use std::future::pending;
use std::pin::Pin;
use std::sync::Mutex;
use std::time::Duration;

use domain::alert::{ReportedSeverity, ReportedStatus};
use domain::egress::{HttpError, HttpRequest, HttpResponse, MailError, MailMessage, SentMail, SnapshotKind};
use domain::plugin::Notification;
use domain::time::Timestamp;
use sandbox::{Ended, HostServices, LogLevel, PluginLog};

use crate::harness::Lines;

/// How the remote behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remote {
    Answers,
    Hangs,
    /// With as much as it may.
    Floods,
    /// After a while, each time.
    Dawdles,
}

/// The host of one delivery. Grants and counts are not the sandbox's business, so it has none; it
/// keeps what was asked.
pub(crate) struct Host {
    remote: Remote,
    pub(crate) lines: Lines,
    pub(crate) requests: Mutex<Vec<HttpRequest>>,
}

impl Host {
    pub(crate) fn new(remote: Remote) -> Self {
        Self { remote, lines: Lines::default(), requests: Mutex::default() }
    }
}

impl PluginLog for Host {
    fn log(&self, level: LogLevel, message: &str) {
        self.lines.log(level, message);
    }

    fn ended(&self, call: &Ended<'_>) {
        self.lines.ended(call);
    }
}

impl HostServices for Host {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1)
    }

    fn random(&self, buffer: &mut [u8]) {
        buffer.fill(7);
    }

    fn http<'a>(
        &'a self,
        request: HttpRequest,
        _time_left: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'a>> {
        let mut requests = self.requests.lock().unwrap();
        if requests.len() < 10 {
            requests.push(request);
        }
        Box::pin(async move {
            let body = match self.remote {
                Remote::Answers => b"ok".to_vec(),
                Remote::Hangs => pending().await,
                Remote::Floods => vec![b'x'; 4 << 20],
                Remote::Dawdles => {
                    let _elapsed = tokio::time::timeout(Duration::from_millis(1), pending::<()>()).await;
                    b"ok".to_vec()
                }
            };
            Ok(HttpResponse { status: 200, headers: vec![], body })
        })
    }

    fn mail<'a>(
        &'a self,
        _message: MailMessage,
        _time_left: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<SentMail, MailError>> + Send + 'a>> {
        Box::pin(async { Err(MailError::Denied("not granted".to_owned())) })
    }

    fn snapshot<'a>(
        &'a self,
        _kind: SnapshotKind,
        _options: &'a str,
        _time_left: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send + 'a>> {
        Box::pin(std::future::ready(Err("not granted".to_owned())))
    }
}

pub(crate) fn notification() -> Notification {
    Notification {
        id: "d1".into(),
        attempt: 1,
        title: "DiskFull".into(),
        message: "a disk is full".into(),
        html: None,
        payload: None,
        severity: ReportedSeverity::Critical,
        status: ReportedStatus::Firing,
        incident: serde_json::json!({}),
        alerts: vec![],
        recommendations: serde_json::json!([]),
        tags: [("host".to_owned(), "a".to_owned())].into(),
        links: [].into(),
        previous_ref: None,
    }
}
