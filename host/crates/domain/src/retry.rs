//! When something is tried again.

use std::time::Duration;

/// How often and how far apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// The pause after the first try.
    pub base: Duration,
    /// What each further pause is multiplied by.
    pub factor: f64,
    /// The longest pause.
    pub cap: Duration,
    /// The most tries in all.
    pub max_attempts: u32,
}

/// Delivery to people: 18 tries in about 11 hours, dense in the first minutes.
pub const DELIVERY: Policy =
    Policy { base: Duration::from_secs(5), factor: 2.5, cap: Duration::from_secs(5400), max_attempts: 18 };

impl Policy {
    /// How long to wait after try number `attempt` (from 1), or none when it was the last.
    ///
    /// The pause grows by `factor` with every try up to `cap` and is spread evenly over its upper
    /// half by `draw`, a number in `0.0..1.0`: spread enough to keep workers apart, and never so
    /// short that the schedule loses its length. A longer `retry_after` of the remote wins, up to
    /// `cap`.
    ///
    /// # Source
    /// "Equal jitter" of "Exponential Backoff and Jitter" (AWS Architecture Blog, 2015);
    /// `Retry-After`: RFC 9110, section 10.2.3.
    pub fn pause(&self, attempt: u32, retry_after: Option<Duration>, draw: f64) -> Option<Duration> {
        if attempt >= self.max_attempts {
            return None;
        }
        let power = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let full = (self.base.as_secs_f64() * self.factor.powi(power)).min(self.cap.as_secs_f64());
        let spread = full / 2.0 + full / 2.0 * draw.clamp(0.0, 1.0);
        let wanted = retry_after.unwrap_or_default().min(self.cap);
        Some(Duration::from_secs_f64(spread).max(wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delivery_gives_up_after_about_eleven_hours() {
        let total: Duration = (1..30).map_while(|n| DELIVERY.pause(n, None, 0.5)).sum();
        let hours = total.as_secs_f64() / 3600.0;
        assert!((10.5..11.5).contains(&hours), "{hours}");
        assert_eq!(DELIVERY.pause(DELIVERY.max_attempts, None, 0.5), None);
    }

    #[test]
    fn retry_after_wins_up_to_the_cap() {
        let pause = |seconds| DELIVERY.pause(1, Some(Duration::from_secs(seconds)), 0.0).unwrap();
        assert_eq!(pause(60), Duration::from_secs(60));
        assert_eq!(pause(1), Duration::from_millis(2500));
        assert_eq!(pause(u64::MAX), DELIVERY.cap);
    }

    #[test]
    fn late_tries_do_not_overflow() {
        let policy = Policy { max_attempts: u32::MAX, ..DELIVERY };
        assert_eq!(policy.pause(u32::MAX - 1, None, 1.0), Some(policy.cap));
    }
}
