//! What the host does for a plugin: one file for each interface of `wit/host.wit`.
//!
//! The files here take values apart and bound them; what stands behind them is the host's business
//! and enters as [`HostServices`].

mod clock;
mod http;
mod log;
mod mail;
mod random;
mod system;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use domain::egress::{HttpError, HttpRequest, HttpResponse, MailError, MailMessage, SentMail, SnapshotKind};
pub use domain::limits::Spent;
use domain::time::Timestamp;

use crate::bindings::driver::watchbell::plugin::types;
use crate::state::State;

pub(crate) use log::{LastWords, LogBook, Standard};

/// `types` has no functions.
impl types::Host for State {}

/// How important a plugin thinks a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// The finest.
    Trace,
    /// For the author.
    Debug,
    /// For the operator.
    Info,
    /// Odd, and it went on.
    Warn,
    /// It went wrong.
    Error,
}

/// Where a plugin's log lines go.
///
/// Lines arrive cut at 8 KiB and without control characters, at most as many as the limits allow,
/// and one more that says how many were dropped.
pub trait PluginLog: Send + Sync {
    /// Takes one line.
    fn log(&self, level: LogLevel, message: &str);

    /// Takes how the call ended and what it used. Ignored where nobody asks.
    fn ended(&self, _call: &Ended<'_>) {}
}

impl<T: PluginLog + ?Sized> PluginLog for Arc<T> {
    fn log(&self, level: LogLevel, message: &str) {
        (**self).log(level, message);
    }

    fn ended(&self, call: &Ended<'_>) {
        (**self).ended(call);
    }
}

/// The end of one call. Holds nothing of what was handed in or came back.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'a> {
    /// SHA-256 of the plugin's file, in hexadecimal.
    pub digest: &'a str,
    /// The function of the contract.
    pub function: &'static str,
    /// `ok`, or what [`CallError::error_type`](crate::CallError::error_type) says.
    pub end: &'static str,
    /// Whether the host stopped it or refused its result. A call that found no slot was not stopped.
    pub is_stopped: bool,
    /// What it used.
    pub spent: Spent,
}

/// What a notifier or provider may ask of the host during one call.
///
/// One value per call, so that it can count what the call has used of its egress limits.
pub trait HostServices: PluginLog {
    /// The time.
    fn now(&self) -> Timestamp;

    /// Fills the buffer with cryptographically strong random bytes.
    fn random(&self, buffer: &mut [u8]);

    /// Sends a request and waits for the whole answer, at most `time_left`: what remains of the
    /// call's wall time.
    ///
    /// # Errors
    /// [`HttpError`], which the plugin sees as it is.
    fn http<'a>(
        &'a self,
        request: HttpRequest,
        time_left: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'a>>;

    /// Hands a message to a mail server and waits for its last answer, at most `time_left`.
    ///
    /// # Errors
    /// [`MailError`], which the plugin sees as it is.
    fn mail<'a>(
        &'a self,
        message: MailMessage,
        time_left: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<SentMail, MailError>> + Send + 'a>>;

    /// Describes this machine as JSON of the shape that the contract gives, within `time_left`: what remains
    /// of the call's wall time.
    ///
    /// # Errors
    /// Text for the plugin: what is not granted or not to be had.
    fn snapshot<'a>(
        &'a self,
        kind: SnapshotKind,
        options: &'a str,
        time_left: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send + 'a>>;
}

/// A host function used against its rules; ends the call.
#[derive(Debug)]
pub(crate) struct Misuse(pub(crate) String);

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misuse {}
