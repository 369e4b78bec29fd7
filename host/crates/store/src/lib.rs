//! Everything Watchbell keeps: the only crate that names a database driver.
//!
//! [`Store`] is one handle with a method per question or change. A change of several rows is one
//! method and one transaction inside it; callers never see a connection. Time and fresh identifiers
//! enter as arguments. What is secret or a payload arrives sealed: this crate knows no keys.
//!
//! Statements live in `sql`, one file per aggregate, in the subset that SQLite, PostgreSQL and
//! MySQL share wherever that is possible.

#![forbid(unsafe_code)]

mod act;
mod alert;
mod api_key;
mod backlog;
mod channel;
mod checkpoint;
mod data_key;
mod db;
mod error;
mod forget;
mod host;
mod inbox;
mod incident;
mod ingest;
mod migrate;
mod open;
mod outbox;
mod outbox_dead;
mod outbox_put;
mod outbox_read;
mod page;
mod plugin;
mod provider;
mod resume;
mod route;
mod run;
mod run_change;
mod run_read;
mod script;
mod sealed;
mod secret;
mod signal;
mod sql;
mod stats;
mod together;
mod tries;

pub use act::Acted;
pub use alert::{AlertDetail, AlertFilter, AlertHistory};
pub use backlog::Backlog;
pub use channel::ChannelState;
pub use checkpoint::Checkpoint;
pub use data_key::{DataKey, SecretKeyTurn};
pub use error::StoreError;
pub use forget::{Forgotten, Kept};
pub use inbox::{InboxEntry, QuarantineFilter};
pub use incident::{IncidentContext, IncidentDetail, IncidentFilter, IncidentHistory};
pub use ingest::{IngestWrite, Ingested};
pub use migrate::{Migration, MigrationError};
pub use open::{Options, Store};
pub use outbox::ChannelDue;
pub use outbox_dead::{DeadFilter, Revived};
pub use outbox_read::{Attempt, DeliveryDetail, DeliveryFilter, Retry};
pub use page::{MAX_PAGE, Page, PageRequest};
pub use plugin::{PluginAct, PluginChange, PluginDecision, PluginHistory, PluginNote};
pub use provider::StoredProvider;
pub use resume::Resumed;
pub use route::{BrokenRoute, KeptRoute, Routes};
pub use run::{ClaimedRun, Fault, NewArtifact, RouteTaken, RunClaim, RunEnd, StageEnd};
pub use run_read::{RunContext, RunDetail, RunFilter};
pub use sealed::{SealedColumn, SealedValue};
pub use secret::{SecretChange, StoredSecret};
pub use signal::{LeftOver, Listener, Sign};
pub use stats::{Stats, TableStats};

#[cfg(test)]
mod catalogue_tests;
#[cfg(test)]
mod mysql_tests;
#[cfg(test)]
mod postgres_tests;
#[cfg(test)]
mod schema_tests;
