//! What is pushed to an Alertmanager's `/api/v2/alerts`: an array of alerts.
//!
//! There is no status and no fingerprint. An alert is over once its `endsAt` has passed; while it
//! fires, the sender repeats it and moves `endsAt` ahead. Its identity is the whole set of labels,
//! from which the host derives the fingerprint.
//!
//! An `endsAt` still to come says until when the alert holds if nobody repeats it. It is no end, so it
//! stands in `extra` as `{"expires_at_ms": …}` (Unix milliseconds), where a sweep for senders that
//! fell silent can find it.

use plugin_sdk::alert::Warnings;
use plugin_sdk::driver::{About, Parsed, collect};
use plugin_sdk::json::{self, Items};
use plugin_sdk::text::cut;
use plugin_sdk::time::Instant;
use plugin_sdk::{AlertStatus, PluginError};

use crate::fields::AlertFields;

pub(crate) fn parse(text: &str, received_at: i64) -> Result<Parsed, PluginError> {
    let alerts: Items<AlertFields<'_>> = json::read(text)?;
    let about = About { version: "v2", ..About::default() };
    collect(&alerts, &about, Warnings::default(), |fields, warnings| {
        let ends_at = fields.ends_at.as_str();
        let end = Instant::read(ends_at);
        if end == Instant::Unreadable {
            warnings
                .add(|| format!("end time `{}` is no time, so the alert counts as firing", cut(ends_at, 64)));
        }
        let draft = fields.draft(warnings);
        match end.ms() {
            Some(ms) if ms <= received_at => {
                draft.implied_status(AlertStatus::Resolved).ends_at(ends_at, received_at)
            }
            Some(ms) => {
                draft.implied_status(AlertStatus::Firing).extra(format!("{{\"expires_at_ms\":{ms}}}"))
            }
            None => draft.implied_status(AlertStatus::Firing),
        }
        .finish()
    })
}
