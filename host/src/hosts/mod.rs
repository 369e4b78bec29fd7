//! This process among others that serve on the same database.
//!
//! Each writes a row about itself now and then and reads those of the others: who is there, and whether all
//! have the same plugins. Nothing that is promised rests on it; claims and leases do without.

mod list;
mod signs;
mod time;

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use domain::host::{FORGOTTEN_AFTER, Host};
use domain::id::HostId;
use store::{Store, StoreError};

use crate::clock::{self, Ids};
use crate::plugins::Catalogue;
use crate::telemetry::metrics;

pub use list::{Hosts, ShownHost, list};
pub use signs::pass_on;
pub use time::{MEASURE_EVERY, measure};

/// What tells the others that this process is there.
pub struct Presence {
    store: Store,
    catalogue: Arc<Catalogue>,
    me: Host,
    others: ArcSwap<Others>,
    /// What was said last about plugins that differ.
    said: Mutex<Vec<String>>,
}

/// What the hosts looked like when they were looked at last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Others {
    /// How many are there, this one too.
    pub live: usize,
    /// Where the plugins of those are not this one's, a line for each.
    pub differences: Vec<String>,
}

impl Presence {
    /// A host of this name that begins now.
    pub fn new(store: Store, catalogue: Arc<Catalogue>, name: &str) -> Self {
        let now = clock::now();
        let me = Host {
            id: HostId::mint(&mut Ids),
            name: name.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            schema: store.newest_migration(),
            plugins: catalogue.in_force(),
            started_at: now,
            seen_at: now,
        };
        let others = ArcSwap::from_pointee(Others { live: 1, differences: Vec::new() });
        Self { store, catalogue, me, others, said: Mutex::default() }
    }

    /// Which host this is.
    pub const fn id(&self) -> HostId {
        self.me.id
    }

    /// What the hosts looked like when they were looked at last.
    pub fn others(&self) -> Arc<Others> {
        self.others.load_full()
    }

    /// Says that this host is there and looks at the others. The log is told of plugins that differ once, and
    /// again when it is something else.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn round(&self) -> Result<(), StoreError> {
        let now = clock::now();
        let me = Host { plugins: self.catalogue.in_force(), seen_at: now, ..self.me.clone() };
        self.store.beat(&me, now.before(FORGOTTEN_AFTER)).await?;
        let mut live = self.store.hosts().await?;
        live.retain(|host| host.is_live(now));
        let title = me.title();
        let differences: Vec<String> = live
            .iter()
            .filter(|other| other.id != me.id)
            .flat_map(|other| me.plugins.differences(&title, &other.plugins, &other.title()))
            .collect();
        metrics::hosts(live.len(), !differences.is_empty());
        self.say_once(&differences);
        self.others.store(Arc::new(Others { live: live.len(), differences }));
        Ok(())
    }

    /// Takes this host off the list.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn leave(&self) -> Result<(), StoreError> {
        self.store.leave(self.me.id).await
    }

    fn say_once(&self, differences: &[String]) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.as_slice() == differences {
            return;
        }
        if differences.is_empty() {
            tracing::info!("all hosts have the same plugins again");
        } else {
            let count = differences.len();
            tracing::warn!(count, "hosts have different plugins: {}", differences.join("; "));
        }
        *said = differences.to_vec();
    }
}
