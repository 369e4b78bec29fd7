//! One attempt: open what is sealed, call the notifier, record the end.

use std::time::Duration;

use domain::crash::{self, Point};
use domain::delivery::{AttemptResult, ClaimedDelivery, DeliveryStatus};
use domain::plugin::Notification;
use domain::retry::DELIVERY;
use domain::time::{Timestamp, millis};
use domain::trace::{SpanId, TraceParent};
use serde_json::Value;

use super::call::{self, Call, Means};
use super::classify::Verdict;
use super::traffic::UnderWay;
use super::worker::Parts;
use crate::clock::{self, Ids};
use crate::crypto::{CryptoError, Place, Purpose};
use crate::telemetry::export::{self, Side, Step};
use crate::telemetry::{chain, metrics};

/// Makes one attempt at a claimed delivery, whose attempt row is already written.
pub(super) async fn attempt(parts: &Parts, under_way: &UnderWay) {
    let delivery = &under_way.delivery;
    crash::pass(Point::DeliveryClaimed);
    let started = clock::now();
    let step = TraceParent {
        trace_id: delivery.trace_id,
        span_id: SpanId::mint(&mut Ids),
        sampled: export::is_on(),
    };
    let verdict = match send(parts, delivery, step).await {
        Ok(remote_ref) => Verdict::Delivered { remote_ref },
        Err(verdict) => verdict,
    };
    crash::pass(Point::DeliveryAnswered);
    under_way.ended(verdict.end());
    let now = clock::now();
    let tries = delivery.attempt.saturating_sub(delivery.attempts_before);
    let result = schedule(verdict, tries, now);
    let took = now.since(started);
    let recorded = parts.store.record_attempt(delivery, &result, now).await;
    crash::pass(Point::DeliveryRecorded);
    let is_stale = matches!(recorded, Ok((DeliveryStatus::Stale, _)));
    let outcome = if is_stale { "stale" } else { word(&result) };
    metrics::attempt(&delivery.channel.notifier, outcome, took);
    log(delivery, &result, is_stale, took);
    tell(delivery, &result, step, (started, now));
    match recorded {
        Ok((_, Some(ended))) => metrics::run(ended.as_str()),
        Ok((_, None)) => {}
        // The lease ends by itself and the delivery is tried again under the same idempotency key.
        Err(error) => tracing::error!(
            trace_id = %delivery.trace_id, run_id = %delivery.run_id, delivery.id = %delivery.id,
            error.r#type = "store", "the end of an attempt was not recorded: {}", chain(&error)
        ),
    }
}

fn tell(
    delivery: &ClaimedDelivery,
    result: &AttemptResult,
    step: TraceParent,
    (began, ended): (Timestamp, Timestamp),
) {
    export::step(|| Step {
        name: "attempt",
        side: Side::Internal,
        trace_id: step.trace_id,
        id: step.span_id,
        parent: Some(SpanId::from(delivery.run_id)),
        link: None,
        began,
        ended,
        error: match result {
            AttemptResult::Delivered { .. } => None,
            AttemptResult::Retry { error_type, .. } | AttemptResult::Dead { error_type, .. } => {
                Some(error_type.clone())
            }
        },
        fields: vec![
            ("run_id", delivery.run_id.to_string()),
            ("incident.id", delivery.incident_id.to_string()),
            ("channel.name", delivery.channel.name.to_string()),
            ("delivery.id", delivery.id.to_string()),
            ("delivery.attempt", delivery.attempt.to_string()),
            ("outcome", word(result).to_owned()),
        ],
    });
}

async fn send(
    parts: &Parts,
    delivery: &ClaimedDelivery,
    step: TraceParent,
) -> Result<Option<String>, Verdict> {
    let name = &delivery.channel.notifier;
    let entry = parts.catalogue.notifier(name).ok_or_else(|| {
        Verdict::retry("unknown_notifier", format!("notifier `{name}` is not loaded"), None)
    })?;
    let row = delivery.channel.id.to_string();
    let settings = open(parts, Purpose::Channel, "channel", "settings", &row, &delivery.channel_settings)?;
    let notification = notification(parts, delivery)?;
    let Parts { egress, references, templates, .. } = parts;
    let means = Means { egress, references, templates };
    let call = Call {
        entry: &entry,
        channel: Some(&delivery.channel),
        settings: &settings,
        notification: &notification,
        run_id: delivery.run_id,
        trace_id: delivery.trace_id,
        step,
    };
    let sent = call::call(&means, call).await;
    Ok(sent.map_err(|failure| failure.verdict(&delivery.channel.name))?.remote_ref)
}

fn notification(parts: &Parts, delivery: &ClaimedDelivery) -> Result<Notification, Verdict> {
    let row = delivery.id.to_string();
    let value = open(parts, Purpose::Delivery, "delivery", "notification", &row, &delivery.notification)?;
    let notification: Notification = serde_json::from_value(value)
        .map_err(|_| Verdict::dead("corrupt", "the stored notification is not one".to_owned()))?;
    Ok(Notification {
        attempt: delivery.attempt,
        previous_ref: delivery.previous_ref.clone(),
        ..notification
    })
}

fn open(
    parts: &Parts,
    purpose: Purpose,
    table: &'static str,
    column: &'static str,
    row: &str,
    sealed: &[u8],
) -> Result<Value, Verdict> {
    let place = Place { table, column, row };
    let plain = parts.keys.open_value(purpose, place, sealed).map_err(|error| unreadable(place, &error))?;
    serde_json::from_slice(&plain)
        .map_err(|_| Verdict::dead("corrupt", format!("`{table}.{column}` cannot be read: it is not JSON")))
}

/// A data key that another process has just made is known here after the next look at what is stored.
fn unreadable(Place { table, column, .. }: Place<'_>, error: &CryptoError) -> Verdict {
    let message = format!("`{table}.{column}` cannot be read: {error}");
    match error {
        CryptoError::UnknownDataKey(_) => Verdict::retry("data_key", message, None),
        _ => Verdict::dead("corrupt", message),
    }
}

/// When the next attempt is, or that there is none.
fn schedule(verdict: Verdict, tries: u32, now: Timestamp) -> AttemptResult {
    match verdict {
        Verdict::Delivered { remote_ref } => AttemptResult::Delivered { remote_ref },
        Verdict::Dead { error_type, error_message, .. } => AttemptResult::Dead { error_type, error_message },
        Verdict::Retry { error_type, error_message, retry_after } => {
            match DELIVERY.pause(tries, retry_after, clock::draw()) {
                Some(pause) => AttemptResult::Retry { due_at: now.after(pause), error_type, error_message },
                None => AttemptResult::Dead {
                    error_type,
                    error_message: format!("given up on after {tries} attempts: {error_message}"),
                },
            }
        }
    }
}

const fn word(result: &AttemptResult) -> &'static str {
    match result {
        AttemptResult::Delivered { .. } => "delivered",
        AttemptResult::Retry { .. } => "retry",
        AttemptResult::Dead { .. } => "dead",
    }
}

fn log(delivery: &ClaimedDelivery, result: &AttemptResult, is_stale: bool, elapsed: Duration) {
    let ClaimedDelivery { attempt, channel, incident_id, .. } = delivery;
    let (channel, duration_ms) = (&channel.name, millis(elapsed));
    macro_rules! line {
        ($level:ident, $error:expr, $($text:tt)+) => {
            tracing::$level!(
                trace_id = %delivery.trace_id, run_id = %delivery.run_id, delivery.id = %delivery.id,
                incident.id = %incident_id, channel.name = %channel, delivery.attempt = attempt,
                error.r#type = $error, duration_ms, $($text)+
            )
        };
    }
    match result {
        AttemptResult::Delivered { .. } => {
            line!(info, None::<&str>, "delivered incident {incident_id} to `{channel}` on attempt {attempt}");
        }
        AttemptResult::Retry { due_at, error_type, error_message } => {
            let then = match is_stale {
                true => "something newer has overtaken it".to_owned(),
                false => format!("the next is at {due_at}"),
            };
            line!(warn, error_type, "`{channel}` did not take attempt {attempt}, {then}: {error_message}");
        }
        AttemptResult::Dead { error_type, error_message } => {
            line!(
                error,
                error_type,
                "gave up on telling `{channel}` of incident {incident_id}: {error_message}"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::id::DataKeyId;
    use ulid::Ulid;

    use super::*;

    #[test]
    fn a_data_key_that_is_not_known_yet_is_waited_for_and_a_value_that_was_changed_is_not() {
        let place = Place { table: "delivery", column: "notification", row: "01J" };
        let unknown = unreadable(place, &CryptoError::UnknownDataKey(DataKeyId::from(Ulid(1))));
        assert!(matches!(unknown, Verdict::Retry { ref error_type, .. } if error_type == "data_key"));
        let changed = unreadable(place, &CryptoError::Tampered("delivery.notification".to_owned()));
        assert!(matches!(changed, Verdict::Dead { ref error_type, .. } if error_type == "corrupt"));
    }
}
