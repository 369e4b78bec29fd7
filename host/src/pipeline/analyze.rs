//! The analyze stage: what a provider says of the incident.
//!
//! It may hold the notification up for its budget and no longer. Without an answer the run goes on
//! and the notification says so.

use domain::plugin::{Analysis, AnalysisRequest};
use domain::run::{RunStatus, Stage, StageStatus};
use serde_json::{Value, json};
use store::StageEnd;

use super::{Passage, RunError, notify};
use crate::clock;
use crate::egress::Sent;
use crate::intelligence::{Story, Thought, redacted};

/// How long an answer may be.
const MAX_OUTPUT_TOKENS: u32 = 1024;

/// Asks the active provider, then the fallback, then nobody.
pub(super) async fn stage(passage: &mut Passage<'_>) -> Result<RunStatus, RunError> {
    let request = AnalysisRequest {
        task: "incident".to_owned(),
        incident: notify::incident(passage),
        alerts: notify::alerts(passage),
        checks: passage.checks.clone(),
        options: json!({}),
        max_output_tokens: MAX_OUTPUT_TOKENS,
    };
    let run = &passage.run.run;
    let story = Story { run_id: run.run_id, trace_id: run.trace_id };
    let thought = passage.parts.intelligence.analyze(&request, story).await;
    passage.fallback_used = thought.trouble.is_some();
    passage.analysis = thought.analysis.as_ref().map(|analysis| json!(analysis));
    let status = if thought.analysis.is_some() { StageStatus::Succeeded } else { StageStatus::Skipped };
    let output = output(&thought);
    let end = StageEnd {
        stage: Stage::Analyze,
        attempt: passage.attempt,
        status,
        summary: thought.analysis.as_ref().map(|analysis| summary(&thought, analysis)),
        fault: thought.trouble,
        artifact: Some(passage.seal_as_is(&output)?),
        fallback_used: passage.fallback_used,
        at: clock::now(),
    };
    passage.end_stage(end).await?;
    Ok(RunStatus::Analyzed)
}

/// What a passage that takes the run up later needs to know, and what left this machine: as it left, so that
/// who wants to know what a remote was told can be sure.
fn output(thought: &Thought) -> Value {
    let sent = |sent: &Sent| json!({ "method": sent.method, "address": sent.address, "body": String::from_utf8_lossy(&sent.body) });
    json!({
        "provider": thought.provider,
        "analysis": redacted(json!(thought.analysis)),
        "fallback_used": thought.trouble.is_some(),
        "reused": thought.reused.map(|(run_id, at)| json!({ "run_id": run_id, "at": at })),
        "sent": thought.sent.iter().map(sent).collect::<Vec<_>>(),
    })
}

/// Who said it with which model and wording, at what price, and what.
fn summary(thought: &Thought, analysis: &Analysis) -> String {
    let mut by = format!("by `{}`", thought.provider);
    if analysis.model != thought.provider {
        by.push_str(&format!(", model {}", analysis.model));
    }
    if let Some(version) = &analysis.prompt_version {
        by.push_str(&format!(", prompt {version}"));
    }
    match (thought.reused, analysis.usage) {
        (Some((run_id, at)), _) => {
            by.push_str(&format!(", as run {run_id} was told at {at} about the same state"));
        }
        (None, Some(usage)) => {
            let (input, output) = (usage.input_tokens, usage.output_tokens);
            by.push_str(&format!(", {input} tokens in and {output} out"));
        }
        (None, None) => {}
    }
    format!("{by}: {}", analysis.summary)
}
