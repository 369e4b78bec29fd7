//! One snapshot for everybody who asks within a few seconds.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::probe::{Probe, Snapshot};

/// How old a snapshot may be (`wit/host.wit`).
const MAX_AGE: Duration = Duration::from_secs(5);

/// How long to wait for one. A device that does not answer can block the system call for ever.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why there is no snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The system did not answer; a later call may find the answer.
    #[error("this machine's state was not read within {} s", PATIENCE.as_secs())]
    Slow,
    /// Reading it panicked, or the program is stopping.
    #[error("this machine's state was not read: the reading stopped half-way")]
    Stopped,
}

type Take = dyn Fn() -> Snapshot + Send + Sync;

struct Taken {
    at: Instant,
    snapshot: Arc<Snapshot>,
}

/// This machine, as its checks see it. One for the whole program.
///
/// Invariant: at most one reading runs, however many wait for it, so a device that hangs costs one
/// thread.
pub struct Machine {
    take: Arc<Take>,
    max_age: Duration,
    patience: Duration,
    latest: Mutex<Option<Taken>>,
    running: tokio::sync::Mutex<Option<JoinHandle<Snapshot>>>,
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine").finish_non_exhaustive()
    }
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

impl Machine {
    /// This machine. Nothing is read before somebody asks.
    pub fn new() -> Self {
        let probe = Mutex::new(Probe::default());
        let take = move || probe.lock().unwrap_or_else(PoisonError::into_inner).take();
        Self::with(Arc::new(take), MAX_AGE, PATIENCE)
    }

    pub(super) fn with(take: Arc<Take>, max_age: Duration, patience: Duration) -> Self {
        let running = tokio::sync::Mutex::new(None);
        Self { take, max_age, patience, latest: Mutex::new(None), running }
    }

    /// A snapshot at most 5 seconds old, read on the blocking pool if there is none.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn snapshot(&self) -> Result<Arc<Snapshot>, Unavailable> {
        if let Some(snapshot) = self.fresh() {
            return Ok(snapshot);
        }
        let waited = tokio::time::timeout(self.patience, self.read()).await;
        waited.unwrap_or(Err(Unavailable::Slow))
    }

    /// The snapshot at hand, if it is fresh: for callers that cannot wait. Call
    /// [`Machine::snapshot`] before.
    pub fn fresh(&self) -> Option<Arc<Snapshot>> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = latest.as_ref().filter(|taken| taken.at.elapsed() < self.max_age);
        fresh.map(|taken| Arc::clone(&taken.snapshot))
    }

    /// Waits for the reading that runs, or starts one. It stays in place when a waiter gives up.
    async fn read(&self) -> Result<Arc<Snapshot>, Unavailable> {
        let mut running = self.running.lock().await;
        if let Some(snapshot) = self.fresh() {
            return Ok(snapshot);
        }
        let reading = running.get_or_insert_with(|| {
            let take = Arc::clone(&self.take);
            tokio::task::spawn_blocking(move || take())
        });
        let outcome = reading.await;
        *running = None;
        let snapshot = Arc::new(outcome.map_err(|_| Unavailable::Stopped)?);
        let taken = Taken { at: Instant::now(), snapshot: Arc::clone(&snapshot) };
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(taken);
        Ok(snapshot)
    }
}
