//! Which plugins there are, what they may use, and what the host does for them.

mod by_hand;
mod candidate;
mod catalogue;
mod channel;
mod decision;
mod files;
mod headers;
mod inspect;
mod limits;
mod load;
mod manager;
mod manifest;
mod mark;
mod schema;
mod services;
mod slot;
mod state;
mod tell;
mod watch;

pub use by_hand::{Around, Call, Case, Function, Subject, Verdict, cases};
pub use catalogue::{Catalogue, DriverEntry, DriverSet, NotifierEntry, ProviderEntry};
pub use channel::{ChannelError, ChannelSettings, rewrite_secrets};
pub use decision::{Approval, Decision, Decisions, Grants};
pub use inspect::{Inspection, Target, check, driver, inspect};
pub use load::{COMPILE_COMMAND, Survey, start, survey};
pub use manager::{Manager, Refreshed};
pub use manifest::{Entry, Manifest, Unpinned};
pub use mark::{keep_secrets, mark_secrets};
pub use schema::{SchemaError, SettingsSchema};
pub use services::{CallLog, Outside, Snapshots, count_call};
pub use state::{GenerationState, LastError, LeftOut, Origin, Overview, PluginState, Refusal, Status};
pub use watch::follow;
