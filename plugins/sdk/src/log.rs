//! Lines for the operator's log.
//!
//! Outside a component there is no host: a line goes nowhere, so that plain tests can run code that
//! logs.

pub use crate::bindings::driver::watchbell::plugin::host_log::Level;

/// Writes one line. At most 100 a call, each cut at 8 KiB; never credentials or whole bodies.
pub fn log(level: Level, message: &str) {
    if cfg!(target_arch = "wasm32") {
        crate::bindings::driver::watchbell::plugin::host_log::log(level, message);
    }
}
