//! A call whose remote and machine are written down beforehand.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use domain::egress::{HttpError, HttpRequest, HttpResponse, SnapshotKind};
use domain::golden;
use domain::time::Timestamp;
use sandbox::{HostServices, LogLevel, PluginLog};
use serde_json::Value;

/// Answers every request alike and keeps what was asked.
pub(super) struct Rehearsal {
    /// In turn, the last for ever.
    answers: Vec<Result<HttpResponse, HttpError>>,
    snapshots: Value,
    requests: Mutex<Vec<Value>>,
}

impl Rehearsal {
    /// What the `answer` and the `snapshots` of an input say. Answers in a list are given in turn; without one nobody answers in time;
    /// a snapshot that is missing is not granted.
    pub(super) fn new(input: &Value) -> Result<Self> {
        let answers = match input.get("answer") {
            Some(Value::Array(answers)) => answers.iter().map(answer_of).collect::<Result<_>>(),
            Some(answer) => answer_of(answer).map(|answer| vec![answer]),
            None => Ok(Vec::new()),
        };
        let answers = answers.context("`answer`")?;
        let snapshots = input.get("snapshots").cloned().unwrap_or_default();
        Ok(Self { answers, snapshots, requests: Mutex::default() })
    }

    /// The requests so far.
    pub(super) fn requests(&self) -> Vec<Value> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// `{"status", "headers", "body"}`, or `{"error"}` with the name of an `http-error`.
fn answer_of(input: &Value) -> Result<Result<HttpResponse, HttpError>> {
    let text = |name: &str| input.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let reason = text("reason");
    if let Some(error) = input.get("error") {
        return Ok(Err(match error.as_str().unwrap_or_default() {
            "denied" => HttpError::Denied(reason),
            "invalid-request" => HttpError::InvalidRequest(reason),
            "unreachable" => HttpError::Unreachable(reason),
            "timeout" => HttpError::Timeout,
            "too-large" => HttpError::TooLarge,
            "budget-exceeded" => HttpError::BudgetExceeded(reason),
            _ => bail!("`error` is no `http-error` of the contract\nhint: `watchbell plugin wit` has them"),
        }));
    }
    let status = input.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
    let headers = input.get("headers").and_then(Value::as_object).into_iter().flatten();
    let header = |(name, value): (&String, &Value)| {
        (name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    Ok(Ok(HttpResponse {
        status: status.context("it has neither a `status` nor an `error`")?,
        headers: headers.map(header).collect(),
        body: text("body").into_bytes(),
    }))
}

impl PluginLog for Rehearsal {
    fn log(&self, _level: LogLevel, _message: &str) {}
}

impl HostServices for Rehearsal {
    fn now(&self) -> Timestamp {
        golden::RECEIVED_AT
    }

    /// Always the same, so that what comes out is.
    fn random(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }

    fn http<'a>(
        &'a self,
        request: HttpRequest,
        _time_left: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'a>> {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.push(golden::request(&request));
        let turn = requests.len().min(self.answers.len());
        let answer = self.answers.get(turn.saturating_sub(1)).cloned();
        Box::pin(std::future::ready(answer.unwrap_or(Err(HttpError::Timeout))))
    }

    fn snapshot(&self, kind: SnapshotKind, _options: &str) -> Result<String, String> {
        let name = match kind {
            SnapshotKind::Memory => "memory",
            SnapshotKind::Cpu => "cpu",
            SnapshotKind::Disk => "disk",
            SnapshotKind::Processes => "processes",
            SnapshotKind::Files => "files",
        };
        let snapshot = self.snapshots.get(name).map(Value::to_string);
        snapshot.ok_or_else(|| "`system` is not granted".to_owned())
    }
}
