//! Deliveries and what came of them.

use utoipa::ToSchema;

use super::{AlertStatus, AttemptOutcome, DeliveryStatus, Id, Time, TraceId};

/// One notification to one channel.
#[derive(ToSchema)]
pub(crate) struct Delivery {
    id: Id,
    run_id: Id,
    trace_id: TraceId,
    incident_id: Id,
    channel: String,
    /// The state of the incident that it tells.
    tells: AlertStatus,
    status: DeliveryStatus,
    /// Tries begun.
    attempts: u32,
    due_at: Time,
    error_type: Option<String>,
    error_message: Option<String>,
    /// The newer delivery that made it stale.
    superseded_by: Option<Id>,
    created_at: Time,
    completed_at: Option<Time>,
}

/// A page of deliveries.
#[derive(ToSchema)]
pub(crate) struct DeliveryPage {
    deliveries: Vec<Delivery>,
    /// `cursor` of the next page; none at the end.
    next: Option<String>,
}

/// One try at a delivery.
#[derive(ToSchema)]
pub(crate) struct Attempt {
    /// Counts from 1.
    attempt: u32,
    outcome: AttemptOutcome,
    /// What the remote calls it.
    remote_ref: Option<String>,
    error_type: Option<String>,
    error_message: Option<String>,
    started_at: Time,
    /// None if it is under way or was cut off: the remote may have seen it.
    completed_at: Option<Time>,
}

/// That somebody had a delivery tried again.
#[derive(ToSchema)]
pub(crate) struct Retry {
    /// Tries before it.
    attempts: u32,
    /// Who.
    actor: String,
    at: Time,
}

/// One delivery with its attempts.
#[derive(ToSchema)]
pub(crate) struct DeliveryWithTries {
    #[serde(flatten)]
    delivery: Delivery,
    /// In order.
    tries: Vec<Attempt>,
    /// Who had it tried again after it had been given up on, in order.
    retries: Vec<Retry>,
}

/// What came of having dead deliveries tried again.
#[derive(ToSchema)]
pub(crate) struct RevivedDeliveries {
    /// These are due again.
    due: u64,
    /// These are stale now: something newer was told, or is about to be.
    stale: u64,
}
