//! What comes back from a plugin, checked while it becomes a value of the domain.
//!
//! Everything is treated as hostile: lengths, counts, depth, ranges, control characters. A value
//! that breaks a rule of `wit/` is refused and named, never shortened: half a label would be a
//! wrong one.

mod alert;
mod info;
mod json;
mod result;
mod text;

pub(crate) use info::{driver_info, notifier_info, provider_info};
pub(crate) use result::{analysis, parsed, plugin_error, problems, receipt};
pub(crate) use text::one_line;

use domain::time::Timestamp;

/// The first millisecond after the last acceptable year: 2201-01-01T00:00:00Z.
const END_OF_TIME_MS: i64 = 7_289_654_400_000;

/// A rule that was broken, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Breach {
    pub(crate) field: String,
    pub(crate) fault: String,
}

impl Breach {
    pub(crate) fn new(field: &str, fault: impl Into<String>) -> Self {
        Self { field: field.to_owned(), fault: fault.into() }
    }

    /// The same breach, seen from the record around it.
    pub(crate) fn inside(self, list: &str, index: usize) -> Self {
        Self { field: format!("{list}[{index}].{}", self.field), fault: self.fault }
    }
}

/// Counts the bytes of one result while it is taken over.
#[derive(Debug)]
pub(crate) struct Reader {
    limit: usize,
    left: usize,
}

impl Reader {
    /// A reader of at most `limit` bytes of text and lists.
    pub(crate) const fn new(limit: usize) -> Self {
        Self { limit, left: limit }
    }

    /// How many bytes were taken.
    pub(crate) const fn taken(&self) -> usize {
        self.limit.saturating_sub(self.left)
    }

    fn take(&mut self, field: &str, bytes: usize) -> Result<(), Breach> {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                Err(Breach::new(field, format!("brings the result over its limit of {} bytes", self.limit)))
            }
        }
    }
}

/// Refuses a list of more than `limit` entries.
pub(crate) fn count(field: &str, found: usize, limit: usize) -> Result<(), Breach> {
    if found <= limit {
        return Ok(());
    }
    Err(Breach::new(field, format!("has {found} entries, at most {limit} are allowed")))
}

/// Refuses times that only a mistake can give.
pub(crate) fn time(field: &str, millis: i64) -> Result<Timestamp, Breach> {
    if (0..END_OF_TIME_MS).contains(&millis) {
        return Ok(Timestamp::from_millis(millis));
    }
    Err(Breach::new(field, format!("is not between the years 1970 and 2200: {millis} ms")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_outside_1970_to_2200_are_refused() {
        assert!(time("t", 0).is_ok() && time("t", END_OF_TIME_MS - 1).is_ok());
        for millis in [-1, END_OF_TIME_MS, i64::MIN, i64::MAX] {
            assert!(time("t", millis).is_err(), "{millis}");
        }
    }
}
