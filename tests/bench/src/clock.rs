//! Processor time of the calling thread: what a call costs, however busy the machine is.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Processor time that this thread has used so far.
pub fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or_default())
}

/// Microseconds of processor time per call of `work`, over `calls` calls.
pub fn micros_per_call(calls: u32, mut work: impl FnMut()) -> f64 {
    let begin = thread_time();
    for _ in 0..calls {
        work();
    }
    (thread_time() - begin).as_secs_f64() * 1e6 / f64::from(calls.max(1))
}
