//! What the measurements share: the payloads they send and the clock they read.

#![forbid(unsafe_code)]

pub mod clock;
pub mod native;
pub mod payload;
pub mod sample;
