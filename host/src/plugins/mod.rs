//! Which plugins there are, what they may use, and what the host does for them.

mod catalogue;
mod channel;
mod load;
mod manifest;
mod services;

pub use catalogue::{Catalogue, DriverEntry, DriverSet, NotifierEntry, ProviderEntry};
pub use channel::{ChannelError, ChannelSettings};
pub use load::start;
pub use manifest::{Entry, Manifest};
pub use services::{CallLog, Outside, Snapshots};
