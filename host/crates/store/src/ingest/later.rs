//! Identifiers of runs that come after those of other hosts.

use domain::id::{IncidentId, Mint};
use ulid::Ulid;

use crate::db::{Columns as _, Connection, query, to_json};
use crate::error::{Doing as _, StoreError};
use crate::sql;

/// Runs about an incident are taken up in the order of their identifiers, which begin with the time of the
/// host that makes them. Where its clock is behind that of another host, what it makes has to follow all the
/// same. Whoever asks has the incidents locked, so that nobody else adds a run about one.
pub(crate) struct Later<'a> {
    mint: &'a mut (dyn Mint + Send),
    last: Option<Ulid>,
}

impl<'a> Later<'a> {
    /// Identifiers that come after those of all runs about these incidents.
    pub(crate) async fn than_runs_about(
        tx: &mut Connection,
        incidents: impl IntoIterator<Item = IncidentId>,
        mint: &'a mut (dyn Mint + Send),
    ) -> Result<Self, StoreError> {
        const DOING: &str = "see which run is newest";
        if !tx.dialect().is_server() {
            return Ok(Self { mint, last: None });
        }
        let incidents: Vec<IncidentId> = incidents.into_iter().collect();
        let newest = query(sql::ingest::NEWEST_RUN_ABOUT).bind(to_json(DOING, &incidents)?);
        let row = newest.fetch_one(tx).await.doing(DOING)?;
        Ok(Self { mint, last: Some(row.opt_parse("id")?.unwrap_or_default()) })
    }
}

impl Mint for Later<'_> {
    fn mint(&mut self) -> Ulid {
        let mut made = self.mint.mint();
        if let Some(last) = self.last.as_mut() {
            if made <= *last {
                made = Ulid(last.0.saturating_add(1));
            }
            *last = made;
        }
        made
    }
}
