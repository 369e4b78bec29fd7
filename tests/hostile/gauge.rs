//! What this process holds and what a thread has used, as the kernel counts it.

use std::fs;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// What a process may leak.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Holdings {
    /// Resident memory that belongs to no file, in bytes: pages of the program that were read in
    /// meanwhile are no leak.
    pub(crate) memory: u64,
    pub(crate) descriptors: usize,
    pub(crate) threads: usize,
}

impl Holdings {
    pub(crate) fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        Self {
            memory: kibibytes * 1024,
            descriptors: fs::read_dir("/proc/self/fd").unwrap().count(),
            threads: fs::read_dir("/proc/self/task").unwrap().count(),
        }
    }
}

/// Clocks of one thread.
///
/// On a machine that others use too, a thread is late because it waits for a processor. The kernel
/// counts that wait by itself, so it can be taken off: what remains is the time that the thread
/// worked or waited for something of this process, a lock above all.
pub(crate) struct ThreadClock {
    began: Instant,
    cpu: Duration,
    waited: Duration,
}

impl ThreadClock {
    /// Starts on the calling thread, where it must be read, too.
    pub(crate) fn start() -> Self {
        let (began, waited) = now_and_waited();
        Self { began, cpu: thread_cpu(), waited }
    }

    /// Processor time of this thread since the start.
    pub(crate) fn cpu(&self) -> Duration {
        thread_cpu() - self.cpu
    }

    /// Time since the start without the time in which this thread could have run and had no
    /// processor.
    pub(crate) fn own_time(&self) -> Duration {
        let (now, waited) = now_and_waited();
        (now - self.began).saturating_sub(waited - self.waited)
    }
}

fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

/// Both at one moment: without a wait between the two readings.
fn now_and_waited() -> (Instant, Duration) {
    loop {
        let (before, now, after) = (waited_for_processor(), Instant::now(), waited_for_processor());
        if before == after {
            return (now, after);
        }
    }
}

/// The second figure of `schedstat`: nanoseconds on a run queue.
fn waited_for_processor() -> Duration {
    let figures = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(figures.split(' ').nth(1).unwrap().trim().parse().unwrap())
}
