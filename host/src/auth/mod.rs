//! Who is calling, and whether they may.

pub mod api_key;

pub use api_key::{Authenticator, Caller, Refusal};
