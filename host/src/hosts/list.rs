//! The hosts as people are shown them.

use domain::host::{Host, shown};
use domain::id::HostId;
use domain::time::Timestamp;
use serde::Serialize;
use store::{Store, StoreError};

/// A host.
#[derive(Debug, Serialize)]
pub struct ShownHost {
    /// Drawn at its start.
    pub id: HostId,
    /// What it is called.
    pub name: String,
    /// Of the program.
    pub version: String,
    /// Whether it was heard of lately.
    pub live: bool,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was last heard of.
    pub seen_at: Timestamp,
    /// Digest over all its plugins and what they may.
    pub plugin_set: String,
}

/// All hosts.
#[derive(Debug, Serialize)]
pub struct Hosts {
    /// Each, the first that began first.
    pub hosts: Vec<ShownHost>,
    /// Whether all that are there have the same plugins.
    pub same_plugins: bool,
    /// Where the plugins of the others are not those of the first that is there, a line for each.
    pub differences: Vec<String>,
}

impl ShownHost {
    /// The beginning of the digest, for people.
    pub fn short_set(&self) -> &str {
        shown(&self.plugin_set)
    }
}

/// Reads who is there.
///
/// # Errors
/// [`StoreError::Unavailable`] if the database does not answer.
pub async fn list(store: &Store, now: Timestamp) -> Result<Hosts, StoreError> {
    let hosts = store.hosts().await?;
    let mut live = hosts.iter().filter(|host| host.is_live(now));
    let mut differences = Vec::new();
    if let Some(first) = live.next() {
        for other in live {
            differences.extend(first.plugins.differences(&first.title(), &other.plugins, &other.title()));
        }
    }
    let hosts = hosts.into_iter().map(|host| show(host, now)).collect();
    Ok(Hosts { hosts, same_plugins: differences.is_empty(), differences })
}

fn show(host: Host, now: Timestamp) -> ShownHost {
    ShownHost {
        live: host.is_live(now),
        plugin_set: host.plugins.digest(),
        id: host.id,
        name: host.name,
        version: host.version,
        started_at: host.started_at,
        seen_at: host.seen_at,
    }
}
