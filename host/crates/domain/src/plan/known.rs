//! What was there before a batch of webhooks.

use std::collections::HashMap;

use super::AlertKey;
use crate::alert::Alert;
use crate::id::IncidentId;
use crate::incident::Incident;

/// What the database knows about the alerts of a batch of webhooks.
#[derive(Debug, Default)]
pub struct Known {
    /// Alerts by identity.
    pub alerts: HashMap<AlertKey, Alert>,
    /// The incidents of those alerts, and the open incidents under the batch's correlation keys.
    pub incidents: HashMap<IncidentId, Incident>,
    /// Open incidents by correlation key.
    pub open: HashMap<String, IncidentId>,
}

impl Known {
    /// Adds an incident.
    pub fn add_incident(&mut self, incident: Incident) {
        if incident.status.is_open() {
            self.open.insert(incident.key.clone(), incident.id);
        }
        self.incidents.insert(incident.id, incident);
    }

    /// Adds an alert.
    pub fn add_alert(&mut self, alert: Alert) {
        let key = AlertKey { source: alert.source.clone(), fingerprint: alert.fingerprint.clone() };
        self.alerts.insert(key, alert);
    }
}
