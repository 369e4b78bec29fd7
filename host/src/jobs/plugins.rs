//! Following what operators decide about plugins, and leaving components whose calls trap.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::approval::PluginEvent;
use domain::id::RunId;
use domain::lanes::BreakerState;
use domain::plugin::{PluginKind, PluginName};
use domain::time::Timestamp;
use domain::traps::WINDOW;
use store::StoreError;

use crate::ingest::{Again, Left};
use crate::plugins::{Approvals, BreakerReport, By, ComponentBreaker, DecideError};
use crate::telemetry::{chain, metrics};

type Key = (PluginKind, PluginName);

/// Looks at the decisions in the database and at the breakers of this process.
pub struct PluginWatch {
    approvals: Arc<Approvals>,
    again: Again,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What an earlier process left alone was looked up.
    began: bool,
    /// The components that are left alone, by SHA-256, because there is nothing to go back to; and since when.
    left_alone: BTreeMap<Key, (String, Timestamp)>,
    /// What is read again of which drivers.
    pending: BTreeMap<PluginName, (RunId, Left)>,
}

impl PluginWatch {
    /// Over what is loaded here.
    pub fn new(approvals: Arc<Approvals>, again: Again) -> Self {
        Self { approvals, again, state: Mutex::default() }
    }

    /// Looks once.
    ///
    /// # Errors
    /// When the store does not answer. The next round finds what this one left.
    pub async fn round(&self, now: Timestamp) -> Result<(), StoreError> {
        self.approvals.follow().await?;
        self.begin().await?;
        for breaker in self.approvals.breakers() {
            let report = breaker.report(now);
            let (kind, name) = (breaker.kind(), breaker.name());
            let left_alone = self.lock().left_alone.get(&(kind, name.clone())).cloned();
            let is_known = left_alone.as_ref().is_some_and(|(digest, _)| digest == breaker.digest());
            match (report.state, left_alone) {
                (BreakerState::Closed, Some((_, since))) => {
                    self.works_again(&breaker, is_known, since).await?
                }
                (BreakerState::Open | BreakerState::HalfOpen, _) if !is_known => {
                    self.leave(&breaker, &report, now).await?;
                }
                _ => {}
            }
        }
        self.read_again().await;
        Ok(())
    }

    /// What an earlier process left alone is tried anew by this one.
    async fn begin(&self) -> Result<(), StoreError> {
        if self.lock().began {
            return Ok(());
        }
        let left_alone = self.approvals.left_alone().await?;
        let mut state = self.lock();
        state.left_alone = left_alone;
        state.began = true;
        Ok(())
    }

    /// Goes back to an earlier component, or else says that there is none.
    async fn leave(
        &self,
        breaker: &ComponentBreaker,
        report: &BreakerReport,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (kind, name, digest) = (breaker.kind(), breaker.name(), breaker.digest());
        let since = self.approvals.running_since(kind, name);
        let BreakerReport { traps, calls, last, .. } = report;
        let reason = format!(
            "{traps} of {calls} calls within {} s trapped, the last with `{}`",
            WINDOW.as_secs(),
            last.unwrap_or_default()
        );
        match self.approvals.roll_back(kind, name, None, By::hub(reason.clone())).await {
            Ok(shown) => {
                metrics::plugin_rollback(kind, name);
                let to = shown.rollback.map(|rollback| rollback.to).unwrap_or_default();
                tracing::error!(
                    plugin.name = %name, plugin.kind = %kind, error.r#type = "rolled_back",
                    "{kind} `{name}` went back from {digest} to {to}: {reason}"
                );
                self.approvals.forget(kind, name, digest);
                self.pend(breaker, since, Left::ByTraps);
            }
            Err(DecideError::Store(error)) => return Err(error),
            Err(nothing) => {
                let nothing = nothing.to_string();
                let why = nothing.lines().next().unwrap_or_default();
                self.approvals.note(breaker, PluginEvent::LeftAlone, format!("{reason}; {why}")).await?;
                let since = since.unwrap_or_else(|| now.before(WINDOW));
                self.lock().left_alone.insert((kind, name.clone()), (digest.to_owned(), since));
                tracing::error!(
                    plugin.name = %name, plugin.kind = %kind, error.r#type = "left_alone",
                    "{kind} `{name}` is left alone: {reason}; {nothing}"
                );
            }
        }
        Ok(())
    }

    /// The component works, or another one is in its place.
    async fn works_again(
        &self,
        breaker: &ComponentBreaker,
        is_same: bool,
        since: Timestamp,
    ) -> Result<(), StoreError> {
        let (kind, name) = (breaker.kind(), breaker.name());
        let why =
            if is_same { "its calls do not trap any more" } else { "another component is in its place" };
        self.approvals.note(breaker, PluginEvent::WorksAgain, why.to_owned()).await?;
        self.lock().left_alone.remove(&(kind, name.clone()));
        // The same component would trap at what it trapped at before.
        let left = if is_same { Left::ByBreaker } else { Left::ByTraps };
        self.pend(breaker, Some(since), left);
        Ok(())
    }

    fn pend(&self, breaker: &ComponentBreaker, since: Option<Timestamp>, left: Left) {
        if let (PluginKind::Driver, Some(since)) = (breaker.kind(), since) {
            self.lock().pending.insert(breaker.name().clone(), (RunId::first_at(since), left));
        }
    }

    /// Reads a round of what was put into quarantine meanwhile.
    async fn read_again(&self) {
        let pending = self.lock().pending.clone();
        for (driver, (after, left)) in pending {
            let next = match self.again.reparse_left(&driver, after, left).await {
                Ok((count, next)) => {
                    if count > 0 {
                        tracing::info!(
                            plugin.name = %driver, count,
                            "read {count} webhooks again that driver `{driver}` was not there for"
                        );
                    }
                    next
                }
                Err(error) => {
                    tracing::warn!(plugin.name = %driver, error.r#type = "again", "{}", chain(&error));
                    continue;
                }
            };
            let mut state = self.lock();
            match next {
                Some(next) => drop(state.pending.insert(driver, (next, left))),
                None => drop(state.pending.remove(&driver)),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
