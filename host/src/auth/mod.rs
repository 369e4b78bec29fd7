//! Who is calling, and whether they may.

mod api_key;
mod failures;
pub mod new_key;

pub use api_key::{Asking, Authenticator, Caller, Refusal};
