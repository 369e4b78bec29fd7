//! Golden tests of notifiers: a notification, settings and the remote's answer in; the request that
//! was built and what the notifier makes of the answer out.

use serde_json::{Value, json};

use super::{alerts, embedded, error_json, json_text, labels, pairs, run, severity, status, text};
use crate::PluginError;
use crate::http::{HttpError, Remote, Request, Response, Signing};
use crate::notifier::{Notification, Notifier, Problem, Receipt};

/// Compares what the notifier does for every input.
///
/// An input is `{"notification": {…}, "config": {…}, "answer": {…}}`. An answer is
/// `{"status", "headers", "body"}`, or `{"error": "timeout"}` with the name of an `http-error`. A list
/// of answers is given in turn, the last for ever.
pub fn notifier<N: Notifier>(folder: &str) {
    run(folder, |_, input| {
        let input: Value = serde_json::from_slice(input).expect("an input is JSON");
        let config = json_text(&input, "config");
        let mut remote = Recording { answers: answers(&input["answer"]), requests: Vec::new() };
        let result = N::send(&notification(&input["notification"]), &config, &mut remote);
        outcome(&N::validate_config(&config), remote.requests, result)
    });
}

/// What came of one input, in the form of the expected file.
pub(super) fn outcome(
    problems: &[Problem],
    requests: Vec<Value>,
    result: Result<Receipt, PluginError>,
) -> Value {
    let result = match result {
        Ok(receipt) => json!({ "remote_ref": receipt.remote_ref, "detail": embedded(&receipt.detail) }),
        Err(error) => error_json(&error),
    };
    json!({
        "problems": problems.iter().map(|p| json!([p.path, p.message])).collect::<Value>(),
        "requests": requests,
        "result": result,
    })
}

/// A remote that answers as it was told and keeps what it was asked.
pub(super) struct Recording {
    /// The last is given for ever.
    pub(super) answers: Vec<Result<Response, HttpError>>,
    pub(super) requests: Vec<Value>,
}

impl Recording {
    fn take(&mut self, request: &Request, signing: Option<&Signing>) -> Result<Response, HttpError> {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        self.requests.push(json!({
            "method": request.method,
            "url": request.url,
            "headers": pairs(&request.headers),
            "body": serde_json::from_str(&body).unwrap_or(Value::String(body)),
            "resolve_in_body": request.resolve_in_body,
            "credential": request.credential,
            "timeout_ms": request.timeout_ms,
            "signing": signing.map(|signing| json!({ "secret": signing.secret, "id": signing.id })),
        }));
        let turn = self.requests.len().min(self.answers.len());
        self.answers.get(turn.saturating_sub(1)).cloned().expect("there is an answer")
    }
}

impl Remote for Recording {
    fn send(&mut self, request: &Request) -> Result<Response, HttpError> {
        self.take(request, None)
    }

    fn send_signed(&mut self, request: &Request, signing: &Signing) -> Result<Response, HttpError> {
        self.take(request, Some(signing))
    }

    fn now(&mut self) -> i64 {
        super::RECEIVED_AT
    }
}

pub(super) fn answers(input: &Value) -> Vec<Result<Response, HttpError>> {
    match input {
        Value::Array(list) => list.iter().map(answer).collect(),
        one => vec![answer(one)],
    }
}

fn answer(input: &Value) -> Result<Response, HttpError> {
    let reason = text(input, "reason");
    Err(match text(input, "error").as_str() {
        "denied" => HttpError::Denied(reason),
        "invalid-request" => HttpError::InvalidRequest(reason),
        "unreachable" => HttpError::Unreachable(reason),
        "timeout" => HttpError::Timeout,
        "too-large" => HttpError::TooLarge,
        "budget-exceeded" => HttpError::BudgetExceeded(reason),
        _ => {
            let status = input["status"].as_u64().and_then(|status| u16::try_from(status).ok());
            return Ok(Response {
                status: status.expect("an answer has a status or an error"),
                headers: labels(&input["headers"]),
                body: text(input, "body").into_bytes(),
            });
        }
    })
}

pub(super) fn notification(input: &Value) -> Notification {
    Notification {
        id: text(input, "id"),
        attempt: input["attempt"].as_u64().and_then(|attempt| u32::try_from(attempt).ok()).unwrap_or(1),
        title: text(input, "title"),
        message: text(input, "message"),
        html: input["html"].as_str().map(ToOwned::to_owned),
        payload: input.get("payload").filter(|payload| !payload.is_null()).map(Value::to_string),
        severity: severity(&text(input, "severity")),
        status: status(&text(input, "status")),
        incident: json_text(input, "incident"),
        alerts: alerts(input),
        recommendations: json_text(input, "recommendations"),
        tags: labels(&input["tags"]),
        links: labels(&input["links"]),
        previous_ref: input["previous_ref"].as_str().map(ToOwned::to_owned),
    }
}
