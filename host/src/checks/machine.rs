//! One snapshot for everybody who asks within a few seconds.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::latest::{Latest, Stopped};
use super::probe::{self, Disk, Probe, Snapshot, System};

/// How old a snapshot may be (`wit/host.wit`).
pub(super) const MAX_AGE: Duration = Duration::from_secs(5);

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

impl From<Stopped> for Unavailable {
    fn from(Stopped: Stopped) -> Self {
        Self::Stopped
    }
}

/// This machine, as its checks see it. One for the whole program.
///
/// File systems are read by themselves: one that does not answer must not hide how processors and
/// memory are.
pub struct Machine {
    pub(super) system: Latest<System>,
    pub(super) disks: Latest<Vec<Disk>>,
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
        let system = move || probe.lock().unwrap_or_else(PoisonError::into_inner).take();
        Self::with(Latest::new(MAX_AGE, system), Latest::new(MAX_AGE, probe::disks))
    }

    pub(super) const fn with(system: Latest<System>, disks: Latest<Vec<Disk>>) -> Self {
        Self { system, disks }
    }

    /// A snapshot at most 5 seconds old, read on the blocking pool if there is none.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn snapshot(&self) -> Result<Arc<Snapshot>, Unavailable> {
        let both = async { tokio::try_join!(self.system.get(), self.disks.get()) };
        let (system, disks) = tokio::time::timeout(PATIENCE, both).await.map_err(|_| Unavailable::Slow)??;
        let System { memory, cpu, processes } = System::clone(&system);
        Ok(Arc::new(Snapshot { memory, cpu, disks: Vec::clone(&disks), processes }))
    }
}
