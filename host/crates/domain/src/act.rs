//! What people do to incidents: pure, like [`crate::plan`].

use crate::id::{Mint, RunId, TraceId};
use crate::incident::{Incident, IncidentEvent, IncidentStatus, Material};
use crate::life::{Action, Event, Step, step};
use crate::plugin::PluginName;
use crate::run::{IncidentMoment, NewRun, Origin, Person};
use crate::time::Timestamp;

/// How long a person's words may be, in bytes; longer ones belong into a ticket.
pub const MAX_REASON_BYTES: usize = 4000;

/// What a person does, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// What.
    pub action: Action,
    /// Who: `key:<name>`, `cli:<user>` or `anonymous`.
    pub actor: String,
    /// In their own words.
    pub reason: Option<String>,
}

impl Act {
    /// An act whose words can be kept. Blanks around them are taken away, and none are left of blanks only.
    ///
    /// # Errors
    /// What is wrong with the words.
    pub fn new(action: Action, actor: String, reason: Option<&str>) -> Result<Self, String> {
        let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
        if action == Action::Comment && reason.is_none() {
            return Err("a comment needs a `reason`: the words that are kept".to_owned());
        }
        if let Some(reason) = reason.filter(|reason| reason.len() > MAX_REASON_BYTES) {
            return Err(format!(
                "`reason` must have at most {MAX_REASON_BYTES} bytes, found {}",
                reason.len()
            ));
        }
        if reason.is_some_and(|reason| reason.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t')))
        {
            return Err("`reason` must be text: control characters are not taken".to_owned());
        }
        Ok(Self { action, actor, reason: reason.map(str::to_owned) })
    }
}

/// Where an incident came from: routes ask for it, so that what a person does goes the way its alerts went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The driver of its alerts.
    pub source: Option<PluginName>,
    /// What set it off.
    pub origin: Origin,
}

/// What an act changes.
#[derive(Debug, Clone, PartialEq)]
pub struct ActPlan {
    /// The incident as it is from now on.
    pub incident: Incident,
    /// For its history; none where it was so already.
    pub event: Option<IncidentEvent>,
    /// What tells people of it; none where they know already.
    pub run: Option<NewRun>,
}

/// An act that makes no sense in the state that an incident is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an incident that is {status} cannot be {}\nhint: it opens again by itself when an alert of it fires anew", past(*action))]
pub struct Refusal {
    /// What was asked for.
    pub action: Action,
    /// The state that it is in.
    pub status: IncidentStatus,
}

const fn past(action: Action) -> &'static str {
    match action {
        Action::Acknowledge => "acknowledged",
        Action::Unacknowledge => "unacknowledged",
        Action::Resolve => "resolved",
        Action::Close => "closed",
        Action::Comment => "commented on",
    }
}

/// Decides what an act changes.
///
/// A run follows where the state moves in the words that channels know (firing, acknowledged, resolved):
/// closing what is resolved, and a comment, tell nobody.
///
/// # Errors
/// [`Refusal`] where the act makes no sense.
pub fn plan(
    incident: &Incident,
    act: &Act,
    cause: &Cause,
    mint: &mut dyn Mint,
    now: Timestamp,
) -> Result<ActPlan, Refusal> {
    let mut after = incident.clone();
    match step(incident.status, Event::Person(act.action)) {
        Step::Refused => return Err(Refusal { action: act.action, status: incident.status }),
        Step::Stays if act.action != Action::Comment => {
            return Ok(ActPlan { incident: after, event: None, run: None });
        }
        Step::Stays => {}
        Step::To(status) => after.enter(status, now),
    }
    let told = after.status.as_alert_status() != incident.status.as_alert_status();
    let run = told.then(|| NewRun {
        id: RunId::mint(mint),
        parent_id: None,
        trace_id: TraceId::mint(mint),
        source: cause.source.clone(),
        moment: IncidentMoment {
            incident_id: after.id,
            status: after.status.as_alert_status(),
            severity: after.severity,
            reasons: vec![Material::Status],
            origin: cause.origin,
            by: Some(Person { actor: act.actor.clone(), reason: act.reason.clone() }),
        },
    });
    Ok(ActPlan { incident: after, event: Some(act.action.into()), run })
}

#[cfg(test)]
mod tests {
    use ulid::Ulid;

    use super::*;
    use crate::alert::{AlertStatus, Severity};
    use crate::id::IncidentId;

    fn incident(status: IncidentStatus) -> Incident {
        Incident {
            id: IncidentId::from(Ulid(1)),
            key: "k".to_owned(),
            title: "Disk on db1".to_owned(),
            name: "Disk".to_owned(),
            instance: Some("db1".to_owned()),
            status,
            severity: Severity::Critical,
            firing: 1,
            acknowledged: 0,
            opened_at: Timestamp::from_millis(1),
            updated_at: Timestamp::from_millis(1000),
            acknowledged_at: None,
            resolved_at: None,
            closed_at: None,
        }
    }

    fn act(action: Action) -> Act {
        Act::new(action, "key:alice".to_owned(), Some("looking")).unwrap()
    }

    fn done(status: IncidentStatus, action: Action) -> Result<ActPlan, Refusal> {
        let cause = Cause { source: Some("grafana".parse().unwrap()), origin: Origin::IncomingWebhook };
        let mut mint = || Ulid(7);
        plan(&incident(status), &act(action), &cause, &mut mint, Timestamp::from_millis(2000))
    }

    #[test]
    fn taking_an_incident_tells_channels_who_took_it() {
        let plan = done(IncidentStatus::Open, Action::Acknowledge).unwrap();
        assert_eq!(plan.incident.status, IncidentStatus::Acknowledged);
        assert_eq!(plan.incident.acknowledged_at, Some(Timestamp::from_millis(2000)));
        assert_eq!(plan.event, Some(IncidentEvent::Acknowledged));
        let run = plan.run.unwrap();
        assert_eq!((run.parent_id, run.source.unwrap().as_str()), (None, "grafana"));
        assert_eq!((run.moment.status, run.moment.severity), (AlertStatus::Acknowledged, Severity::Critical));
        let by = run.moment.by.unwrap();
        assert_eq!((by.actor.as_str(), by.reason.as_deref()), ("key:alice", Some("looking")));
    }

    #[test]
    fn what_is_so_already_changes_nothing() {
        let plan = done(IncidentStatus::Acknowledged, Action::Acknowledge).unwrap();
        assert_eq!((plan.event, plan.run), (None, None));
        assert_eq!(plan.incident, incident(IncidentStatus::Acknowledged));
    }

    #[test]
    fn closing_what_is_resolved_and_comments_are_in_the_history_and_tell_nobody() {
        let closed = done(IncidentStatus::Resolved, Action::Close).unwrap();
        assert_eq!((closed.event, closed.run), (Some(IncidentEvent::Closed), None));
        let said = done(IncidentStatus::Closed, Action::Comment).unwrap();
        assert_eq!((said.event, said.run), (Some(IncidentEvent::Commented), None));
        assert_eq!(said.incident, incident(IncidentStatus::Closed));
    }

    #[test]
    fn giving_back_forgets_when_it_was_taken_and_closing_says_when_it_ended() {
        let back = done(IncidentStatus::Acknowledged, Action::Unacknowledge).unwrap();
        assert_eq!((back.incident.status, back.incident.acknowledged_at), (IncidentStatus::Open, None));
        assert_eq!(back.run.unwrap().moment.status, AlertStatus::Firing);
        let closed = done(IncidentStatus::Open, Action::Close).unwrap().incident;
        let end = Some(Timestamp::from_millis(2000));
        assert_eq!((closed.resolved_at, closed.closed_at), (end, end));
    }

    #[test]
    fn refusal_says_the_state_and_when_it_ends() {
        let refusal = done(IncidentStatus::Closed, Action::Acknowledge).unwrap_err().to_string();
        assert!(
            refusal.starts_with("an incident that is closed cannot be acknowledged\nhint: "),
            "{refusal}"
        );
    }

    #[test]
    fn words_that_cannot_be_kept_are_refused() {
        let act = |action, reason: &str| Act::new(action, "cli:root".to_owned(), Some(reason));
        assert_eq!(act(Action::Resolve, " \n ").unwrap().reason, None);
        assert_eq!(act(Action::Resolve, " mended ").unwrap().reason.as_deref(), Some("mended"));
        assert!(act(Action::Comment, " ").unwrap_err().contains("reason"));
        assert!(act(Action::Comment, &"x".repeat(MAX_REASON_BYTES + 1)).unwrap_err().contains("4000"));
        assert!(act(Action::Comment, "a\u{1b}[2J").unwrap_err().contains("control"));
    }
}
