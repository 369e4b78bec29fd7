//! Answers that still hold: the state they were about has not changed.

use std::time::Duration;

use domain::id::RunId;
use domain::plugin::{Analysis, AnalysisRequest};
use domain::time::Timestamp;
use moka::sync::Cache;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// How many answers are kept; the one not used for longest goes.
const MAX_ANSWERS: u64 = 512;

/// An answer, and whose it was.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) analysis: Analysis,
    pub(super) run_id: RunId,
    pub(super) at: Timestamp,
}

/// What an answer is good for: the provider as it is set up, and the state of the incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

impl Key {
    /// Of all that makes a difference: not of figures and words that change with every report.
    pub(super) fn new(provider: &str, settings: &Value, request: &AnalysisRequest) -> Self {
        let of_incident = |name: &str| request.incident.get(name);
        let alerts: Vec<Value> = (request.alerts.iter())
            .map(|alert| json!([alert.fingerprint, alert.name, alert.status, alert.severity]))
            .collect();
        let checks: Vec<Value> = (request.checks.as_array().into_iter().flatten())
            .map(|check| json!([check.get("checker"), check.get("status")]))
            .collect();
        let incident = ["name", "instance", "severity", "status"].map(of_incident);
        let state = json!([provider, settings, request.task, incident, alerts, checks, request.options,]);
        Self(Sha256::digest(state.to_string()).into())
    }
}

/// Answers of this process.
#[derive(Debug)]
pub(super) struct Memo(Option<Cache<Key, Kept>>);

impl Memo {
    /// Each answer holds for so long; zero keeps none.
    pub(super) fn new(reuse: Duration) -> Self {
        let cache = || Cache::builder().max_capacity(MAX_ANSWERS).time_to_live(reuse).build();
        Self((!reuse.is_zero()).then(cache))
    }

    pub(super) fn find(&self, key: &Key) -> Option<Kept> {
        self.0.as_ref()?.get(key)
    }

    pub(super) fn keep(&self, key: Key, kept: Kept) {
        if let Some(cache) = &self.0 {
            cache.insert(key, kept);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(status: &str, message: &str, checks: &str) -> AnalysisRequest {
        serde_json::from_value(json!({
            "task": "incident",
            "incident": { "id": message, "name": "DiskFull", "instance": "db1", "severity": "critical", "status": status },
            "alerts": [],
            "checks": [{ "checker": "disk", "status": checks, "message": message }],
            "options": {},
            "max_output_tokens": 1,
        }))
        .unwrap()
    }

    #[test]
    fn another_state_or_set_up_is_another_question_and_another_wording_is_not() {
        let key = |request| Key::new("openai", &json!({ "model": "a" }), &request);
        let first = key(request("firing", "91 %", "warning"));
        assert_eq!(first, key(request("firing", "92 %", "warning")));
        assert_ne!(first, key(request("resolved", "91 %", "warning")));
        assert_ne!(first, key(request("firing", "91 %", "critical")));
        let same = request("firing", "91 %", "warning");
        assert_ne!(first, Key::new("openai", &json!({ "model": "b" }), &same));
        assert_ne!(first, Key::new("claude", &json!({ "model": "a" }), &same));
    }
}
