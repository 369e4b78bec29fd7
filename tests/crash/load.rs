//! Senders that post unique alerts and remember what was acknowledged.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tests::Hub;
use tokio::task::JoinSet;

const SENDERS: u32 = 6;
/// Each sender waits this long between two webhooks, so that the hub is busy but answers.
const PACE: Duration = Duration::from_millis(10);
/// One alert in so many has an incident of its own, of which the remote is told.
const TOLD: u32 = 25;
/// The instance of all other alerts: one incident for them all.
const SHARED: &str = "shared";

/// Webhooks under way.
pub(crate) struct Load(JoinSet<BTreeMap<String, String>>);

/// The instance of the incident that an alert belongs to, by its fingerprint.
pub(crate) fn is_told(fingerprint: &str) -> &str {
    fingerprint.strip_prefix("own-").unwrap_or(SHARED)
}

impl Load {
    /// Starts to send; `round` makes the alerts unique.
    pub(crate) fn start(hub: &Hub, round: u32) -> Self {
        let mut senders = JoinSet::new();
        for sender in 0..SENDERS {
            let request = hub.request(Method::POST, "/alerts/webhook/generic/");
            senders.spawn(send(request, format!("{round}-{sender}")));
        }
        Self(senders)
    }

    /// Waits until all senders have noticed that nobody answers; returns the runs by fingerprint of
    /// what was acknowledged.
    pub(crate) async fn end(self) -> BTreeMap<String, String> {
        self.0.join_all().await.into_iter().flatten().collect()
    }
}

/// Sends until there is no answer.
async fn send(request: reqwest::RequestBuilder, name: String) -> BTreeMap<String, String> {
    let mut acknowledged = BTreeMap::new();
    let mut pace = tokio::time::interval(PACE);
    for number in 0_u32.. {
        pace.tick().await;
        let id = format!("{name}-{number}");
        let own = number.is_multiple_of(TOLD);
        let fingerprint = if own { format!("own-{id}") } else { id.clone() };
        let instance = if own { id.as_str() } else { SHARED };
        let body = json!({ "name": "Load", "fingerprint": fingerprint, "instance": instance });
        let request = request.try_clone().expect("a request without a body").body(body.to_string());
        let Ok(response) = request.send().await else { break };
        if response.status() != 202 {
            continue;
        }
        // The status line is the acknowledgement, also if the body does not come any more.
        let run_id = match response.bytes().await {
            Ok(body) => serde_json::from_slice::<serde_json::Value>(&body).unwrap()["run_id"].clone(),
            Err(_) => serde_json::Value::Null,
        };
        acknowledged.insert(fingerprint, run_id.as_str().unwrap_or_default().to_owned());
    }
    acknowledged
}
