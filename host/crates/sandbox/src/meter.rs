//! What a call has used: thread time and wall time.
//!
//! Ticks only trigger the reading. The CPU that counts is the time of the thread while it runs the
//! plugin, so a busy machine costs a plugin wall time at most.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// The clocks of one call.
///
/// The call is polled on one thread at a time, so the counters need no more than `Relaxed`.
#[derive(Debug)]
pub(crate) struct Meter {
    began: Instant,
    /// Nanoseconds used in polls that have ended.
    spent: AtomicU64,
    /// Thread time in nanoseconds at which the poll that runs now began.
    resumed_at: AtomicU64,
}

impl Meter {
    /// Starts both clocks on this thread.
    pub(crate) fn start() -> Self {
        Self { began: Instant::now(), spent: AtomicU64::new(0), resumed_at: AtomicU64::new(thread_nanos()) }
    }

    /// Thread time used so far. Only meaningful on the thread that runs the call.
    pub(crate) fn cpu(&self) -> Duration {
        let running = thread_nanos().saturating_sub(self.resumed_at.load(Relaxed));
        Duration::from_nanos(self.spent.load(Relaxed).saturating_add(running))
    }

    /// Time since the call began.
    pub(crate) fn wall(&self) -> Duration {
        self.began.elapsed()
    }

    /// Runs the call itself: time between polls does not count.
    pub(crate) async fn count<F: Future>(&self, call: F) -> F::Output {
        let mut call = pin!(call);
        poll_fn(|context| {
            self.resumed_at.store(thread_nanos(), Relaxed);
            let polled = call.as_mut().poll(context);
            let now = thread_nanos();
            self.spent.fetch_add(now.saturating_sub(self.resumed_at.load(Relaxed)), Relaxed);
            // What ran is counted; whoever reads the clock now must not count it again.
            self.resumed_at.store(now, Relaxed);
            polled
        })
        .await
    }

    /// Runs a host function inside the call: the host's own work does not count.
    pub(crate) async fn pause<F: Future>(&self, host: F) -> F::Output {
        let mut host = pin!(host);
        poll_fn(|context| {
            let before = thread_nanos();
            let polled = host.as_mut().poll(context);
            self.resumed_at.fetch_add(thread_nanos().saturating_sub(before), Relaxed);
            polled
        })
        .await
    }
}

fn thread_nanos() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}
