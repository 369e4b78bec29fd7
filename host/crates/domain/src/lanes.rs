//! Which channels may have how many of the workers: one that is slow or gone must not hold the others up.
//!
//! Each channel has a lane with a circuit breaker. A lane begins with one attempt at a time, may double that
//! with every attempt that the remote answers, and is back at one when it fails. Lanes without an answer since
//! their last failure share what is left beside a reserve that only proven ones may use; all under way
//! together never exceed the workers.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::alert::words;
use crate::id::ChannelId;
use crate::retry::Policy;
use crate::time::Timestamp;

/// How many attempts in a row have to fail before a channel is left alone. A guess: one remote that hiccups
/// over a handful of notifications is not down.
pub const TRIPS_AFTER: u32 = 5;

/// For how long a channel is left alone, each time that it did not answer the one attempt in between. A
/// longer `Retry-After` of the remote wins, up to the cap.
pub const REST: Policy = Policy {
    base: Duration::from_secs(10),
    factor: 2.0,
    cap: Duration::from_secs(300),
    max_attempts: u32::MAX,
};

words! {
    /// What a circuit breaker lets through.
    BreakerState {
        /// Everything.
        Closed = "closed",
        /// One attempt, whose end decides.
        HalfOpen = "half_open",
        /// Nothing.
        Open = "open",
    }
}

/// How an attempt ended, as far as the lane is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The remote answered, be it with a refusal: it is there.
    Answered,
    /// It may work later.
    Failed {
        /// How long the remote asks to wait.
        retry_after: Option<Duration>,
    },
    /// It was cut off, or ended before anybody was asked: nothing is known of the remote.
    Unknown,
}

/// A breaker that moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The channel is left alone until then.
    Opened {
        /// When one attempt is made.
        until: Timestamp,
        /// How many attempts failed in a row.
        failures: u32,
    },
    /// It works again.
    Closed,
}

/// Leaves a channel alone that does not answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Breaker {
    /// Failures in a row.
    failures: u32,
    /// How often it opened in a row.
    opened: u32,
    /// Until when nothing passes; none while everything does.
    until: Option<Timestamp>,
}

impl Breaker {
    /// What it lets through at a time.
    pub fn state(&self, now: Timestamp) -> BreakerState {
        match self.until {
            None => BreakerState::Closed,
            Some(until) if now < until => BreakerState::Open,
            Some(_) => BreakerState::HalfOpen,
        }
    }

    /// Until when nothing passes; none while everything does.
    pub const fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// Takes note of the end of an attempt. `draw` in `0.0..1.0` spreads the pause. What was under way when
    /// it opened and fails later does not open it once more.
    pub fn ended(&mut self, end: End, now: Timestamp, draw: f64) -> Option<Change> {
        match end {
            End::Unknown => None,
            End::Answered => {
                let was_closed = self.until.is_none();
                *self = Self::default();
                (!was_closed).then_some(Change::Closed)
            }
            End::Failed { retry_after } => {
                self.failures = self.failures.saturating_add(1);
                let opens = match self.state(now) {
                    BreakerState::Closed => self.failures >= TRIPS_AFTER,
                    BreakerState::HalfOpen => true,
                    BreakerState::Open => false,
                };
                opens.then(|| self.open(retry_after, now, draw))
            }
        }
    }

    /// Opens it, whatever it was, for longer than the last time in a row. `draw` in `0.0..1.0` spreads the pause.
    pub fn open(&mut self, retry_after: Option<Duration>, now: Timestamp, draw: f64) -> Change {
        self.opened = self.opened.saturating_add(1);
        let until = now.after(REST.pause(self.opened, retry_after, draw).unwrap_or(REST.cap));
        self.until = Some(until);
        Change::Opened { until, failures: self.failures }
    }
}

/// A channel's part of the workers.
#[derive(Debug, Clone, Copy, Default)]
struct Lane {
    breaker: Breaker,
    under_way: usize,
    /// How many it may have at once, as far as its own past goes; 0 until the remote has answered since its
    /// last failure, which stands for one.
    share: usize,
}

/// The lanes of all channels.
#[derive(Debug, Clone)]
pub struct Lanes {
    slots: usize,
    lanes: BTreeMap<ChannelId, Lane>,
}

impl Lanes {
    /// Lanes for this many workers.
    pub const fn new(slots: usize) -> Self {
        Self { slots, lanes: BTreeMap::new() }
    }

    /// How many deliveries of which channel may be begun now. `due` are the channels that have some, the one
    /// that waits longest first; `others` says whether there are channels besides that could have some soon.
    pub fn room(&self, due: &[ChannelId], others: bool, now: Timestamp) -> Vec<(ChannelId, usize)> {
        let mut plan: Vec<(ChannelId, usize)> = due.iter().map(|id| (*id, 0)).collect();
        let busy = self.lanes.iter().filter(|(id, lane)| lane.under_way > 0 && !due.contains(id)).count();
        let alone = !others && due.len() + busy <= 1;
        let reserve = if alone || self.slots < 2 { 0 } else { (self.slots / 4).max(1) };
        let open = self.slots - reserve;
        let runs = |(id, lane): &(&ChannelId, &Lane)| {
            let may = due.contains(id) && lane.breaker.state(now) == BreakerState::Closed;
            lane.share > 0 && (may || lane.under_way > 0)
        };
        let each = (open / self.lanes.iter().filter(runs).count().max(1)).max(1);
        let mut free = self.slots.saturating_sub(self.lanes.values().map(|lane| lane.under_way).sum());
        let unproven = self.lanes.values().filter(|lane| lane.share == 0).map(|lane| lane.under_way).sum();
        let mut free_unproven = open.saturating_sub(unproven);
        // One for each in turn, so that the first does not take all.
        loop {
            let mut gave = false;
            for (id, count) in &mut plan {
                let lane = self.lanes.get(id).copied().unwrap_or_default();
                let most = match lane.breaker.state(now) {
                    BreakerState::Open => 0,
                    BreakerState::HalfOpen => 1,
                    BreakerState::Closed => lane.share.clamp(1, each),
                };
                let is_unproven = lane.share == 0;
                if lane.under_way + *count >= most || free == 0 || (is_unproven && free_unproven == 0) {
                    continue;
                }
                *count += 1;
                free -= 1;
                free_unproven -= usize::from(is_unproven);
                gave = true;
            }
            if !gave {
                plan.retain(|(_, count)| *count > 0);
                return plan;
            }
        }
    }

    /// Takes note of an attempt that begins.
    pub fn began(&mut self, id: ChannelId) {
        self.lanes.entry(id).or_default().under_way += 1;
    }

    /// Takes note of its end.
    pub fn ended(&mut self, id: ChannelId, end: End, now: Timestamp, draw: f64) -> Option<Change> {
        let slots = self.slots;
        let lane = self.lanes.entry(id).or_default();
        lane.under_way = lane.under_way.saturating_sub(1);
        match end {
            End::Answered => lane.share = lane.share.saturating_mul(2).clamp(1, slots.max(1)),
            End::Failed { .. } => lane.share = 0,
            End::Unknown => {}
        }
        lane.breaker.ended(end, now, draw)
    }

    /// What the breaker of a channel lets through.
    pub fn state(&self, id: ChannelId, now: Timestamp) -> BreakerState {
        self.lanes.get(&id).map_or(BreakerState::Closed, |lane| lane.breaker.state(now))
    }
}

#[cfg(test)]
mod tests {
    use ulid::Ulid;

    use super::*;

    const FAILED: End = End::Failed { retry_after: None };

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000).after(Duration::from_secs(seconds))
    }

    fn channel(number: u128) -> ChannelId {
        ChannelId::from(Ulid(number))
    }

    fn fail(breaker: &mut Breaker, times: u32, seconds: u64) -> Option<Change> {
        (0..times).map(|_| breaker.ended(FAILED, at(seconds), 1.0)).last().flatten()
    }

    #[test]
    fn breaker_opens_after_failures_in_a_row_and_closes_when_the_remote_answers() {
        let mut breaker = Breaker::default();
        assert_eq!(fail(&mut breaker, TRIPS_AFTER - 1, 0), None);
        assert_eq!(breaker.ended(End::Answered, at(0), 1.0), None);
        assert_eq!(fail(&mut breaker, TRIPS_AFTER - 1, 0), None);
        assert_eq!(breaker.state(at(0)), BreakerState::Closed);
        let opened = fail(&mut breaker, 1, 0);
        assert_eq!(opened, Some(Change::Opened { until: at(10), failures: TRIPS_AFTER }));
        // What was under way fails too; that alone changes nothing.
        assert_eq!(fail(&mut breaker, 3, 1), None);
        assert_eq!(
            (breaker.state(at(9)), breaker.state(at(10))),
            (BreakerState::Open, BreakerState::HalfOpen)
        );
        let again = fail(&mut breaker, 1, 11);
        assert!(matches!(again, Some(Change::Opened { until, .. }) if until == at(31)), "{again:?}");
        assert_eq!(breaker.ended(End::Answered, at(31), 1.0), Some(Change::Closed));
        assert_eq!(breaker, Breaker::default());
    }

    #[test]
    fn breaker_rests_longer_each_time_up_to_a_bound_and_as_long_as_the_remote_asks() {
        let mut breaker = Breaker::default();
        let mut now = at(0);
        let mut rests = Vec::new();
        fail(&mut breaker, TRIPS_AFTER - 1, 0);
        for _ in 0..8 {
            let Some(Change::Opened { until, .. }) = breaker.ended(FAILED, now, 1.0) else { panic!() };
            rests.push(until.since(now).as_secs());
            now = until;
        }
        assert_eq!(rests, [10, 20, 40, 80, 160, 300, 300, 300]);
        for (asked, rest) in [(60, 60), (0, 10), (86_400, 300)] {
            let mut breaker = Breaker::default();
            let end = End::Failed { retry_after: Some(Duration::from_secs(asked)) };
            let opened = (0..TRIPS_AFTER).filter_map(|_| breaker.ended(end, at(0), 1.0)).next();
            assert_eq!(opened, Some(Change::Opened { until: at(rest), failures: TRIPS_AFTER }), "{asked}");
        }
    }

    #[test]
    fn what_was_cut_off_says_nothing_about_the_remote() {
        let mut lanes = Lanes::new(8);
        for _ in 0..20 {
            lanes.began(channel(1));
            assert_eq!(lanes.ended(channel(1), End::Unknown, at(0), 0.0), None);
        }
        assert_eq!(lanes.state(channel(1), at(0)), BreakerState::Closed);
    }

    /// Begins whatever there is room for.
    fn fill(lanes: &mut Lanes, due: &[ChannelId], others: bool, seconds: u64) -> BTreeMap<ChannelId, usize> {
        let room = lanes.room(due, others, at(seconds));
        for (id, count) in &room {
            (0..*count).for_each(|_| lanes.began(*id));
        }
        room.into_iter().collect()
    }

    fn end(lanes: &mut Lanes, began: &BTreeMap<ChannelId, usize>, end: End) {
        for (id, count) in began {
            for _ in 0..*count {
                lanes.ended(*id, end, at(0), 0.0);
            }
        }
    }

    #[test]
    fn share_doubles_with_answers_and_a_channel_alone_may_have_all() {
        let mut lanes = Lanes::new(8);
        let mut took = Vec::new();
        for _ in 0..5 {
            let began = fill(&mut lanes, &[channel(1)], false, 0);
            took.push(began[&channel(1)]);
            end(&mut lanes, &began, End::Answered);
        }
        assert_eq!((took[0], took[4]), (1, 8), "{took:?}");
        let began = fill(&mut lanes, &[channel(1)], true, 0);
        assert_eq!(began[&channel(1)], 6, "a reserve stays where there are other channels");
        end(&mut lanes, &began, FAILED);
        assert_eq!(lanes.room(&[channel(1)], false, at(0)), []);
        assert_eq!(lanes.room(&[channel(1)], false, at(10)), [(channel(1), 1)], "one attempt in between");
    }

    #[test]
    fn any_number_of_silent_channels_leaves_room_for_one_that_answers() {
        for slots in 2..=64 {
            let good = channel(1000);
            let mut lanes = Lanes::new(slots);
            let began = fill(&mut lanes, &[good], true, 0);
            end(&mut lanes, &began, End::Answered);
            let silent: Vec<ChannelId> = (0..100).map(channel).collect();
            let held = fill(&mut lanes, &silent, true, 0);
            assert!(held.values().all(|count| *count == 1), "{held:?}");
            let began = fill(&mut lanes, &[good], true, 0);
            assert!(began.get(&good).is_some_and(|count| *count >= 1), "{slots} slots: {held:?}");
        }
    }

    #[test]
    fn silent_channels_take_nothing_of_the_part_of_one_that_answers() {
        let mut lanes = Lanes::new(8);
        for _ in 0..5 {
            let began = fill(&mut lanes, &[channel(0)], true, 0);
            end(&mut lanes, &began, End::Answered);
        }
        let all: Vec<ChannelId> = (0..6).map(channel).collect();
        let began = fill(&mut lanes, &all, true, 0);
        assert_eq!(began[&channel(0)], 3, "one for each that is not known, the rest for it: {began:?}");
        for _ in 0..TRIPS_AFTER {
            for silent in &all[1..] {
                lanes.ended(*silent, FAILED, at(0), 0.0);
            }
        }
        end(&mut lanes, &BTreeMap::from([(channel(0), 3)]), End::Answered);
        assert_eq!(lanes.room(&all, true, at(0)), [(channel(0), 6)], "the others are left alone");
    }

    #[test]
    fn channels_that_answer_share() {
        let mut lanes = Lanes::new(8);
        let both = [channel(1), channel(2)];
        for _ in 0..5 {
            let began = fill(&mut lanes, &both, true, 0);
            end(&mut lanes, &began, End::Answered);
        }
        assert_eq!(lanes.room(&both, true, at(0)), [(channel(1), 3), (channel(2), 3)]);
    }

    #[test]
    fn never_more_than_the_workers_whatever_happens() {
        // A walk through states by a fixed generator: 20,000 steps over 7 channels.
        let mut seed = 7u64;
        let mut draw = |most: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % most
        };
        for slots in [1usize, 2, 3, 8, 64] {
            let mut lanes = Lanes::new(slots);
            let mut under_way: Vec<ChannelId> = Vec::new();
            for step in 0..20_000 {
                let due: Vec<ChannelId> = (0..7).filter(|_| draw(3) == 0).map(channel).collect();
                for (id, count) in fill(&mut lanes, &due, draw(2) == 0, step) {
                    under_way.extend(std::iter::repeat_n(id, count));
                }
                assert!(under_way.len() <= slots, "{slots}: {under_way:?}");
                if !under_way.is_empty() && draw(2) == 0 {
                    let at_random = usize::try_from(draw(under_way.len() as u64)).unwrap();
                    let id = under_way.swap_remove(at_random);
                    let end = [End::Answered, FAILED, End::Unknown][usize::try_from(draw(3)).unwrap()];
                    lanes.ended(id, end, at(step), 0.5);
                }
            }
            let total: usize = lanes.lanes.values().map(|lane| lane.under_way).sum();
            assert_eq!(total, under_way.len());
        }
    }
}
