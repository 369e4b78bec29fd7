//! The analyze stage: what a provider says of the incident.
//!
//! It may hold the notification up for its budget and no longer. Without an answer the run goes on
//! and the notification says so.

use std::sync::Arc;
use std::time::Duration;

use domain::plugin::{Analysis, AnalysisRequest, PluginKind};
use domain::run::{RunStatus, Stage, StageStatus};
use domain::trace::{SpanId, TraceParent};
use sandbox::CallError;
use serde_json::{Value, json};
use store::{Fault, StageEnd};

use super::{Parts, Passage, RunError, fault, notify};
use crate::checks;
use crate::clock;
use crate::egress::Grants;
use crate::plugins::{CallLog, ChannelSettings, Outside, Snapshots, count_call};
use crate::telemetry::{export, metrics};

/// The provider that needs nothing but this machine.
const FALLBACK: &str = "local";
/// How long the fallback may take.
const FALLBACK_BUDGET: Duration = Duration::from_secs(2);
/// How long an answer may be.
const MAX_OUTPUT_TOKENS: u32 = 1024;

/// Asks the active provider, then the fallback, then nobody.
pub(super) async fn stage(passage: &mut Passage<'_>) -> Result<RunStatus, RunError> {
    let attempt = passage.begin(Stage::Analyze).await?;
    let active = passage.parts.provider.clone();
    let mut answer = ask(passage, &active, passage.parts.analyze_budget).await;
    let mut trouble = None;
    if let Err(why) = &answer {
        passage.fallback_used = true;
        tracing::warn!(
            run_id = %passage.run.run.run_id, trace_id = %passage.run.run.trace_id, plugin.name = active,
            error.r#type = why.error_type, "provider `{active}` gave no analysis: {}", why.message
        );
        trouble = Some(why.clone());
        if active != FALLBACK {
            answer = ask(passage, FALLBACK, FALLBACK_BUDGET).await;
        }
    }
    let (status, summary) = match &answer {
        Ok(analysis) => (StageStatus::Succeeded, Some(analysis.summary.clone())),
        Err(_) => (StageStatus::Skipped, None),
    };
    passage.analysis = answer.ok().map(|analysis| json!(analysis));
    let end = StageEnd {
        stage: Stage::Analyze,
        attempt,
        status,
        summary,
        fault: trouble,
        artifact: None,
        fallback_used: passage.fallback_used,
        at: clock::now(),
    };
    let output = passage.analysis.clone().unwrap_or(Value::Null);
    passage.finish(end, &output).await?;
    Ok(RunStatus::Analyzed)
}

/// The analysis, or why there is none.
async fn ask(passage: &Passage<'_>, name: &str, budget: Duration) -> Result<Analysis, Fault> {
    let missing = || fault("unknown_provider", format!("provider `{name}` is not loaded"));
    let parts = passage.parts;
    let entry = name.parse().ok().and_then(|name| parts.catalogue.provider(&name)).ok_or_else(missing)?;
    let request = AnalysisRequest {
        task: "incident".to_owned(),
        incident: notify::incident(passage),
        alerts: notify::alerts(passage),
        checks: passage.checks.clone(),
        options: json!({}),
        max_output_tokens: MAX_OUTPUT_TOKENS,
    };
    let run = &passage.run.run;
    let log =
        CallLog::new(PluginKind::Intelligence, &entry.provider.info().plugin.name, run.run_id, run.trace_id);
    let plugin = entry.provider.info().plugin.name.clone();
    let trace =
        TraceParent { trace_id: run.trace_id, span_id: SpanId::from(run.run_id), sampled: export::is_on() };
    let schema = &entry.provider.info().config_schema;
    let split = ChannelSettings::of_provider(schema, &entry.settings, &entry.allow_hosts, &parts.references)
        .map_err(|error| fault("config", format!("provider `{name}`: {error}")))?;
    let grants =
        Grants { plugin, channel: None, origins: split.origins, secrets: split.secrets, trace: Some(trace) };
    let snapshots = if entry.system { snapshots(parts).await } else { None };
    let limits = entry.provider.limits().egress;
    let outside = Arc::new(Outside::new(log, Arc::clone(&parts.egress), grants, limits, snapshots));
    let ended = tokio::time::timeout(budget, entry.provider.analyze(&request, &split.config, outside)).await;
    let plugin = &entry.provider.info().plugin.name;
    match &ended {
        Ok(result) => count_call(PluginKind::Intelligence, plugin, result),
        Err(_) => metrics::plugin_call(PluginKind::Intelligence, plugin, "timeout"),
    }
    match ended {
        Ok(Ok(analysis)) => Ok(analysis),
        Ok(Err(CallError::Plugin(error))) => Err(fault(error.kind(), error.to_string())),
        Ok(Err(CallError::Trap(trap))) => Err(fault(trap.error_type(), trap.to_string())),
        Err(_) => Err(fault("timeout", format!("no answer within {}s", budget.as_secs()))),
    }
}

/// The machine as a provider may see it during one call; none where it cannot be read in time.
async fn snapshots(parts: &Parts) -> Option<Snapshots> {
    let snapshot = parts.machine.snapshot().await.ok()?;
    Some(Arc::new(move |kind, options: &str| checks::snapshot_json(&snapshot, kind, options)))
}
