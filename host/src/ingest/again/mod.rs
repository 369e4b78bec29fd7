//! Stored requests, read again: by an operator who knows what was in the way, or to see what another
//! version of a driver would make of them.

mod choice;
mod difference;
mod left;
mod told;

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use domain::alert::Alert;
use domain::id::{RunId, TraceId};
use domain::plan::Webhook;
use domain::plugin::{Incoming, PluginName};
use domain::run::{IngestOutcome, Origin};
use store::{AlertFilter, InboxEntry, IngestWrite, MAX_PAGE, PageRequest, Store, StoreError};
use tokio::time::Instant;

use super::read::{self, Verdict};
use super::{Refused, WebhookSecrets, detect, payload};
use crate::clock::{self, Ids};
use crate::crypto::{CryptoError, KeyRing};
use crate::plugins::{Catalogue, DriverEntry};
use choice::Purpose;

pub use difference::{AlertStep, Change, ChangedAlert, Difference, IncidentStep, Named};
pub use left::Left;
pub use told::{Failed, Reading, Reparsed, Replayed, Round};

/// How many requests one round goes through.
const ROUND: u32 = 100;
/// How long one round may take, give or take one request: a caller is waiting for its answer.
const ROUND_WITHIN: Duration = Duration::from_secs(10);

/// Why a stored request is not read again. Nothing is changed.
#[derive(Debug, thiserror::Error)]
pub enum AgainError {
    /// A driver is named that is not loaded.
    #[error("{0}")]
    NoDriver(String),
    /// It may be for a driver that has to be signed, and signatures are not kept.
    #[error(
        "the request was not verified when it came, and fits a driver whose webhooks have to be signed\n\
         hint: name the driver, if you know who sent it"
    )]
    Unverifiable,
    /// It was read before, and would not be now.
    #[error(
        "the request would be {outcome}, so what it was read as stays{}",
        reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default()
    )]
    WouldBeLost {
        /// What would become of it.
        outcome: IngestOutcome,
        /// Why.
        reason: Option<String>,
    },
    /// Nothing is wrong with the request; later it may work.
    #[error("{0}")]
    Unavailable(String),
    /// What is stored cannot be opened.
    #[error(transparent)]
    Sealed(#[from] CryptoError),
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Refused> for AgainError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Signature(_) | Refused::KeyRequired => Self::Unverifiable,
            Refused::UnknownDriver { .. } => Self::NoDriver(refused.to_string()),
            Refused::Unavailable(_) => Self::Unavailable(refused.to_string()),
        }
    }
}

/// Who wants something done with a stored request; written down with it.
pub type Actor<'a> = &'a (dyn Display + Sync);

/// Reads stored requests again.
#[derive(Clone)]
pub struct Again {
    store: Store,
    catalogue: Arc<Catalogue>,
    keys: Arc<KeyRing>,
    secrets: Arc<WebhookSecrets>,
}

/// Who reads a request again.
#[derive(Debug)]
pub enum By<'a> {
    /// The loaded driver of this name; without one whoever it is for.
    Loaded(Option<&'a str>),
    /// A driver that is not loaded.
    Other(Arc<DriverEntry>),
}

/// What was read, ready to be written.
struct Found {
    detection: String,
    delivery_id: Option<String>,
    verdict: Verdict,
}

impl Again {
    /// Puts the parts together.
    pub const fn new(
        store: Store,
        catalogue: Arc<Catalogue>,
        keys: Arc<KeyRing>,
        secrets: Arc<WebhookSecrets>,
    ) -> Self {
        Self { store, catalogue, keys, secrets }
    }

    /// Opens a stored request for `actor`, which is written down.
    ///
    /// # Errors
    /// When there is none, or it was sealed with another secret key.
    pub async fn open(&self, run_id: RunId, actor: Actor<'_>) -> Result<(InboxEntry, Incoming), AgainError> {
        let entry = self.store.inbox_entry(run_id).await?;
        let sealed = self.store.inbox_request(run_id).await?;
        let incoming = payload::open(&self.keys, run_id, &sealed)?;
        tracing::info!(
            %run_id, trace_id = %entry.trace_id, %actor,
            "{actor} opened the stored request of run {run_id}"
        );
        Ok((entry, incoming))
    }

    /// Reads a request in quarantine again, by the driver that is named, or else by whom it is for.
    ///
    /// Its time of receipt stays: what came later is not undone, and people are told only where the
    /// resulting state is another one.
    ///
    /// # Errors
    /// [`AgainError`]; then it stays as it is.
    pub async fn reparse(
        &self,
        run_id: RunId,
        driver: Option<&str>,
        actor: Actor<'_>,
    ) -> Result<Reparsed, AgainError> {
        let (entry, incoming) = self.open(run_id, actor).await?;
        if entry.outcome != IngestOutcome::Quarantined {
            let text = format!("the request of run `{run_id}` is not in quarantine: it is {}", entry.outcome);
            return Err(StoreError::Conflict(text).into());
        }
        let choice = self.choose(&entry, &incoming, driver, Purpose::Write(actor))?;
        let (_, found) = read(&entry, &incoming, choice).await?;
        self.write(&entry, found).await
    }

    /// Reads requests in quarantine again, in the order of their arrival, a round of them; all, or
    /// those of one driver.
    ///
    /// # Errors
    /// When the quarantine cannot be listed. What goes wrong with one request is in the answer.
    pub async fn reparse_all(
        &self,
        driver: Option<&PluginName>,
        after: Option<RunId>,
        actor: Actor<'_>,
    ) -> Result<Round<Reparsed>, AgainError> {
        self.round(driver, after, |run_id| self.reparse(run_id, None, actor)).await
    }

    /// Takes a request out of quarantine for good: its content goes, its run says who did it.
    ///
    /// # Errors
    /// When it is not in quarantine.
    pub async fn discard(&self, run_id: RunId, actor: Actor<'_>) -> Result<RunId, AgainError> {
        self.store.discard(run_id, &format!("discarded by {actor}"), clock::now()).await?;
        tracing::info!(%run_id, %actor, "{actor} discarded the request of run {run_id}");
        Ok(run_id)
    }

    /// [`Again::discard`] for a round of requests; all, or those of one driver.
    ///
    /// # Errors
    /// When the quarantine cannot be listed.
    pub async fn discard_all(
        &self,
        driver: Option<&PluginName>,
        after: Option<RunId>,
        actor: Actor<'_>,
    ) -> Result<Round<RunId>, AgainError> {
        self.round(driver, after, |run_id| self.discard(run_id, actor)).await
    }

    async fn round<T, W: Future<Output = Result<T, AgainError>>>(
        &self,
        driver: Option<&PluginName>,
        after: Option<RunId>,
        work: impl Fn(RunId) -> W,
    ) -> Result<Round<T>, AgainError> {
        let end = Instant::now() + ROUND_WITHIN;
        let entries = self.store.quarantined_after(driver, after, ROUND).await?;
        let mut round = Round::new(u32::try_from(entries.len()).is_ok_and(|count| count == ROUND));
        for entry in entries {
            round.note(entry.run_id, work(entry.run_id).await);
            if Instant::now() >= end {
                return Ok(round.cut());
            }
        }
        Ok(round)
    }

    /// Reads a stored request, whatever became of it, and tells what is different; writes nothing.
    ///
    /// # Errors
    /// [`AgainError`].
    pub async fn replay(&self, run_id: RunId, by: By<'_>, actor: Actor<'_>) -> Result<Replayed, AgainError> {
        let (stored, incoming) = self.open(run_id, actor).await?;
        let drivers = self.catalogue.drivers();
        let (choice, loaded) = match by {
            By::Loaded(driver) => (self.choose(&stored, &incoming, driver, Purpose::Look)?, None),
            By::Other(entry) => {
                let loaded = drivers.by_name(entry.driver.info().plugin.name.as_str());
                (detect::Choice::named(entry, "asked for"), loaded)
            }
        };
        Ok(self.look(stored, &incoming, choice, loaded).await?.0)
    }

    /// [`Again::replay`], then writes what was found.
    ///
    /// Alerts that only the earlier reading had stay as they are.
    ///
    /// # Errors
    /// [`AgainError`]; then everything stays as it is.
    pub async fn apply(
        &self,
        run_id: RunId,
        driver: Option<&str>,
        actor: Actor<'_>,
    ) -> Result<(Replayed, Reparsed), AgainError> {
        let (stored, incoming) = self.open(run_id, actor).await?;
        let choice = self.choose(&stored, &incoming, driver, Purpose::Write(actor))?;
        let (replayed, found) = self.look(stored, &incoming, choice, None).await?;
        let (was, outcome) = (replayed.stored.outcome, found.verdict.outcome);
        let worse = was == IngestOutcome::Parsed && outcome != IngestOutcome::Parsed
            || was != IngestOutcome::Quarantined && outcome == IngestOutcome::Quarantined;
        if worse {
            return Err(AgainError::WouldBeLost { outcome, reason: found.verdict.reason });
        }
        let reparsed = self.write(&replayed.stored, found).await?;
        Ok((Replayed { applied: true, ..replayed }, reparsed))
    }

    async fn look(
        &self,
        stored: InboxEntry,
        incoming: &Incoming,
        choice: detect::Choice,
        loaded: Option<Arc<DriverEntry>>,
    ) -> Result<(Replayed, Found), AgainError> {
        let (reading, found) = read(&stored, incoming, choice).await?;
        let webhook = webhook(&stored, &mut found.verdict.clone());
        let (loaded, difference) = if let Some(other) = loaded {
            let (loaded, mut before) =
                read(&stored, incoming, detect::Choice::named(other, "loaded")).await?;
            let before = self::webhook(&stored, &mut before.verdict);
            (Some(loaded), Difference::between(before.as_ref(), webhook.as_ref()))
        } else {
            let before = self.alerts_of(stored.trace_id).await?;
            (None, Difference::from_stored(&before, stored.trace_id, webhook.as_ref()))
        };
        let would_change = match &webhook {
            Some(webhook) => Change::of(&self.store.plan(webhook, &mut Ids).await?),
            None => Change::default(),
        };
        let detection = found.detection.clone();
        let replayed =
            Replayed { stored, detection, reading, loaded, difference, would_change, applied: false };
        Ok((replayed, found))
    }

    /// What is stored of the alerts that a webhook told of.
    async fn alerts_of(&self, trace_id: TraceId) -> Result<Vec<Alert>, AgainError> {
        let filter = AlertFilter { trace_id: Some(trace_id), ..AlertFilter::default() };
        let mut alerts = Vec::new();
        let mut page = PageRequest { limit: MAX_PAGE, cursor: None };
        loop {
            let found = self.store.alerts(&filter, &page).await?;
            alerts.extend(found.items);
            page.cursor = found.next;
            if page.cursor.is_none() {
                return Ok(alerts);
            }
        }
    }

    async fn write(&self, stored: &InboxEntry, found: Found) -> Result<Reparsed, AgainError> {
        let InboxEntry { run_id, trace_id, received_at, .. } = *stored;
        let Found { detection, delivery_id, mut verdict } = found;
        verdict.report(run_id, trace_id);
        let webhook = webhook(stored, &mut verdict);
        let write = IngestWrite {
            run_id,
            trace_id,
            origin: Origin::IncomingWebhook,
            received_at,
            driver: verdict.driver,
            named: stored.named,
            verified: stored.verified,
            detection,
            delivery_id: delivery_id.filter(|_| verdict.outcome != IngestOutcome::Quarantined),
            api_key_id: stored.api_key_id,
            size_bytes: stored.size_bytes,
            sealed_request: Vec::new(),
            outcome: verdict.outcome,
            reason_code: verdict.reason_code,
            reason: verdict.reason,
            webhook,
        };
        let ingested = self.store.reparse(&write, stored.outcome, &mut Ids, clock::now()).await?;
        let reparsed = Reparsed::of(write, ingested);
        tracing::info!(
            %run_id, %trace_id, count = reparsed.alerts,
            "read the request of run {run_id} again: {}, {} alerts", reparsed.outcome, reparsed.alerts
        );
        Ok(reparsed)
    }
}

/// Has the chosen driver read a stored request.
async fn read(
    stored: &InboxEntry,
    incoming: &Incoming,
    choice: detect::Choice,
) -> Result<(Reading, Found), AgainError> {
    let detect::Choice { chosen, why } = choice;
    let entry = chosen.driver().cloned();
    let delivery_id = entry.as_ref().and_then(|entry| {
        let header = |name: &str| incoming.headers.iter().find(|(found, _)| found == name);
        payload::delivery_id(entry, |name| header(name).map(|(_, value)| value.as_str()))
    });
    let verdict = read::verdict(chosen, incoming, stored.run_id, stored.trace_id).await?;
    let reading = Reading::of(entry.as_ref(), &verdict);
    Ok((reading, Found { detection: why, delivery_id, verdict }))
}

/// What is to be planned of a stored request, with the alerts moved there.
fn webhook(stored: &InboxEntry, verdict: &mut Verdict) -> Option<Webhook> {
    let webhook = verdict.webhook(stored.run_id, stored.trace_id, stored.received_at)?;
    Some(Webhook { replayed: true, ..webhook })
}
