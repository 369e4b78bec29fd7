//! Whether anybody was told, in a few words.

use std::collections::BTreeSet;

use domain::delivery::{Delivery, DeliveryStatus};
use domain::incident::{Incident, IncidentStatus};
use domain::run::{IngestOutcome, RunStatus};

use super::facts::Facts;

domain::words! {
    /// Whether anybody was told.
    Told {
        /// Every channel was.
        Everybody = "everybody",
        /// Some channels were, others not, or not yet.
        Some = "some",
        /// Not yet.
        NotYet = "not_yet",
        /// Nobody.
        Nobody = "nobody",
    }
}

pub(super) fn verdict(facts: &Facts) -> (Told, String) {
    let deliveries = || facts.runs.iter().flat_map(|found| &found.deliveries);
    let channels = |status: &[DeliveryStatus]| -> BTreeSet<&str> {
        let wanted = |delivery: &&Delivery| status.contains(&delivery.status);
        deliveries().filter(wanted).map(|delivery| delivery.channel.as_str()).collect()
    };
    let told = channels(&[DeliveryStatus::Delivered]);
    let waiting = channels(&[DeliveryStatus::Pending, DeliveryStatus::Sending]);
    let dead = channels(&[DeliveryStatus::Dead]);
    let mut parts = Vec::new();
    for (words, names) in [("told", &told), ("not yet told", &waiting), ("given up on", &dead)] {
        if !names.is_empty() {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            parts.push(format!("{words}: {}", names.join(", ")));
        }
    }
    let (told, waiting, dead) = (!told.is_empty(), !waiting.is_empty(), !dead.is_empty());
    let downstream = || facts.runs.iter().filter(|found| found.request.is_none());
    let under_way = downstream().any(|found| found.run.completed_at.is_none());
    match (told, waiting || under_way, dead) {
        (true, false, false) => (Told::Everybody, parts.join("; ")),
        (true, _, _) => (Told::Some, parts.join("; ")),
        (false, true, _) if parts.is_empty() => {
            (Told::NotYet, "nobody yet: a run is still under way".to_owned())
        }
        (false, true, _) => (Told::NotYet, parts.join("; ")),
        (false, false, true) => (Told::Nobody, format!("nobody; {}", parts.join("; "))),
        (false, false, false) => (Told::Nobody, format!("nobody: {}", nobody(facts))),
    }
}

/// Why there is no delivery.
fn nobody(facts: &Facts) -> String {
    let downstream = facts.runs.iter().rev().find(|found| found.request.is_none());
    if let Some(found) = downstream {
        return match (&found.run.error_message, &found.run.route) {
            (Some(message), _) => message.clone(),
            (None, _) if found.run.status == RunStatus::Notified => {
                "what there was to tell was overtaken by something newer".to_owned()
            }
            (None, Some(route)) => format!("route `{route}` has no notify stage"),
            (None, None) => format!("the run ended {}", found.run.status),
        };
    }
    let request = facts.runs.iter().rev().find_map(|found| found.request.as_ref());
    match request.map(|request| (request.outcome, &request.reason)) {
        Some((IngestOutcome::Quarantined, reason)) => {
            format!("no alert could be read: {}", reason.as_deref().unwrap_or("see the steps"))
        }
        Some((IngestOutcome::Ignored, reason)) => {
            format!("the webhook means nothing: {}", reason.as_deref().unwrap_or("its driver says so"))
        }
        Some(_) => ended_by_a_person(facts).unwrap_or_else(|| {
            "nothing changed that is worth telling: no incident was made, changed its state or its severity"
                .to_owned()
        }),
        None => "no run is kept that could have".to_owned(),
    }
}

/// That a person ended an incident whose alerts go on, if so.
fn ended_by_a_person(facts: &Facts) -> Option<String> {
    let goes_on = |incident: &&Incident| {
        !incident.status.is_open() && incident.firing.saturating_add(incident.acknowledged) > 0
    };
    let Incident { id, status, .. } = facts.incidents.iter().map(|found| &found.incident).find(goes_on)?;
    let until = match status {
        IncidentStatus::Closed => "ends and fires anew",
        _ => "gets worse, or ends and fires anew",
    };
    Some(format!("a person has {status} incident {id}, so nobody is told before an alert of it {until}"))
}
