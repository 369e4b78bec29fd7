//! Step 6: bytes to alerts, in the sandbox, and what to make of what comes back.

use std::collections::BTreeSet;

use domain::alert::{ParsedAlert, ReportedSeverity, ReportedStatus};
use domain::id::{RunId, TraceId};
use domain::plan::Webhook;
use domain::plugin::{Incoming, Outcome, Parsed, PluginError, PluginName};
use domain::run::IngestOutcome;
use domain::time::Timestamp;
use sandbox::{CallError, TrapKind};

use super::{Refused, detect};
use crate::plugins::{CallLog, DriverEntry};
use crate::telemetry::metrics;

/// How often a request is parsed whose driver runs out of wall time.
const WALL_TRIES: u32 = 3;
/// How much is kept of what was odd about a request.
const MAX_ODDITIES_CHARS: usize = 2000;

/// What a driver made of a body, before anything is written.
#[derive(Clone)]
pub(super) struct Verdict {
    pub(super) driver: Option<PluginName>,
    pub(super) outcome: IngestOutcome,
    pub(super) reason_code: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) alerts: Vec<ParsedAlert>,
}

impl Verdict {
    fn nothing(driver: Option<PluginName>, why: String) -> Self {
        Self {
            driver,
            outcome: IngestOutcome::Ignored,
            reason_code: Some("nothing".to_owned()),
            reason: Some(why),
            alerts: Vec::new(),
        }
    }

    fn quarantined(driver: Option<PluginName>, code: &str, reason: impl Into<String>) -> Self {
        Self {
            driver,
            outcome: IngestOutcome::Quarantined,
            reason_code: Some(code.to_owned()),
            reason: Some(reason.into()),
            alerts: Vec::new(),
        }
    }

    /// What is to be planned, with the alerts moved there.
    pub(super) fn webhook(
        &mut self,
        run_id: RunId,
        trace_id: TraceId,
        received_at: Timestamp,
    ) -> Option<Webhook> {
        let source = self.driver.clone().filter(|_| self.outcome == IngestOutcome::Parsed)?;
        Some(Webhook::new(run_id, trace_id, source, received_at, std::mem::take(&mut self.alerts)))
    }
}

/// What becomes of a request, whoever was chosen to read it.
///
/// # Errors
/// [`Refused::Unavailable`] when every slot for drivers is taken: nothing is wrong with the request.
pub(super) async fn verdict(
    chosen: detect::Chosen,
    incoming: &Incoming,
    run_id: RunId,
    trace_id: TraceId,
) -> Result<Verdict, Refused> {
    match chosen {
        detect::Chosen::Driver(driver) => parse(&driver, incoming, run_id, trace_id).await,
        detect::Chosen::Nothing => Ok(Verdict::nothing(None, "the body is an empty list".to_owned())),
        detect::Chosen::Nobody { code, reason } => Ok(Verdict::quarantined(None, code, reason)),
    }
}

/// Whatever goes wrong in a driver is our problem, not the sender's.
///
/// # Errors
/// [`Refused::Unavailable`] when every slot for drivers is taken: nothing is wrong with the request.
pub(super) async fn parse(
    entry: &DriverEntry,
    incoming: &Incoming,
    run_id: RunId,
    trace_id: TraceId,
) -> Result<Verdict, Refused> {
    let name = entry.driver.info().plugin.name.clone();
    let log = CallLog::new(&name, run_id, trace_id);
    Ok(match patiently(entry, incoming, &log).await {
        Ok(parsed) => match parsed.outcome {
            Outcome::Alerts(alerts) if alerts.is_empty() => {
                Verdict::quarantined(Some(name), "no_alerts", "the driver made no alerts and did not say why")
            }
            Outcome::Alerts(alerts) => Verdict {
                outcome: IngestOutcome::Parsed,
                reason_code: None,
                reason: oddities(&parsed.warnings, &words_in_no_table(&name, &alerts)),
                driver: Some(name),
                alerts,
            },
            Outcome::Nothing(why) => Verdict::nothing(Some(name), why),
        },
        Err(CallError::Plugin(error)) => Verdict::quarantined(Some(name), error.kind(), words(&error)),
        Err(CallError::Trap(trap)) if matches!(trap.kind, TrapKind::Busy) => {
            return Err(Refused::Unavailable(trap.to_string()));
        }
        Err(CallError::Trap(trap)) => {
            tracing::error!(
                %run_id, %trace_id, plugin.name = %name, error.r#type = trap.error_type(),
                "a webhook is in quarantine because its driver broke: {trap}"
            );
            Verdict::quarantined(Some(name), trap.error_type(), trap.to_string())
        }
    })
}

/// Parses, and again where the clock ran out: on a busy machine that says nothing about the request or
/// the driver, whose processor time has a limit of its own.
async fn patiently(entry: &DriverEntry, incoming: &Incoming, log: &CallLog) -> Result<Parsed, CallError> {
    let mut tries = 1;
    loop {
        match entry.driver.parse(incoming, &entry.config, log).await {
            Err(CallError::Trap(trap))
                if matches!(trap.kind, TrapKind::Wall { .. }) && tries < WALL_TRIES =>
            {
                tries += 1;
            }
            result => return result,
        }
    }
}

/// What was odd, kept with the run and told to the sender.
fn oddities(warnings: &[String], words: &[String]) -> Option<String> {
    let text = [warnings, words].concat().join("; ");
    (!text.is_empty()).then(|| text.chars().take(MAX_ODDITIES_CHARS).collect())
}

/// Counts the sender's words that the driver does not know, and says what they are taken for. A word
/// that is not there at all is no unknown word.
fn words_in_no_table(driver: &PluginName, alerts: &[ParsedAlert]) -> Vec<String> {
    let mut told = BTreeSet::new();
    for alert in alerts {
        let status =
            (alert.status == ReportedStatus::Unmapped).then_some(("status", &alert.raw_status, "firing"));
        let severity = (alert.severity == ReportedSeverity::Unmapped).then_some((
            "severity",
            &alert.raw_severity,
            "warning",
        ));
        for (field, word, taken_for) in status.into_iter().chain(severity) {
            if !word.is_empty() {
                metrics::unmapped_word(driver, field);
                told.insert(format!("{field} `{word}` is not known to the driver and taken for {taken_for}"));
            }
        }
    }
    told.into_iter().collect()
}

fn words(error: &PluginError) -> String {
    match error {
        PluginError::InvalidInput(text) | PluginError::Unsupported(text) => text.clone(),
        other => other.to_string(),
    }
}
