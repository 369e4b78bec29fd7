//! What a connection is doing, and since when: enough to tell who keeps the hub waiting.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// What an HTTP/2 connection begins with, as far as no method of HTTP/1.1 does.
const PREFACE: &[u8] = b"PRI ";
/// How long a connection may keep the hub waiting before its place may go to another one.
const GRACE: Duration = Duration::from_secs(1);
/// How long a connection keeps its place to begin with, whoever waits: a flood of others must not take it
/// before its first bytes were looked at.
const FIRST_WORDS: Duration = Duration::from_millis(250);

/// How long a connection may keep the hub waiting.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For its first request, for the head of each one, and for the handshake of TLS.
    pub head: Duration,
    /// For the body of a request, in all.
    pub body: Duration,
    /// For an answer to be taken away, in all.
    pub answer: Duration,
    /// Between two requests.
    pub idle: Duration,
}

impl Limits {
    fn shortest(&self) -> Duration {
        self.head.min(self.answer).min(self.idle)
    }
}

/// What a connection took too long for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Late {
    /// The head of a request; whether some of one has come that can be answered.
    Head { begun: bool },
    /// Taking an answer away.
    Answer,
    /// Asking for something else.
    Idle,
    /// Nothing: its place is needed.
    Evicted { begun: bool },
}

/// How readily a connection gives up its place, the first before the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// It has kept the hub waiting for a head for a while.
    SlowHead,
    /// It asks for nothing.
    Idle,
    /// It has been sending a body or taking an answer for a while.
    SlowTransfer,
    /// It has just begun.
    Fresh,
}

/// Where a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Worked for, with a body that nobody reads yet or any more.
    Unread,
    /// Its body is waited for.
    Body,
    /// Worked for, and read to its end.
    Work,
    Answer,
}

#[derive(Debug)]
struct Activity {
    quiet_since: Instant,
    /// When the head began that is not complete.
    head_since: Option<Instant>,
    /// Since when bytes wait to be taken away.
    blocked_since: Option<Instant>,
    requests: BTreeMap<u64, (Step, Instant)>,
    /// How many requests there were.
    served: u64,
    /// How many bytes of [`PREFACE`] came first; `None` as soon as others did.
    preface: Option<usize>,
    evicted: bool,
}

/// What one connection is doing.
#[derive(Debug)]
pub(super) struct Meter {
    activity: Mutex<Activity>,
    eviction: Notify,
}

impl Meter {
    pub(super) fn new(now: Instant) -> Arc<Self> {
        let activity = Activity {
            quiet_since: now,
            head_since: None,
            blocked_since: None,
            requests: BTreeMap::new(),
            served: 0,
            preface: Some(0),
            evicted: false,
        };
        Arc::new(Self { activity: Mutex::new(activity), eviction: Notify::new() })
    }

    fn activity(&self) -> MutexGuard<'_, Activity> {
        self.activity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes came.
    pub(super) fn received(&self, bytes: &[u8], now: Instant) {
        let mut activity = self.activity();
        activity.preface = match activity.preface {
            Some(seen) if seen < PREFACE.len() => {
                let expected = PREFACE.get(seen..).unwrap_or_default();
                let common = expected.len().min(bytes.len());
                let same = expected.get(..common) == bytes.get(..common);
                same.then(|| seen.saturating_add(common))
            }
            other => other,
        };
        if activity.requests.is_empty() {
            activity.head_since.get_or_insert(now);
        }
    }

    /// Bytes have to wait.
    pub(super) fn blocked(&self, now: Instant) {
        self.activity().blocked_since.get_or_insert(now);
    }

    /// No bytes wait.
    pub(super) fn flushed(&self) {
        self.activity().blocked_since = None;
    }

    /// The head of a request is complete.
    pub(super) fn begin(self: &Arc<Self>, has_body: bool, now: Instant) -> Ticket {
        let mut activity = self.activity();
        activity.head_since = None;
        activity.served = activity.served.saturating_add(1);
        let number = activity.served;
        activity.requests.insert(number, (if has_body { Step::Unread } else { Step::Work }, now));
        Ticket { meter: Arc::clone(self), number }
    }

    /// Whether a request is under way.
    pub(super) fn is_busy(&self) -> bool {
        !self.activity().requests.is_empty()
    }

    /// What took too long, or when to look again.
    ///
    /// Nothing that begins after this look can be late before the next one.
    pub(super) fn look(&self, limits: &Limits, now: Instant) -> Result<Instant, Late> {
        let activity = self.activity();
        let (deadline, late) = activity.deadline(limits);
        match deadline {
            Some(deadline) if deadline <= now => Err(late),
            Some(deadline) => Ok(deadline.min(now + limits.shortest())),
            None => Ok(now + limits.shortest()),
        }
    }

    /// Waits until something took too long, or the place is needed.
    pub(super) async fn late(&self, limits: &Limits) -> Late {
        loop {
            let next = match self.look(limits, Instant::now()) {
                Ok(next) => next,
                Err(late) => return late,
            };
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = self.eviction.notified() => {
                    let activity = self.activity();
                    return Late::Evicted { begun: activity.requests.is_empty() && activity.is_begun() };
                }
            }
        }
    }

    /// How readily this one gives up its place, and since when; none where it is worked for or has only
    /// just come.
    pub(super) fn rank(&self, now: Instant) -> Option<(Rank, Instant)> {
        let activity = self.activity();
        if activity.evicted {
            return None;
        }
        let slow = |since: Instant| now.duration_since(since) >= GRACE;
        if activity.requests.is_empty() && activity.blocked_since.is_none() {
            let waiting = activity.head_since.or((activity.served == 0).then_some(activity.quiet_since));
            return Some(match waiting {
                Some(since) if slow(since) => (Rank::SlowHead, since),
                Some(since) if now.duration_since(since) < FIRST_WORDS => return None,
                Some(since) => (Rank::Fresh, since),
                None => (Rank::Idle, activity.quiet_since),
            });
        }
        if activity.requests.values().any(|(step, _)| matches!(step, Step::Work | Step::Unread)) {
            return None;
        }
        let transfers = activity.requests.values().map(|(_, since)| *since);
        let since = transfers.chain(activity.blocked_since).min()?;
        slow(since).then_some((Rank::SlowTransfer, since))
    }

    /// Takes the place away.
    pub(super) fn evict(&self) {
        self.activity().evicted = true;
        self.eviction.notify_one();
    }
}

impl Activity {
    fn is_http2(&self) -> bool {
        self.preface == Some(PREFACE.len())
    }

    /// Whether some of a request has come that an answer in HTTP/1.1 would be understood to.
    fn is_begun(&self) -> bool {
        self.head_since.is_some() && !self.is_http2()
    }

    fn deadline(&self, limits: &Limits) -> (Option<Instant>, Late) {
        let answers = self.requests.values().filter(|(step, _)| *step == Step::Answer);
        if let Some(since) = answers.map(|(_, since)| *since).chain(self.blocked_since).min() {
            return (Some(since + limits.answer), Late::Answer);
        }
        if !self.requests.is_empty() {
            return (None, Late::Answer);
        }
        let begun = self.is_begun();
        if self.served == 0 {
            return (Some(self.quiet_since + limits.head), Late::Head { begun });
        }
        match self.head_since {
            // On HTTP/2 whatever keeps a connection alive looks like the beginning of a head.
            Some(since) if begun => (Some(since + limits.head), Late::Head { begun }),
            _ => (Some(self.quiet_since + limits.idle), Late::Idle),
        }
    }
}

/// One request, from its head to the last byte of its answer.
#[derive(Debug)]
pub(super) struct Ticket {
    meter: Arc<Meter>,
    number: u64,
}

impl Ticket {
    /// What the body of the request tells its end with.
    pub(super) fn body(&self) -> BodyTicket {
        BodyTicket { meter: Arc::clone(&self.meter), number: self.number }
    }

    /// The answer is on its way; tells whether the whole request was read.
    pub(super) fn answer(&self, now: Instant) -> bool {
        let mut activity = self.meter.activity();
        let Some(request) = activity.requests.get_mut(&self.number) else { return true };
        let (step, _) = std::mem::replace(request, (Step::Answer, now));
        step == Step::Work
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut activity = self.meter.activity();
        activity.requests.remove(&self.number);
        if activity.requests.is_empty() {
            activity.quiet_since = Instant::now();
        }
    }
}

/// The body of a request; dropped when nobody wants more of it.
#[derive(Debug)]
pub(super) struct BodyTicket {
    meter: Arc<Meter>,
    number: u64,
}

impl BodyTicket {
    /// It is waited for.
    pub(super) fn begun(&self, now: Instant) {
        if let Some(request @ (Step::Unread, _)) = self.meter.activity().requests.get_mut(&self.number) {
            *request = (Step::Body, now);
        }
    }

    /// All of it has come.
    pub(super) fn ended(&self) {
        self.change(Step::Work);
    }

    fn change(&self, to: Step) {
        if let Some((step @ Step::Body, _)) = self.meter.activity().requests.get_mut(&self.number) {
            *step = to;
        }
    }
}

impl Drop for BodyTicket {
    fn drop(&mut self) {
        self.change(Step::Unread);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        head: Duration::from_secs(10),
        body: Duration::from_secs(30),
        answer: Duration::from_secs(20),
        idle: Duration::from_secs(60),
    };

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_head_has_its_time_however_it_drips() {
        let start = Instant::now();
        let meter = Meter::new(start);
        assert_eq!(meter.look(&LIMITS, after(start, 10)), Err(Late::Head { begun: false }));
        for second in 0..10 {
            meter.received(b"G", after(start, second));
        }
        assert!(meter.look(&LIMITS, after(start, 9)).is_ok());
        assert_eq!(meter.look(&LIMITS, after(start, 10)), Err(Late::Head { begun: true }));
    }

    #[test]
    fn between_requests_there_is_more_time_until_a_head_begins() {
        let meter = Meter::new(Instant::now());
        drop(meter.begin(false, Instant::now()));
        let quiet = Instant::now();
        assert!(meter.look(&LIMITS, after(quiet, 59)).is_ok());
        assert_eq!(meter.look(&LIMITS, after(quiet, 60)), Err(Late::Idle));
        meter.received(b"G", after(quiet, 20));
        assert_eq!(meter.look(&LIMITS, after(quiet, 30)), Err(Late::Head { begun: true }));
    }

    #[test]
    fn work_takes_as_long_as_it_takes_and_an_answer_does_not() {
        let start = Instant::now();
        let meter = Meter::new(start);
        let ticket = meter.begin(true, start);
        assert!(meter.look(&LIMITS, after(start, 3600)).is_ok());
        ticket.answer(after(start, 3600));
        assert_eq!(meter.look(&LIMITS, after(start, 3619)), Ok(after(start, 3620)));
        assert_eq!(meter.look(&LIMITS, after(start, 3620)), Err(Late::Answer));
        drop(ticket);
        meter.blocked(after(start, 3610));
        assert_eq!(meter.look(&LIMITS, after(start, 3630)), Err(Late::Answer));
        meter.flushed();
        assert!(meter.look(&LIMITS, after(start, 0)).is_ok());
    }

    #[test]
    fn pings_do_not_begin_a_head() {
        let meter = Meter::new(Instant::now());
        meter.received(b"PR", Instant::now());
        meter.received(b"I * HTTP/2.0", Instant::now());
        drop(meter.begin(false, Instant::now()));
        let quiet = Instant::now();
        meter.received(b"ping", quiet);
        assert!(meter.look(&LIMITS, after(quiet, 59)).is_ok());
        assert_eq!(meter.look(&LIMITS, after(quiet, 61)), Err(Late::Idle));
    }

    #[test]
    fn who_keeps_the_hub_waiting_gives_up_the_place_first_and_who_is_worked_for_never() {
        let start = Instant::now();
        let rank = |meter: &Meter, seconds| meter.rank(after(start, seconds)).map(|(rank, _)| rank);
        let fresh = Meter::new(start);
        assert_eq!(rank(&fresh, 0), None, "its first bytes may be on their way");
        let spoken = start + FIRST_WORDS;
        assert_eq!(fresh.rank(spoken), Some((Rank::Fresh, start)));
        assert_eq!(rank(&fresh, 2), Some(Rank::SlowHead));
        let ticket = fresh.begin(true, start);
        let body = ticket.body();
        assert_eq!(rank(&fresh, 100), None, "the hub has not begun to read");
        body.begun(start);
        assert_eq!((rank(&fresh, 0), rank(&fresh, 2)), (None, Some(Rank::SlowTransfer)));
        drop(body);
        assert_eq!(rank(&fresh, 100), None);
        drop(ticket);
        assert_eq!(rank(&fresh, 100), Some(Rank::Idle));
        fresh.evict();
        assert_eq!(rank(&fresh, 100), None);
        assert!(Rank::SlowHead < Rank::Idle && Rank::Idle < Rank::SlowTransfer);
    }
}
