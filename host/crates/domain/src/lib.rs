//! Types and pure decisions of Watchbell: no I/O, no async, no clock, no randomness.
//!
//! Time and fresh identifiers enter as arguments, so that everything here can be tested whole in
//! microseconds and replayed exactly.

#![forbid(unsafe_code)]

pub mod act;
pub mod alert;
pub mod approval;
pub mod client;
pub mod crash;
pub mod delivery;
pub mod egress;
pub mod fingerprint;
pub mod golden;
pub mod host;
pub mod id;
pub mod incident;
pub mod key;
pub mod lanes;
pub mod life;
pub mod limits;
pub mod own;
pub mod plan;
pub mod plugin;
pub mod rate;
pub mod retry;
pub mod route;
pub mod run;
pub mod secret;
pub mod shape;
pub mod signature;
pub mod supersede;
pub mod text;
pub mod time;
pub mod trace;
pub mod traps;
