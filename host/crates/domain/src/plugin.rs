//! What crosses the boundary between host and plugin, as the host sees it.
//!
//! One to one with `wit/`, but in types of our own, so that nothing outside `sandbox` knows how
//! components are run. What comes back from a plugin is bounded by `sandbox` before it is one of
//! these.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::alert::{ParsedAlert, ReportedSeverity, ReportedStatus, WordError};
use crate::shape::Shape;
use crate::signature::SignatureScheme;
use crate::time::Timestamp;

/// What a plugin can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PluginKind {
    /// Webhook in, alerts out.
    Driver,
    /// Notification in, delivery out.
    Notifier,
    /// Incident in, recommendations out.
    Intelligence,
}

impl PluginKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Driver, Self::Notifier, Self::Intelligence];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Driver => "driver",
            Self::Notifier => "notifier",
            Self::Intelligence => "provider",
        }
    }
}

impl FromStr for PluginKind {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let named = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        named.ok_or_else(|| WordError::new(Self::ALL.iter().map(|kind| kind.as_str()), text))
    }
}

impl fmt::Display for PluginKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a plugin is given of WASI, the system interface that languages with a runtime of their own ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wasi {
    /// Nothing: a component that imports it is refused.
    #[default]
    None,
    /// One with nothing behind it: no files, no network, no environment.
    Virtual,
}

/// The source of alerts that the hub's own checks make. No driver may have this name.
pub const CHECKER_SOURCE: &str = "checker";
/// The source of what the hub says about itself. No driver may have this name.
pub const HUB_SOURCE: &str = "watchbell";

/// The name of a plugin: `[a-z][a-z0-9_]*`, at most 32 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PluginName(std::sync::Arc<str>);

/// A text that cannot be a plugin's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a plugin name is `[a-z][a-z0-9_]*` of at most 32 bytes, found `{0}`")]
pub struct NameError(String);

impl PluginName {
    /// What stands for a driver where the hub's own checks made an alert: [`CHECKER_SOURCE`].
    pub fn of_checks() -> Self {
        Self(CHECKER_SOURCE.into())
    }

    /// What stands for a driver where the hub speaks of itself: [`HUB_SOURCE`].
    pub fn of_hub() -> Self {
        Self(HUB_SOURCE.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PluginName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let plain = text.len() <= 32
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if plain {
            return Ok(Self(text.into()));
        }
        Err(NameError(text.chars().take(40).flat_map(char::escape_default).collect()))
    }
}

impl TryFrom<String> for PluginName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<PluginName> for String {
    fn from(name: PluginName) -> Self {
        name.0.as_ref().into()
    }
}

impl fmt::Display for PluginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who a plugin says it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PluginInfo {
    /// Its name.
    pub name: PluginName,
    /// Its own version.
    pub version: String,
    /// One line: what it is for.
    pub summary: String,
    /// Where to read more.
    pub homepage: Option<String>,
}

/// Who a driver is and what it reads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DriverInfo {
    /// Name, version, summary.
    pub plugin: PluginInfo,
    /// How its sender may sign.
    pub signatures: Vec<SignatureScheme>,
    /// What its payloads look like; empty means that it is reached by its own URL only.
    pub shapes: Vec<Shape>,
    /// The header with an id that is the same when the sender tries again.
    pub delivery_id_header: Option<String>,
    /// A payload that must yield alerts.
    #[serde(skip)]
    pub sample: Option<Vec<u8>>,
}

/// One webhook as a driver gets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incoming {
    /// HTTP method.
    pub method: String,
    /// Query without the question mark.
    pub query: String,
    /// Lower case, without parameters.
    pub content_type: String,
    /// Lower-case names; nothing that authenticates.
    pub headers: Vec<(String, String)>,
    /// The bytes as received.
    #[serde(skip)]
    pub body: Vec<u8>,
    /// When the request arrived.
    pub received_at: Timestamp,
}

/// What a webhook means.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// At least one alert.
    Alerts(Vec<ParsedAlert>),
    /// Rightly nothing, and why.
    Nothing(String),
}

/// What a driver read from one webhook.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Parsed {
    /// Alerts, or nothing.
    pub outcome: Outcome,
    /// The sender's key for the group.
    pub group_key: String,
    /// The sender's name for where it sent this.
    pub receiver: String,
    /// Where people reach the sender.
    pub external_url: String,
    /// Version of the payload format.
    pub version: String,
    /// What was odd.
    pub warnings: Vec<String>,
}

/// Why a plugin could not do what it was asked, in its own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum PluginError {
    /// The input is broken.
    #[error("the input is not acceptable: {0}")]
    InvalidInput(String),
    /// The input is none of its business.
    #[error("not for this plugin: {0}")]
    Unsupported(String),
    /// A setting is missing or wrong.
    #[error("a setting is missing or wrong: {0}")]
    Config(String),
    /// The remote refused the credentials.
    #[error("the remote refused the credentials: {0}")]
    Auth(String),
    /// The remote asks to slow down, for so many seconds where it says so.
    #[error("the remote asks to slow down")]
    RateLimited(Option<u32>),
    /// The remote cannot be reached or is not well.
    #[error("the remote is not available: {0}")]
    Unavailable(String),
    /// The remote will never accept this.
    #[error("the remote refused it: {0}")]
    Rejected(String),
    /// A defect of the plugin.
    #[error("the plugin reports a defect: {0}")]
    Internal(String),
    /// A code and a text of later contracts.
    #[error("{0}: {1}")]
    Other(String, String),
}

impl PluginError {
    /// A word of a small closed set for `error.type`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::InvalidInput(_) => "invalid_input",
            Self::Unsupported(_) => "unsupported",
            Self::Config(_) => "config",
            Self::Auth(_) => "auth",
            Self::RateLimited(_) => "rate_limited",
            Self::Unavailable(_) => "unavailable",
            Self::Rejected(_) => "rejected",
            Self::Internal(_) => "internal",
            Self::Other(..) => "other",
        }
    }
}

/// Who a notifier is and what it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotifierInfo {
    /// Name, version, summary.
    pub plugin: PluginInfo,
    /// JSON Schema of a channel's settings.
    pub config_schema: serde_json::Value,
    /// Origins it wants to reach.
    pub hosts: Vec<String>,
    /// Whether it can update what it sent before.
    pub supports_update: bool,
}

/// What is wrong with a setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// JSON Pointer to the setting.
    pub path: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// What to tell a channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    /// The idempotency key, the same for every attempt.
    pub id: String,
    /// Counts from 1.
    pub attempt: u32,
    /// One line.
    pub title: String,
    /// Several lines of plain text.
    pub message: String,
    /// The same as one HTML document.
    #[serde(default)]
    pub html: Option<String>,
    /// A whole body for the remote, from the channel's own template.
    #[serde(default)]
    pub payload: Option<serde_json::Value>,
    /// How bad.
    pub severity: ReportedSeverity,
    /// Firing or over.
    pub status: ReportedStatus,
    /// The incident, as the contract describes it.
    pub incident: serde_json::Value,
    /// The worst first.
    pub alerts: Vec<ParsedAlert>,
    /// What the analysis recommends, as the contract describes it.
    pub recommendations: serde_json::Value,
    /// Short facts.
    pub tags: BTreeMap<String, String>,
    /// Addresses a person may open.
    pub links: BTreeMap<String, String>,
    /// What the last delivery for this incident and channel returned.
    pub previous_ref: Option<String>,
}

/// The remote took it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// The remote's own identifier.
    pub remote_ref: Option<String>,
    /// Anything worth keeping.
    pub detail: serde_json::Value,
}

/// Who a provider is and what it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProviderInfo {
    /// Name, version, summary.
    pub plugin: PluginInfo,
    /// JSON Schema of its settings.
    pub config_schema: serde_json::Value,
    /// Origins it wants to reach.
    pub hosts: Vec<String>,
    /// What it can be asked.
    pub tasks: Vec<String>,
}

/// What a provider is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnalysisRequest {
    /// One of its tasks.
    pub task: String,
    /// The incident, as the contract describes it.
    pub incident: serde_json::Value,
    /// The worst first.
    pub alerts: Vec<ParsedAlert>,
    /// What the checkers found, as the contract describes it.
    pub checks: serde_json::Value,
    /// What narrows the task, as the contract describes it.
    #[serde(default)]
    pub options: serde_json::Value,
    /// How long its answer may be.
    pub max_output_tokens: u32,
}

/// How soon to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// When there is time.
    Low,
    /// Soon.
    Medium,
    /// Today.
    High,
    /// Now.
    Critical,
}

/// One thing to do or to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recommendation {
    /// What it is about.
    pub kind: String,
    /// How soon.
    pub priority: Priority,
    /// One line.
    pub title: String,
    /// Several lines.
    pub description: String,
    /// Steps a person can take.
    pub actions: Vec<String>,
    /// Figures behind it.
    pub details: serde_json::Value,
}

/// What an analysis cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
}

/// What a provider thinks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Analysis {
    /// What happened.
    pub summary: String,
    /// Why, probably.
    pub probable_cause: String,
    /// What to do.
    pub recommendations: Vec<Recommendation>,
    /// Who answered.
    pub model: String,
    /// Which wording of the provider's prompt was used.
    #[serde(default)]
    pub prompt_version: Option<String>,
    /// What it cost.
    pub usage: Option<Usage>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugin_names_are_plain() {
        for good in ["a", "alertmanager", "new_relic2"] {
            assert_eq!(good.parse::<PluginName>().unwrap().as_str(), good);
        }
        for bad in ["", "A", "1a", "_a", "a-b", "a/b", "../a", &"a".repeat(33), "é"] {
            assert!(bad.parse::<PluginName>().is_err(), "{bad}");
        }
    }
}
