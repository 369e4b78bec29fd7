//! The reference model: what must come of a history, said as plainly and slowly as possible.
//!
//! Nothing is kept from one step to the next: [`replay`] goes through the whole history from its beginning.
//! No counts and no index of what is open: whatever is asked is looked for among all alerts and incidents.

use crate::alert::{AlertStatus, Severity};
use crate::incident::{IncidentStatus, Material};
use crate::life::Action;

/// What one alert of a webhook says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Report {
    pub(super) fingerprint: u8,
    pub(super) name: u8,
    pub(super) instance: Option<u8>,
    pub(super) status: AlertStatus,
    pub(super) severity: Severity,
}

/// One thing that happens.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Entry {
    Webhook {
        source: u8,
        at: i64,
        replayed: bool,
        reports: Vec<Report>,
    },
    /// Incidents are numbered in the order in which they were made.
    Person {
        incident: usize,
        action: Action,
    },
}

/// A mistake in the model, for the proof that the comparison notices such.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plant {
    /// What is parsed again counts as if it came now.
    LateCountsAsLive,
    /// An alert that somebody has taken holds no longer.
    TakenIsOver,
    /// What a person closed comes back when it gets worse.
    ClosedComesBack,
}

#[derive(Debug, Clone)]
struct Alert {
    who: (u8, u8),
    status: AlertStatus,
    heard: i64,
    incident: Option<usize>,
}

#[derive(Debug, Clone)]
struct Incident {
    key: String,
    status: IncidentStatus,
    severity: Severity,
}

/// A notification: which incident, in which state, how bad, and why.
pub(super) type Told = (usize, AlertStatus, Severity, Vec<Material>);
/// An incident: its state, how bad it is, how many of its alerts fire and how many are taken.
pub(super) type Seen = (IncidentStatus, Severity, usize, usize);

#[derive(Debug, Default)]
pub(super) struct World {
    alerts: Vec<Alert>,
    incidents: Vec<Incident>,
    /// What the entry under way did to incidents, in order; none for one that only has to be looked at.
    marks: Vec<(usize, Option<Material>)>,
    plant: Option<Plant>,
}

/// What was told at the last entry of a history, and the incidents after it.
pub(super) fn replay(history: &[Entry], plant: Option<Plant>) -> (Vec<Told>, Vec<Seen>) {
    let mut world = World { plant, ..World::default() };
    let mut told = Vec::new();
    for entry in history {
        told = world.entry(entry);
    }
    let seen = |(at, incident): (usize, &Incident)| {
        let (firing, taken) =
            (world.count(at, AlertStatus::Firing), world.count(at, AlertStatus::Acknowledged));
        (incident.status, incident.severity, firing, taken)
    };
    (told, world.incidents.iter().enumerate().map(seen).collect())
}

const fn is_open(status: IncidentStatus) -> bool {
    matches!(status, IncidentStatus::Open | IncidentStatus::Acknowledged)
}

impl World {
    fn entry(&mut self, entry: &Entry) -> Vec<Told> {
        self.marks.clear();
        match entry {
            Entry::Webhook { source, at, replayed, reports } => {
                for report in reports {
                    self.report(*source, *at, *replayed, report);
                }
                self.settle();
            }
            Entry::Person { incident, action } => self.person(*incident, *action),
        }
        self.told()
    }

    fn report(&mut self, source: u8, at: i64, replayed: bool, report: &Report) {
        let who = (source, report.fingerprint);
        let holds = report.status != AlertStatus::Resolved;
        let Some(this) = self.alerts.iter().position(|alert| alert.who == who) else {
            self.alerts.push(Alert { who, status: report.status, heard: at, incident: None });
            if holds {
                self.belong(self.alerts.len() - 1, report);
            }
            return;
        };
        let before = self.alerts[this].clone();
        if replayed && at < before.heard && self.plant != Some(Plant::LateCountsAsLive) {
            return;
        }
        self.alerts[this].heard = at.max(before.heard);
        self.alerts[this].status = report.status;
        let held = before.status != AlertStatus::Resolved;
        match before.incident {
            Some(own) if held => {
                let incident = &self.incidents[own];
                let worse = holds && report.severity > incident.severity;
                let comes_back = incident.status == IncidentStatus::Resolved
                    || incident.status == IncidentStatus::Closed
                        && self.plant == Some(Plant::ClosedComesBack);
                if before.status != report.status || worse && comes_back {
                    self.marks.push((own, None));
                }
                if worse && comes_back {
                    self.belong(this, report);
                } else if worse && is_open(incident.status) {
                    self.rise(own, report.severity);
                }
            }
            _ if holds => self.belong(this, report),
            _ => {}
        }
    }

    /// Puts an alert that begins to hold into the open incident of its kind, or its own, or a new one.
    fn belong(&mut self, this: usize, report: &Report) {
        let own = self.alerts[this].incident.take();
        let key = match report.instance {
            Some(instance) => format!("{} on {instance}", report.name),
            None => format!("{:?}", self.alerts[this].who),
        };
        let open = self.incidents.iter().position(|incident| incident.key == key && is_open(incident.status));
        let own = own.filter(|own| self.incidents[*own].key == key);
        let incident = match (open, own) {
            (Some(open), _) => {
                self.marks.push((open, None));
                self.rise(open, report.severity);
                open
            }
            (None, Some(own)) => {
                let others =
                    self.count(own, AlertStatus::Firing) + self.count(own, AlertStatus::Acknowledged);
                let incident = &mut self.incidents[own];
                incident.status = IncidentStatus::Open;
                if others == 0 || report.severity > incident.severity {
                    incident.severity = report.severity;
                }
                self.marks.push((own, Some(Material::Reopened)));
                own
            }
            (None, None) => {
                let (status, severity) = (IncidentStatus::Open, report.severity);
                self.incidents.push(Incident { key, status, severity });
                self.marks.push((self.incidents.len() - 1, Some(Material::Created)));
                self.incidents.len() - 1
            }
        };
        self.alerts[this].incident = Some(incident);
    }

    fn rise(&mut self, incident: usize, severity: Severity) {
        if severity > self.incidents[incident].severity {
            self.incidents[incident].severity = severity;
            self.marks.push((incident, Some(Material::Severity)));
        }
    }

    /// Lets the states of the incidents that a webhook did something to follow from their alerts.
    fn settle(&mut self) {
        let touched: Vec<usize> = self.marks.iter().map(|(incident, _)| *incident).collect();
        for at in touched {
            let (firing, taken) =
                (self.count(at, AlertStatus::Firing), self.count(at, AlertStatus::Acknowledged));
            let over = firing == 0 && (taken == 0 || self.plant == Some(Plant::TakenIsOver));
            let next = match self.incidents[at].status {
                IncidentStatus::Open | IncidentStatus::Acknowledged if over => IncidentStatus::Resolved,
                IncidentStatus::Open if firing == 0 => IncidentStatus::Acknowledged,
                _ => continue,
            };
            self.incidents[at].status = next;
            if !self.marks.contains(&(at, Some(Material::Created))) {
                self.marks.push((at, Some(Material::Status)));
            }
        }
    }

    fn person(&mut self, incident: usize, action: Action) {
        use IncidentStatus::{Acknowledged, Closed, Open, Resolved};
        let before = self.incidents[incident].status;
        let after = match (action, before) {
            (Action::Acknowledge, Open) => Acknowledged,
            (Action::Unacknowledge, Acknowledged) => Open,
            (Action::Resolve, Open | Acknowledged) => Resolved,
            (Action::Close, _) => Closed,
            _ => before,
        };
        self.incidents[incident].status = after;
        // People are told in the words of alerts, which know no difference between resolved and closed.
        if after != before && (is_open(before) || is_open(after)) {
            self.marks.push((incident, Some(Material::Status)));
        }
    }

    fn count(&self, incident: usize, status: AlertStatus) -> usize {
        self.alerts.iter().filter(|alert| alert.incident == Some(incident) && alert.status == status).count()
    }

    /// One notification for each incident that something happened to.
    fn told(&self) -> Vec<Told> {
        let told = |(at, incident): (usize, &Incident)| {
            let mut reasons: Vec<Material> = self
                .marks
                .iter()
                .filter(|(marked, _)| *marked == at)
                .filter_map(|(_, reason)| *reason)
                .collect();
            reasons.sort_unstable();
            reasons.dedup();
            let status = match incident.status {
                IncidentStatus::Open => AlertStatus::Firing,
                IncidentStatus::Acknowledged => AlertStatus::Acknowledged,
                IncidentStatus::Resolved | IncidentStatus::Closed => AlertStatus::Resolved,
            };
            (!reasons.is_empty()).then_some((at, status, incident.severity, reasons))
        };
        self.incidents.iter().enumerate().filter_map(told).collect()
    }
}
