//! What plugins return as JSON, in the one form that people read and golden files hold.
//!
//! The form of the contract and not of the host's own storage: times are milliseconds since the epoch
//! and kinds of errors have dashes, as an author writes them. The plugins' own golden tests write the
//! same form without a host (`plugins/sdk/src/testkit`).

use serde_json::{Value, json};

use crate::alert::ParsedAlert;
use crate::egress::{HttpRequest, MailMessage};
use crate::plugin::{Analysis, Outcome, Parsed, PluginError, Problem, Receipt};
use crate::time::Timestamp;

/// When the webhooks of golden files were received: 2026-06-01T12:00:00Z.
pub const RECEIVED_AT: Timestamp = Timestamp::from_millis(1_780_315_200_000);

/// What a driver read.
pub fn parsed(parsed: &Parsed) -> Value {
    let (outcome, content) = match &parsed.outcome {
        Outcome::Alerts(alerts) => ("alerts", alerts.iter().map(alert).collect()),
        Outcome::Nothing(why) => ("nothing", json!(why)),
    };
    json!({
        outcome: content,
        "group_key": parsed.group_key,
        "receiver": parsed.receiver,
        "external_url": parsed.external_url,
        "version": parsed.version,
        "warnings": parsed.warnings,
    })
}

fn alert(alert: &ParsedAlert) -> Value {
    let millis = |time: Option<Timestamp>| time.map(Timestamp::as_millis);
    let mut value = json!(alert);
    if let Value::Object(fields) = &mut value {
        fields.insert("starts_at".to_owned(), json!(millis(alert.starts_at)));
        fields.insert("ends_at".to_owned(), json!(millis(alert.ends_at)));
    }
    value
}

/// What a notifier brought back.
pub fn receipt(receipt: &Receipt) -> Value {
    json!(receipt)
}

/// What a provider thinks. What the answer cost is left out: it differs from call to call. So is the version
/// of a prompt where there is none.
pub fn analysis(analysis: &Analysis) -> Value {
    let mut value = json!(analysis);
    if let Value::Object(fields) = &mut value {
        fields.remove("usage");
        if analysis.prompt_version.is_none() {
            fields.remove("prompt_version");
        }
    }
    value
}

/// What is wrong with settings, as pairs of path and message.
pub fn problems(problems: &[Problem]) -> Value {
    problems.iter().map(|problem| json!([problem.path, problem.message])).collect()
}

/// A request that a plugin made; the body as JSON where it is.
pub fn request(request: &HttpRequest) -> Value {
    let text = String::from_utf8_lossy(&request.body);
    let body = serde_json::from_slice(&request.body).unwrap_or_else(|_| json!(text));
    let headers: serde_json::Map<String, Value> =
        request.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({
        "method": request.method,
        "url": request.url,
        "headers": headers,
        "body": body,
        "resolve_in_body": request.resolve_in_body,
        "credential": request.credential,
        "timeout_ms": request.timeout_ms,
        "signing": request.signing,
    })
}

/// A mail that a plugin sent; what it left out is left out.
pub fn mail(mail: &MailMessage) -> Value {
    let mut value = json!(mail);
    if let Value::Object(fields) = &mut value {
        fields.retain(|_, field| !(field.is_null() || field.as_array().is_some_and(Vec::is_empty)));
        let headers = mail.headers.iter().map(|(name, value)| (name.clone(), json!(value)));
        fields.insert("headers".to_owned(), headers.collect::<serde_json::Map<_, _>>().into());
    }
    json!({ "mail": value })
}

/// A plugin's own refusal.
pub fn error(error: &PluginError) -> Value {
    let detail = match error {
        PluginError::InvalidInput(text)
        | PluginError::Unsupported(text)
        | PluginError::Config(text)
        | PluginError::Auth(text)
        | PluginError::Unavailable(text)
        | PluginError::Rejected(text)
        | PluginError::Internal(text) => json!(text),
        PluginError::RateLimited(seconds) => json!(seconds),
        PluginError::Other(code, text) => json!([code, text]),
    };
    json!({ "error": error.kind().replace('_', "-"), "message": detail })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_milliseconds_and_kinds_have_dashes() {
        let alert = json!({
            "fingerprint": null, "name": "DiskFull", "status": "firing", "raw_status": "", "severity": "info",
            "raw_severity": "", "description": "", "starts_at": "2026-06-01T12:00:00Z", "ends_at": null,
            "labels": {}, "annotations": {}, "links": {}, "extra": {},
        });
        let outcome = Outcome::Alerts(vec![serde_json::from_value(alert).unwrap()]);
        let (group_key, receiver, external_url, version) = Default::default();
        let found =
            parsed(&Parsed { outcome, group_key, receiver, external_url, version, warnings: Vec::new() });
        assert_eq!(found["alerts"][0]["starts_at"], RECEIVED_AT.as_millis());
        assert_eq!(found["alerts"][0]["ends_at"], Value::Null);
        assert_eq!(
            error(&PluginError::RateLimited(Some(30))),
            json!({"error": "rate-limited", "message": 30})
        );
    }
}
