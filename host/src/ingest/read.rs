//! Step 6: bytes to alerts, in the sandbox, and what to make of what comes back.

use std::collections::BTreeSet;

use domain::alert::{ParsedAlert, ReportedSeverity, ReportedStatus};
use domain::id::{RunId, TraceId};
use domain::plan::Webhook;
use domain::plugin::{Incoming, Outcome, Parsed, PluginError, PluginKind, PluginName};
use domain::run::IngestOutcome;
use domain::time::Timestamp;
use sandbox::{CallError, TrapKind};

use super::{Refused, detect};
use crate::plugins::{CallLog, DriverEntry, count_call};
use crate::telemetry::metrics;

/// How often a request is parsed whose driver runs out of wall time.
const WALL_TRIES: u32 = 3;
/// What the reason begins with when a driver broke.
pub(super) const TRAPPED: &str = "trap.";
/// The reason where its breaker kept a driver from being asked.
pub(super) const LEFT_ALONE: &str = "breaker";
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

    /// Writes down and counts what somebody should look at. For what is stored, not for what is tried.
    pub(super) fn report(&self, run_id: RunId, trace_id: TraceId) {
        let Some(driver) = &self.driver else { return };
        for (field, _, _) in unknown_words(&self.alerts) {
            metrics::unmapped_word(driver, field);
        }
        if let Some(kind) = self.reason_code.as_deref().filter(|code| code.starts_with(TRAPPED)) {
            let why = self.reason.as_deref().unwrap_or_default();
            tracing::error!(
                %run_id, %trace_id, plugin.name = %driver, error.r#type = kind,
                "a webhook is in quarantine because its driver broke: {why}"
            );
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

/// What becomes of a request whose body is not what its encoding says: nobody reads it.
pub(super) fn undecodable(driver: Option<&DriverEntry>, reason: &str) -> Verdict {
    let name = driver.map(|entry| entry.driver.info().plugin.name.clone());
    Verdict::quarantined(name, "undecodable", reason)
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
    let leave = match entry.breaker.begin() {
        Ok(leave) => leave,
        Err(left_alone) => {
            return Ok(Verdict::quarantined(Some(name), LEFT_ALONE, left_alone.to_string()));
        }
    };
    let log = CallLog::new(PluginKind::Driver, &name, run_id, trace_id);
    let result = patiently(entry, incoming, &log).await;
    leave.ended(&result, false);
    Ok(match result {
        Ok(parsed) => match parsed.outcome {
            Outcome::Alerts(alerts) if alerts.is_empty() => {
                Verdict::quarantined(Some(name), "no_alerts", "the driver made no alerts and did not say why")
            }
            Outcome::Alerts(alerts) => Verdict {
                outcome: IngestOutcome::Parsed,
                reason_code: None,
                reason: oddities(&parsed.warnings, &words_in_no_table(&alerts)),
                driver: Some(name),
                alerts,
            },
            Outcome::Nothing(why) => Verdict::nothing(Some(name), why),
        },
        Err(CallError::Plugin(error)) => Verdict::quarantined(Some(name), error.kind(), words(&error)),
        Err(CallError::Trap(trap)) if matches!(trap.kind, TrapKind::Busy) => {
            return Err(Refused::Unavailable(trap.to_string()));
        }
        Err(CallError::Trap(trap)) => Verdict::quarantined(Some(name), trap.error_type(), trap.to_string()),
    })
}

/// Parses, and again where the clock ran out: on a busy machine that says nothing about the request or
/// the driver, whose processor time has a limit of its own.
async fn patiently(entry: &DriverEntry, incoming: &Incoming, log: &CallLog) -> Result<Parsed, CallError> {
    let mut tries = 1;
    loop {
        let result = entry.driver.parse(incoming, &entry.config, log).await;
        count_call(PluginKind::Driver, &entry.driver.info().plugin.name, &result);
        match result {
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

/// Says what the sender's words are taken for that the driver does not know, each once.
fn words_in_no_table(alerts: &[ParsedAlert]) -> Vec<String> {
    let told: BTreeSet<String> = unknown_words(alerts)
        .map(|(field, word, taken_for)| {
            format!("{field} `{word}` is not known to the driver and taken for {taken_for}")
        })
        .collect();
    told.into_iter().collect()
}

/// Field, word and what it is taken for. A word that is not there at all is no unknown word.
fn unknown_words(alerts: &[ParsedAlert]) -> impl Iterator<Item = (&'static str, &str, &'static str)> {
    alerts.iter().flat_map(|alert| {
        let status =
            (alert.status == ReportedStatus::Unmapped).then_some(("status", &*alert.raw_status, "firing"));
        let severity = (alert.severity == ReportedSeverity::Unmapped).then_some((
            "severity",
            &*alert.raw_severity,
            "warning",
        ));
        status.into_iter().chain(severity).filter(|(_, word, _)| !word.is_empty())
    })
}

fn words(error: &PluginError) -> String {
    match error {
        PluginError::InvalidInput(text) | PluginError::Unsupported(text) => text.clone(),
        other => other.to_string(),
    }
}
