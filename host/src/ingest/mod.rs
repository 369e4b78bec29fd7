//! What happens to one webhook before it is acknowledged.
//!
//! [`Ingest::receive`] is the whole of it, in order: detect, verify, parse, seal, commit. Nothing is
//! answered before the commit, and whatever got past the signature is kept.
//!
//! A body that comes compressed is decoded before: drivers are found by what it means, read that, and
//! that is kept. Signatures are checked over the bytes that were sent. Those are kept only where they
//! cannot be decoded.

mod admit;
mod again;
mod detect;
mod encoding;
mod own;
mod payload;
mod read;
mod secrets;
mod signature;
mod story;
mod writer;

use std::collections::HashMap;
use std::sync::Arc;

use domain::id::{KeyId, RunId, TraceId};
use domain::plugin::{Incoming, PluginName};
use domain::run::{IngestOutcome, Origin};
use domain::secret::Secret;
use domain::time::Timestamp;
use http::HeaderMap;
use store::{IngestWrite, Ingested};
use tracing::Instrument as _;

use crate::crypto::KeyRing;
use crate::plugins::{Catalogue, DriverEntry, DriverSet};
use crate::telemetry::{chain, metrics};

pub use admit::Admission;
pub use again::{
    Actor, Again, AgainError, AlertStep, By, Change, ChangedAlert, Difference, Failed, IncidentStep, Left,
    Named, Reading, Reparsed, Replayed, Round,
};
pub use encoding::{ContentEncoding, Payload, TooLarge};
pub use own::{NotRecorded, Own, Recorded, Recorder};
pub use payload::shown;
pub use secrets::{SecretError, SecretSources, ShownSecret, WebhookSecrets, defects};
use signature::secret_defect;
use story::Story;
use writer::NotWritten;
pub use writer::{Writer, WriterHandle};

/// A request as it arrived, after its key was checked.
#[derive(Debug)]
pub struct Received {
    /// What brought it.
    pub origin: Origin,
    /// The trace of the caller that it says it belongs to, for the log.
    pub told_trace: Option<TraceId>,
    /// The driver named in the path.
    pub driver: Option<String>,
    /// HTTP method.
    pub method: String,
    /// Query without the question mark.
    pub query: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The body.
    pub payload: Payload,
    /// When it arrived.
    pub received_at: Timestamp,
    /// Who sent it.
    pub api_key: Option<KeyId>,
}

/// A webhook that is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The run that took it; for a repeat of a delivery the first one's.
    pub run_id: RunId,
    /// What ties everything together that comes of it.
    pub trace_id: TraceId,
    /// The driver that read it, where one was found.
    pub driver: Option<PluginName>,
    /// What became of it.
    pub outcome: IngestOutcome,
    /// How many alerts it held.
    pub alerts: u32,
    /// Why it was ignored or quarantined; for alerts, what was odd about them.
    pub reason: Option<String>,
}

/// Why a webhook was not taken. Nothing of it is stored.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The path names no driver.
    #[error("there is no driver `{name}`; known are {known}")]
    UnknownDriver {
        /// What was asked for, cut and escaped.
        name: String,
        /// The names there are.
        known: String,
    },
    /// Missing, wrong or too old: one text for all causes, the cause only for the log.
    #[error("signature does not match")]
    Signature(String),
    /// Signatures are required, this webhook cannot be signed, and it came without a key.
    #[error("this webhook cannot be signed, so it needs an API key")]
    KeyRequired,
    /// It could not be committed.
    #[error("the webhook could not be stored")]
    Unavailable(String),
}

impl Refused {
    /// A word of a small closed set.
    const fn kind(&self) -> &'static str {
        match self {
            Self::UnknownDriver { .. } => "unknown_driver",
            Self::Signature(_) => "signature",
            Self::KeyRequired => "key",
            Self::Unavailable(_) => "unavailable",
        }
    }
}

/// Secrets that senders sign with, at one moment.
#[derive(Debug, Default)]
pub struct SignatureRules {
    /// By driver, the current one first.
    pub secrets: HashMap<String, Vec<Secret<String>>>,
    /// Whether a driver that can be signed needs a secret.
    pub required: bool,
}

/// Everything a webhook meets on its way to disk.
pub struct Ingest {
    catalogue: Arc<Catalogue>,
    keys: Arc<KeyRing>,
    secrets: Arc<WebhookSecrets>,
    writer: WriterHandle,
}

impl Ingest {
    /// Puts the parts together.
    pub const fn new(
        catalogue: Arc<Catalogue>,
        keys: Arc<KeyRing>,
        secrets: Arc<WebhookSecrets>,
        writer: WriterHandle,
    ) -> Self {
        Self { catalogue, keys, secrets, writer }
    }

    /// The drivers there are, by name.
    pub fn driver_names(&self) -> Vec<PluginName> {
        self.catalogue.driver_names()
    }

    /// Takes one webhook.
    ///
    /// # Errors
    /// [`Refused`]; then nothing of it is stored, and the sender should try again where it says so.
    pub async fn receive(&self, received: Received) -> Result<Accepted, Refused> {
        let story = Story::begin(&received);
        let result = self.take(received, &story).instrument(story.span()).await;
        if let Err(refused) = &result {
            metrics::webhook_refused(refused.kind());
        }
        story.end(&result);
        result
    }

    async fn take(&self, mut received: Received, story: &Story) -> Result<Accepted, Refused> {
        let (run_id, trace_id) = (story.run_id, story.trace_id);
        let (drivers, rules) = (self.catalogue.drivers(), self.secrets.rules());
        let incoming = payload::incoming(&mut received, &drivers);
        let detect::Choice { chosen, why } = choose(&drivers, &rules, &received, &incoming)?;
        let delivery_id = chosen.driver().and_then(|driver| {
            payload::delivery_id(driver, |name| received.headers.get(name)?.to_str().ok())
        });
        let verified = chosen.driver().is_some_and(|driver| rules.has_secret(driver));
        let mut verdict = match received.payload.defect() {
            Some(reason) => read::undecodable(chosen.driver(), reason),
            None => story.step("parse", read::verdict(chosen, &incoming, run_id, trace_id)).await?,
        };
        verdict.report(run_id, trace_id);
        let sealed_request = payload::seal(&self.keys, run_id, &incoming)
            .map_err(|error| Refused::Unavailable(chain(&error)))?;
        let fresh = Accepted {
            run_id,
            trace_id,
            driver: verdict.driver.clone(),
            outcome: verdict.outcome,
            alerts: u32::try_from(verdict.alerts.len()).unwrap_or(u32::MAX),
            reason: verdict.reason.clone(),
        };
        let webhook = verdict.webhook(run_id, trace_id, received.received_at);
        let write = IngestWrite {
            run_id,
            trace_id,
            origin: received.origin,
            received_at: received.received_at,
            driver: verdict.driver,
            named: received.driver.is_some(),
            verified,
            detection: why,
            // What nobody could read is not taken for the delivery that a corrected one repeats.
            delivery_id: delivery_id.filter(|_| verdict.outcome != IngestOutcome::Quarantined),
            api_key_id: received.api_key,
            size_bytes: incoming.body.len() as u64,
            sealed_request,
            outcome: verdict.outcome,
            reason_code: verdict.reason_code,
            reason: verdict.reason,
            webhook,
        };
        let accepted = story.step("commit", self.commit(write, fresh)).await?;
        log(&accepted);
        Ok(accepted)
    }

    /// Step 7: on disk, or an error. What the store refuses for good is a matter for quarantine like
    /// everything else that only a person can help.
    async fn commit(&self, write: IngestWrite, fresh: Accepted) -> Result<Accepted, Refused> {
        match self.writer.commit(write).await {
            Ok(Ingested::Stored { .. }) => {
                metrics::webhook(fresh.driver.as_ref(), fresh.outcome.as_str(), fresh.alerts);
                Ok(fresh)
            }
            Ok(Ingested::Duplicate { run_id, trace_id, driver, outcome, alerts }) => {
                metrics::webhook(Some(&driver), "duplicate", 0);
                let driver = Some(driver);
                let reason = Some("the same delivery was taken before".to_owned());
                Ok(Accepted { run_id, trace_id, driver, outcome, alerts, reason })
            }
            Err(NotWritten::Refused(error, write)) if write.webhook.is_some() => {
                let reason = Some(format!("what the driver read could not be stored: {}", chain(&error)));
                let again = IngestWrite {
                    delivery_id: None,
                    outcome: IngestOutcome::Quarantined,
                    reason_code: Some(error.kind().to_owned()),
                    reason: reason.clone(),
                    webhook: None,
                    ..*write
                };
                let fresh = Accepted { outcome: IngestOutcome::Quarantined, alerts: 0, reason, ..fresh };
                Box::pin(self.commit(again, fresh)).await
            }
            Err(NotWritten::Refused(error, _)) => Err(Refused::Unavailable(chain(&error))),
            Err(NotWritten::Unavailable(why)) => Err(Refused::Unavailable(why)),
        }
    }
}

/// Steps 4 and 5: which driver, and whether the signature holds.
fn choose(
    drivers: &DriverSet,
    rules: &SignatureRules,
    received: &Received,
    incoming: &Incoming,
) -> Result<detect::Choice, Refused> {
    let verify = |entry: &DriverEntry| {
        let name = entry.driver.info().plugin.name.as_str();
        let body = received.payload.sent().unwrap_or(&incoming.body);
        let signed = signature::Signed { body, received_at: received.received_at };
        signature::verify(name, &entry.signatures, rules, &received.headers, signed)
    };
    let choice = match &received.driver {
        None => detect::automatic(drivers, rules, incoming, verify)?,
        Some(name) => {
            let entry = drivers.by_name(name).ok_or_else(|| unknown(drivers, name))?;
            verify(&entry).map_err(|cause| Refused::Signature(format!("driver `{name}`: {cause}")))?;
            detect::Choice::named(entry, "named in the path")
        }
    };
    let signable = choice.chosen.driver().is_some_and(|entry| !entry.signatures.is_empty());
    if rules.required && !signable && received.api_key.is_none() {
        return Err(Refused::KeyRequired);
    }
    Ok(choice)
}

fn unknown(drivers: &DriverSet, name: &str) -> Refused {
    let known: Vec<String> = drivers.names().iter().map(|name| format!("`{name}`")).collect();
    let name = name.chars().take(40).flat_map(char::escape_default).collect();
    Refused::UnknownDriver { name, known: known.join(", ") }
}

fn log(accepted: &Accepted) {
    let driver = accepted.driver.as_ref().map_or("none", PluginName::as_str);
    tracing::info!(
        run_id = %accepted.run_id, trace_id = %accepted.trace_id, alert.source = driver, count = accepted.alerts,
        "took a webhook of `{driver}` as {}: {} alerts", accepted.outcome, accepted.alerts
    );
}
