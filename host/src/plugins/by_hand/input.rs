//! What notifiers and providers are given, read from JSON that somebody wrote by hand.

use anyhow::{Context as _, Result, bail};
use domain::plugin::{AnalysisRequest, Notification};
use domain::time::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A notification as it is kept, to start from.
pub(super) const NOTIFICATION: &str = include_str!("notification.json");
/// A request as it is made for an incident, to start from.
pub(super) const ANALYSIS_REQUEST: &str = include_str!("analysis_request.json");

/// Reads a notification; every field may be left out.
pub(super) fn notification(input: Value) -> Result<Notification> {
    let blank = json!({
        "id": "", "attempt": 1, "title": "", "message": "", "severity": "unmapped", "status": "unmapped",
        "incident": {}, "alerts": [], "recommendations": [], "html": null, "payload": null, "tags": {}, "links": {}, "previous_ref": null,
    });
    read("a notification", blank, input)
}

/// Reads what a provider is asked; every field may be left out.
pub(super) fn analysis_request(input: Value) -> Result<AnalysisRequest> {
    let blank = json!({
        "task": "", "incident": {}, "alerts": [], "checks": {}, "options": {}, "max_output_tokens": 1000,
    });
    read("a request", blank, input)
}

fn read<T: DeserializeOwned>(what: &str, blank: Value, input: Value) -> Result<T> {
    let mut whole = fill(what, blank, input)?;
    if let Some(Value::Array(alerts)) = whole.get_mut("alerts") {
        for place in alerts {
            *place = alert(place.take())?;
        }
    }
    serde_json::from_value(whole).with_context(|| format!("{what} cannot be read"))
}

fn alert(input: Value) -> Result<Value> {
    let blank = json!({
        "fingerprint": null, "name": "", "status": "unmapped", "raw_status": "", "severity": "unmapped",
        "raw_severity": "", "description": "", "starts_at": null, "ends_at": null, "labels": {},
        "annotations": {}, "links": {}, "extra": {},
    });
    let mut alert = fill("an alert", blank, input)?;
    for name in ["starts_at", "ends_at"] {
        // As plugins see times.
        if let Some(millis) = alert.get(name).and_then(Value::as_i64)
            && let Some(place) = alert.get_mut(name)
        {
            *place = json!(Timestamp::from_millis(millis));
        }
    }
    Ok(alert)
}

/// The input over what holds where it says nothing. A name that is not known is a slip of the pen.
fn fill(what: &str, blank: Value, input: Value) -> Result<Value> {
    let (Value::Object(mut filled), Value::Object(given)) = (blank, input) else {
        bail!("{what} is a JSON object");
    };
    for (name, value) in given {
        match filled.get_mut(&name) {
            Some(place) => *place = value,
            None => {
                let known: Vec<String> = filled.keys().map(|name| format!("`{name}`")).collect();
                let name: String = name.chars().take(40).flat_map(char::escape_default).collect();
                bail!("{what} has no field `{name}`\nhint: it has {}", known.join(", "));
            }
        }
    }
    Ok(Value::Object(filled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_whole_and_read_as_they_serialise() {
        let input: Value = serde_json::from_str(NOTIFICATION).unwrap();
        assert_eq!(json!(notification(input.clone()).unwrap()), input);
        let input: Value = serde_json::from_str(ANALYSIS_REQUEST).unwrap();
        assert_eq!(json!(analysis_request(input.clone()).unwrap()), input);
    }

    #[test]
    fn everything_may_be_left_out_and_times_may_be_milliseconds() {
        let input = json!({ "alerts": [{ "name": "DiskFull", "starts_at": 0 }] });
        let read = notification(input).unwrap();
        assert_eq!((read.attempt, read.alerts[0].starts_at), (1, Some(Timestamp::from_millis(0))));
        analysis_request(json!({})).unwrap();
    }

    #[test]
    fn slips_are_named() {
        let error = |input| format!("{:#}", notification(input).unwrap_err());
        assert!(error(json!([])).contains("a notification is a JSON object"));
        assert!(error(json!({ "titel": "" })).contains("no field `titel`\nhint: it has `alerts`, "));
        assert!(error(json!({ "alerts": [{ "lables": {} }] })).contains("an alert has no field `lables`"));
        assert!(
            error(json!({ "severity": "bad" })).contains("a notification cannot be read: unknown variant")
        );
    }
}
