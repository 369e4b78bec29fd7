//! What the server said, to keep.

use plugin_sdk::log::Level;
use plugin_sdk::mail::{RefusedRecipient, Sent};
use plugin_sdk::notifier::Receipt;
use plugin_sdk::text::clip;
use serde_json::{Value, json};

/// The contract lets a receipt have 16 KiB.
const MAX_LISTED: usize = 25;
const MAX_TEXT_BYTES: usize = 160;

/// The receipt for a message that was taken.
pub(crate) fn of(message_id: String, sent: &Sent) -> Receipt {
    let refused: Vec<Value> = sent.refused.iter().take(MAX_LISTED).map(one).collect();
    let detail = json!({
        "code": sent.reply.code,
        "text": clip(&sent.reply.text, MAX_TEXT_BYTES),
        "refused": refused,
        "refused_left_out": sent.refused.len() - refused.len(),
    });
    Receipt { remote_ref: Some(message_id), detail: detail.to_string() }
}

fn one(refused: &RefusedRecipient) -> Value {
    json!({
        "address": clip(&refused.address, MAX_TEXT_BYTES),
        "code": refused.reply.code,
        "text": clip(&refused.reply.text, MAX_TEXT_BYTES),
        "temporary": refused.temporary,
    })
}

/// Tells the operator who was left out, as far as a log may: no addresses.
pub(crate) fn warn(sent: &Sent) {
    if sent.refused.is_empty() {
        return;
    }
    let codes: Vec<String> = sent.refused.iter().map(|one| one.reply.code.to_string()).collect();
    let text = format!(
        "the mail server refused {} of the recipients ({}); they are not tried again",
        codes.len(),
        codes.join(", ")
    );
    plugin_sdk::log::log(Level::Warn, &text);
}
