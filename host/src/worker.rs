//! What the workers behind the answer have in common: claim what is due, keep a bounded number under
//! way, and hold on to the leases meanwhile.
//!
//! A lease is short, so that another worker soon takes over from one that died, and is renewed while
//! its work goes on. Work whose lease is lost, or cannot be renewed before it ends, is cut off at
//! once: from then on it may be somebody else's.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::Poll;
use std::time::Duration;

use domain::time::Timestamp;
use store::StoreError;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span};

use crate::clock;
use crate::telemetry::chain;
use crate::wake::{Origin, Wake, Wakes};

/// How long a claim lasts unless it is renewed: the longest that a page waits for a worker that died.
pub const LEASE: Duration = Duration::from_secs(20);
/// How often a claim is renewed: two tries may go wrong before it ends.
const RENEW_EVERY: Duration = Duration::from_secs(6);
/// How long before its end a lease counts as lost: time to let go of what is under way.
const MARGIN: Duration = Duration::from_secs(1);

/// One kind of work.
pub trait Work: Send + Sync + 'static {
    /// What is claimed and worked on.
    type Item: Send + Sync + 'static;

    /// What this kind of work is woken by.
    fn wake(wakes: &Wakes) -> &Wake;

    /// Claims at most `limit` that are due.
    fn claim(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Self::Item>, StoreError>> + Send;

    /// Works on one until it is recorded how it ended.
    fn work(&self, item: &Self::Item) -> impl Future<Output = ()> + Send;

    /// Lengthens the claim on one.
    fn renew(
        &self,
        item: &Self::Item,
        until: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// When the claim on one ends.
    fn lease_until(item: &Self::Item) -> Timestamp;

    /// Whose story the log lines are that are written meanwhile.
    fn span(item: &Self::Item) -> Span;

    /// What is worked on, for log lines.
    fn name(item: &Self::Item) -> String;
}

/// How much is done at once, and how long to wait for a sign of work before looking anyway: for retries that
/// have become due, and for what other processes left.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How many at once.
    pub most: usize,
    /// How long to wait.
    pub poll: Duration,
}

/// Works until stopped, with at most so many under way, then lets those end.
pub async fn run<W: Work>(work: Arc<W>, pace: Pace, wake: Arc<Wakes>, stop: CancellationToken) {
    let wake = W::wake(&wake);
    let mut under_way = JoinSet::new();
    let mut claims = Claims::default();
    let mut told = None;
    while !stop.is_cancelled() {
        let room = pace.most.saturating_sub(under_way.len());
        let claimed = claims.claim(&*work, room).await;
        let is_full = claimed.len() == room;
        let may_be_more = !claimed.is_empty() && is_full;
        // What another process left was no more than it said; only what is made here is passed on.
        if may_be_more || (told == Some(Origin::Here) && claimed.is_empty()) {
            wake.leave();
        }
        for item in claimed {
            let work = Arc::clone(&work);
            let span = W::span(&item);
            under_way.spawn(async move { hold(&*work, item).await }.instrument(span));
        }
        told = None;
        tokio::select! {
            () = stop.cancelled() => {}
            origin = wake.told(), if !may_be_more => told = Some(origin),
            // An end makes room, and may let the next about the same incident go.
            Some(ended) = under_way.join_next() => report(ended),
            () = tokio::time::sleep(pace.poll) => {}
        }
    }
    while let Some(ended) = under_way.join_next().await {
        report(ended);
    }
}

/// Claims, and says once when that cannot be done.
#[derive(Default)]
struct Claims {
    /// Why it could not be done the last time.
    trouble: Option<&'static str>,
}

impl Claims {
    async fn claim<W: Work>(&mut self, work: &W, room: usize) -> Vec<W::Item> {
        // By a clock that is wrong, what is somebody else's would look free.
        if room == 0 || clock::astray().is_some() {
            return Vec::new();
        }
        match work.claim(clock::now(), u32::try_from(room).unwrap_or(u32::MAX)).await {
            Ok(claimed) => {
                if self.trouble.take().is_some() {
                    tracing::info!("claiming works again");
                }
                claimed
            }
            Err(error) => {
                if self.trouble.replace(error.kind()) != Some(error.kind()) {
                    tracing::error!(error.r#type = error.kind(), "nothing can be claimed: {}", chain(&error));
                }
                Vec::new()
            }
        }
    }
}

/// Works on one item for as long as its lease is ours.
async fn hold<W: Work>(work: &W, item: W::Item) {
    let until = AtomicI64::new(W::lease_until(&item).as_micros());
    let why = tokio::select! {
        // In this order at every step: what wakes up when its lease has ended, because the machine or the
        // process stood still, must not take another one.
        biased;
        () = over(&until) => "its lease ended while nothing moved".to_owned(),
        why = lost(work, &item, &until) => why,
        () = work.work(&item) => return,
    };
    tracing::warn!(error.r#type = "lease_lost", "cut {} off: {why}", W::name(&item));
}

/// Ready once a lease counts as lost. Nothing wakes it: it is looked at before every step of the work.
async fn over(until: &AtomicI64) {
    std::future::poll_fn(|_| {
        let end = Timestamp::from_micros(until.load(Ordering::Relaxed)).before(MARGIN);
        if clock::now() >= end { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Renews the lease until that fails for good; says why. Returns before the lease ends, whatever the
/// store does.
async fn lost<W: Work>(work: &W, item: &W::Item, held: &AtomicI64) -> String {
    let mut until = W::lease_until(item);
    loop {
        let left = until.before(MARGIN).since(clock::now());
        tokio::time::sleep(RENEW_EVERY.min(left)).await;
        let now = clock::now();
        let left = until.before(MARGIN).since(now);
        if left.is_zero() {
            return "its lease could not be renewed in time".to_owned();
        }
        match tokio::time::timeout(left, work.renew(item, now.after(LEASE))).await {
            Ok(Ok(())) => {
                until = now.after(LEASE);
                held.store(until.as_micros(), Ordering::Relaxed);
            }
            Ok(Err(error @ StoreError::LeaseLost(_))) => return error.to_string(),
            Ok(Err(error)) => {
                tracing::warn!(error.r#type = error.kind(), "a lease was not renewed: {}", chain(&error))
            }
            Err(_) => {}
        }
    }
}

/// A panic is a defect: it is logged, and the lease ends by itself.
fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(error.r#type = "panic", "work broke off and is taken up again: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use domain::limits::Limits;
    use domain::plugin::PluginKind;

    use super::*;

    /// Work that notes each step that it is let take, and never ends.
    #[derive(Default)]
    struct Steps {
        taken: Mutex<Vec<Timestamp>>,
        renewed: Mutex<u32>,
    }

    impl Work for Steps {
        type Item = Timestamp;

        fn wake(wakes: &Wakes) -> &Wake {
            &wakes.runs
        }

        async fn claim(&self, _: Timestamp, _: u32) -> Result<Vec<Timestamp>, StoreError> {
            Ok(Vec::new())
        }

        async fn work(&self, _: &Timestamp) {
            loop {
                self.taken.lock().unwrap().push(clock::now());
                tokio::task::yield_now().await;
            }
        }

        async fn renew(&self, _: &Timestamp, _: Timestamp) -> Result<(), StoreError> {
            *self.renewed.lock().unwrap() += 1;
            Err(StoreError::LeaseLost("it".to_owned()))
        }

        fn lease_until(until: &Timestamp) -> Timestamp {
            *until
        }

        fn span(_: &Timestamp) -> Span {
            Span::none()
        }

        fn name(_: &Timestamp) -> String {
            "it".to_owned()
        }
    }

    #[tokio::test]
    async fn work_whose_lease_is_over_takes_no_step() {
        let steps = Steps::default();
        hold(&steps, clock::now().after(MARGIN)).await;
        assert_eq!(*steps.taken.lock().unwrap(), []);
    }

    #[tokio::test]
    async fn work_takes_its_last_step_before_its_lease_ends() {
        let steps = Steps::default();
        let until = clock::now().after(MARGIN + Duration::from_millis(50));
        hold(&steps, until).await;
        let taken = steps.taken.lock().unwrap();
        assert!(taken.last().is_some_and(|last| *last < until), "{}", taken.len());
    }

    #[test]
    fn lease_outlasts_a_notifier_s_call_and_two_renewals_that_go_wrong() {
        assert!(LEASE.saturating_sub(MARGIN) > Limits::of(PluginKind::Notifier).wall);
        assert!(LEASE >= RENEW_EVERY * 3 + MARGIN);
    }
}
