//! What answers about work by hand look like.

use serde_json::Value;
use utoipa::ToSchema;

use super::{Accepted, Id, RunDetail};

/// Alerts that are on disk, and what came of them.
#[derive(ToSchema)]
pub(crate) struct Finished {
    #[serde(flatten)]
    accepted: Accepted,
    /// Whether all runs below have ended; false where they took longer than was waited for.
    complete: bool,
    /// The runs that came of it, one for each incident that changed materially; at most 100.
    runs: Vec<RunDetail>,
}

/// A run that is due again.
#[derive(ToSchema)]
pub(crate) struct Resumed {
    /// Always `accepted`.
    status: String,
    run_id: Id,
    /// How many of its dead deliveries are due again; 0 where its stages are.
    deliveries: u32,
}

/// What the stages of a run made; null where one made nothing, or it was taken away for its age.
#[derive(ToSchema)]
pub(crate) struct Output {
    run_id: Id,
    /// What the check stage found, by checker.
    #[schema(required)]
    check: Option<Vec<Value>>,
    /// What the analyze stage found: `provider`, its `analysis`, `fallback_used`, whose answer was `reused`, and
    /// in `sent` every request as it left this machine, but for placeholders of secrets.
    #[schema(required)]
    analyze: Option<Value>,
    /// Whom the notify stage told.
    #[schema(required)]
    notify: Option<Value>,
}
