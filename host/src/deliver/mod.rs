//! The outbox worker: claims deliveries, calls notifiers, records what came of it. And channels: kept, shown,
//! and told something at once.

mod attempt;
mod call;
mod channels;
mod classify;
mod now;
mod seal;
mod traffic;
mod words;
mod worker;

pub use channels::{Change, Channels, ManageError, Saved, Shown};
pub use now::{Message, NowError, Sender, Sent, Target, WITHIN};
pub use worker::{Deliverer, Parts};
