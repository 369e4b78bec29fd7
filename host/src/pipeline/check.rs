//! The check stage: how this machine is, from a snapshot at most 5 seconds old.

use std::time::Duration;

use domain::run::{RunStatus, Stage, StageStatus};
use serde_json::json;
use store::StageEnd;

use super::{Passage, RunError};
use crate::checks::CheckStatus;
use crate::clock;

/// How long checking may hold a notification up. What does not answer in time is noted as such.
const BUDGET: Duration = Duration::from_secs(2);

/// Checks the machine. What cannot be checked is noted and does not stop the run.
pub(super) async fn stage(passage: &mut Passage<'_>) -> Result<RunStatus, RunError> {
    let results = passage.parts.checks.run(BUDGET).await;
    let in_state = |wanted| results.iter().filter(|result| result.status == wanted).count();
    let (critical, warning) = (in_state(CheckStatus::Critical), in_state(CheckStatus::Warning));
    let mut summary = format!("{} checks, {critical} critical, {warning} warning", results.len());
    match in_state(CheckStatus::Unknown) {
        0 => {}
        unknown => summary.push_str(&format!(", {unknown} without an answer")),
    }
    passage.checks = json!(results);
    let end = StageEnd {
        stage: Stage::Check,
        attempt: passage.attempt,
        status: StageStatus::Succeeded,
        summary: Some(summary),
        fault: None,
        artifact: None,
        fallback_used: false,
        at: clock::now(),
    };
    passage.finish(end, passage.checks.clone()).await?;
    Ok(RunStatus::Checked)
}
