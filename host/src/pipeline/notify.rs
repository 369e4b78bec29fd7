//! The notify stage: one outbox row per channel, committed together with the end of the stage.

use domain::alert::{Alert, AlertStatus, ParsedAlert};
use domain::crash::{self, Point};
use domain::delivery::{Channel, NewDelivery};
use domain::id::DeliveryId;
use domain::own;
use domain::plugin::{Analysis, Notification, Recommendation};
use domain::run::{Person, RunStatus, Stage, StageStatus};
use serde_json::{Value, json};
use store::{Fault, StageEnd};

use super::{Passage, RunError, end, fault};
use crate::clock::{self, Ids};
use crate::crypto::{Place, Purpose};
use crate::telemetry::metrics;

/// How many bytes of JSON the alerts of a notification may be; the mildest are left out.
const MAX_ALERTS_BYTES: usize = 256 * 1024;
/// How long the text of a notification may be.
const MAX_MESSAGE_CHARS: usize = 16_000;

/// Why a run without a channel told nobody, and what to do.
const NO_CHANNEL: &str = "no enabled channel, so nobody was told";
const ADD_CHANNEL: &str =
    "`watchbell channel list` shows what there is, `watchbell channel add --help` how to add one";

/// Where a run's notification goes.
struct Goal {
    channel: Channel,
    /// It is off or not of the route, and takes only what comes in place of something that waits for it.
    only_instead: bool,
}

/// Puts a notification for each channel of the route into the outbox.
pub(super) async fn stage(passage: &Passage<'_>) -> Result<(), RunError> {
    let goals = goals(passage).await?;
    let stage_end = |status, summary: &str, fault: Option<Fault>| StageEnd {
        stage: Stage::Notify,
        attempt: passage.attempt,
        status,
        summary: Some(summary.to_owned()),
        fault,
        artifact: None,
        fallback_used: passage.fallback_used,
        at: clock::now(),
    };
    let (store, claim) = (&passage.parts.store, passage.run.claim);
    if goals.is_empty() {
        let fault = fault("no_channel", format!("{NO_CHANNEL}\nhint: {ADD_CHANNEL}"));
        store.finish_stage(claim, &stage_end(StageStatus::Skipped, NO_CHANNEL, Some(fault.clone()))).await?;
        end(passage.parts, passage.run, RunStatus::Skipped, Some(fault)).await?;
        return Ok(());
    }
    let mut texts = Texts { own: notification(passage), both: both(passage) };
    let mut deliveries = Vec::with_capacity(goals.len());
    for goal in &goals {
        deliveries.push(delivery(passage, goal, &mut texts)?);
    }
    let told: Vec<Value> = (goals.iter().zip(&deliveries))
        .map(|(goal, delivery)| json!({ "channel": goal.channel.name, "delivery_id": delivery.id }))
        .collect();
    let output = json!({ "title": texts.own.title, "deliveries": told });
    let mut ended = stage_end(StageStatus::Succeeded, &summary(&goals), None);
    ended.artifact = Some(passage.seal(output)?);
    let ended = store.finish_notify(claim, &ended, &deliveries).await?;
    crash::pass(Point::NotifyCommitted);
    for run in ended {
        metrics::run(run.as_str());
    }
    metrics::run("notifying");
    Ok(())
}

fn summary(goals: &[Goal]) -> String {
    let names = |only_instead: bool| {
        let goals = goals.iter().filter(|goal| goal.only_instead == only_instead);
        goals.map(|goal| goal.channel.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    match (names(false), names(true)) {
        (to, instead) if instead.is_empty() => format!("to {to}"),
        (to, instead) if to.is_empty() => format!("in place of what waits for {instead}"),
        (to, instead) => format!("to {to}; in place of what waits for {instead}"),
    }
}

/// The route's channels; a route that names none tells every enabled one. A channel is not told that it
/// fails itself. One that is off or not of the route is told nothing new, but what waits for it must not outlive
/// its state.
async fn goals(passage: &Passage<'_>) -> Result<Vec<Goal>, RunError> {
    let store = &passage.parts.store;
    let named = &passage.route.channels;
    let about: Vec<&str> = passage.context.alerts.iter().filter_map(own::channel).collect();
    let mut goals = Vec::new();
    for channel in store.channels().await? {
        if about.contains(&channel.name.as_str()) {
            continue;
        }
        let only_instead = !channel.enabled || !(named.is_empty() || named.contains(&channel.name));
        if !only_instead || store.waits(passage.context.incident.id, channel.id).await? {
            goals.push(Goal { channel, only_instead });
        }
    }
    Ok(goals)
}

/// What is told; each delivery puts its own identifier in.
struct Texts {
    own: Notification,
    /// In place of it where nobody was told of the beginning; only an end has it.
    both: Option<Notification>,
}

/// The notification under an identifier of its own, sealed.
fn delivery(passage: &Passage<'_>, goal: &Goal, texts: &mut Texts) -> Result<NewDelivery, RunError> {
    let id = DeliveryId::mint(&mut Ids);
    let row = id.to_string();
    let seal = |notification: &mut Notification| {
        notification.id.clone_from(&row);
        let place = Place { table: "delivery", column: "notification", row: &row };
        passage.parts.keys.seal(Purpose::Delivery, place, json!(notification).to_string().as_bytes())
    };
    Ok(NewDelivery {
        id,
        run_id: passage.run.run.run_id,
        trace_id: passage.run.run.trace_id,
        incident_id: passage.context.incident.id,
        channel_id: goal.channel.id,
        tells: passage.run.moment.status,
        notification: seal(&mut texts.own)?,
        telling_both: texts.both.as_mut().map(seal).transpose()?,
        only_instead: goal.only_instead,
    })
}

/// The worst alerts of an incident as plugins see them: as many as fit.
pub(super) fn alerts(passage: &Passage<'_>) -> Vec<ParsedAlert> {
    let mut room = MAX_ALERTS_BYTES;
    let fits = |alert: &ParsedAlert| {
        let size = json!(alert).to_string().len();
        let fits = size <= room;
        room = room.saturating_sub(size);
        fits
    };
    passage.context.alerts.iter().map(ParsedAlert::from).take_while(fits).collect()
}

/// What a provider recommends, short enough for any channel: a provider's words must not cost the page.
fn recommendations(analysis: Option<&Value>) -> Value {
    let Some(Ok(analysis)) = analysis.cloned().map(serde_json::from_value::<Analysis>) else {
        return json!([]);
    };
    let short = |recommendation: Recommendation| Recommendation {
        kind: clip(&recommendation.kind, 64),
        title: clip(&recommendation.title, 200),
        description: clip(&recommendation.description, 2000),
        actions: recommendation.actions.iter().take(10).map(|action| clip(action, 500)).collect(),
        details: json!({}),
        ..recommendation
    };
    json!(analysis.recommendations.into_iter().take(10).map(short).collect::<Vec<_>>())
}

fn clip(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// The incident as the contract describes it, in the state that made the run worth it.
pub(super) fn incident(passage: &Passage<'_>) -> Value {
    let (incident, run) = (&passage.context.incident, &passage.run.run);
    let moment = &passage.run.moment;
    let over = moment.status == AlertStatus::Resolved;
    json!({
        "id": incident.id,
        "title": incident.title,
        "name": incident.name,
        "instance": incident.instance,
        "status": moment.status,
        "severity": moment.severity,
        "opened_at": incident.opened_at,
        "resolved_at": over.then_some(incident.resolved_at),
        "trace_id": run.trace_id,
        "run_id": run.run_id,
    })
}

/// The incident as notifiers and templates see it: with what else there is to say of it.
fn told(passage: &Passage<'_>) -> Value {
    let mut told = incident(passage);
    let word = |key: &str, most| {
        let word = passage.analysis.as_ref().and_then(|analysis| analysis.get(key)?.as_str());
        clip(word.unwrap_or_default(), most)
    };
    let more = json!({
        "told_at": clock::now(),
        "firing": passage.context.incident.firing,
        "total": passage.context.total,
        "by": passage.run.moment.by,
        "analysis": {
            "asked": passage.route.stages.contains(&Stage::Analyze),
            "summary": word("summary", 2000),
            "probable_cause": word("probable_cause", 2000),
            "model": word("model", 100),
            "fallback": passage.fallback_used,
        },
        "machine": troubles(passage).map(|trouble| clip(trouble, 500)).take(20).collect::<Vec<_>>(),
    });
    if let (Value::Object(told), Value::Object(more)) = (&mut told, more) {
        told.extend(more);
    }
    told
}

/// What the checks of the hub's own machine complain of.
fn troubles<'a>(passage: &'a Passage<'_>) -> impl Iterator<Item = &'a str> {
    let checks = passage.checks.as_array().into_iter().flatten();
    let is_bad =
        |check: &&Value| matches!(check.get("status").and_then(Value::as_str), Some("warning" | "critical"));
    checks.filter(is_bad).filter_map(|check| check.get("message")?.as_str())
}

/// What to tell of an end where nobody was told of the beginning.
fn both(passage: &Passage<'_>) -> Option<Notification> {
    let (incident, moment) = (&passage.context.incident, &passage.run.moment);
    if moment.status != AlertStatus::Resolved {
        return None;
    }
    let mut own = notification(passage);
    own.tags.insert("tells".to_owned(), "firing, resolved".to_owned());
    let message = format!(
        "{} fired ({}) and is over; this is the first message about it.\n{}",
        incident.title,
        moment.severity,
        message(passage)
    );
    Some(Notification {
        title: format!("[FIRED AND RESOLVED] {}", incident.title),
        message: clip(&message, MAX_MESSAGE_CHARS),
        ..own
    })
}

/// What to tell; each delivery puts its own identifier in.
fn notification(passage: &Passage<'_>) -> Notification {
    let (incident_row, moment) = (&passage.context.incident, &passage.run.moment);
    let source = passage.run.run.source.clone().unwrap_or_default();
    let tags = [
        ("source", source),
        ("incident_id", incident_row.id.to_string()),
        ("run_id", passage.run.run.run_id.to_string()),
        ("trace_id", passage.run.run.trace_id.to_string()),
        ("route", passage.route.name.clone()),
    ];
    let alerts = alerts(passage);
    Notification {
        id: String::new(),
        attempt: 1,
        title: title(passage),
        message: clip(&message(passage), MAX_MESSAGE_CHARS),
        html: None,
        payload: None,
        severity: moment.severity.into(),
        status: moment.status.into(),
        incident: told(passage),
        // Of two that have one name the worse alert's is kept.
        links: alerts.iter().rev().flat_map(|alert| alert.links.clone()).collect(),
        alerts,
        recommendations: recommendations(passage.analysis.as_ref()),
        tags: tags.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        previous_ref: None,
    }
}

fn title(passage: &Passage<'_>) -> String {
    let moment = &passage.run.moment;
    let word = match moment.status {
        AlertStatus::Firing => moment.severity.as_str().to_uppercase(),
        AlertStatus::Acknowledged => "ACKNOWLEDGED".to_owned(),
        AlertStatus::Resolved => "RESOLVED".to_owned(),
    };
    format!("[{word}] {}", passage.context.incident.title)
}

/// What, where, since when, how bad, why and what to do. The templates say it better; this is what is sent
/// where none of them can be used.
fn message(passage: &Passage<'_>) -> String {
    let (context, moment) = (passage.context, &passage.run.moment);
    let incident = &context.incident;
    let mut lines = vec![format!("{} is {} ({}).", incident.title, moment.status, moment.severity)];
    lines.extend(moment.by.as_ref().map(said_by));
    lines.push(match (moment.status, incident.resolved_at) {
        (AlertStatus::Resolved, Some(end)) => format!("It began {} and ended {end}.", incident.opened_at),
        _ => format!("It began {}.", incident.opened_at),
    });
    lines.push(format!("Alerts: {} firing, {} in all.", incident.firing, context.total));
    lines.extend(context.alerts.iter().take(5).map(alert_line));
    if moment.status != AlertStatus::Resolved {
        lines.extend(analysis_lines(passage));
        lines.extend(troubles(passage).map(|trouble| format!("Hub machine: {trouble}")));
    }
    lines.join("\n")
}

fn said_by(person: &Person) -> String {
    let words = person.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("By {}{words}", person.actor)
}

fn alert_line(alert: &Alert) -> String {
    let about = if alert.description.is_empty() { String::new() } else { format!(": {}", alert.description) };
    format!("- {} {} ({}){about}", alert.status, alert.name, alert.severity)
}

fn analysis_lines(passage: &Passage<'_>) -> Vec<String> {
    let asked = passage.route.stages.contains(&Stage::Analyze);
    let Some(analysis) = &passage.analysis else {
        return asked.then(|| "Analysis is not available.".to_owned()).into_iter().collect();
    };
    let text =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let cause = text(analysis, "probable_cause");
    let mut lines = Vec::new();
    if passage.fallback_used {
        lines.push("The analysis is not available; this is what local rules say.".to_owned());
    }
    if !cause.is_empty() {
        lines.push(format!("Probable cause: {cause}"));
    }
    let recommendations = analysis.get("recommendations").and_then(Value::as_array);
    for recommendation in recommendations.into_iter().flatten().take(3) {
        lines.push(format!("To do: {}", text(recommendation, "title")));
        let actions = recommendation.get("actions").and_then(Value::as_array);
        let actions = actions.into_iter().flatten().filter_map(Value::as_str).take(3);
        lines.extend(actions.map(|action| format!("  - {action}")));
    }
    lines
}
