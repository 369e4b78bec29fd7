//! The check stage: how this machine is, from a snapshot at most 5 seconds old.

use std::time::Duration;

use domain::run::{RunStatus, Stage, StageStatus};
use serde_json::{Value, json};
use store::StageEnd;

use super::{Passage, RunError, fault};
use crate::checks::{self, CheckStatus};
use crate::clock;

/// How long checking may hold a notification up.
const BUDGET: Duration = Duration::from_secs(5);

/// Checks the machine. What cannot be checked is noted and does not stop the run.
pub(super) async fn stage(passage: &mut Passage<'_>) -> Result<RunStatus, RunError> {
    let attempt = passage.begin(Stage::Check).await?;
    let results =
        tokio::time::timeout(BUDGET, checks::run(&checks::defaults(), &passage.parts.machine)).await;
    let (status, summary, fault) = match &results {
        Ok(results) => {
            let worst = |wanted| results.iter().filter(|result| result.status == wanted).count();
            let (critical, warning) = (worst(CheckStatus::Critical), worst(CheckStatus::Warning));
            let summary = format!("{} checks, {critical} critical, {warning} warning", results.len());
            (StageStatus::Succeeded, Some(summary), None)
        }
        Err(_) => {
            let message = format!("no answer within {}s", BUDGET.as_secs());
            (StageStatus::Skipped, None, Some(fault("timeout", message)))
        }
    };
    passage.checks = results.map_or_else(|_| Value::Array(Vec::new()), |results| json!(results));
    let end = StageEnd {
        stage: Stage::Check,
        attempt,
        status,
        summary,
        fault,
        artifact: None,
        fallback_used: false,
        at: clock::now(),
    };
    passage.finish(end, &passage.checks).await?;
    Ok(RunStatus::Checked)
}
