//! What tests of crashes set, and only in a build with debug assertions: no release knows these, so they are
//! neither in `.env.sample` nor shown.

use std::time::Duration;

use domain::crash::Point;

use super::{Problems, Source};

const AT: &str = "WATCHBELL_CRASH_AT";
const AHEAD: &str = "WATCHBELL_CLOCK_AHEAD_S";

/// Where the process ends, and how late it takes it to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CrashSettings {
    /// The point, and which time that it is passed.
    pub at: Option<(Point, u32)>,
    /// How far the clock is ahead of the machine's: so that nobody has to wait for a lease to end.
    pub clock_ahead: Duration,
}

/// Whether a variable is one of these, and has an effect.
pub(super) fn knows(name: &str) -> bool {
    cfg!(debug_assertions) && [AT, AHEAD].contains(&name)
}

impl CrashSettings {
    pub(super) fn read(source: &Source, problems: &mut Problems) -> Self {
        if !cfg!(debug_assertions) {
            return Self::default();
        }
        let seconds = source.number(AHEAD, 0, 0..=u64::from(u32::MAX), problems);
        Self { at: at(source, problems), clock_ahead: Duration::from_secs(seconds) }
    }
}

/// `ingest.before_commit` or `ingest.before_commit:2`.
fn at(source: &Source, problems: &mut Problems) -> Option<(Point, u32)> {
    let text = source.text(AT)?;
    let (name, nth) = text.split_once(':').unwrap_or((text, "1"));
    match (name.parse(), nth.parse()) {
        (Ok(point), Ok(nth @ 1..)) => Some((point, nth)),
        _ => {
            let names: Vec<String> = Point::ALL.iter().map(|point| format!("`{point}`")).collect();
            problems.add(format!(
                "`{AT}` must be a point, or one and `:` and a number from 1; points are {}",
                names.join(", ")
            ));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<(Point, u32)>, bool) {
        let mut problems = Problems::default();
        let source = Source::from_pairs([(AT.to_owned(), text.to_owned())]);
        let settings = CrashSettings::read(&source, &mut problems);
        (settings.at, problems.is_empty())
    }

    #[test]
    #[cfg(debug_assertions)]
    fn a_point_is_named_with_or_without_a_number() {
        assert_eq!(read("deliver.claimed"), (Some((Point::DeliveryClaimed, 1)), true));
        assert_eq!(read("pipeline.stage_begun:3"), (Some((Point::StageBegun, 3)), true));
        for wrong in ["deliver.claimd", "deliver.claimed:0", "deliver.claimed:", "deliver.claimed:x", ":1"] {
            assert_eq!(read(wrong), (None, false), "{wrong}");
        }
    }

    #[test]
    #[cfg(not(debug_assertions))]
    fn a_release_reads_none_of_this() {
        assert_eq!(read("deliver.claimed"), (None, true));
        assert!(!knows(AT));
    }
}
