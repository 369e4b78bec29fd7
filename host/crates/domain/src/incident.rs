//! Incidents: alerts that belong together, with a life cycle.

use serde::{Deserialize, Serialize};

use crate::alert::{AlertStatus, Severity, words};
use crate::id::IncidentId;
use crate::life::{Action, Event, Step, step};
use crate::time::Timestamp;

words! {
    /// Where an incident is in its life.
    IncidentStatus {
        /// Something holds and nobody has taken it.
        Open = "open",
        /// Something holds and a person has taken it.
        Acknowledged = "acknowledged",
        /// Nothing holds any more.
        Resolved = "resolved",
        /// A person has put it away.
        Closed = "closed",
    }
}

impl IncidentStatus {
    /// Whether alerts may still join it.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::Acknowledged)
    }

    /// What a notification and a route call this state.
    pub const fn as_alert_status(self) -> AlertStatus {
        match self {
            Self::Open => AlertStatus::Firing,
            Self::Acknowledged => AlertStatus::Acknowledged,
            Self::Resolved | Self::Closed => AlertStatus::Resolved,
        }
    }
}

words! {
    /// Why a change of an incident is worth a downstream run.
    Material {
        /// It is new.
        Created = "created",
        /// It holds again.
        Reopened = "reopened",
        /// It got worse.
        Severity = "severity",
        /// Its state moved.
        Status = "status",
        /// What one of its alerts is about moved ([`crate::alert::context_key`]), though nothing got worse.
        Context = "context",
    }
}

words! {
    /// A line of an incident's history.
    IncidentEvent {
        /// It is new.
        Created = "created",
        /// It holds again.
        Reopened = "reopened",
        /// It got worse.
        Severity = "severity",
        /// Its alerts moved its state.
        Status = "status",
        /// What one of its alerts is about moved, though nothing got worse.
        Context = "context",
        /// A person took it.
        Acknowledged = "acknowledged",
        /// A person gave it back.
        Unacknowledged = "unacknowledged",
        /// A person said that it is over.
        Resolved = "resolved",
        /// A person put it away.
        Closed = "closed",
        /// A person said something.
        Commented = "commented",
    }
}

impl IncidentEvent {
    /// Whether a person did it.
    pub fn is_of_a_person(self) -> bool {
        Action::ALL.iter().any(|action| Self::from(*action) == self)
    }
}

impl From<Material> for IncidentEvent {
    fn from(reason: Material) -> Self {
        match reason {
            Material::Created => Self::Created,
            Material::Reopened => Self::Reopened,
            Material::Severity => Self::Severity,
            Material::Status => Self::Status,
            Material::Context => Self::Context,
        }
    }
}

impl From<Action> for IncidentEvent {
    fn from(action: Action) -> Self {
        match action {
            Action::Acknowledge => Self::Acknowledged,
            Action::Unacknowledge => Self::Unacknowledged,
            Action::Resolve => Self::Resolved,
            Action::Close => Self::Closed,
            Action::Comment => Self::Commented,
        }
    }
}

/// One incident.
///
/// Invariants: at most one open incident per `key`; `firing` and `acknowledged` count its alerts in
/// those states, and an incident without either is not open; `severity` only rises while it is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Its identifier.
    pub id: IncidentId,
    /// What its alerts have in common ([`crate::fingerprint::correlation_key`]).
    #[serde(skip_serializing, default)]
    pub key: String,
    /// One line.
    pub title: String,
    /// The alerts' name.
    pub name: String,
    /// The machine or service, where the alerts name one.
    pub instance: Option<String>,
    /// Where it is in its life.
    pub status: IncidentStatus,
    /// The worst its alerts have been since it opened.
    pub severity: Severity,
    /// How many of its alerts fire.
    #[serde(rename = "firing_alerts")]
    pub firing: u32,
    /// How many of its alerts somebody has taken.
    #[serde(rename = "acknowledged_alerts")]
    pub acknowledged: u32,
    /// When it opened, last.
    pub opened_at: Timestamp,
    /// When anything about it last changed.
    pub updated_at: Timestamp,
    /// When it was last acknowledged.
    pub acknowledged_at: Option<Timestamp>,
    /// When it was last resolved.
    pub resolved_at: Option<Timestamp>,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
}

impl Incident {
    /// Moves one alert's count from one state to another.
    pub(crate) fn recount(&mut self, from: Option<AlertStatus>, to: AlertStatus) {
        if let Some(count) = from.and_then(|status| self.count_mut(status)) {
            *count = count.saturating_sub(1);
        }
        if let Some(count) = self.count_mut(to) {
            *count = count.saturating_add(1);
        }
    }

    const fn count_mut(&mut self, status: AlertStatus) -> Option<&mut u32> {
        match status {
            AlertStatus::Firing => Some(&mut self.firing),
            AlertStatus::Acknowledged => Some(&mut self.acknowledged),
            AlertStatus::Resolved => None,
        }
    }

    /// Lets the state follow from the counts. Returns whether it moved.
    ///
    /// A person's acknowledgement stands when further alerts fire; senders acknowledge an incident
    /// only when no alert of it is left untaken.
    pub(crate) fn settle(&mut self, now: Timestamp) -> bool {
        let event = match (self.firing, self.acknowledged) {
            (0, 0) => Event::Over,
            (0, 1..) => Event::Taken,
            (1.., _) => return false,
        };
        let Step::To(next) = step(self.status, event) else { return false };
        self.enter(next, now);
        true
    }

    /// Opens it again. While other alerts of it hold, it is at least as bad as it was.
    pub(crate) fn reopen(&mut self, severity: Severity, now: Timestamp) {
        let held = self.firing > 0 || self.acknowledged > 0;
        self.severity = if held { severity.max(self.severity) } else { severity };
        self.opened_at = now;
        self.resolved_at = None;
        self.closed_at = None;
        self.enter(IncidentStatus::Open, now);
    }

    /// Moves it to a state that [`step`] allows, and notes when. Time never runs backwards in it.
    pub(crate) fn enter(&mut self, status: IncidentStatus, now: Timestamp) {
        self.status = status;
        self.updated_at = self.updated_at.max(now);
        match status {
            IncidentStatus::Open => self.acknowledged_at = None,
            IncidentStatus::Acknowledged => self.acknowledged_at = Some(now),
            IncidentStatus::Resolved => self.resolved_at = Some(now),
            IncidentStatus::Closed => {
                self.closed_at = Some(now);
                // What is put away is over, whoever said so first.
                self.resolved_at = self.resolved_at.or(Some(now));
            }
        }
    }
}
