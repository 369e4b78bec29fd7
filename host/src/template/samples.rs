//! Notifications to try templates with: what a hub sends, and the worst that a sender can make of it.

use std::sync::OnceLock;

use domain::plugin::Notification;
use serde::Deserialize;

/// Kept as data so that a new one is a few lines.
const SAMPLES: &str = include_str!("defaults/samples.json");

/// One notification to try templates with.
#[derive(Debug, Clone, Deserialize)]
pub struct Sample {
    /// What it is called: `firing`.
    pub name: String,
    /// What would be sent.
    pub notification: Notification,
}

/// All of them.
pub fn samples() -> &'static [Sample] {
    static SAMPLES_READ: OnceLock<Vec<Sample>> = OnceLock::new();
    // A test reads them: they are a part of the program.
    SAMPLES_READ.get_or_init(|| serde_json::from_str(SAMPLES).unwrap_or_default())
}
