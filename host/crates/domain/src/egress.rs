//! What goes out: requests of plugins, answers, and why there is none.

use serde::Serialize;

/// A request as a plugin asks for it; placeholders are still in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// HTTP method.
    pub method: String,
    /// Absolute address; may be or contain `secret://name`.
    pub url: String,
    /// Names and values; values may contain placeholders.
    pub headers: Vec<(String, String)>,
    /// Bytes to send.
    pub body: Vec<u8>,
    /// Whether placeholders in the body are replaced.
    pub resolve_in_body: bool,
    /// A secret to send as a bearer token.
    pub credential: Option<String>,
    /// How long to wait, in milliseconds.
    pub timeout_ms: Option<u32>,
    /// What to sign it with.
    pub signing: Option<Signing>,
}

/// The signature of Standard Webhooks that a request is to have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signing {
    /// The name of the secret that is the key.
    pub secret: String,
    /// Which message this is.
    pub id: String,
}

/// An answer, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// HTTP status.
    pub status: u16,
    /// Lower-case names.
    pub headers: Vec<(String, String)>,
    /// Bytes received.
    pub body: Vec<u8>,
}

/// Why there is no answer. Texts never hold a secret, a query or a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum HttpError {
    /// Not granted, or an address of a forbidden range.
    #[error("{0}")]
    Denied(String),
    /// The request itself is not acceptable.
    #[error("{0}")]
    InvalidRequest(String),
    /// No address, no connection, TLS trouble or a broken connection.
    #[error("{0}")]
    Unreachable(String),
    /// No whole answer in time.
    #[error("no whole answer in time")]
    Timeout,
    /// The answer is longer than the limit.
    #[error("the answer is longer than the limit")]
    TooLarge,
    /// The call has used up its requests, bytes or time.
    #[error("{0}")]
    BudgetExceeded(String),
}

impl HttpError {
    /// A word of a small closed set for `error.type`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Denied(_) => "egress_denied",
            Self::InvalidRequest(_) => "invalid_request",
            Self::Unreachable(_) => "unreachable",
            Self::Timeout => "timeout",
            Self::TooLarge => "too_large",
            Self::BudgetExceeded(_) => "budget_exceeded",
        }
    }
}

/// What a plugin can ask about this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SnapshotKind {
    /// Memory and swap.
    Memory,
    /// Cores and load.
    Cpu,
    /// File systems.
    Disk,
    /// The largest processes.
    Processes,
    /// Large and old files under the allowed roots.
    Files,
}
