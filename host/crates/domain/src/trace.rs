//! Where a call stands in a trace, as one process tells another (W3C Trace Context).

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use crate::id::{Mint, RunId, TraceId};

/// One step of a trace: 16 lower-case hexadecimal digits, never all zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(NonZeroU64);

impl SpanId {
    /// Takes a fresh one from `mint`: the random part of an identifier.
    pub fn mint(mint: &mut (impl Mint + ?Sized)) -> Self {
        Self::of(mint.mint().0)
    }

    /// As a number.
    pub const fn get(self) -> u64 {
        self.0.get()
    }

    #[expect(clippy::cast_possible_truncation, reason = "the lower half of an identifier is its random part")]
    const fn of(bits: u128) -> Self {
        match NonZeroU64::new(bits as u64) {
            Some(id) => Self(id),
            None => Self(NonZeroU64::MIN),
        }
    }
}

/// The step that a run is. It follows from the run, so that what comes of it hours later, after a
/// restart or in another process, names it without having been told.
impl From<RunId> for SpanId {
    fn from(run: RunId) -> Self {
        Self::of(run.bits())
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A trace and a step in it: what `traceparent` carries.
///
/// # Source
/// Trace Context, W3C Recommendation of 23 November 2021, section 3.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace.
    pub trace_id: TraceId,
    /// Who calls.
    pub span_id: SpanId,
    /// Whether the caller may have recorded the trace.
    pub sampled: bool,
}

/// A `traceparent` that is not one, and counts as absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected `version-trace-parent-flags` in lower-case hexadecimal digits")]
pub struct TraceParentError;

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace_id, self.span_id, u8::from(self.sampled))
    }
}

impl FromStr for TraceParent {
    type Err = TraceParentError;

    fn from_str(text: &str) -> Result<Self, TraceParentError> {
        let mut parts = text.splitn(5, '-');
        let mut next = |digits: usize| {
            let part = parts.next().filter(|part| part.len() == digits);
            part.filter(|part| part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
        };
        let (version, trace, span, flags) = (next(2), next(32), next(16), next(2));
        let (Some(version), Some(trace), Some(span), Some(flags)) = (version, trace, span, flags) else {
            return Err(TraceParentError);
        };
        // A later version may have more behind these four; this one has not.
        if version == "ff" || (version == "00" && parts.next().is_some()) {
            return Err(TraceParentError);
        }
        let span = u64::from_str_radix(span, 16).ok().and_then(NonZeroU64::new).ok_or(TraceParentError)?;
        let flags = u8::from_str_radix(flags, 16).map_err(|_| TraceParentError)?;
        Ok(Self {
            trace_id: trace.parse().map_err(|_| TraceParentError)?,
            span_id: SpanId(span),
            sampled: flags & 1 == 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_header_is_read_and_written_alike() {
        assert_eq!(GOOD.parse::<TraceParent>().unwrap().to_string(), GOOD);
        let later = format!("cc{}-what-comes-later", &GOOD[2..]);
        assert_eq!(later.parse::<TraceParent>().unwrap().to_string(), GOOD);
        let unsampled = GOOD.replace("-01", "-fe");
        assert!(!unsampled.parse::<TraceParent>().unwrap().sampled);
    }

    #[test]
    fn what_is_not_a_header_is_refused() {
        let zero = ("0af7651916cd43dd8448eb211c80319c", "00000000000000000000000000000000");
        for bad in [
            String::new(),
            GOOD.to_uppercase(),
            GOOD.replacen("00", "ff", 1),
            GOOD.replacen(zero.0, zero.1, 1),
            GOOD.replacen("b7ad6b7169203331", "0000000000000000", 1),
            GOOD.replacen("b7ad6b7169203331", "+7ad6b7169203331", 1),
            format!("{GOOD}-more"),
            format!(" {GOOD}"),
            GOOD[..54].to_owned(),
            "é".repeat(55),
        ] {
            assert!(bad.parse::<TraceParent>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_step_of_a_run_follows_from_it() {
        let run = RunId::from(ulid::Ulid(7 << 64 | 0xabc));
        assert_eq!(SpanId::from(run).to_string(), "0000000000000abc");
        assert_eq!(SpanId::from(RunId::from(ulid::Ulid(0))).get(), 1);
    }
}
