//! One reading for everybody who asks within its time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

/// What a reading gave, and when it was at its end.
struct Taken<T> {
    at: Instant,
    value: Arc<T>,
}

impl<T> Clone for Taken<T> {
    fn clone(&self) -> Self {
        Self { at: self.at, value: Arc::clone(&self.value) }
    }
}

/// The latest reading of something that blocks.
///
/// Invariant: at most one reading runs, however many wait for it, so a device that hangs costs one
/// thread.
pub(super) struct Latest<T> {
    take: Arc<dyn Fn() -> T + Send + Sync>,
    max_age: Duration,
    latest: Mutex<Option<Taken<T>>>,
    running: tokio::sync::Mutex<Option<JoinHandle<Taken<T>>>>,
}

/// A reading panicked, or the program is stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stopped;

impl<T: Send + Sync + 'static> Latest<T> {
    /// Nothing is read before somebody asks; what is read is good for `max_age`.
    pub(super) fn new(max_age: Duration, take: impl Fn() -> T + Send + Sync + 'static) -> Self {
        let running = tokio::sync::Mutex::new(None);
        Self { take: Arc::new(take), max_age, latest: Mutex::new(None), running }
    }

    /// Lets a reading begin that [`Latest::get`] will need.
    pub(super) fn begin(&self) {
        if self.fresh().is_none()
            && let Ok(mut running) = self.running.try_lock()
        {
            running.get_or_insert_with(|| self.spawn());
        }
    }

    /// What is fresh, or is read now. A reading stays in place when its waiter gives up.
    pub(super) async fn get(&self) -> Result<Arc<T>, Stopped> {
        let mut running = self.running.lock().await;
        if let Some(value) = self.fresh() {
            return Ok(value);
        }
        // One that a waiter gave up on may have ended long ago: then it says how things were.
        if running.as_ref().is_some_and(JoinHandle::is_finished) {
            self.keep(running.take().ok_or(Stopped)?.await.map_err(|_| Stopped)?);
            if let Some(value) = self.fresh() {
                return Ok(value);
            }
        }
        let ended = running.get_or_insert_with(|| self.spawn()).await;
        *running = None;
        let taken = ended.map_err(|_| Stopped)?;
        let value = Arc::clone(&taken.value);
        self.keep(taken);
        Ok(value)
    }

    fn spawn(&self) -> JoinHandle<Taken<T>> {
        let take = Arc::clone(&self.take);
        tokio::task::spawn_blocking(move || {
            let value = Arc::new(take());
            Taken { at: Instant::now(), value }
        })
    }

    fn keep(&self, taken: Taken<T>) {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(taken);
    }

    fn fresh(&self) -> Option<Arc<T>> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        latest.filter(|taken| taken.at.elapsed() < self.max_age).map(|taken| taken.value)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn counted(max_age: Duration) -> Latest<usize> {
        let count = AtomicUsize::new(0);
        Latest::new(max_age, move || count.fetch_add(1, Ordering::SeqCst) + 1)
    }

    #[tokio::test]
    async fn concurrent_callers_share_one_reading_while_it_is_fresh() {
        let latest = counted(HOUR);
        latest.begin();
        let (first, second) = tokio::join!(latest.get(), latest.get());
        assert_eq!((*first.unwrap(), *second.unwrap(), *latest.get().await.unwrap()), (1, 1, 1));

        let stale = counted(Duration::ZERO);
        assert_eq!(*stale.get().await.unwrap(), 1);
        assert_eq!(*stale.get().await.unwrap(), 2);
    }

    /// The figures of a reading that hung for an hour are not those of now.
    #[tokio::test]
    async fn what_ended_after_its_waiter_gave_up_is_not_taken_for_new() {
        let stale = counted(Duration::ZERO);
        stale.begin();
        while !stale.running.try_lock().unwrap().as_ref().unwrap().is_finished() {
            tokio::task::yield_now().await;
        }
        assert_eq!(*stale.get().await.unwrap(), 2);
    }

    #[tokio::test]
    async fn a_reading_that_hangs_holds_one_thread_and_is_found_later() {
        let (release, gate) = mpsc::channel::<()>();
        let (count, gate) = (Arc::new(AtomicUsize::new(0)), Mutex::new(gate));
        let counter = Arc::clone(&count);
        let latest = Latest::new(HOUR, move || {
            counter.fetch_add(1, Ordering::SeqCst);
            let _closed = gate.lock().unwrap().recv();
        });
        for _ in 0..3 {
            latest.begin();
            assert!(tokio::time::timeout(Duration::from_millis(5), latest.get()).await.is_err());
        }
        drop(release);
        latest.get().await.unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_reading_that_breaks_is_told_and_tried_again() {
        let count = AtomicUsize::new(0);
        let latest = Latest::new(HOUR, move || assert!(count.fetch_add(1, Ordering::SeqCst) > 0, "once"));
        assert_eq!(latest.get().await.map(drop), Err(Stopped));
        assert!(latest.get().await.is_ok());
    }
}
