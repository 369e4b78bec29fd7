//! What is said of a webhook.

use domain::run::IngestOutcome;
use store::{InboxEntry, RunDetail};

use super::facts::Facts;
use super::{Step, What};

/// Why a webhook started nothing.
const NOT_MATERIAL: &str =
    "no incident was made by it, or changed its state, or got worse: so it starts no run and tells nobody";

pub(super) fn steps(found: &RunDetail, request: &InboxEntry, facts: &Facts, steps: &mut Vec<Step>) {
    let mut say = |what, text| {
        steps.push(Step {
            at: request.received_at,
            what,
            run_id: Some(request.run_id),
            trace_id: Some(request.trace_id),
            text,
        });
    };
    say(What::Request, arrival(request));
    say(What::Driver, driver(request));
    say(What::Signature, signature(request));
    say(What::Outcome, outcome(found, request));
    if request.outcome == IngestOutcome::Parsed && !facts.causes.contains(&request.run_id) {
        say(What::Material, NOT_MATERIAL.to_owned());
    }
}

fn arrival(request: &InboxEntry) -> String {
    let key = match request.api_key_id {
        Some(id) => format!("with the API key {id}"),
        None => "without an API key".to_owned(),
    };
    let delivery = match &request.delivery_id {
        Some(id) => format!(", delivery id `{id}`"),
        None => String::new(),
    };
    format!("a webhook of {} bytes arrived {key}{delivery}", request.size_bytes)
}

fn driver(request: &InboxEntry) -> String {
    match &request.driver {
        Some(driver) => format!("`{driver}` was to read it: {}", request.detection),
        None => format!("no driver was to read it: {}", request.detection),
    }
}

fn signature(request: &InboxEntry) -> String {
    let words = match (request.verified, &request.driver) {
        (true, Some(driver)) => return format!("its signature matched a secret of `{driver}`"),
        (true, None) => "its signature matched",
        (false, Some(driver)) => {
            return format!("not checked: `{driver}` had no secret to check a signature with");
        }
        (false, None) => "not checked: there was no driver whose secret could have been used",
    };
    words.to_owned()
}

fn outcome(found: &RunDetail, request: &InboxEntry) -> String {
    let why = match (&request.reason_code, &request.reason) {
        (Some(code), Some(reason)) => format!(": {reason} ({code})"),
        (None, Some(reason)) => format!(": {reason}"),
        (Some(code), None) => format!(" ({code})"),
        (None, None) => String::new(),
    };
    match request.outcome {
        IngestOutcome::Parsed => format!("alerts read of it: {}{why}", found.run.alerts),
        IngestOutcome::Ignored => format!("its driver said that it means nothing{why}"),
        IngestOutcome::Quarantined => format!(
            "kept in quarantine{why}\nhint: `watchbell quarantine show {}`, and `reparse` when its driver is mended",
            request.run_id
        ),
    }
}
