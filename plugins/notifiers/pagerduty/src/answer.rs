//! What PagerDuty's answer means.

use plugin_sdk::PluginError;
use plugin_sdk::http::{Response, refusal};
use plugin_sdk::json::{Items, Text};
use plugin_sdk::notifier::Receipt;
use plugin_sdk::text::{clip, one_line};
use serde::Deserialize;
use serde_json::json;

/// Of what PagerDuty says is wrong.
const MAX_REASON: usize = 400;
/// The longest reference that is kept, in bytes.
const MAX_REF: usize = 512;

#[derive(Deserialize, Default)]
struct Answer<'a> {
    #[serde(borrow, default)]
    status: Text<'a>,
    #[serde(borrow, default)]
    message: Text<'a>,
    #[serde(borrow, default)]
    dedup_key: Text<'a>,
    #[serde(borrow, default)]
    errors: Items<Text<'a>>,
}

/// A receipt for what PagerDuty took; anything else is an error that says whether another attempt makes
/// sense.
pub(crate) fn read(response: &Response, dedup_key: &str, now: i64) -> Result<Receipt, PluginError> {
    let text = String::from_utf8_lossy(&response.body);
    let answer: Option<Answer<'_>> = serde_json::from_str(&text).ok();
    match (response.status, answer) {
        (200..300, Some(answer)) if answer.status.as_str() == "success" => {
            let kept = match answer.dedup_key.as_str() {
                "" => dedup_key,
                key => key,
            };
            let detail = json!({ "dedup_key": clip(kept, MAX_REF) }).to_string();
            Ok(Receipt { remote_ref: Some(clip(&one_line(kept), MAX_REF).into_owned()), detail })
        }
        // Something between here and PagerDuty answered, or PagerDuty is not well.
        (200..300, _) => Err(PluginError::Unavailable(format!(
            "answer {} without the status `success`, which PagerDuty gives to what it took",
            response.status
        ))),
        (400, Some(answer)) => Err(invalid(&answer)),
        _ => Err(refusal(response, now)),
    }
}

/// PagerDuty names what is wrong with an event; the key is the one thing that an operator can mend.
fn invalid(answer: &Answer<'_>) -> PluginError {
    let errors: Vec<&str> = answer.errors.items.iter().map(Text::as_str).collect();
    let reason = match errors.is_empty() {
        true => answer.message.as_str().to_owned(),
        false => errors.join("; "),
    };
    let reason = clip(&one_line(&reason), MAX_REASON).into_owned();
    if reason.contains("routing_key") {
        return PluginError::Auth(format!(
            "PagerDuty answered 400: {reason}\n\
             hint: set `routing_key` to the key of an integration of the kind Events API V2"
        ));
    }
    PluginError::Rejected(format!("PagerDuty answered 400: {reason}"))
}
