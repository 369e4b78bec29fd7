//! What a driver gets to see of a request, and how the request is kept.

use domain::id::RunId;
use domain::plugin::Incoming;

use super::Received;
use crate::crypto::{CryptoError, KeyRing, Place, Purpose};
use crate::plugins::{DriverEntry, DriverSet};

/// Headers that authenticate: drivers never see them, and they are never stored.
const WITHHELD: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "x-api-key"];
/// The most headers that are passed on.
const MAX_HEADERS: usize = 64;
/// The longest header value that is passed on, in bytes.
const MAX_HEADER_BYTES: usize = 4096;
/// The longest request that is opened again, in bytes: the largest body that can be allowed, and headers.
const MAX_OPENED_BYTES: usize = 12 * 1024 * 1024;
/// The longest delivery id that is remembered, in bytes.
const MAX_DELIVERY_ID_BYTES: usize = 255;

/// The request as a driver gets it; the body moves over.
pub(super) fn incoming(received: &mut Received, drivers: &DriverSet) -> Incoming {
    let body = received.payload.take();
    // What is passed on is decoded; what says otherwise would have it decoded again.
    let decoded = received.payload.sent().is_some();
    let text =
        |name: &str| received.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let content_type = text("content-type").split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let untrue = |name: &str| decoded && matches!(name, "content-encoding" | "content-length");
    let shown = |name: &str| !WITHHELD.contains(&name) && !drivers.is_signature_header(name) && !untrue(name);
    let headers =
        received.headers.iter().filter(|(name, _)| shown(name.as_str())).filter_map(|(name, value)| {
            let value = value.to_str().ok().filter(|value| value.len() <= MAX_HEADER_BYTES)?;
            Some((name.as_str().to_owned(), value.to_owned()))
        });
    Incoming {
        method: received.method.clone(),
        query: received.query.clone(),
        content_type,
        headers: headers.take(MAX_HEADERS).collect(),
        body,
        received_at: received.received_at,
    }
}

/// The identifier that stays the same when the sender tries again.
pub(super) fn delivery_id<'a>(
    entry: &DriverEntry,
    header: impl FnOnce(&str) -> Option<&'a str>,
) -> Option<String> {
    let value = header(entry.driver.info().delivery_id_header.as_deref()?)?.trim();
    (!value.is_empty() && value.len() <= MAX_DELIVERY_ID_BYTES).then(|| value.to_owned())
}

/// The request as it is kept: one line of JSON about it, then the bytes of its body.
///
/// # Errors
/// When it cannot be compressed or sealed.
pub(super) fn seal(keys: &KeyRing, run_id: RunId, incoming: &Incoming) -> Result<Vec<u8>, CryptoError> {
    let mut plain = serde_json::to_vec(incoming).map_err(|_| damaged())?;
    plain.push(b'\n');
    plain.extend_from_slice(&incoming.body);
    let row = run_id.to_string();
    keys.seal_compressed(Purpose::Payload, Place { table: "inbox", column: "request", row: &row }, &plain)
}

fn damaged() -> CryptoError {
    CryptoError::Format { place: "inbox.request".to_owned(), found: "no stored request".to_owned() }
}

/// A kept request, as it was.
///
/// # Errors
/// When it was sealed for another place or is damaged.
pub(super) fn open(keys: &KeyRing, run_id: RunId, sealed: &[u8]) -> Result<Incoming, CryptoError> {
    let row = run_id.to_string();
    let place = Place { table: "inbox", column: "request", row: &row };
    let plain = keys.open_compressed(Purpose::Payload, place, sealed, MAX_OPENED_BYTES)?;
    let split = plain.iter().position(|byte| *byte == b'\n').ok_or_else(damaged)?;
    let (about, body) = plain.split_at(split);
    let mut incoming: Incoming = serde_json::from_slice(about).map_err(|_| damaged())?;
    incoming.body = body.get(1..).unwrap_or_default().to_vec();
    Ok(incoming)
}

/// A body for people and machines: text as text, and anything else by its bytes.
pub fn shown(body: &[u8]) -> serde_json::Value {
    match std::str::from_utf8(body) {
        Ok(text) => serde_json::json!({ "text": text }),
        Err(_) => serde_json::json!({ "hex": hex::encode(body) }),
    }
}
