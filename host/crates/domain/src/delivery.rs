//! Channels, and what is sent to them.

use serde::{Deserialize, Serialize};

use crate::alert::{AlertStatus, words};
use crate::id::{ChannelId, DeliveryId, IncidentId, LeaseToken, RunId, TraceId};
use crate::plugin::PluginName;
use crate::time::Timestamp;

words! {
    /// How far a delivery has come.
    DeliveryStatus {
        /// Waits for its time.
        Pending = "pending",
        /// A worker has it.
        Sending = "sending",
        /// The remote took it.
        Delivered = "delivered",
        /// Given up on, kept for replay.
        Dead = "dead",
        /// Overtaken by a newer state before it was sent.
        Stale = "stale",
    }
}

impl DeliveryStatus {
    /// Whether nothing more will happen to it by itself.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Delivered | Self::Dead | Self::Stale)
    }
}

words! {
    /// How one try at a delivery ended.
    AttemptOutcome {
        /// Under way, or cut off by a crash: the remote may have seen it.
        Started = "started",
        /// The remote took it.
        Delivered = "delivered",
        /// To be tried again.
        Retry = "retry",
        /// Never to be tried again.
        Refused = "refused",
    }
}

/// A configured destination. Its settings are sealed and not part of this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// Its identifier.
    pub id: ChannelId,
    /// Unique.
    pub name: String,
    /// The plugin that delivers.
    pub notifier: PluginName,
    /// Whether anything is sent to it.
    pub enabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A delivery to be written to the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// Its identifier, and the idempotency key.
    pub id: DeliveryId,
    /// The run it belongs to.
    pub run_id: RunId,
    /// Shared by all that came of one webhook.
    pub trace_id: TraceId,
    /// The incident it is about.
    pub incident_id: IncidentId,
    /// Where it goes.
    pub channel_id: ChannelId,
    /// The state of the incident that it tells.
    pub tells: AlertStatus,
    /// The sealed notification.
    pub notification: Vec<u8>,
    /// The same for an end of which nobody was told the beginning ([`crate::supersede`]).
    pub telling_both: Option<Vec<u8>>,
    /// Whether it is only to take the place of what waits: for a channel that is off, or not of the route.
    pub only_instead: bool,
}

/// A delivery that a worker has claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedDelivery {
    /// Its identifier, and the idempotency key.
    pub id: DeliveryId,
    /// The run it belongs to.
    pub run_id: RunId,
    /// Shared by all that came of one webhook.
    pub trace_id: TraceId,
    /// The incident it is about.
    pub incident_id: IncidentId,
    /// Where it goes.
    pub channel: Channel,
    /// The sealed settings of the channel.
    pub channel_settings: Vec<u8>,
    /// The sealed notification.
    pub notification: Vec<u8>,
    /// The number of this try, from 1.
    pub attempt: u32,
    /// How many of them were before a person had it tried again; the schedule begins anew after them.
    pub attempts_before: u32,
    /// The claim; a later claim has another, and only its holder may record.
    pub lease: LeaseToken,
    /// When the claim ends.
    pub lease_until: Timestamp,
    /// When the delivery was made.
    pub created_at: Timestamp,
    /// What the last delivery for this incident and channel returned.
    pub previous_ref: Option<String>,
}

/// What came of one try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptResult {
    /// The remote took it.
    Delivered {
        /// The remote's identifier.
        remote_ref: Option<String>,
    },
    /// It is tried again at a time.
    Retry {
        /// When.
        due_at: Timestamp,
        /// Why, in one word.
        error_type: String,
        /// Why, in words without secrets.
        error_message: String,
    },
    /// It is given up on.
    Dead {
        /// Why, in one word.
        error_type: String,
        /// Why, in words without secrets.
        error_message: String,
    },
}

/// One delivery as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Its identifier, and the idempotency key.
    pub id: DeliveryId,
    /// The run it belongs to.
    pub run_id: RunId,
    /// Shared by all that came of one webhook.
    pub trace_id: TraceId,
    /// The incident it is about.
    pub incident_id: IncidentId,
    /// The channel's name.
    pub channel: String,
    /// The state of the incident that it tells.
    pub tells: AlertStatus,
    /// How far it has come.
    pub status: DeliveryStatus,
    /// Tries so far.
    pub attempts: u32,
    /// When it is next tried; the past once it is final.
    pub due_at: Timestamp,
    /// What went wrong last, in one word.
    pub error_type: Option<String>,
    /// What went wrong last, in words.
    pub error_message: Option<String>,
    /// The newer delivery that made it stale.
    pub superseded_by: Option<DeliveryId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it became final.
    pub completed_at: Option<Timestamp>,
}

/// How a channel is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelHealth {
    /// When it last took something, give or take a minute.
    pub last_success_at: Option<Timestamp>,
    /// When an attempt last failed.
    pub last_error_at: Option<Timestamp>,
    /// How, in words without secrets.
    pub last_error: Option<String>,
    /// When the first attempt failed since it last took something; none while it works.
    pub failing_since: Option<Timestamp>,
}
