//! What is said of a downstream run.

use domain::delivery::{AttemptOutcome, Delivery, DeliveryStatus};
use domain::run::{RunStatus, StageExecution, StageStatus};
use domain::time::Timestamp;
use store::{Attempt, RunDetail};

use super::facts::Facts;
use super::{Step, What};

pub(super) fn steps(found: &RunDetail, facts: &Facts, steps: &mut Vec<Step>) {
    let run = &found.run;
    let mut say = |at, what, text| {
        steps.push(Step { at, what, run_id: Some(run.run_id), trace_id: Some(run.trace_id), text });
    };
    say(run.created_at, What::Material, material(found));
    let begun = run.started_at.unwrap_or(run.created_at);
    if let Some(route) = &run.route {
        let because = run.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        say(begun, What::Route, format!("route `{route}` was the first that matched{because}"));
    }
    for stage in &found.stages {
        say(stage.started_at, What::Stage, tried(stage));
    }
    for delivery in &found.deliveries {
        say(delivery.created_at, What::Delivery, notification(delivery));
        let Some(detail) = facts.deliveries.get(&delivery.id) else { continue };
        for retry in &detail.retries {
            let text = format!("{} had delivery {} tried again", retry.actor, delivery.id);
            say(retry.at, What::Delivery, text);
        }
        for attempt in &detail.tries {
            say(attempt.started_at, What::Attempt, answered(delivery, attempt));
        }
    }
    if let Some(at) = run.completed_at {
        say(at, What::End, ended(found));
    } else if let Some(text) = waits(found) {
        say(begun, What::End, text);
    }
}

fn material(found: &RunDetail) -> String {
    let reasons: Vec<&str> = found.run.reasons.iter().map(|reason| reason.as_str()).collect();
    let incident = found.run.incident_id.map(|id| format!(" about incident {id}")).unwrap_or_default();
    format!("run {}{incident} was worth it because of: {}", found.run.run_id, reasons.join(", "))
}

fn tried(stage: &StageExecution) -> String {
    let name = stage.stage;
    let said = stage.error_message.as_deref().unwrap_or_default();
    let summary = stage.summary.as_deref().filter(|summary| !said.starts_with(summary));
    let summary = summary.map(|summary| format!(": {summary}")).unwrap_or_default();
    let fault = fault(stage.error_type.as_deref(), stage.error_message.as_deref());
    let took = took(stage.started_at, stage.completed_at);
    let attempt = if stage.attempt > 1 { format!(", try {}", stage.attempt) } else { String::new() };
    let ended = match stage.status {
        StageStatus::Started => "is under way, or was cut off",
        StageStatus::Succeeded => "succeeded",
        StageStatus::Failed => "failed",
        StageStatus::Skipped => "was skipped",
    };
    format!("stage {name}{attempt} {ended}{took}{summary}{fault}")
}

fn notification(delivery: &Delivery) -> String {
    let Delivery { id, channel, .. } = delivery;
    let fault = fault(delivery.error_type.as_deref(), delivery.error_message.as_deref());
    let far = match delivery.status {
        DeliveryStatus::Pending if delivery.attempts > 0 => {
            format!("waits for another try, due at {}{fault}", delivery.due_at)
        }
        DeliveryStatus::Pending => format!("waits to be sent, due at {}", delivery.due_at),
        DeliveryStatus::Sending => "is being sent".to_owned(),
        DeliveryStatus::Delivered => match delivery.completed_at {
            Some(at) => format!("delivered at {at}"),
            None => "delivered".to_owned(),
        },
        DeliveryStatus::Dead => {
            format!("was given up on{fault}\nhint: `watchbell delivery retry {id}` when the cause is mended")
        }
        DeliveryStatus::Stale => {
            let by = delivery.superseded_by.map(|by| format!(" by delivery {by}")).unwrap_or_default();
            format!("was overtaken{by}{fault}")
        }
    };
    format!("delivery {id} to channel `{channel}` {far}")
}

fn answered(delivery: &Delivery, attempt: &Attempt) -> String {
    let took = took(attempt.started_at, attempt.completed_at);
    let fault = fault(attempt.error_type.as_deref(), attempt.error_message.as_deref());
    let ended = match (attempt.outcome, &attempt.remote_ref) {
        (AttemptOutcome::Started, _) => "under way, or cut off: whether it arrived is not known".to_owned(),
        (AttemptOutcome::Delivered, Some(reference)) => format!("the remote took it as `{reference}`"),
        (AttemptOutcome::Delivered, None) => "the remote took it".to_owned(),
        (AttemptOutcome::Retry, _) => "it did not arrive and is tried again".to_owned(),
        (AttemptOutcome::Refused, _) => "it was refused for good".to_owned(),
    };
    format!("try {} at `{}`{took}: {ended}{fault}", attempt.attempt, delivery.channel)
}

fn ended(found: &RunDetail) -> String {
    let fault = fault(found.run.error_type.as_deref(), found.run.error_message.as_deref());
    let fallback = match found.run.intelligence_fallback_used {
        true => "; its analysis came from the fallback, or not at all",
        false => "",
    };
    format!("run {} ended {}{fault}{fallback}", found.run.run_id, found.run.status)
}

fn waits(found: &RunDetail) -> Option<String> {
    let fault = fault(found.run.error_type.as_deref(), found.run.error_message.as_deref());
    match found.run.status {
        RunStatus::Pending => Some(format!("run {} waits for a worker", found.run.run_id)),
        RunStatus::Retrying => Some(format!("run {} is tried again{fault}", found.run.run_id)),
        _ => None,
    }
}

fn fault(kind: Option<&str>, message: Option<&str>) -> String {
    match (kind, message) {
        (Some(kind), Some(message)) => format!(": {message} ({kind})"),
        (Some(word), None) | (None, Some(word)) => format!(": {word}"),
        (None, None) => String::new(),
    }
}

fn took(began: Timestamp, ended: Option<Timestamp>) -> String {
    ended.map(|at| format!(" after {} ms", at.since(began).as_millis())).unwrap_or_default()
}
