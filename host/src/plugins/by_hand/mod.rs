//! One plugin, loaded as the hub loads it and called by hand: what authors debug and test with.

mod case;
mod input;
mod rehearsal;
mod subject;

pub use case::{Case, Verdict, cases};
pub use subject::{Around, Call, Function, Subject};
