//! What becomes of a notification that has not gone out when a newer one for the same incident and
//! channel is there.
//!
//! Every notification tells the whole state of its incident, so the newer one makes the older ones
//! needless; they go stale and are not sent. One thing would be lost: that something fired at all, where
//! it is over before anybody was told. Then the newer one tells both.

use crate::alert::AlertStatus;

/// How far a notification that is not final has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// No attempt was begun: the remote cannot know of it.
    Unsent,
    /// An attempt was begun and has ended; the remote may know of it.
    Tried,
    /// An attempt is under way, or was cut off by a crash; the remote may know of it.
    UnderWay,
}

/// A notification for the same incident and channel that is not final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Earlier {
    /// The state that it tells.
    pub tells: AlertStatus,
    /// How far it has come.
    pub progress: Progress,
}

impl Earlier {
    /// Whether a newer one makes it stale. What is under way ends first: nobody can call it back.
    pub const fn goes_stale(&self) -> bool {
        !matches!(self.progress, Progress::UnderWay)
    }
}

/// Whether a notification that is about to be put into the outbox has to tell that something fired and is
/// over, because nobody was told that it fired.
///
/// `earlier` are those that are not final, the oldest first. `last` is what the newest one told that is
/// final and for which an attempt was begun: whatever came of that, the remote may know of it, and then the
/// end is told as an end.
pub fn tells_both(last: Option<AlertStatus>, earlier: &[Earlier], newer: AlertStatus) -> bool {
    let begun = earlier.iter().rev().find(|earlier| earlier.progress != Progress::Unsent);
    let known = begun.map(|earlier| earlier.tells).or(last);
    newer == AlertStatus::Resolved
        && !known.is_some_and(holds)
        && earlier.iter().any(|earlier| earlier.progress == Progress::Unsent)
}

fn holds(status: AlertStatus) -> bool {
    status != AlertStatus::Resolved
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [AlertStatus; 3] = [AlertStatus::Firing, AlertStatus::Acknowledged, AlertStatus::Resolved];

    /// One notification in a small outbox of one incident and one channel.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum State {
        Unsent,
        Tried,
        UnderWay,
        Delivered,
        Dead,
        Stale,
    }

    #[derive(Debug, Clone, Copy)]
    struct Row {
        tells: AlertStatus,
        both: bool,
        begun: bool,
        state: State,
    }

    #[derive(Debug, Clone, Copy)]
    enum Event {
        Put(AlertStatus),
        /// The oldest that is not final is begun, or begun again after a crash.
        Begin,
        Deliver,
        Fail,
        GiveUp,
    }

    /// What the store does with the two decisions.
    #[derive(Debug, Clone, Default)]
    struct Outbox {
        rows: Vec<Row>,
        /// What each attempt that was begun was at.
        sent: Vec<usize>,
        /// The attempt that nobody can call back.
        in_flight: Option<usize>,
    }

    impl Outbox {
        fn unfinished(&self) -> Vec<usize> {
            let is_open = |row: &Row| matches!(row.state, State::Unsent | State::Tried | State::UnderWay);
            (0..self.rows.len()).filter(|at| is_open(&self.rows[*at])).collect()
        }

        fn under_way(&mut self) -> Option<usize> {
            self.rows.iter().position(|row| row.state == State::UnderWay)
        }

        /// False where the event cannot happen.
        fn apply(&mut self, event: Event) -> bool {
            let open = self.unfinished();
            match event {
                Event::Put(tells) => {
                    let earlier: Vec<Earlier> = open.iter().map(|at| self.earlier(*at)).collect();
                    let last = self.rows.iter().rev().find(|row| {
                        row.begun && !matches!(row.state, State::Unsent | State::Tried | State::UnderWay)
                    });
                    let both = tells_both(last.map(|row| row.tells), &earlier, tells);
                    for (at, earlier) in open.iter().zip(&earlier) {
                        if earlier.goes_stale() {
                            self.rows[*at].state = State::Stale;
                        }
                    }
                    self.rows.push(Row { tells, both, begun: false, state: State::Unsent });
                }
                Event::Begin => {
                    let Some(first) = open.first().copied() else { return false };
                    let row = &mut self.rows[first];
                    (row.state, row.begun) = (State::UnderWay, true);
                    self.sent.push(first);
                    assert!(self.in_flight.is_none_or(|at| at == first), "two at once: {self:?}");
                    self.in_flight = Some(first);
                }
                Event::Deliver | Event::Fail | Event::GiveUp => {
                    let Some(at) = self.under_way() else { return false };
                    self.in_flight = None;
                    let is_newest = open.last() == Some(&at);
                    self.rows[at].state = match event {
                        Event::Deliver => State::Delivered,
                        Event::GiveUp => State::Dead,
                        _ if is_newest => State::Tried,
                        _ => State::Stale,
                    };
                }
            }
            true
        }

        fn earlier(&self, at: usize) -> Earlier {
            let row = self.rows[at];
            let progress = match row.state {
                State::Unsent => Progress::Unsent,
                State::UnderWay => Progress::UnderWay,
                _ => Progress::Tried,
            };
            Earlier { tells: row.tells, progress }
        }

        /// What must hold after every event, and once everything has been delivered.
        fn check(&self) {
            let open = self.unfinished();
            assert!(open.len() <= 2, "{self:?}");
            assert!(self.sent.is_sorted(), "an older state is told after a newer: {self:?}");
            let Some(newest) = self.rows.len().checked_sub(1) else { return };
            assert!(self.rows[newest].state != State::Stale, "the newest state is told: {self:?}");

            let mut rest = self.clone();
            while !rest.unfinished().is_empty() {
                if rest.under_way().is_none() {
                    assert!(rest.apply(Event::Begin));
                }
                assert!(rest.apply(Event::Deliver));
            }
            // Each time that it held: told while it did, or told at the end as both, and never both ways.
            let mut began: Option<usize> = None;
            for (at, row) in rest.rows.iter().enumerate() {
                if holds(row.tells) {
                    began.get_or_insert(at);
                    continue;
                }
                // An end that was overtaken itself leaves it to the next.
                let Some(from) = began.filter(|_| row.begun) else { continue };
                let told = (from..at).any(|at| rest.rows[at].begun);
                assert_eq!(row.both, !told && !rest.knew_before(from), "{at}: {rest:?}");
                began = None;
            }
        }

        /// Whether the remote may still hold it for firing from before `at`.
        fn knew_before(&self, at: usize) -> bool {
            self.rows[..at].iter().rev().find(|row| row.begun).is_some_and(|row| holds(row.tells))
        }
    }

    fn walk(outbox: &Outbox, depth: usize, seen: &mut u64) {
        *seen += 1;
        outbox.check();
        if depth == 0 {
            return;
        }
        let events = STATES.map(Event::Put).into_iter();
        for event in events.chain([Event::Begin, Event::Deliver, Event::Fail, Event::GiveUp]) {
            let mut next = outbox.clone();
            if next.apply(event) {
                walk(&next, depth - 1, seen);
            }
        }
    }

    #[test]
    fn nobody_is_told_of_a_firing_after_its_end_and_no_firing_goes_untold() {
        let mut seen = 0;
        walk(&Outbox::default(), 8, &mut seen);
        assert!(seen > 10_000, "{seen}");
    }

    #[test]
    fn the_end_tells_both_only_where_nobody_can_know_that_it_fired() {
        let earlier = |tells, progress| Earlier { tells, progress };
        let (firing, over) = (AlertStatus::Firing, AlertStatus::Resolved);
        for (last, before, newer, both) in [
            (None, vec![earlier(firing, Progress::Unsent)], over, true),
            (Some(over), vec![earlier(firing, Progress::Unsent)], over, true),
            (None, vec![earlier(firing, Progress::Tried)], over, false),
            (None, vec![earlier(firing, Progress::UnderWay)], over, false),
            // It fired, was told, and what waits is only that it got worse.
            (Some(firing), vec![earlier(firing, Progress::Unsent)], over, false),
            (None, vec![earlier(firing, Progress::UnderWay), earlier(firing, Progress::Unsent)], over, false),
            (None, vec![earlier(firing, Progress::Tried), earlier(firing, Progress::Unsent)], over, false),
            // The end waits already as one of both.
            (None, vec![earlier(over, Progress::Unsent)], over, true),
            (None, vec![], over, false),
            (None, vec![earlier(firing, Progress::Unsent)], AlertStatus::Acknowledged, false),
            (None, vec![earlier(firing, Progress::Unsent)], firing, false),
        ] {
            assert_eq!(tells_both(last, &before, newer), both, "{last:?} {before:?} {newer:?}");
        }
    }
}
