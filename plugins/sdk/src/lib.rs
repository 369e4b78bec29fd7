//! What every Watchbell plugin shares.
//!
//! A plugin crate has two files. `lib.rs` is plain Rust: a type that implements
//! [`driver::Driver`], [`notifier::Notifier`] or [`intelligence::Provider`] over the types of the
//! contract, so that it is tested natively. `component.rs`, compiled for `wasm32` only, binds that
//! type to its world with one line:
//!
//! ```text
//! plugin_sdk::export_driver!(crate::Alertmanager);
//! ```
//!
//! The rest is what plugins of one kind would otherwise each write: reading JSON that may hold
//! anything ([`json`]), the words that senders use for severity and status ([`words`]), times
//! ([`time`]), alerts within the bounds of the contract ([`alert`]), HTTP requests and what their
//! answers mean ([`http`]), the same for mail ([`mail`]), asking a language model ([`model`]), and on the
//! native side the golden tests (`testkit`).
//!
//! On `wasm32` this crate also brings the allocator: see the module `allocator`.

// The generated bindings name this crate as plugins do.
extern crate self as plugin_sdk;

#[cfg(target_arch = "wasm32")]
mod allocator;

pub mod alert;
#[doc(hidden)]
pub mod bindings;
pub mod driver;
pub mod http;
pub mod intelligence;
pub mod json;
pub mod log;
pub mod mail;
pub mod model;
pub mod notifier;
mod repeats;
#[cfg(not(target_arch = "wasm32"))]
pub mod testkit;
pub mod text;
pub mod time;
pub mod words;

#[doc(hidden)]
pub use wit_bindgen;

pub use bindings::driver::watchbell::plugin::types::{
    Alert, AlertStatus, Label, PluginError, PluginInfo, Severity,
};

/// Who a plugin is, with nothing in the optional fields.
pub fn plugin_info(name: &str, version: &str, summary: &str) -> PluginInfo {
    PluginInfo {
        name: name.to_owned(),
        version: version.to_owned(),
        summary: summary.to_owned(),
        homepage: None,
        extra: String::new(),
    }
}

/// The longest text of an error, in bytes, as the host has it.
const MAX_ERROR_BYTES: usize = 16 << 10;

/// An error whose texts are as short as the host wants them; the bindings send every error through it.
pub fn within_bounds(error: PluginError) -> PluginError {
    let clip = |text: String| text::clip(&text, MAX_ERROR_BYTES).into_owned();
    match error {
        PluginError::InvalidInput(text) => PluginError::InvalidInput(clip(text)),
        PluginError::Unsupported(text) => PluginError::Unsupported(clip(text)),
        PluginError::Config(text) => PluginError::Config(clip(text)),
        PluginError::Auth(text) => PluginError::Auth(clip(text)),
        PluginError::RateLimited(seconds) => PluginError::RateLimited(seconds),
        PluginError::Unavailable(text) => PluginError::Unavailable(clip(text)),
        PluginError::Rejected(text) => PluginError::Rejected(clip(text)),
        PluginError::Internal(text) => PluginError::Internal(clip(text)),
        PluginError::Other((code, text)) => PluginError::Other((clip(code), clip(text))),
    }
}

/// A key and a value, from borrowed text.
pub fn label(key: &str, value: &str) -> Label {
    Label { key: key.to_owned(), value: value.to_owned() }
}

impl Severity {
    /// The word of the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Info => "info",
            Self::Unmapped => "unmapped",
        }
    }
}

impl AlertStatus {
    /// The word of the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
            Self::Unmapped => "unmapped",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_error_is_cut_and_keeps_its_case() {
        let PluginError::Config(text) = within_bounds(PluginError::Config("é".repeat(20_000))) else {
            panic!("another case");
        };
        assert!(text.len() <= MAX_ERROR_BYTES && text.ends_with('…'));
        assert!(matches!(
            within_bounds(PluginError::RateLimited(Some(3))),
            PluginError::RateLimited(Some(3))
        ));
    }
}
