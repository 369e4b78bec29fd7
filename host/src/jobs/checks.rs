//! Checking this machine by schedule, so that the hub watches over it without any other program.

use std::sync::Arc;
use std::time::Duration;

use domain::plugin::{CHECKER_SOURCE, PluginName};
use domain::run::Origin;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::checks::{self, CheckResult, Checks};
use crate::clock;
use crate::ingest::{NotRecorded, Own, Recorded, Recorder};

/// Takes what checks find as alerts of this machine.
pub struct SelfCheck {
    checks: Arc<Checks>,
    recorder: Recorder,
    instance: String,
}

impl SelfCheck {
    /// Puts the parts together; `instance` is what this machine is called.
    pub const fn new(checks: Arc<Checks>, recorder: Recorder, instance: String) -> Self {
        Self { checks, recorder, instance }
    }

    /// Makes all checks and takes what they say: `ok` ends an alert, `warning` and `critical` are one, and
    /// what gave no answer changes nothing.
    ///
    /// # Errors
    /// [`NotRecorded`], when it cannot be stored.
    pub async fn round(&self) -> Result<(Vec<CheckResult>, Option<Recorded>), NotRecorded> {
        let results = self.checks.run(checks::PATIENCE).await;
        let alerts = checks::alerts(&results, &self.instance);
        let source = PluginName::of_checks();
        let body = json!({ "instance": self.instance, "checks": results }).to_string().into_bytes();
        let own = Own { source, origin: Origin::CheckerGenerated, alerts, body, at: clock::now() };
        let recorded = self.recorder.record(own).await?;
        Ok((results, recorded))
    }

    /// Makes them at once and then with this pause in between, until stopped.
    pub async fn run(self, pause: Duration, stop: CancellationToken) {
        let looks = async {
            loop {
                self.look().await;
                tokio::time::sleep(pause).await;
            }
        };
        // A look that is cut off is made up for by the first one of the next start.
        tokio::select! {
            () = stop.cancelled() => {}
            () = looks => {}
        }
    }

    async fn look(&self) {
        match self.round().await {
            Ok((_, Some(recorded))) if recorded.runs > 0 => {
                let Recorded { run_id, trace_id, alerts, runs } = recorded;
                tracing::info!(
                    %run_id, %trace_id, alert.source = CHECKER_SOURCE, count = alerts,
                    "checked this machine: {alerts} checks with a result, {runs} incidents to tell people of"
                );
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(
                    error.r#type = "unavailable",
                    "what checks of this machine found was lost: {error}"
                );
            }
        }
    }
}
