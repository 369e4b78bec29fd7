//! A call whose remote and machine are written down beforehand.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use domain::egress::{
    HttpError, HttpRequest, HttpResponse, MailError, MailMessage, MailReply, RefusedRecipient, SentMail,
    SnapshotKind,
};
use domain::golden;
use domain::time::Timestamp;
use sandbox::{HostServices, LogLevel, PluginLog};
use serde_json::Value;

type HttpAnswer = Result<HttpResponse, HttpError>;
type MailAnswer = Result<SentMail, MailError>;

/// Answers every request and every mail alike and keeps what was asked.
pub(super) struct Rehearsal {
    /// In turn, the last for ever.
    http: Vec<HttpAnswer>,
    mail: MailAnswer,
    snapshots: Value,
    requests: Mutex<Vec<Value>>,
}

impl Rehearsal {
    /// What the `answer` and the `snapshots` of an input say. Answers in a list are given in turn; without one nobody answers in time;
    /// a snapshot that is missing is not granted.
    pub(super) fn new(input: &Value) -> Result<Self> {
        let mut http = Vec::new();
        let mut mail = Err(MailError::Timeout("no answer in time".to_owned()));
        match input.get("answer") {
            None => {}
            Some(Value::Array(answers)) => {
                http = answers.iter().map(http_answer).collect::<Result<_>>().context("`answer`")?;
            }
            // Which of the two it is, only the plugin knows.
            Some(answer) => match (http_answer(answer), mail_answer(answer)) {
                (Err(error), None) => return Err(error).context("`answer`"),
                (found, other) => {
                    http.extend(found);
                    mail = other.unwrap_or(mail);
                }
            },
        }
        let snapshots = input.get("snapshots").cloned().unwrap_or_default();
        Ok(Self { http, mail, snapshots, requests: Mutex::default() })
    }

    /// Keeps a request; returns how many there are.
    fn keep(&self, request: Value) -> usize {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.push(request);
        requests.len()
    }

    /// The requests so far.
    pub(super) fn requests(&self) -> Vec<Value> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// `{"status", "headers", "body"}`, or `{"error"}` with the name of an `http-error`.
fn http_answer(input: &Value) -> Result<HttpAnswer> {
    let text = |name| text(input, name);
    let reason = text("reason");
    if let Some(error) = input.get("error") {
        return Ok(Err(match error.as_str().unwrap_or_default() {
            "denied" => HttpError::Denied(reason),
            "invalid-request" => HttpError::InvalidRequest(reason),
            "unreachable" => HttpError::Unreachable(reason),
            "timeout" => HttpError::Timeout,
            "too-large" => HttpError::TooLarge,
            "budget-exceeded" => HttpError::BudgetExceeded(reason),
            _ => bail!(
                "`error` is no `http-error` or `mail-error` of the contract\nhint: `watchbell plugin wit` has them"
            ),
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

/// `{"code", "text", "refused"}`, or `{"error"}` with the name of a `mail-error` and what goes with it.
fn mail_answer(input: &Value) -> Option<MailAnswer> {
    let reason = text(input, "reason");
    let Some(error) = input.get("error") else {
        return Some(Ok(SentMail { reply: reply(input)?, refused: recipients(input, "refused")? }));
    };
    Some(Err(match error.as_str()? {
        "denied" => MailError::Denied(reason),
        "invalid-message" => MailError::InvalidMessage(reason),
        "unreachable" => MailError::Unreachable(reason),
        "timeout" => MailError::Timeout(reason),
        "tls" => MailError::Tls(reason),
        "auth" => MailError::Auth(reason),
        "refused" => {
            MailError::Refused { reply: reply(input)?, recipients: recipients(input, "recipients")? }
        }
        "budget-exceeded" => MailError::BudgetExceeded(reason),
        _ => return None,
    }))
}

fn reply(input: &Value) -> Option<MailReply> {
    let code = input.get("code")?.as_u64().and_then(|code| u16::try_from(code).ok())?;
    Some(MailReply { code, text: text(input, "text") })
}

fn recipients(input: &Value, name: &str) -> Option<Vec<RefusedRecipient>> {
    let list = input.get(name).and_then(Value::as_array).into_iter().flatten();
    list.map(|one| Some(RefusedRecipient { address: text(one, "address"), reply: reply(one)? })).collect()
}

fn text(input: &Value, name: &str) -> String {
    input.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
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
        let turn = self.keep(golden::request(&request)).min(self.http.len());
        let answer = self.http.get(turn.saturating_sub(1)).cloned();
        Box::pin(std::future::ready(answer.unwrap_or(Err(HttpError::Timeout))))
    }

    fn mail<'a>(
        &'a self,
        message: MailMessage,
        _time_left: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<SentMail, MailError>> + Send + 'a>> {
        self.keep(golden::mail(&message));
        Box::pin(std::future::ready(self.mail.clone()))
    }

    fn snapshot<'a>(
        &'a self,
        kind: SnapshotKind,
        _options: &'a str,
        _time_left: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send + 'a>> {
        let name = match kind {
            SnapshotKind::Memory => "memory",
            SnapshotKind::Cpu => "cpu",
            SnapshotKind::Disk => "disk",
            SnapshotKind::Processes => "processes",
            SnapshotKind::Files => "files",
        };
        let snapshot = self.snapshots.get(name).map(Value::to_string);
        Box::pin(std::future::ready(snapshot.ok_or_else(|| "`system` is not granted".to_owned())))
    }
}
