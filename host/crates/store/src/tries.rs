//! Changes that are made again because another host was in their way.
//!
//! On a server several hosts write at once. What a change rests on is locked as it is read, but what is missing
//! cannot be locked: two may find that nothing is there and both write it. The later one is refused, begins
//! anew, and finds what the first has written. The same is done where two wait for each other.

use crate::db::Dialect;
use crate::error::StoreError;

/// How often a change is made again before it is given up.
const MOST: u32 = 5;

/// What is left of the tries of one change.
pub(crate) struct Tries(u32);

impl Tries {
    /// In a file there is one writer: nobody is in the way.
    pub(crate) const fn on(dialect: Dialect) -> Self {
        Self(if dialect.is_server() { MOST } else { 0 })
    }

    /// Whether to try again after an error: another host was in the way, and not too often.
    pub(crate) fn again(&mut self, error: &StoreError) -> bool {
        if !error.is_contention() || self.0 == 0 {
            return false;
        }
        self.0 -= 1;
        tracing::debug!(error = %error, left = self.0, "another host was in the way; trying again");
        true
    }
}

/// Makes a change again while another host is in its way.
macro_rules! tried {
    ($store:expr, $change:expr) => {{
        let mut tries = $crate::tries::Tries::on($store.dialect());
        loop {
            match $change.await {
                Err(error) if tries.again(&error) => {}
                other => break other,
            }
        }
    }};
}
pub(crate) use tried;
