//! What an explanation looks like.

use utoipa::ToSchema;

use super::{Id, Time, TraceId};
use crate::explain;

words! {
    /// What kind of thing it is.
    Kind = explain::Kind;
    /// Whether anybody was told.
    Told = explain::Told;
    /// What kind of step it was.
    What = explain::What;
}

/// What is known of one thing that somebody asked about.
#[derive(ToSchema)]
pub(crate) struct Explanation {
    kind: Kind,
    /// Its identifier.
    id: String,
    /// What it is called.
    title: String,
    told: Told,
    /// Who was told, or why nobody was, in a few words.
    verdict: String,
    /// What happened, in the order of time.
    steps: Vec<Step>,
    /// Whether older steps were left out.
    more: bool,
}

/// One thing that happened.
#[derive(ToSchema)]
pub(crate) struct Step {
    at: Time,
    what: What,
    /// The run that it is a part of.
    #[schema(required)]
    run_id: Option<Id>,
    /// The webhook that it came of.
    #[schema(required)]
    trace_id: Option<TraceId>,
    /// In plain words.
    text: String,
}
