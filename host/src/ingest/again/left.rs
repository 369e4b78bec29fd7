//! Requests that a driver left in quarantine because it broke, read again once another one is in its place.

use domain::id::RunId;
use domain::lanes::BreakerState;
use domain::plugin::PluginName;

use super::{Again, AgainError, ROUND};
use crate::clock;
use crate::ingest::read;

/// Who it is that nobody asked to.
const HUB: &str = "hub";

/// Why a driver left requests in quarantine that nothing is wrong with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Its breaker kept it from being asked.
    ByBreaker,
    /// That, or it was asked and trapped.
    ByTraps,
}

impl Left {
    fn covers(self, code: Option<&str>) -> bool {
        match code {
            Some(read::LEFT_ALONE) => true,
            Some(code) => self == Self::ByTraps && code.starts_with(read::TRAPPED),
            None => false,
        }
    }
}

impl Again {
    /// Reads requests again that a driver left in quarantine because it trapped or was kept from being asked, in the
    /// order of their arrival after `after`, a round of them; returns how many it read, and after which the next
    /// round begins. Ends where the driver is left alone once more.
    ///
    /// # Errors
    /// When the quarantine cannot be listed. What goes wrong with one request is logged.
    pub async fn reparse_left(
        &self,
        driver: &PluginName,
        after: RunId,
        left: Left,
    ) -> Result<(usize, Option<RunId>), AgainError> {
        let entries = self.store.quarantined_after(Some(driver), Some(after), ROUND).await?;
        let is_whole = u32::try_from(entries.len()).is_ok_and(|count| count == ROUND);
        let last = entries.last().map(|entry| entry.run_id).filter(|_| is_whole);
        let mut count = 0;
        for entry in entries.iter().filter(|entry| left.covers(entry.reason_code.as_deref())) {
            let run_id = entry.run_id;
            let entry = self.catalogue.drivers().by_name(driver.as_str());
            if entry.is_none_or(|entry| entry.breaker.report(clock::now()).state != BreakerState::Closed) {
                return Ok((count, None));
            }
            match self.reparse(run_id, None, &HUB).await {
                Ok(_) => count += 1,
                Err(error) => {
                    tracing::warn!(%run_id, error.r#type = "again", "run {run_id} was not read again: {error}");
                }
            }
        }
        Ok((count, last))
    }
}
