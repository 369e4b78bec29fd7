//! What a program without a sandbox would do: Alertmanager's webhook as typed structs.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The whole body.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// Version of the format.
    pub version: String,
    /// What the group has in common.
    pub group_key: String,
    /// How many alerts were left out.
    pub truncated_alerts: u64,
    /// The receiver's name.
    pub receiver: String,
    /// Status of the group.
    pub status: String,
    /// Where people reach the sender.
    #[serde(rename = "externalURL")]
    pub external_url: String,
    /// The alerts.
    pub alerts: Vec<Alert>,
}

/// One alert.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// `firing` or `resolved`.
    pub status: String,
    /// What it is about.
    pub labels: BTreeMap<String, String>,
    /// What people read.
    pub annotations: BTreeMap<String, String>,
    /// RFC 3339.
    pub starts_at: String,
    /// RFC 3339; the year 1 while it fires.
    pub ends_at: String,
    /// Where the rule is.
    #[serde(rename = "generatorURL")]
    pub generator_url: String,
    /// Its identity.
    pub fingerprint: String,
}

/// Parses a body.
///
/// # Errors
/// It is no such webhook.
pub fn parse(body: &[u8]) -> serde_json::Result<Webhook> {
    serde_json::from_slice(body)
}
