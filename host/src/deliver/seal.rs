//! The settings of a channel, sealed and opened.

use domain::id::ChannelId;
use serde_json::Value;

use crate::crypto::{KeyRing, Place, Purpose};

/// Seals them under the identifier of their channel.
pub(super) fn seal(keys: &KeyRing, channel: ChannelId, settings: &Value) -> Result<Vec<u8>, String> {
    let row = channel.to_string();
    let plain = settings.to_string();
    keys.seal(Purpose::Channel, place(&row), plain.as_bytes()).map_err(|error| error.to_string())
}

/// Opens what is stored.
pub(super) fn open(keys: &KeyRing, channel: ChannelId, sealed: &[u8]) -> Result<Value, String> {
    let row = channel.to_string();
    let plain = keys.open_value(Purpose::Channel, place(&row), sealed).map_err(|error| error.to_string())?;
    serde_json::from_slice(&plain).map_err(|_| "it is not JSON".to_owned())
}

const fn place(row: &str) -> Place<'_> {
    Place { table: "channel", column: "settings", row }
}
