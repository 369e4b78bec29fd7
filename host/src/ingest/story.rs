//! What one webhook is told by: its identifiers, its log lines, its steps.

use std::future::Future;

use domain::id::{RunId, TraceId};
use domain::time::Timestamp;
use domain::trace::{SpanId, TraceParent};
use tracing::Span;

use super::{Accepted, Received, Refused};
use crate::clock::{self, Ids};
use crate::telemetry::export::{self, Side, Step};

/// One webhook, from its arrival to its answer.
pub(super) struct Story {
    pub(super) run_id: RunId,
    /// Always our own: a sender that could choose it could make its webhook a part of another's story
    /// (docs/decisions/0012).
    pub(super) trace_id: TraceId,
    /// Where the sender says that it stands in a trace of its own.
    hint: Option<TraceParent>,
    /// The same, where only the trace is said.
    told_trace: Option<TraceId>,
    received_at: Timestamp,
}

impl Story {
    pub(super) fn begin(received: &Received) -> Self {
        let mut told = received.headers.get_all("traceparent").iter();
        // Two of them say nothing.
        let hint = told.next().filter(|_| told.next().is_none());
        Self {
            run_id: RunId::mint(&mut Ids),
            trace_id: TraceId::mint(&mut Ids),
            hint: hint.and_then(|value| value.to_str().ok()?.parse().ok()),
            told_trace: received.told_trace,
            received_at: received.received_at,
        }
    }

    /// What every line about this webhook carries.
    pub(super) fn span(&self) -> Span {
        let Self { run_id, trace_id, hint, told_trace, .. } = self;
        let parent = hint.map(|hint| hint.to_string()).or_else(|| told_trace.map(|id| id.to_string()));
        tracing::info_span!(
            "webhook", %trace_id, %run_id, trace.parent = parent.map(tracing::field::display)
        )
    }

    /// Does a part of it.
    pub(super) async fn step<T>(
        &self,
        name: &'static str,
        work: impl Future<Output = Result<T, Refused>>,
    ) -> Result<T, Refused> {
        let began = clock::now();
        let result = work.await;
        export::step(|| Step {
            name,
            side: Side::Internal,
            trace_id: self.trace_id,
            id: SpanId::mint(&mut Ids),
            parent: Some(SpanId::from(self.run_id)),
            link: None,
            began,
            ended: clock::now(),
            error: result.as_ref().err().map(|refused| refused.kind().to_owned()),
            fields: vec![("run_id", self.run_id.to_string())],
        });
        result
    }

    pub(super) fn end(&self, result: &Result<Accepted, Refused>) {
        export::step(|| Step {
            name: "webhook",
            side: Side::Server,
            trace_id: self.trace_id,
            id: SpanId::from(self.run_id),
            parent: None,
            link: self.hint,
            began: self.received_at,
            ended: clock::now(),
            error: result.as_ref().err().map(|refused| refused.kind().to_owned()),
            fields: match result {
                Ok(accepted) => vec![
                    ("run_id", accepted.run_id.to_string()),
                    ("outcome", accepted.outcome.to_string()),
                    (
                        "alert.source",
                        accepted.driver.as_ref().map_or("none", |name| name.as_str()).to_owned(),
                    ),
                ],
                Err(_) => Vec::new(),
            },
        });
    }
}
