//! Stored requests, read again: by an operator who knows what was in the way, or to see what another
//! version of a driver would make of them.

use std::sync::Arc;

use domain::id::RunId;
use domain::plan::Webhook;
use domain::plugin::{Incoming, PluginName};
use domain::run::{IngestOutcome, Origin};
use store::{AlertFilter, InboxEntry, IngestWrite, Ingested, MAX_PAGE, PageRequest, Store, StoreError};

use super::account::{Reading, Reparsed, Replayed, Round};
use super::difference::{Change, Difference};
use super::read::{self, Verdict};
use super::{Refused, SignatureRules, detect, payload, unknown};
use crate::clock::{self, Ids};
use crate::crypto::{CryptoError, KeyRing};
use crate::plugins::{Catalogue, DriverEntry};

/// How many requests one round goes through.
const ROUND: u32 = 100;

/// Why a stored request is not read again. Nothing is changed.
#[derive(Debug, thiserror::Error)]
pub enum AgainError {
    /// A driver is named that is not loaded.
    #[error("{0}")]
    NoDriver(String),
    /// It may be for a driver with a secret, and signatures are not kept.
    #[error(
        "the request fits a driver whose webhooks are signed, and its signature is not kept\n\
         hint: name the driver, if you know who sent it"
    )]
    Unverifiable,
    /// It was read before, and cannot be read now.
    #[error("driver `{driver}` cannot read the request, so what it was read as stays: {reason}")]
    WouldBeLost {
        /// The driver.
        driver: String,
        /// Why.
        reason: String,
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
            Refused::Signature(_) => Self::Unverifiable,
            Refused::UnknownDriver { .. } => Self::NoDriver(refused.to_string()),
            Refused::KeyRequired | Refused::Unavailable(_) => Self::Unavailable(refused.to_string()),
        }
    }
}

/// Reads stored requests again.
pub struct Again {
    store: Store,
    catalogue: Arc<Catalogue>,
    keys: Arc<KeyRing>,
    rules: Arc<SignatureRules>,
}

impl Again {
    /// Puts the parts together.
    pub const fn new(
        store: Store,
        catalogue: Arc<Catalogue>,
        keys: Arc<KeyRing>,
        rules: Arc<SignatureRules>,
    ) -> Self {
        Self { store, catalogue, keys, rules }
    }

    /// Opens a stored request.
    ///
    /// # Errors
    /// When there is none, or it was sealed with another secret key.
    pub async fn open(&self, run_id: RunId) -> Result<(InboxEntry, Incoming), AgainError> {
        let entry = self.store.inbox_entry(run_id).await?;
        let sealed = self.store.inbox_request(run_id).await?;
        Ok((entry, payload::open(&self.keys, run_id, &sealed)?))
    }

    /// Reads a request in quarantine again, by the driver that is named, or else as it was sent.
    ///
    /// Its time of receipt stays: what came later is not undone, and people are told only where the
    /// resulting state is another one.
    ///
    /// # Errors
    /// [`AgainError`]; then it stays as it is.
    pub async fn reparse(&self, run_id: RunId, driver: Option<&str>) -> Result<Reparsed, AgainError> {
        let (entry, incoming) = self.open(run_id).await?;
        if entry.outcome != IngestOutcome::Quarantined {
            let text = format!("the request of run `{run_id}` is not in quarantine: it is {}", entry.outcome);
            return Err(StoreError::Conflict(text).into());
        }
        let choice = self.choose(&entry, &incoming, driver, Purpose::Write)?;
        let delivery_id = choice.chosen.driver().and_then(|driver| delivery_id(driver, &incoming));
        let verdict = read::verdict(choice.chosen, &incoming, run_id, entry.trace_id).await?;
        self.write(&entry, choice.why, delivery_id, verdict).await
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
    ) -> Result<Round<Reparsed>, AgainError> {
        let mut round = Round { done: Vec::new(), failed: Vec::new(), next: None };
        for entry in self.next(driver, after, &mut round).await? {
            round.note(entry.run_id, self.reparse(entry.run_id, None).await);
        }
        Ok(round)
    }

    /// Takes a request out of quarantine for good: its content goes, its run says why.
    ///
    /// # Errors
    /// When it is not in quarantine.
    pub async fn discard(&self, run_id: RunId, why: &str) -> Result<RunId, AgainError> {
        self.store.discard(run_id, why, clock::now()).await?;
        tracing::info!(%run_id, "discarded the request of run {run_id}");
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
        why: &str,
    ) -> Result<Round<RunId>, AgainError> {
        let mut round = Round { done: Vec::new(), failed: Vec::new(), next: None };
        for entry in self.next(driver, after, &mut round).await? {
            round.note(entry.run_id, self.discard(entry.run_id, why).await);
        }
        Ok(round)
    }

    async fn next<T>(
        &self,
        driver: Option<&PluginName>,
        after: Option<RunId>,
        round: &mut Round<T>,
    ) -> Result<Vec<InboxEntry>, AgainError> {
        let entries = self.store.quarantined_after(driver, after, ROUND).await?;
        let full = u32::try_from(entries.len()).is_ok_and(|count| count == ROUND);
        round.next = entries.last().map(|entry| entry.run_id).filter(|_| full);
        Ok(entries)
    }

    /// Reads a stored request, whatever became of it, and tells what is different; writes nothing.
    ///
    /// # Errors
    /// [`AgainError`].
    pub async fn replay(&self, run_id: RunId, by: By<'_>) -> Result<Replayed, AgainError> {
        Ok(self.look(run_id, by, Purpose::Look).await?.0)
    }

    /// [`Again::replay`], then writes what was found as if the request had been read like that when it
    /// arrived.
    ///
    /// # Errors
    /// [`AgainError`]; then everything stays as it is.
    pub async fn apply(
        &self,
        run_id: RunId,
        driver: Option<&str>,
    ) -> Result<(Replayed, Reparsed), AgainError> {
        let (mut replayed, found) = self.look(run_id, By::Loaded(driver), Purpose::Write).await?;
        let Found { delivery_id, verdict } = found;
        let was = replayed.stored.outcome;
        if verdict.outcome == IngestOutcome::Quarantined && was != IngestOutcome::Quarantined {
            let driver = verdict.driver.map_or_else(|| "none".to_owned(), |driver| driver.to_string());
            return Err(AgainError::WouldBeLost { driver, reason: verdict.reason.unwrap_or_default() });
        }
        let why = replayed.detection.clone();
        let reparsed = self.write(&replayed.stored, why, delivery_id, verdict).await?;
        replayed.applied = true;
        Ok((replayed, reparsed))
    }

    async fn look(
        &self,
        run_id: RunId,
        by: By<'_>,
        purpose: Purpose,
    ) -> Result<(Replayed, Found), AgainError> {
        let (stored, incoming) = self.open(run_id).await?;
        let (choice, other) = match by {
            By::Loaded(driver) => (self.choose(&stored, &incoming, driver, purpose)?, None),
            By::Other(entry) => {
                let loaded = self.catalogue.drivers().by_name(entry.driver.info().plugin.name.as_str());
                (
                    detect::Choice { chosen: detect::Chosen::Driver(entry), why: "asked for".to_owned() },
                    loaded,
                )
            }
        };
        let trace_id = stored.trace_id;
        let delivery_id = choice.chosen.driver().and_then(|driver| delivery_id(driver, &incoming));
        let entry = choice.chosen.driver().cloned();
        let verdict = read::verdict(choice.chosen, &incoming, run_id, trace_id).await?;
        let webhook = webhook(&stored, &mut verdict.clone());
        let (loaded, difference) = if let Some(other) = other {
            let mut before = read::parse(&other, &incoming, run_id, trace_id).await?;
            let loaded = reading(Some(&other), &before);
            let before = self::webhook(&stored, &mut before);
            (Some(loaded), Difference::between(before.as_ref(), webhook.as_ref()))
        } else {
            let filter = AlertFilter { trace_id: Some(trace_id), ..AlertFilter::default() };
            let page = PageRequest { limit: MAX_PAGE, cursor: None };
            let before = self.store.alerts(&filter, &page).await?.items;
            (None, Difference::from_stored(&before, trace_id, webhook.as_ref()))
        };
        let would_change = match &webhook {
            Some(webhook) => Change::of(&self.store.plan(webhook, &mut Ids).await?),
            None => Change::default(),
        };
        let reading = reading(entry.as_ref(), &verdict);
        let replayed = Replayed {
            stored,
            detection: choice.why,
            reading,
            loaded,
            difference,
            would_change,
            applied: false,
        };
        Ok((replayed, Found { delivery_id, verdict }))
    }

    /// Who is to read it: who is named, or who read it when it came, or whom it fits now.
    fn choose(
        &self,
        stored: &InboxEntry,
        incoming: &Incoming,
        named: Option<&str>,
        purpose: Purpose,
    ) -> Result<detect::Choice, AgainError> {
        let drivers = self.catalogue.drivers();
        let known = stored.driver.as_ref().map(PluginName::as_str);
        let why = if named.is_some() { "named by an operator" } else { "as when it arrived" };
        let Some(name) = named.or(known) else {
            let verify = |entry: &DriverEntry| match purpose {
                Purpose::Write if self.rules.has_secret(entry) => Err("its signature is not kept"),
                Purpose::Write | Purpose::Look => Ok(()),
            };
            return Ok(detect::automatic(&drivers, &self.rules, incoming, verify)?);
        };
        let entry = drivers.by_name(name).ok_or_else(|| unknown(&drivers, name))?;
        let why = if named.is_none() { stored.detection.clone() } else { why.to_owned() };
        Ok(detect::Choice { chosen: detect::Chosen::Driver(entry), why })
    }

    async fn write(
        &self,
        stored: &InboxEntry,
        detection: String,
        delivery_id: Option<String>,
        mut verdict: Verdict,
    ) -> Result<Reparsed, AgainError> {
        let InboxEntry { run_id, trace_id, received_at, .. } = *stored;
        let webhook = webhook(stored, &mut verdict);
        let write = IngestWrite {
            run_id,
            trace_id,
            origin: Origin::IncomingWebhook,
            received_at,
            driver: verdict.driver,
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
        let reparsed = match ingested {
            Ingested::Stored { alerts, incidents, runs } => Reparsed {
                run_id,
                trace_id,
                driver: write.driver,
                outcome: write.outcome,
                alerts,
                reason: write.reason,
                incidents,
                runs,
            },
            Ingested::Duplicate { run_id: first, .. } => Reparsed {
                run_id,
                trace_id,
                driver: write.driver,
                outcome: IngestOutcome::Ignored,
                alerts: 0,
                reason: Some(format!("the same delivery was taken as run {first}")),
                incidents: Vec::new(),
                runs: Vec::new(),
            },
        };
        tracing::info!(
            %run_id, %trace_id, count = reparsed.alerts,
            "read the request of run {run_id} again: {}, {} alerts", reparsed.outcome, reparsed.alerts
        );
        Ok(reparsed)
    }
}

/// Who reads a request again.
#[derive(Debug)]
pub enum By<'a> {
    /// The loaded driver of this name; without one whoever it is for.
    Loaded(Option<&'a str>),
    /// A driver that is not loaded.
    Other(Arc<DriverEntry>),
}

/// What a request is read again for.
#[derive(Clone, Copy)]
enum Purpose {
    /// To write what is found: who it is for has to be sure.
    Write,
    /// To see what is found. Nothing comes of it, so nothing has to be verified.
    Look,
}

struct Found {
    delivery_id: Option<String>,
    verdict: Verdict,
}

fn delivery_id(driver: &DriverEntry, incoming: &Incoming) -> Option<String> {
    payload::delivery_id(driver, |name| {
        incoming.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    })
}

/// What is to be planned of a stored request, with the alerts moved there.
fn webhook(stored: &InboxEntry, verdict: &mut Verdict) -> Option<Webhook> {
    let webhook = verdict.webhook(stored.run_id, stored.trace_id, stored.received_at)?;
    Some(Webhook { replayed: true, ..webhook })
}

fn reading(entry: Option<&DriverEntry>, verdict: &Verdict) -> Reading {
    Reading {
        driver: verdict.driver.clone(),
        version: entry.map(|entry| entry.driver.info().plugin.version.clone()),
        digest: entry.map(|entry| entry.driver.digest().to_owned()),
        outcome: verdict.outcome,
        reason: verdict.reason.clone(),
        alerts: verdict.alerts.len(),
    }
}
