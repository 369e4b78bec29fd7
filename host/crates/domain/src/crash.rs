//! Named points of the program's path at which a test can have its process end, as if killed there.
//!
//! A build without debug assertions, such as every release, holds none of this: [`pass`] is empty there.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::alert::words;

words! {
    /// Where the process can end. `tests/crash` says for each what is found afterwards.
    Point {
        /// A webhook that is alone in its transaction is written, not committed.
        IngestBeforeCommit = "ingest.before_commit",
        /// It is committed, and not answered.
        IngestAfterCommit = "ingest.after_commit",
        /// Several webhooks of one transaction are written, not committed.
        BatchBeforeCommit = "ingest.batch.before_commit",
        /// They are committed, and none is answered.
        BatchAfterCommit = "ingest.batch.after_commit",
        /// What came of reading a stored request again is written, not committed.
        ReparseBeforeCommit = "reparse.before_commit",
        /// It is committed, and not answered.
        ReparseAfterCommit = "reparse.after_commit",
        /// Runs are claimed, not committed.
        RunClaimBeforeCommit = "pipeline.claim.before_commit",
        /// A run is claimed, and nothing done for it.
        RunClaimed = "pipeline.claimed",
        /// A stage has begun.
        StageBegun = "pipeline.stage_begun",
        /// The end of a stage other than notify is written with what it found and the beginning of the next, not
        /// committed.
        StageBeforeCommit = "pipeline.stage.before_commit",
        /// A stage other than notify has ended, and the next has begun with it.
        StageEnded = "pipeline.stage_ended",
        /// The deliveries of a run are written, not committed.
        NotifyBeforeCommit = "pipeline.notify.before_commit",
        /// The deliveries of a run are in the outbox.
        NotifyCommitted = "pipeline.notify_committed",
        /// Deliveries are claimed and their attempts written, not committed.
        DeliveryClaimBeforeCommit = "deliver.claim.before_commit",
        /// An attempt is written, and the remote not called.
        DeliveryClaimed = "deliver.claimed",
        /// The remote has answered, and it is not recorded.
        DeliveryAnswered = "deliver.answered",
        /// How the attempt ended is written, not committed.
        RecordBeforeCommit = "deliver.record.before_commit",
        /// It is recorded.
        DeliveryRecorded = "deliver.recorded",
        /// A data key is wrapped under another secret key, and others are not yet.
        KeyRewrapped = "keys.rewrapped",
        /// What is too old is found, and nothing taken away.
        RetentionFound = "retention.found",
        /// It is taken away, and that not committed.
        RetentionBeforeCommit = "retention.before_commit",
        /// It is gone.
        RetentionAfterCommit = "retention.after_commit",
        /// All statements of a migration are carried out, and not committed.
        MigrateBeforeCommit = "migrate.before_commit",
        /// They are committed.
        MigrateAfterCommit = "migrate.after_commit",
        /// The times at which keys were last used are written, not committed.
        LastUsedBeforeCommit = "last_used.before_commit",
        /// They are committed.
        LastUsedAfterCommit = "last_used.after_commit",
    }
}

struct Armed {
    point: Point,
    /// How often it may still be passed.
    left: AtomicU32,
    end: fn(),
}

static ARMED: OnceLock<Armed> = OnceLock::new();

/// Has `end` called when `point` is passed for the `nth` time, from 1. Once for a process, at its start;
/// without debug assertions nothing happens.
pub fn arm(point: Point, nth: u32, end: fn()) {
    if cfg!(debug_assertions) {
        // A second one finds the place taken: the first holds.
        let _taken = ARMED.set(Armed { point, left: AtomicU32::new(nth), end });
    }
}

/// Says that the process has come to `point`.
#[inline]
pub fn pass(point: Point) {
    if cfg!(debug_assertions)
        && let Some(armed) = ARMED.get()
        && armed.point == point
        && armed.left.fetch_sub(1, Ordering::Relaxed) == 1
    {
        (armed.end)();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static ENDS: AtomicU32 = AtomicU32::new(0);

    /// Alone in its process as far as points go: there is one static.
    #[test]
    fn only_the_named_point_counts_and_only_its_nth_time() {
        let ends = || ENDS.load(Ordering::Relaxed);
        pass(Point::StageBegun);
        arm(Point::StageBegun, 2, || {
            ENDS.fetch_add(1, Ordering::Relaxed);
        });
        pass(Point::StageEnded);
        pass(Point::StageBegun);
        assert_eq!(ends(), 0);
        pass(Point::StageBegun);
        pass(Point::StageBegun);
        assert_eq!(ends(), u32::from(cfg!(debug_assertions)));
    }
}
