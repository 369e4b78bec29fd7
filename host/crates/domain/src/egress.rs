//! What goes out: requests of plugins, answers, and why there is none.

use std::fmt;

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

/// What protects the connection to a mail server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MailSecurity {
    /// TLS, never less.
    Tls,
    /// Nothing.
    None,
}

/// A mail as a plugin asks for it; placeholders are still in it. An address may have a name before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MailMessage {
    /// `smtp://host` or `smtps://host`, with or without a port.
    pub server: String,
    /// What protects the connection.
    pub security: MailSecurity,
    /// May contain placeholders.
    pub username: Option<String>,
    /// May contain placeholders.
    pub password: Option<String>,
    /// An address.
    pub sender: String,
    /// An address.
    pub reply_to: Option<String>,
    /// Addresses.
    pub to: Vec<String>,
    /// Addresses.
    pub cc: Vec<String>,
    /// Addresses that stand nowhere in the mail.
    pub bcc: Vec<String>,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// The same as HTML.
    pub html: Option<String>,
    /// `<id@domain>`, the same for every attempt.
    pub message_id: String,
    /// Identifiers of the same form; the last is what it answers.
    pub references: Vec<String>,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// How long to wait, in milliseconds.
    pub timeout_ms: Option<u32>,
}

/// What a mail server said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MailReply {
    /// Three digits.
    pub code: u16,
    /// One line, cut.
    pub text: String,
}

impl MailReply {
    /// Whether it may be otherwise later.
    ///
    /// # Source
    /// RFC 5321, section 4.2.1.
    pub const fn is_temporary(&self) -> bool {
        matches!(self.code, 400..500)
    }
}

impl fmt::Display for MailReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.text)
    }
}

/// An address that a mail server did not take, and what it said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusedRecipient {
    /// Without a name.
    pub address: String,
    /// What the server said.
    pub reply: MailReply,
}

/// A mail that a server took, for at least one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SentMail {
    /// The server's last words.
    pub reply: MailReply,
    /// For whom it did not.
    pub refused: Vec<RefusedRecipient>,
}

/// Why a mail is not known to be delivered. Texts never hold a secret, a subject or a text of the mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum MailError {
    /// Not granted, or an address of a forbidden range.
    #[error("{0}")]
    Denied(String),
    /// The message itself is not acceptable.
    #[error("{0}")]
    InvalidMessage(String),
    /// No connection, or one that broke.
    #[error("{0}")]
    Unreachable(String),
    /// No answer in time.
    #[error("{0}")]
    Timeout(String),
    /// STARTTLS is not offered, or the handshake came to nothing.
    #[error("{0}")]
    Tls(String),
    /// The server does not accept the credentials, or wants some.
    #[error("{0}")]
    Auth(String),
    /// Another answer that is no success.
    #[error("{reply}")]
    Refused {
        /// What the server said, last.
        reply: MailReply,
        /// Every recipient, where that is the reason.
        recipients: Vec<RefusedRecipient>,
    },
    /// The call has used up its calls, bytes or time.
    #[error("{0}")]
    BudgetExceeded(String),
}

impl MailError {
    /// A word of a small closed set for `error.type`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Denied(_) => "egress_denied",
            Self::InvalidMessage(_) => "invalid_message",
            Self::Unreachable(_) => "unreachable",
            Self::Timeout(_) => "timeout",
            Self::Tls(_) => "tls",
            Self::Auth(_) => "auth",
            Self::Refused { .. } => "refused",
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
