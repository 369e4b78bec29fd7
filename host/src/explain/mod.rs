//! Why somebody was told, or nobody: what is kept of a webhook, an alert or an incident, in plain words.
//!
//! Everything here is read from rows that the path of a webhook writes anyway; nothing is decided a second
//! time but what is plain from what is kept. `facts` reads, the others turn rows into sentences.

mod alert;
mod facts;
mod request;
mod run;
mod verdict;

use domain::id::{RunId, TraceId};
use domain::time::Timestamp;
use serde::Serialize;
use store::{Store, StoreError};

pub use facts::Kind;
use facts::{Asked, Facts};
pub use verdict::Told;

domain::words! {
    /// What kind of step it was: one word per step of the path, in its order.
    What {
        /// A request arrived.
        Request = "request",
        /// Which driver read it, and why that one.
        Driver = "driver",
        /// Whether it was signed.
        Signature = "signature",
        /// What came of it.
        Outcome = "outcome",
        /// What happened to an alert.
        Alert = "alert",
        /// What an alert's identity is made of.
        Fingerprint = "fingerprint",
        /// What happened to an incident.
        Incident = "incident",
        /// Why that was worth a run.
        Material = "material",
        /// Which route the run took.
        Route = "route",
        /// A try at a stage of the run.
        Stage = "stage",
        /// A notification to one channel.
        Delivery = "delivery",
        /// A try at that.
        Attempt = "attempt",
        /// How the run ended.
        End = "end",
    }
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// What kind of thing.
    pub what: What,
    /// The run that it is a part of.
    pub run_id: Option<RunId>,
    /// The webhook that it came of.
    pub trace_id: Option<TraceId>,
    /// In plain words.
    pub text: String,
}

/// What is known of one thing that somebody asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// What it is.
    pub kind: Kind,
    /// Its identifier.
    pub id: String,
    /// What it is called.
    pub title: String,
    /// Whether anybody was told.
    pub told: Told,
    /// Who was told, or why nobody was, in a few words.
    pub verdict: String,
    /// What happened, in the order of time.
    pub steps: Vec<Step>,
    /// Whether older steps were left out.
    pub more: bool,
}

/// Explains a run, an alert, an incident, a delivery or a trace, whichever has this identifier.
///
/// # Errors
/// [`StoreError::NotFound`] if nothing has it.
pub async fn why(store: &Store, id: &str) -> Result<Explanation, StoreError> {
    let asked = facts::find(store, id).await?;
    let (kind, id) = (asked.kind(), asked.id());
    Ok(explain(kind, id, &facts::gather(store, asked).await?))
}

/// Tells everything that came of one webhook, in the order of time.
///
/// # Errors
/// [`StoreError::NotFound`] if there is none with this trace.
pub async fn trace(store: &Store, id: TraceId) -> Result<Explanation, StoreError> {
    let facts = facts::gather(store, Asked::Trace(id)).await?;
    if facts.runs.is_empty() {
        return Err(StoreError::NotFound(format!("trace `{id}`")));
    }
    Ok(explain(Kind::Trace, id.to_string(), &facts))
}

fn explain(kind: Kind, id: String, facts: &Facts) -> Explanation {
    let mut steps = Vec::new();
    for found in &facts.runs {
        match &found.request {
            Some(request) => request::steps(found, request, facts, &mut steps),
            None => run::steps(found, facts, &mut steps),
        }
    }
    for found in &facts.alerts {
        alert::steps(found, facts, &mut steps);
    }
    for found in &facts.incidents {
        alert::incident_steps(found, facts, &mut steps);
    }
    // What happened in one moment comes in the order of the path.
    steps.sort_by_key(|step| (step.at, step.what, step.run_id));
    let (told, verdict) = verdict::verdict(facts);
    Explanation { kind, id, title: facts.title(kind), told, verdict, steps, more: facts.more }
}
