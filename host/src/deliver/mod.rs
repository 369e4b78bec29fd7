//! The outbox worker: claims deliveries, calls notifiers, records what came of it.

mod attempt;
mod call;
mod classify;
mod traffic;
mod worker;

pub use worker::{Deliverer, Parts};
